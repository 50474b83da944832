/** Leases that outlive their daemon, run out, move and go away; over real sanlock daemons. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { closeSync, linkSync, openSync, statSync, truncateSync, writeSync } from "node:fs";
import type { Answer, ResourceRef } from "../../plugins/contract.ts";
import { type Cluster, MIB, startCluster } from "./cluster.ts";
import { GL, good, lockSoon, type Member, makeVg, memberOf, present, refused, startedVg, VG } from "./vg.ts";

setDefaultTimeout(60_000);

let cluster: Cluster;

async function both(vg_name: string, more: Parameters<typeof makeVg>[2] = {}): Promise<[Member, Member]> {
  const [first, second] = await startedVg(cluster, vg_name, [0, 1], more);
  if (first === undefined || second === undefined) throw new Error("two hosts");
  return [first, second];
}

const enabled = (member: Member): Promise<boolean> =>
  good(present(member.handle.hasGlobalLock?.())).then((answer) => answer.enabled);

beforeAll(async () => {
  cluster = await startCluster(2);
});
afterAll(() => cluster.close());

describe("after the death of the host process", () => {
  let first: Member;
  let second: Member;
  let names: Awaited<ReturnType<Member["newLv"]>>[];

  beforeAll(async () => {
    [first, second] = await both("orphans");
    names = [];
    for (const name of ["ex", "sh", "left", "none"]) names.push(await first.newLv(name));
    const [ex, sh, left] = names;
    if (ex === undefined || sh === undefined || left === undefined) throw new Error("LVs");
    await good(first.lock(ex, "ex"));
    await good(first.lock(sh, "sh"));
    await good(first.lock(left, "ex"));
    await good(first.lock(VG, "ex"));
    await cluster.restartHost(0);
    first = memberOf(cluster, 0, "orphans");
    expect((await refused(joinWith(first, "no"))).code).toBe("EEXIST");
    await good(first.handle.prepare({ repair: false }));
    await good(first.handle.join({ adopt: "only-orphan", nodelay: false, repair: false }));
  });

  const lv = (index: number) => {
    const found = names[index];
    if (found === undefined) throw new RangeError(`no LV ${index}`);
    return found;
  };

  test("the locks of LVs are still held, and a new lock of them is refused as an orphan's", async () => {
    expect((await refused(second.lock(lv(0), "ex"))).code).toBe("EAGAIN");
    expect((await refused(first.lock(lv(0), "ex"))).code).toBe("EORPHAN");
  });

  test("an orphan is adopted in the mode that it has", async () => {
    expect((await refused(first.lock(lv(0), "sh", "only-orphan"))).code).toBe("EADOPT_RETRY");
    expect(await good(first.lock(lv(0), "ex", "only-orphan"))).toMatchObject({ adopted: true });
    expect(await good(first.lock(lv(1), "sh", "if-orphan"))).toMatchObject({ adopted: true });
    await good(first.unlock(lv(0), "ex"));
    await good(first.unlock(lv(1), "sh"));
    await lockSoon(second, lv(0), "ex");
    await good(second.unlock(lv(0), "ex"));
  });

  test("to adopt what is no orphan takes no lock, or a new one when that will do", async () => {
    expect((await refused(first.lock(lv(3), "ex", "only-orphan"))).code).toBe("EADOPT_NONE");
    await lockSoon(second, lv(3), "ex");
    await good(second.unlock(lv(3), "ex"));
    expect(await good(first.lock(lv(3), "ex", "if-orphan"))).toMatchObject({ adopted: false });
    await good(first.unlock(lv(3), "ex"));
  });

  test("the VG lock, which outlived its command as well, was released when the lockspace was taken up", async () => {
    await lockSoon(second, VG, "ex");
    await good(second.unlock(VG, "ex"));
  });

  test("the lockspace is not left while an orphan is in it", async () => {
    expect((await refused(first.handle.leave({ free_vg: false }))).code).toBe("EBUSY");
    await good(first.lock(lv(2), "ex", "only-orphan"));
    await good(first.unlock(lv(2), "ex"));
    await good(first.handle.leave({ free_vg: false }));
  });
});

async function joinWith(member: Member, adopt: "no" | "only-orphan"): Promise<Answer<object>> {
  await good(member.handle.prepare({ repair: false }));
  return await member.handle.join({ adopt, nodelay: false, repair: false });
}

test("a lockspace that no earlier daemon has left is not joined for adoption", async () => {
  await makeVg(cluster, "fresh");
  const member = memberOf(cluster, 0, "fresh");
  expect((await refused(joinWith(member, "only-orphan"))).code).toBe("EADOPT_NONE");
});

describe("the leases of LVs", () => {
  test("are given out, run out, are extended, freed here and there, and used again", async () => {
    const [first, second] = await both("slots", { lvs: 3 });
    const made = [await first.newLv("a"), await second.newLv("b"), await first.newLv("c")];
    expect(made.map((lv) => lv.lv_lock_args)).toEqual([67, 68, 69].map((slot) => `1.0.0:${slot * MIB}`));
    for (const member of [first, second])
      expect((await refused(present(member.handle.findFreeLock?.({ lv_size_bytes: 0 })))).code).toBe(
        "EMSGSIZE",
      );
    const [a, b] = made;
    if (a === undefined || b === undefined) throw new Error("LVs");
    // Freed by one host, found by the other.
    await good(present(second.handle.freeLv?.({ resource: b })));
    expect((await first.newLv("d")).lv_lock_args).toBe(b.lv_lock_args);
    await expect(second.newLv("e")).rejects.toThrow(/EMSGSIZE/);
    // lvcreate extends the lock LV, whose new space has never been written.
    const path = cluster.leaseFile("slots");
    truncateSync(path, statSync(path).size + 2 * MIB);
    const e = await second.newLv("e");
    expect(e.lv_lock_args).toBe(`1.0.0:${70 * MIB}`);
    await lockSoon(first, e, "ex");
    await good(first.unlock(e, "ex"));
    await good(present(first.handle.freeLv?.({ resource: a })));
    expect((await refused(first.lock(a, "ex"))).code).toBe("ELOCKREPAIR");
    expect((await first.newLv("f")).lv_lock_args).toBe(a.lv_lock_args);
  });

  test("behind the end of the lock LV are refused with EMSGSIZE, and at wrong places with EARGS", async () => {
    const [member] = await startedVg(cluster, "ends", [0], { lvs: 1 });
    if (member === undefined) throw new Error("a host");
    const at = (lv_lock_args: string) => member.lock({ kind: "lv", name: "x", lv_lock_args }, "ex");
    expect((await refused(at(`1.0.0:${500 * MIB}`))).code).toBe("EMSGSIZE");
    expect((await refused(at(`1.0.0:${65 * MIB}`))).code).toBe("EARGS");
    expect((await refused(at("none"))).code).toBe("EARGS");
  });
});

describe("vgremove", () => {
  test("renames the VG's and the global lock, destroys the host leases, and nobody gets them any more", async () => {
    const [first, second] = await both("removed");
    await good(first.lock(GL, "ex"));
    await good(first.lock(VG, "ex"));
    await good(first.unlock(VG, "ex", true));
    await good(first.unlock(GL, "ex", true));
    expect((await refused(second.lock(VG, "ex"))).code).toBe("EREMOVED");
    expect((await refused(second.lock(GL, "sh"))).code).toBe("EUNATCH");
    await good(second.handle.leave({ free_vg: false }));
    expect(await good(first.handle.hosts({ notify: true }))).toMatchObject({ others: 0 });
    await good(first.handle.leave({ free_vg: true }));
    expect((await refused(memberOf(cluster, 1, "removed").handle.prepare({ repair: false }))).code).toBe(
      "EREMOVED",
    );
    // The name is free for a new VG.
    const [again] = await startedVg(cluster, "removed", [1]);
    expect(again).toBeDefined();
  });
});

describe("the global lock", () => {
  test("enabled in two VGs is found in both, and disabling one while it is held reaches the other host", async () => {
    const [[first, second], [spare]] = await Promise.all([both("dup-a"), both("dup-b")]);
    expect([await enabled(first), await enabled(spare)]).toEqual([true, true]);
    await lockSoon(second, GL, "sh");
    const held = await refused(present(first.handle.setGlobalLock?.({ enabled: false, ex_disable: true })));
    expect(held.code).toBe("EAGAIN");
    await good(second.unlock(GL, "sh"));
    await good(present(first.handle.setGlobalLock?.({ enabled: false, ex_disable: true })));
    expect([await enabled(second), await enabled(spare)]).toEqual([false, true]);
    expect((await refused(second.lock(GL, "ex"))).code).toBe("EUNATCH");
    await good(present(second.handle.setGlobalLock?.({ enabled: true, ex_disable: false })));
    await lockSoon(first, GL, "ex");
    await good(first.unlock(GL, "ex"));
  });

  test("of a further VG is disabled from its making on", async () => {
    const [member] = await startedVg(cluster, "further", [0], { enable_global_lock: false });
    if (member === undefined) throw new Error("a host");
    expect(await enabled(member)).toBe(false);
    expect((await refused(member.lock(GL, "ex"))).code).toBe("EUNATCH");
  });
});

describe("a renamed VG", () => {
  const call = (vg_name: string) => ({
    vg_name,
    lockspace_name: `lvm_${vg_name}`,
    vg_lock_args: "1.0.0:lvmlock",
  });

  test("has its locks under its new name", async () => {
    const [member] = await startedVg(cluster, "old-name", [0]);
    if (member === undefined) throw new Error("a host");
    const lv = await member.newLv("one");
    await good(member.handle.leave({ free_vg: false }));
    const renaming = good(member.manager.renameVg(call("new-name")));
    // udev makes the node of the lock LV's new name a moment after lvm has activated it and asked.
    await Bun.sleep(100);
    linkSync(cluster.leaseFile("old-name"), cluster.leaseFile("new-name"));
    expect((await renaming).vg_lock_args).toBe("1.0.0:lvmlock");
    const renamed = memberOf(cluster, 0, "new-name");
    await renamed.start();
    for (const resource of [GL, VG, lv]) await good(renamed.lock(resource, "ex"));
    await expect(memberOf(cluster, 1, "old-name").start()).rejects.toThrow(/EREMOVED/);
  });

  test("has the locks of LVs that lie behind a freed, a missing and a damaged lease", async () => {
    const [member] = await startedVg(cluster, "gaps", [0]);
    if (member === undefined) throw new Error("a host");
    const lvs: ResourceRef[] = [];
    for (const name of ["first", "freed", "missing", "damaged", "last"]) lvs.push(await member.newLv(name));
    const [first, freed, missing, damaged, last] = lvs as [
      ResourceRef,
      ResourceRef,
      ResourceRef,
      ResourceRef,
      ResourceRef,
    ];
    await good(present(member.handle.freeLv?.({ resource: freed })));
    await good(member.handle.leave({ free_vg: false }));
    overwrite("gaps", missing, 0);
    // Behind the magic number and the version, so that only the checksum tells.
    overwrite("gaps", damaged, 64);
    linkSync(cluster.leaseFile("gaps"), cluster.leaseFile("no-gaps"));
    await good(member.manager.renameVg(call("no-gaps")));
    expect(cluster.hosts[0]?.logged.join("\n")).toMatch(/1 damaged lease .*--lockopt repair/);
    const renamed = memberOf(cluster, 0, "no-gaps");
    await renamed.start();
    for (const lv of [first, last]) await good(renamed.lock(lv, "ex"));
    for (const lv of [missing, damaged])
      expect((await refused(renamed.lock(lv, "ex"))).code).toBe("ELOCKREPAIR");
    expect((await renamed.newLv("again")).lv_lock_args).toBe(freed.lv_lock_args);
  });
});

/** Overwrites 16 bytes of an LV's lease. */
function overwrite(vg_name: string, { lv_lock_args }: ResourceRef, at_byte: number): void {
  const fd = openSync(cluster.leaseFile(vg_name), "r+");
  const offset_bytes = Number(lv_lock_args.split(":")[1]);
  writeSync(fd, new Uint8Array(16).fill(0xa5), 0, 16, offset_bytes + at_byte);
  closeSync(fd);
}

describe("host ids and lease sizes", () => {
  test("a host without a host_id, or with one that no lease can have, is told so", async () => {
    await makeVg(cluster, "ids");
    for (const host_id of [0, 2001, -1]) {
      const member = memberOf(cluster, 0, "ids", "1.0.0:lvmlock", host_id);
      expect((await refused(member.handle.prepare({ repair: false }))).code).toBe("EHOSTID");
    }
  });

  test("leases of 1, 2, 4 and 8 MiB on 4K sectors have room for 250, 500, 1000 and 2000 hosts", async () => {
    const wide = await startCluster(1, { settings: { lease_file_sector_size: 4096 } });
    try {
      for (const [align_mb, most] of [
        [1, 250],
        [2, 500],
        [4, 1000],
        [8, 2000],
      ] as const) {
        const vg_name = `align${align_mb}`;
        await makeVg(wide, vg_name, { align_mb, lvs: 71 * align_mb - 67 });
        const beyond = memberOf(wide, 0, vg_name, "1.0.0:lvmlock", most + 1);
        const refusal = await refused(beyond.handle.prepare({ repair: false }));
        expect(refusal.code).toBe("EHOSTID");
        expect(refusal.detail).toContain(`1..${most}`);
        const member = memberOf(wide, 0, vg_name, "1.0.0:lvmlock", most);
        await member.start();
        await good(member.lock(VG, "ex"));
        expect((await member.newLv("one")).lv_lock_args).toBe(`1.0.0:${67 * align_mb * MIB}`);
      }
    } finally {
      await wide.close();
    }
  });

  test("a lock LV that is too small for a VG's locks is refused before anything is written", async () => {
    await expect(makeVg(cluster, "small", { lvs: -30 })).rejects.toThrow(/EMSGSIZE/);
  });
});

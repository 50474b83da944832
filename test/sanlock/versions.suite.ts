/**
 * What depends on sanlock's version: newer calls are used where the library has them, and what an older one can't do is refused
 * with the reason. Run with this system's sanlock, and by test:sanlock with those of newer Debian releases.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { programTakesFireTimeout, takesFireTimeout } from "../../plugins/sanlock/watchdog.ts";
import { type Cluster, LOCK_LV, MIB, startCluster } from "./cluster.ts";
import { good, lockSoon, type Member, makeVg, memberOf, present, refused, startedVg, VG } from "./vg.ts";

setDefaultTimeout(120_000);

/** "5.1.1" as [5, 1, 1]. */
const version = Bun.spawnSync(["/usr/sbin/sanlock", "version"]).stdout.toString().trim();
const [major = 0, minor = 0] = version.split(".").map(Number);
const since = (wanted_major: number, wanted_minor: number): boolean =>
  major > wanted_major || (major === wanted_major && minor >= wanted_minor);
const knowsDeath = since(4, 2);
const knowsCaw = since(5, 0);

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster(2);
});
afterAll(() => cluster.close());

async function two(vg_name: string, set_lock_args = ""): Promise<[Member, Member]> {
  const [first, second] = await startedVg(cluster, vg_name, [0, 1], { set_lock_args });
  if (first === undefined || second === undefined) throw new Error("two hosts");
  return [first, second];
}

/** Overwrites the beginning of a lease. */
function damage(vg_name: string, offset_bytes: number): void {
  const fd = openSync(cluster.leaseFile(vg_name), "r+");
  writeSync(fd, new Uint8Array(512).fill(0xa5), 0, 512, offset_bytes);
  closeSync(fd);
}

const repairing = (member: Member) =>
  member.handle.lock({
    resource: VG,
    mode: "ex",
    adopt: "no",
    repair: true,
    persistent: false,
    patience_ms: 0,
  });

describe(`sanlock ${version}`, () => {
  test("tells who holds a lock, and how that host is", async () => {
    const [first, second] = await two("owners");
    await lockSoon(first, VG, "ex");
    const held = async () => (await refused(second.lock(VG, "ex"))).owner;
    // Until sanlock has seen the other host renew its lease it does not know.
    while ((await held())?.state !== "LIVE") expect((await held())?.state).toMatch(/UNKNOWN|LIVE/);
    const name = since(4, 0) ? "host1" : "";
    expect(await held()).toMatchObject({ host_id: 1, generation: 1, state: "LIVE", name });
  });

  test("takes the watchdog's time from sanlock.conf or not, as its version and its program say", () => {
    const takes = takesFireTimeout(major * 0x1000000 + minor * 0x10000);
    expect(programTakesFireTimeout(readFileSync("/usr/sbin/sanlock"))).toBe(takes);
    expect(takes).toBe(since(3, 9));
  });

  test("knows this host's own state", async () => {
    const [first] = await two("own-state");
    const status = await good(present(first.handle.status?.()));
    expect(status.owner).toMatchObject({ host_id: 1, generation: 1 });
    expect(status.owner.state).toMatch(/UNKNOWN|LIVE/);
  });

  test("gives a VG lock whose lease is damaged only after its repair", async () => {
    const [first, second] = await two("damaged-lock");
    damage("damaged-lock", 66 * MIB);
    expect((await refused(first.lock(VG, "ex"))).code).toBe("ELOCKREPAIR");
    await good(repairing(first));
    await good(first.unlock(VG, "ex"));
    await lockSoon(second, VG, "ex");
  });

  test("starts a VG whose host lease is damaged only after its repair, where it can", async () => {
    await makeVg(cluster, "damaged-host");
    const member = memberOf(cluster, 0, "damaged-host");
    await member.start();
    await good(member.handle.leave({ free_vg: false }));
    damage("damaged-host", 0);
    const again = memberOf(cluster, 0, "damaged-host");
    const damaged = await refused(again.handle.prepare({ repair: false }));
    expect(damaged.code).toBe("ELOCKREPAIR");
    expect(damaged.detail).toContain("host_id 1");
    if (since(4, 0)) {
      await good(again.handle.prepare({ repair: true }));
      const joined = await good(again.handle.join({ adopt: "no", nodelay: false, repair: true }));
      // The generation of the last start was kept, so that this one is a new one.
      expect(joined.generation).toBe(2);
      await good(again.lock(VG, "ex"));
    } else {
      const refusal = await refused(again.handle.prepare({ repair: true }));
      expect(refusal.code).toBe("ELOCKREPAIR");
      expect(refusal.detail).toContain("this sanlock can't repair it");
    }
  });
});

describe("--setlockargs", () => {
  const unknown = [...(knowsDeath ? [] : ["persist", "notimeout"]), ...(knowsCaw ? [] : ["caw"])];
  if (unknown.length > 0) {
    test(`${unknown.join(", ")} are refused with the version that they need, and nothing is changed`, async () => {
      const vg_lock_args = await makeVg(cluster, "older");
      const member = memberOf(cluster, 0, "older", vg_lock_args);
      const before = readFileSync(cluster.leaseFile("older")).subarray(0, 67 * MIB);
      const call = { vg_name: "older", lockspace_name: "lvm_older", vg_lock_args };
      for (const set_lock_args of unknown) {
        const answers = [
          await refused(present(member.handle.allowLockArgs?.({ set_lock_args }))),
          await refused(present(member.manager.setLockArgs?.({ ...call, set_lock_args }))),
        ];
        for (const refusal of answers) {
          expect(refusal.code).toBe("EPROTONOSUPPORT");
          expect(refusal.detail).toContain(`this host has ${version}`);
        }
        await expect(makeVg(cluster, "never", { set_lock_args })).rejects.toThrow(/EPROTONOSUPPORT/);
      }
      expect(
        readFileSync(cluster.leaseFile("older"))
          .subarray(0, 67 * MIB)
          .equals(before),
      ).toBe(true);
    });
  }

  if (!knowsDeath) {
    test("apart, no host can be declared dead", async () => {
      const [first] = await two("undead");
      const refusal = await refused(present(first.handle.setHostDead?.({ host_id: 2, generation: 1 })));
      expect(refusal.code).toBe("EPROTONOSUPPORT");
      expect(refusal.detail).toContain("4.2");
    });
  }

  if (knowsCaw) {
    test("caw is refused for what is no SCSI disk, with the reason", async () => {
      const refusal = await makeVg(cluster, "caw-file", { set_lock_args: "caw" }).then(
        (args) => args,
        (error: Error) => error.message,
      );
      expect(refusal).toMatch(/^refused: EPROTONOSUPPORT .*compare-and-write/);
    });

    test("nocaw makes an ordinary VG", async () => {
      expect(await makeVg(cluster, "nocaw", { set_lock_args: "nocaw" })).toBe(`1.0.0:${LOCK_LV}`);
      const member = memberOf(cluster, 0, "nocaw");
      await member.start();
      await good(member.lock(VG, "ex"));
    });
  }

  if (knowsDeath) {
    test("of a VG are changed while no host has it started, and are kept", async () => {
      const vg_lock_args = await makeVg(cluster, "changed");
      const member = memberOf(cluster, 0, "changed", vg_lock_args);
      const call = { vg_name: "changed", lockspace_name: "lvm_changed", vg_lock_args };
      await good(present(member.handle.allowLockArgs?.({ set_lock_args: "notimeout,persist" })));
      const changed = await good(
        present(member.manager.setLockArgs?.({ ...call, set_lock_args: "notimeout,persist" })),
      );
      expect(changed.vg_lock_args).toBe(`2.0.0:${LOCK_LV}:notimeout:persist`);
      const [first, second] = [0, 1].map((index) =>
        memberOf(cluster, index, "changed", changed.vg_lock_args),
      );
      if (first === undefined || second === undefined) throw new Error("two hosts");
      await Promise.all([first.start(), second.start()]);
      await lockSoon(first, VG, "ex");
      await good(first.unlock(VG, "ex"));
      await Promise.all([first, second].map((one) => good(one.handle.leave({ free_vg: false }))));
      const back = await good(
        present(member.manager.setLockArgs?.({ ...call, set_lock_args: "timeout,nopersist" })),
      );
      expect(back.vg_lock_args).toBe(`1.0.0:${LOCK_LV}`);
    });
  }
});

if (knowsDeath) {
  describe("a host that died with a lock", () => {
    for (const set_lock_args of ["", "notimeout"]) {
      const kind = set_lock_args === "" ? "in an ordinary VG" : "in a VG without timeout";
      test(`${kind} is declared dead, which gives the lock to the next one`, async () => {
        const own = await startCluster(2);
        try {
          const members = await startedVg(own, "vg0", [0, 1], { set_lock_args });
          const [first, second] = members as [Member, Member];
          const lv = await first.newLv("one");
          await lockSoon(second, lv, "ex");
          while ((await refused(first.lock(lv, "ex"))).owner?.state !== "LIVE") await Bun.sleep(200);
          await own.sanlock[1]?.kill();
          let refusal = await refused(first.lock(lv, "ex"));
          while (refusal.retry !== "after-fence") {
            await Bun.sleep(200);
            refusal = await refused(first.lock(lv, "ex"));
          }
          expect(refusal.owner).toMatchObject({ host_id: 2, generation: 1, state: "FAIL", name: "host2" });
          // A generation that is not the one that holds it is not declared dead.
          expect(
            (await refused(present(first.handle.setHostDead?.({ host_id: 2, generation: 7 })))).kind,
          ).toBe("refused");
          await good(present(first.handle.setHostDead?.({ host_id: 2, generation: 1 })));
          let answer = await first.lock(lv, "ex");
          for (; answer.kind === "refused"; answer = await first.lock(lv, "ex")) {
            expect(answer.code).toBe("EAGAIN");
            await Bun.sleep(200);
          }
        } finally {
          await own.close();
        }
      });
    }
  });
}

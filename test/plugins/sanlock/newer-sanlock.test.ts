/** What only libsanlock 4 and 5 can do, which is not installed where these tests run: against a client that plays them. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import type { HostLease, Lease, SanlockClient, SanlockFeatures } from "../../../plugins/sanlock/client.ts";
import { ADD, HOST_STATE, LSF, WRITE_LOCKSPACE, WRITE_RESOURCE } from "../../../plugins/sanlock/flags.ts";
import { initVg } from "../../../plugins/sanlock/init-vg.ts";
import { SANLK } from "../../../plugins/sanlock/return-codes.ts";
import { setLockArgs } from "../../../plugins/sanlock/vg-calls.ts";
import {
  ABSENT,
  type Fake,
  fakeClient,
  fakeHandle,
  fakeJoined,
  fakeLeases,
  fakeTools,
  LV,
  VG,
} from "./fake-client.ts";

const ALL: SanlockFeatures = {
  acquire2: true,
  read_lockspace_host: true,
  init_lockspace_host: true,
  set_host: true,
};
const made = (calls: Partial<SanlockClient>, features: Partial<SanlockFeatures> = ALL): Fake =>
  fakeTools(fakeClient(features, calls));

const joined = (calls: Partial<SanlockClient>, features: Partial<SanlockFeatures> = ALL) =>
  fakeJoined(calls, features);

const lockArgs = { adopt: "no", repair: false, persistent: false, patience_ms: 0 } as const;

describe("with acquire2", () => {
  const owner = { host_id: 3, generation: 9, timestamp_s: 77, io_timeout_s: 10, flags: HOST_STATE.LIVE };

  test("a refusal names its owner without another look at the disk", async () => {
    let looks = 0;
    const { handle } = await joined({
      acquire: () => ({ rv: SANLK.ACQUIRE_IDLIVE, owner, owner_name: "host-three" }),
      readOwners: () => {
        looks += 1;
        return { rv: 0, owners: [] };
      },
    });
    const answer = await handle.lock({ ...lockArgs, resource: VG, mode: "ex" });
    expect(answer).toMatchObject({
      code: "EAGAIN",
      retry: "soon",
      owner: { host_id: 3, generation: 9, timestamp_s: 77, state: "LIVE", name: "host-three" },
    });
    expect(looks).toBe(0);
  });

  test("an owner whose leases do not expire has to be fenced, even while sanlock does not call it failed", async () => {
    const { handle } = await joined({
      acquire: () => ({ rv: SANLK.ACQUIRE_OWNED_NO_TIMEOUT, owner, owner_name: "" }),
    });
    for (const resource of [VG, LV])
      expect(await handle.lock({ ...lockArgs, resource, mode: "ex" })).toMatchObject({
        code: "EAGAIN",
        retry: "after-fence",
      });
  });

  test("a lost compare-and-write is a race like any other", async () => {
    const { handle } = await joined({
      acquire: () => ({ rv: SANLK.CAW_MISCOMPARE, owner: null, owner_name: "" }),
    });
    expect(await handle.lock({ ...lockArgs, resource: VG, mode: "ex" })).toMatchObject({ retry: "soon" });
    expect(await handle.lock({ ...lockArgs, resource: LV, mode: "sh" })).toMatchObject({ retry: "soon" });
    expect(await handle.lock({ ...lockArgs, resource: LV, mode: "ex" })).toMatchObject({ retry: "never" });
  });
});

describe("a start", () => {
  test("says why when this host can't use leases of compare-and-write, apart from storage that fails", async () => {
    for (const [rv, code, why] of [
      [SANLK.CAW_CONFIG, "EPROTONOSUPPORT", "use_compare_and_write of sanlock.conf"],
      [SANLK.CAW_ILLEGAL, "EPROTONOSUPPORT", "the device refuses compare-and-write"],
      [SANLK.CAW_ERROR, "ELOCKIO", "compare-and-write failed"],
    ] as const) {
      const { tools } = made({ addLockspace: () => rv });
      const handle = fakeHandle(tools);
      await handle.prepare({ repair: false });
      const refusal = await handle.join({ adopt: "no", nodelay: false, repair: false });
      expect(refusal).toMatchObject({ code, lm_result: rv, detail: expect.stringContaining(why) });
    }
  });

  test("of a VG whose failed hosts are to be cut off is refused where sanlock can't be told of it, library or daemon", async () => {
    for (const [features, version, why] of [
      [{ ...ALL, set_host: false }, 0x05010100, "needs libsanlock 4.2.0"],
      [ALL, 0x03080500, "the daemon of this host is 3.8.5"],
    ] as const) {
      const { tools } = made({ version: () => ({ rv: 0, version }) }, features);
      const refusal = await fakeHandle(tools, "2.0.0:lvmlock:persist").prepare({ repair: false });
      expect(refusal).toMatchObject({ code: "EPROTONOSUPPORT", detail: expect.stringContaining(why) });
      expect(await fakeHandle(tools, "2.0.0:lvmlock").prepare({ repair: false })).toMatchObject({
        kind: "done",
        fencing_problem: "",
      });
    }
    const { tools } = made({});
    expect(await fakeHandle(tools, "2.0.0:lvmlock:persist").prepare({ repair: false })).toMatchObject({
      kind: "done",
      fencing_problem: "",
    });
  });

  test("that takes up what an earlier lvmlockd has joined goes on there, and says that nobody can be declared dead", async () => {
    const { tools } = made({}, { ...ALL, set_host: false });
    const handle = fakeHandle(tools, "2.0.0:lvmlock:persist");
    expect(await handle.prepare({ repair: false, adopt: "if-orphan" })).toMatchObject({
      kind: "done",
      fencing_problem: expect.stringContaining("needs libsanlock 4.2.0"),
    });
  });

  test("tells the generation before it, and passes nodelay on", async () => {
    const flags: number[] = [];
    const { tools } = made({
      addLockspace: (_lease: HostLease, add_flags: number) => {
        flags.push(add_flags);
        return 0;
      },
    });
    const handle = fakeHandle(tools);
    expect(await handle.prepare({ repair: false })).toMatchObject({ kind: "done", prev_generation: 4 });
    await handle.join({ adopt: "no", nodelay: true, repair: false });
    expect(flags).toEqual([ADD.NODELAY]);
  });

  test("with a damaged host lease is refused, and repairs it from the last start's file when told to", async () => {
    let damaged = false;
    const repaired: unknown[] = [];
    const sound = fakeClient(ALL, {}).readLockspace("", 1);
    const { handle, tools, scratch } = await joined({
      hosts: () => ({
        rv: 0,
        hosts: [{ host_id: 1, generation: 5, timestamp_s: 1, io_timeout_s: 10, flags: 3 }],
      }),
      readLockspace: (_path: string, host_id: number) =>
        damaged && host_id === 1 ? { ...sound, rv: SANLK.LEADER_CHECKSUM } : sound,
      initLockspaceHost: (lease: HostLease, generation: number) => {
        repaired.push([lease.host_id, generation]);
        damaged = false;
        return 0;
      },
    });
    expect(readFileSync(scratch.file("lvmlockd_info_vg"), "utf8")).toContain(
      "generation 5\nsector_size 512\n",
    );
    damaged = true;
    const again = fakeHandle(tools);
    expect(await again.prepare({ repair: false })).toMatchObject({ code: "ELOCKREPAIR" });
    expect(await again.prepare({ repair: true })).toMatchObject({ kind: "done" });
    expect(repaired).toEqual([[1, 5]]);
    await handle.leave({ free_vg: true });
    expect(existsSync(scratch.file("lvmlockd_info_vg"))).toBe(false);
  });
});

describe("the options of a VG", () => {
  const call = {
    vg_name: "vg",
    lockspace_name: "lvm_vg",
    vg_lock_args: "lvmlock",
    align_mb: 0,
    enable_global_lock: true,
  };

  function written() {
    const lockspaces: (readonly [flags: number, write_flags: number])[] = [];
    const resources: (readonly [name: string, write_flags: number])[] = [];
    const disk = fakeLeases();
    const calls: Partial<SanlockClient> = {
      ...disk.calls,
      hosts: () => ABSENT,
      writeLockspace: (lease: HostLease, write_flags: number) => {
        lockspaces.push([lease.flags, write_flags]);
        return 0;
      },
      writeResource: (lease: Lease, write_flags: number) => {
        resources.push([lease.name, write_flags]);
        return disk.calls.writeResource(lease, write_flags);
      },
    };
    return { lockspaces, resources, calls };
  }

  test("are written with it, compare-and-write into its fixed leases only", async () => {
    const { lockspaces, resources, calls } = written();
    const plain = fakeClient(ALL, {}).readLockspace("", 1);
    const readLockspace = () => ({ ...plain, flags: plain.flags | LSF.USING_CAW });
    const { tools } = made({ ...calls, readLockspace });
    expect(await initVg(tools, { ...call, set_lock_args: "persist,notimeout,caw" })).toMatchObject({
      vg_lock_args: "2.0.0:lvmlock:notimeout:persist",
    });
    expect(lockspaces).toEqual([[0x110 | LSF.NO_TIMEOUT, WRITE_LOCKSPACE.USE_CAW]]);
    expect(resources).toEqual([
      [expect.stringMatching(/^_making_/), WRITE_RESOURCE.USE_CAW],
      ["VGLK", WRITE_RESOURCE.USE_CAW],
      ...Array(3).fill(["#unused", WRITE_RESOURCE.NO_CAW]),
      ["GLLK", WRITE_RESOURCE.USE_CAW],
    ]);
  });

  test("are refused before anything is written where sanlock does not know them", async () => {
    const { lockspaces, calls } = written();
    const old = made({ ...calls, version: () => ({ rv: 0, version: 0x03080500 }) }, {}).tools;
    const middle = made({ ...calls, version: () => ({ rv: 0, version: 0x04020000 }) }).tools;
    const refusal = { code: "EPROTONOSUPPORT" };
    expect(await initVg(old, { ...call, set_lock_args: "persist" })).toMatchObject(refusal);
    expect(await initVg(middle, { ...call, set_lock_args: "caw" })).toMatchObject(refusal);
    expect(lockspaces).toEqual([]);
    expect(await initVg(middle, { ...call, set_lock_args: "persist" })).toMatchObject({ kind: "done" });
  });

  test("are changed by rewriting the flags of the host leases", async () => {
    const { lockspaces, calls } = written();
    const { tools } = made(calls);
    const change = { vg_name: "vg", lockspace_name: "lvm_vg", vg_lock_args: "1.0.0:lvmlock" };
    expect(await setLockArgs(tools, { ...change, set_lock_args: "notimeout" })).toMatchObject({
      vg_lock_args: "2.0.0:lvmlock:notimeout",
    });
    expect(lockspaces).toEqual([[0x110 | LSF.NO_TIMEOUT, WRITE_LOCKSPACE.LS_FLAGS]]);
  });
});

test("an old sanlock is never given the flags of a newer one", async () => {
  const flags: number[] = [];
  const { handle } = await joined(
    {
      writeResource: (_lease: Lease, write_flags: number) => {
        flags.push(write_flags);
        return 0;
      },
      writeLockspace: (_lease: HostLease, write_flags: number) => {
        flags.push(write_flags);
        return 0;
      },
    },
    {},
  );
  await handle.setGlobalLock?.({ enabled: false, ex_disable: false });
  await handle.freeLv?.({ resource: LV });
  await handle.leave({ free_vg: true });
  expect(flags).toEqual([0, 0, 0]);
});

/** vgcreate beside other hosts: at the same place at the same time, and over leases that are in use; over real sanlock daemons. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { closeSync, linkSync, openSync, renameSync, writeSync } from "node:fs";
import type { InitVgCall } from "../../plugins/contract.ts";
import { type Cluster, LOCK_LV, startCluster } from "./cluster.ts";
import { managerOn, type TestHost } from "./host.ts";
import { good, lockSoon, makeVg, memberOf, refused, startedVg, VG } from "./vg.ts";

setDefaultTimeout(60_000);

const SECTOR_SIZE_BYTES = 512;

let cluster: Cluster;
let first: TestHost;
let second: TestHost;

beforeAll(async () => {
  cluster = await startCluster(2);
  const [one, two] = cluster.hosts;
  if (one === undefined || two === undefined) throw new Error("two hosts");
  [first, second] = [one, two];
});
afterAll(() => cluster.close());

const call = (vg_name: string): InitVgCall => ({
  vg_name,
  lockspace_name: `lvm_${vg_name}`,
  vg_lock_args: LOCK_LV,
  set_lock_args: "",
  align_mb: 0,
  enable_global_lock: true,
});

/** As many leases as the lock LV of a real VG has: the time that writing them takes is the time in which the two meet. */
const LVS = 189;

/** Both hosts have asked before the lock LV is there, so that they begin within some milliseconds; what each is told. */
async function race(names: readonly [string, string]): Promise<string[]> {
  const hidden = cluster.makeLeaseFile("hidden", LVS);
  const both = Promise.all([
    managerOn(first).initVg(call(names[0])),
    managerOn(second).initVg(call(names[1])),
  ]);
  await Bun.sleep(200);
  renameSync(hidden, cluster.leaseFile(names[0]));
  if (names[1] !== names[0]) linkSync(cluster.leaseFile(names[0]), cluster.leaseFile(names[1]));
  return (await both).map((answer) => (answer.kind === "refused" ? answer.code : "made"));
}

describe("two hosts that make a VG at the same place at the same time", () => {
  test("are both refused, and the one that makes it again has it: its locks exclude each other", async () => {
    expect(await race(["same", "same"])).toEqual(["EEXIST", "EEXIST"]);
    await good(managerOn(second).initVg(call("same")));
    const [a, b] = [memberOf(cluster, 0, "same"), memberOf(cluster, 1, "same")];
    await Promise.all([a.start(), b.start()]);
    const lv = await a.newLv("one");
    await lockSoon(b, lv, "ex");
    expect((await refused(a.lock(lv, "ex"))).code).toBe("EAGAIN");
  });

  test("under two names are both refused as well", async () => {
    expect(await race(["this-name", "that-name"])).toEqual(["EBUSY", "EBUSY"]);
  });
});

describe("leases of a VG that a host has started", () => {
  test("are written over at once when it has stopped the VG", async () => {
    const vg_lock_args = await makeVg(cluster, "stopped");
    const member = memberOf(cluster, 0, "stopped", vg_lock_args, 9);
    await member.start();
    await good(member.handle.leave({ free_vg: false }));
    await good(managerOn(second).initVg(call("stopped")));
    expect(second.logged.join("\n")).not.toContain("the lease of 1 host stands on");
  });

  test("are cleared by lvm before it asks: such a host stops the VG at its next renewal, and others go on", async () => {
    const [member, other] = await startedVg(cluster, "cleared", [0, 1]);
    if (member === undefined || other === undefined) throw new Error("two hosts");
    const lv = await member.newLv("one");
    await good(member.lock(lv, "ex"));
    const fd = openSync(cluster.leaseFile("cleared"), "r+");
    writeSync(fd, new Uint8Array(SECTOR_SIZE_BYTES), 0, SECTOR_SIZE_BYTES, 0);
    closeSync(fd);
    while (!(await cluster.killCalls()).includes("--kill cleared")) await Bun.sleep(20);
    // Not when the lease would have run out, which would be six I/O timeouts later.
    expect(cluster.sanlock[0]?.log()).toMatch(/check_our_lease corrupt/);
    expect((await refused(member.lock(VG, "ex"))).code).toBe("EVGKILLED");
    await lockSoon(other, VG, "ex");
  });

  test("are not written over by that host, nor by another one while it lives, and are after its crash", async () => {
    const vg_lock_args = await makeVg(cluster, "in-use");
    // vgcreate clears the leases of the host_ids up to 8 before it asks.
    const member = memberOf(cluster, 0, "in-use", vg_lock_args, 9);
    await member.start();
    expect(await refused(managerOn(first).initVg(call("in-use")))).toMatchObject({
      code: "EEXIST",
      detail: expect.stringMatching(/sanlock on this host has lvm_in-use joined/),
    });
    expect(await refused(managerOn(second).initVg(call("in-use")))).toMatchObject({
      code: "EEXIST",
      detail: expect.stringMatching(/host_id 9 \(.*\) is alive and uses lockspace lvm_in-use/),
    });
    await good(member.lock(VG, "ex"));
    await cluster.sanlock[0]?.kill();
    await good(managerOn(second).initVg(call("in-use")));
    await memberOf(cluster, 1, "in-use").start();
  });
});

import { expect, test } from "bun:test";
import { DEADLINES } from "../../../core/deadlines.ts";
import { LKM, WAIT } from "../../../plugins/dlm/flags.ts";
import { look } from "../../../plugins/dlm/watch.ts";
import { fakeCluster } from "./fake-dlm.ts";
import { joined, LV, VG } from "./joined.ts";

/** Two nodes, of which the first holds the VG lock and an LV's. */
async function twoNodes() {
  const cluster = fakeCluster();
  const one = await joined(cluster, 1);
  const two = await joined(cluster, 2);
  await one.lock(VG, "ex");
  await one.lock(LV, "ex");
  const wait = (resource: typeof VG, patience_ms: number) =>
    two.handle.lock({ resource, mode: "ex", adopt: "no", repair: false, persistent: true, patience_ms });
  return { cluster, one, two, wait };
}

test("a VG lock that may wait is had as soon as another node releases it", async () => {
  const { cluster, two, wait } = await twoNodes();
  const before_ms = two.node.now_ms;
  // The other node's release, at the moment in which this one waits.
  two.node.asleep = () => {
    for (const held of cluster.resources.get("lvm_vg VGLK")?.locks ?? []) held.mode = LKM.NL;
  };
  expect(await wait(VG, 5000)).toMatchObject({ kind: "done" });
  expect(two.node.now_ms - before_ms).toBeLessThanOrEqual(DEADLINES.dlm_result_look_ms);
});

test("one that is not released in time is taken out of the queue and refused with a try soon", async () => {
  const { cluster, two, wait } = await twoNodes();
  const before_ms = two.node.now_ms;
  expect(await wait(VG, 400)).toMatchObject({ code: "EAGAIN", retry: "soon" });
  expect(two.node.now_ms - before_ms).toBe(400);
  expect(two.node.sent).toContain("cancel");
  expect(cluster.queue).toEqual([]);
});

test("an LV's lock never waits", async () => {
  const { two, wait } = await twoNodes();
  const before_ms = two.node.now_ms;
  expect(await wait(LV, 5000)).toMatchObject({ code: "EAGAIN", retry: "never" });
  expect(two.node.now_ms).toBe(before_ms);
});

test("a lock that waits while the quorum is lost is refused, and taken out of the queue when that is over", async () => {
  const { cluster, two, wait } = await twoNodes();
  two.node.asleep = () => {
    two.node.state = "stopped";
    two.node.wait_condition = WAIT.QUORUM;
  };
  expect(await wait(VG, 5000)).toMatchObject({ code: "ENETDOWN" });
  expect(two.node.sent).not.toContain("cancel");
  two.node.asleep = () => {};
  two.node.state = "running";
  for (let times = 0; times < 3; times++) await look(two.state);
  expect(cluster.queue).toEqual([]);
  expect(two.state.late.size).toBe(0);
});

import { expect, test } from "bun:test";
import { DEADLINES } from "../../../core/deadlines.ts";
import { LKF, LKM, WAIT } from "../../../plugins/dlm/flags.ts";
import { look } from "../../../plugins/dlm/watch.ts";
import { fakeCluster } from "./fake-dlm.ts";
import { type Joined, joined, LV, VG } from "./joined.ts";

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

test("one that has been had before waits behind those that wait already, and one that may not wait is not queued", async () => {
  const { cluster, two, wait } = await twoNodes();
  for (const held of cluster.resources.get("lvm_vg VGLK")?.locks ?? []) held.mode = LKM.NL;
  await two.lock(VG, "sh");
  await two.unlock(VG, "sh");
  two.node.sent.length = 0;
  await wait(VG, 400);
  await two.unlock(VG, "ex");
  await two.lock(VG, "sh");
  const QUEUES = (LKF.CONVERT | LKF.VALBLK | LKF.QUECVT | LKF.PERSISTENT).toString(16);
  const REFUSED = (LKF.CONVERT | LKF.VALBLK | LKF.NOQUEUE | LKF.PERSISTENT).toString(16);
  expect(two.node.sent).toEqual([
    `VGLK mode 5 flags ${QUEUES}`,
    "VGLK mode 0 flags 4",
    `VGLK mode 3 flags ${REFUSED}`,
  ]);
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

/** The second node waits for the VG lock, and gives up because the lockspace stops, as it does when the holder fails. */
async function givenUpInQueue() {
  const nodes = await twoNodes();
  const { node } = nodes.two;
  node.asleep = () => {
    node.state = "stopped";
    node.wait_condition = WAIT.FENCING;
  };
  expect(await nodes.wait(VG, 500)).toMatchObject({ code: "ENETDOWN" });
  node.asleep = () => {};
  return nodes;
}

/** The lockspace goes on, and is looked at as often as it may need. */
async function goesOn({ node, state }: Joined): Promise<void> {
  node.state = "running";
  node.wait_condition = 0;
  node.silent = false;
  for (let times = 0; times < 4; times++) await look(state);
}

test("a VG lock that was given up and is granted by the recovery goes back, so that every host may have it", async () => {
  const { cluster, two, wait } = await givenUpInQueue();
  const three = await joined(cluster, 3);
  // The holder is fenced: the kernel drops its locks and grants the queue, before anybody can cancel.
  cluster.resources.get("lvm_vg VGLK")?.locks.splice(0, 1);
  for (const { again } of cluster.queue.splice(0)) again();
  await goesOn(two);
  expect(two.state.late.size).toBe(0);
  expect(await three.lock(VG, "ex")).toMatchObject({ kind: "done" });
  await three.unlock(VG, "ex");
  expect(await wait(VG, 0)).toMatchObject({ kind: "done" });
});

test("a cancellation that was under way when the lockspace stopped is not sent again, and its end is seen", async () => {
  const { one, two, wait } = await twoNodes();
  const { node } = two;
  // The answer to the cancellation is on its way when the lockspace stops.
  node.asleep = () => {
    node.silent = true;
    if (!node.sent.includes("cancel")) return;
    node.state = "stopped";
    node.wait_condition = WAIT.FENCING;
  };
  expect(await wait(VG, 500)).toMatchObject({ code: "ENETDOWN" });
  node.asleep = () => {};
  await goesOn(two);
  expect(node.sent.filter((sent) => sent === "cancel")).toHaveLength(1);
  await one.unlock(VG, "ex");
  expect(await wait(VG, 0)).toMatchObject({ kind: "done" });
});

test("one that is granted between the last look at it and its cancellation is had", async () => {
  const { cluster, two, wait } = await twoNodes();
  // Another request of the lockspace takes the result while this one reads the lockspace's state.
  const { kernel } = two.node.tools;
  const { lockspace } = kernel;
  Object.assign(kernel, {
    lockspace(name: string) {
      if (cluster.queue.length === 0) return lockspace(name);
      for (const held of cluster.resources.get("lvm_vg VGLK")?.locks ?? []) held.mode = LKM.NL;
      for (const { again } of cluster.queue.splice(0)) again();
      return lockspace(name);
    },
  });
  expect(await wait(VG, DEADLINES.dlm_result_look_ms)).toMatchObject({ kind: "done" });
});

test("a request of which the kernel knows nothing any more is forgotten", async () => {
  const { cluster, two, wait } = await givenUpInQueue();
  cluster.queue.splice(0);
  await goesOn(two);
  expect(two.state.late.size).toBe(0);
  expect(await wait(LV, 0)).toMatchObject({ code: "EAGAIN" });
});

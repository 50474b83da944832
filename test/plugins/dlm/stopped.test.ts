import { expect, test } from "bun:test";
import { DEADLINES } from "../../../core/deadlines.ts";
import { ERRNO, LKM, WAIT } from "../../../plugins/dlm/flags.ts";
import { look } from "../../../plugins/dlm/watch.ts";
import { fakeCluster } from "./fake-dlm.ts";
import { joined, LV, VG } from "./joined.ts";

test("without quorum a lock is refused at once, with a reason, and nothing is sent that would block", async () => {
  const { node, lock } = await joined();
  node.state = "stopped";
  node.wait_condition = WAIT.QUORUM;
  const before_ms = node.now_ms;
  expect(await lock(VG, "ex")).toMatchObject({ code: "ENETDOWN", retry: "soon" });
  expect(node.sent).toEqual([]);
  expect(node.now_ms).toBe(before_ms);
});

test("a lockspace whose dlm_controld died refuses for good, and says that the host has to be restarted", async () => {
  const { node, lock, handle } = await joined();
  node.state = "stopped";
  node.daemon = false;
  const answer = await lock(LV, "ex");
  expect(answer).toMatchObject({ code: "EMANAGER", retry: "never" });
  expect(answer.kind === "refused" && answer.detail).toContain("has to be restarted");
  expect(await handle.leave({ free_vg: false })).toMatchObject({ code: "EMANAGER" });
  expect(node.sent).toEqual([]);
});

test("a recovery that is through in time delays a lock and no more", async () => {
  const { node, lock } = await joined();
  node.state = "stopped";
  node.asleep = () => {
    if (node.now_ms > 1000) node.state = "running";
  };
  expect(await lock(LV, "ex")).toMatchObject({ kind: "done" });
});

test("a recovery that takes too long refuses with a try soon", async () => {
  const { node, lock } = await joined();
  node.state = "stopped";
  expect(await lock(LV, "ex")).toMatchObject({ code: "ENETDOWN", retry: "soon" });
  expect(node.now_ms).toBeGreaterThanOrEqual(DEADLINES.dlm_recovery_ms);
  expect(node.now_ms).toBeLessThan(DEADLINES.dlm_recovery_ms + 1000);
});

test("a result that stays away is given up when the quorum is gone, and a grant that comes late goes back", async () => {
  const cluster = fakeCluster();
  const { node, state, lock } = await joined(cluster);
  node.silent = true;
  node.asleep = () => {
    node.state = "stopped";
    node.wait_condition = WAIT.QUORUM;
  };
  expect(await lock(LV, "ex")).toMatchObject({ code: "ENETDOWN" });
  node.asleep = () => {};
  node.silent = false;
  node.state = "running";
  // The result is taken, the lock goes back, and the result of that is taken.
  for (let times = 0; times < 3; times++) await look(state);
  expect(cluster.resources.get("lvm_vg uuid")?.locks).toEqual([]);
  expect(state.late.size).toBe(0);
  expect(await lock(LV, "ex")).toMatchObject({ kind: "done" });
});

test("a request for what is still under way is refused instead of being mixed up with it", async () => {
  const { node, lock } = await joined();
  node.silent = true;
  expect(await lock(LV, "ex")).toMatchObject({ code: "ENETDOWN" });
  expect(await lock(LV, "sh")).toMatchObject({ code: "ENETDOWN", retry: "soon" });
  expect(node.sent).toEqual(["uuid mode 5 flags 81"]);
});

test("what is released while the lockspace is stopped is released when it goes on", async () => {
  const cluster = fakeCluster();
  const { node, state, lock, unlock } = await joined(cluster);
  await lock(LV, "ex");
  await lock(VG, "ex");
  node.state = "stopped";
  node.wait_condition = WAIT.QUORUM;
  expect(await unlock(LV, "ex")).toMatchObject({ kind: "done" });
  expect(await unlock(VG, "ex", 9)).toMatchObject({ kind: "done" });
  node.state = "running";
  for (let times = 0; times < 2; times++) await look(state);
  expect(cluster.resources.get("lvm_vg uuid")?.locks).toEqual([]);
  expect(await lock(VG, "ex")).toMatchObject({ value_block: { r_version: 9 } });
});

test("a release that the kernel does not take because it is busy with the lock is sent until it does", async () => {
  const cluster = fakeCluster();
  const { node, state, lock, unlock } = await joined(cluster);
  await lock(LV, "ex");
  Object.assign(node, { state: "stopped", wait_condition: WAIT.QUORUM });
  await unlock(LV, "ex");
  Object.assign(node, { state: "running", wait_condition: 0, refusal: ERRNO.EBUSY });
  node.news.length = 0;
  for (let times = 0; times < 2; times++) await look(state);
  expect(node.news).toMatchObject([{ level: "warning", text: expect.stringContaining("released yet") }]);
  expect(await lock(LV, "sh")).toMatchObject({ code: "ENETDOWN", retry: "soon" });
  node.refusal = 0;
  await look(state);
  expect(cluster.resources.get("lvm_vg uuid")?.locks).toEqual([]);
  expect(state.late.size).toBe(0);
});

test("one of a lock that the kernel does not have is sent once", async () => {
  for (const refusal of [ERRNO.ENOENT, ERRNO.ENODEV, ERRNO.EINVAL]) {
    const { node, state, lock, unlock } = await joined();
    await lock(LV, "ex");
    Object.assign(node, { state: "stopped", wait_condition: WAIT.QUORUM });
    await unlock(LV, "ex");
    Object.assign(node, { state: "running", wait_condition: 0, refusal });
    await look(state);
    expect(state.late.size).toBe(0);
  }
});

test("a lock that is released while its conversion is under way is released after it", async () => {
  const cluster = fakeCluster();
  const { node, state, lock, unlock, handle } = await joined(cluster);
  await lock(LV, "sh");
  node.silent = true;
  const convert = { resource: LV, from: "sh", mode: "ex", r_version: 0 } as const;
  expect(await handle.convert(convert)).toMatchObject({ code: "ENETDOWN" });
  expect(await unlock(LV, "sh")).toMatchObject({ kind: "done" });
  node.silent = false;
  for (let times = 0; times < 3; times++) await look(state);
  expect(cluster.resources.get("lvm_vg uuid")?.locks).toEqual([]);
  expect(state.late.size).toBe(0);
});

test("one that is released after a conversion that was told as done is had as a new lock afterwards", async () => {
  const { node, state, lock, unlock, handle } = await joined();
  await lock(LV, "ex");
  node.silent = true;
  node.asleep = () => {
    node.state = "stopped";
    node.wait_condition = WAIT.FENCING;
  };
  const convert = { resource: LV, from: "ex", mode: "sh", r_version: 0 } as const;
  expect(await handle.convert(convert)).toMatchObject({ kind: "done" });
  node.asleep = () => {};
  expect(await unlock(LV, "sh")).toMatchObject({ kind: "done" });
  Object.assign(node, { silent: false, state: "running", wait_condition: 0 });
  await look(state);
  expect(state.held.has(LV.name)).toBe(false);
  node.sent.length = 0;
  expect(await lock(LV, "ex")).toMatchObject({ kind: "done" });
  // The release is sent first, and the lock is no conversion of what that has released.
  expect(node.sent).toEqual(["unlock 1", "uuid mode 5 flags 81"]);
});

test("a VG lock whose release comes to its end just before the next request is converted from its null lock", async () => {
  const cluster = fakeCluster();
  const { node, lock, unlock } = await joined(cluster);
  await lock(VG, "ex");
  Object.assign(node, { state: "stopped", wait_condition: WAIT.QUORUM });
  await unlock(VG, "ex");
  Object.assign(node, { state: "running", wait_condition: 0 });
  expect(await lock(VG, "ex")).toMatchObject({ kind: "done" });
  expect(cluster.resources.get("lvm_vg VGLK")?.locks).toMatchObject([{ lkid: 1, mode: LKM.EX }]);
});

test("a conversion that was given up and came through is taken back", async () => {
  const cluster = fakeCluster();
  const { node, state, lock, handle } = await joined(cluster);
  await lock(LV, "sh");
  node.silent = true;
  await handle.convert({ resource: LV, from: "sh", mode: "ex", r_version: 0 });
  node.silent = false;
  for (let times = 0; times < 3; times++) await look(state);
  expect(cluster.resources.get("lvm_vg uuid")?.locks).toMatchObject([{ mode: 3 }]);
});

test("a conversion to shared whose result stays away is done, because other hosts may have the lock by then", async () => {
  const cluster = fakeCluster();
  const { node, state, lock, unlock, handle } = await joined(cluster);
  const other = await joined(cluster, 2);
  await lock(LV, "ex");
  node.silent = true;
  node.asleep = () => {
    node.state = "stopped";
    node.wait_condition = WAIT.FENCING;
  };
  const convert = { resource: LV, from: "ex", mode: "sh", r_version: 0 } as const;
  expect(await handle.convert(convert)).toMatchObject({ kind: "done" });
  node.asleep = () => {};
  // While it is on its way nothing else is done with the lock, and one that was never sent is none that was done.
  node.wait_condition = WAIT.QUORUM;
  expect(await handle.convert(convert)).toMatchObject({ code: "ENETDOWN" });
  node.state = "running";
  node.silent = false;
  for (let times = 0; times < 3; times++) await look(state);
  expect(await other.lock(LV, "sh")).toMatchObject({ kind: "done" });
  expect(cluster.resources.get("lvm_vg uuid")?.locks).toMatchObject([{ mode: LKM.PR }, { mode: LKM.PR }]);
  expect(state.late.size).toBe(0);
  await unlock(LV, "sh");
  await other.unlock(LV, "sh");
  expect(await other.lock(LV, "ex")).toMatchObject({ kind: "done" });
});

test("people are told once what stops a lockspace, once that it goes on, and that it is gone", async () => {
  const { node, state } = await joined();
  node.news.length = 0;
  node.state = "stopped";
  node.wait_condition = WAIT.FENCING;
  for (let times = 0; times < 3; times++) await look(state);
  node.state = "running";
  for (let times = 0; times < 3; times++) await look(state);
  node.tools.opener({ kind: "release", name: "lvm_vg", handle: 1 });
  await look(state);
  expect(node.news.map((news) => (news.kind === "log" ? news.level : news.kind))).toEqual([
    "error",
    "warning",
    "lockspace-lost",
  ]);
});

import { expect, test } from "bun:test";
import { VALUE_BLOCK_REMOVED } from "../../../plugins/contract.ts";
import { LKM } from "../../../plugins/dlm/flags.ts";
import { fakeCluster } from "./fake-dlm.ts";
import { joined, LV, VG } from "./joined.ts";

test("an LV's lock takes one request and persists, and its release leaves nothing behind", async () => {
  const cluster = fakeCluster();
  const { node, lock, unlock } = await joined(cluster);
  await lock(LV, "ex");
  await unlock(LV, "ex");
  expect(node.sent).toEqual(["uuid mode 5 flags 81", "unlock 1"]);
  expect(cluster.resources.get("lvm_vg uuid")?.locks).toEqual([]);
});

test("a released VG lock stays as a null lock, so that its value block is not lost", async () => {
  const { node, lock, unlock } = await joined();
  await lock(VG, "ex");
  await unlock(VG, "ex", 3);
  await lock(VG, "sh");
  expect(node.sent).toEqual(["VGLK mode 5 flags 89", "VGLK mode 0 flags c", "VGLK mode 3 flags 8d"]);
});

test("a VG lock that is held outlives lvmlockd in either mode, a released one does not", async () => {
  const cluster = fakeCluster();
  const { node, lock, unlock, handle } = await joined(cluster);
  await lock(VG, "ex");
  await unlock(VG, "ex");
  node.die();
  expect(cluster.resources.get("lvm_vg VGLK")?.locks).toEqual([]);
  await lock({ ...VG, name: "another" }, "ex");
  await handle.convert({ resource: { ...VG, name: "another" }, from: "ex", mode: "sh", r_version: 0 });
  node.die();
  expect(cluster.resources.get("lvm_vg another")?.locks).toMatchObject([{ mode: LKM.PR, orphan: true }]);
});

test("a value block that was lost with a node is none, and is written anew by the next exclusive holder", async () => {
  const cluster = fakeCluster();
  const one = await joined(cluster, 1);
  const two = await joined(cluster, 2);
  await one.lock(VG, "ex");
  await one.unlock(VG, "ex", 7);
  const resource = cluster.resources.get("lvm_vg VGLK");
  if (resource === undefined) throw new Error("no resource");
  resource.lost = true;
  expect(await two.lock(VG, "ex")).toMatchObject({ kind: "done", value_block: null });
  await two.unlock(VG, "ex");
  expect(await one.lock(VG, "sh")).toMatchObject({ value_block: { layout: 0x0101, flags: 0, r_version: 0 } });
});

test("vgremove's last release marks the VG as removed and keeps its version", async () => {
  const cluster = fakeCluster();
  const one = await joined(cluster, 1);
  const two = await joined(cluster, 2);
  await one.lock(VG, "ex");
  await one.handle.unlock({ resource: VG, from: "ex", r_version: 4, free_vg: true });
  expect(await two.lock(VG, "sh")).toMatchObject({
    value_block: { flags: VALUE_BLOCK_REMOVED, r_version: 4 },
  });
});

test("where the kernel gives old value blocks, an exclusive lock is taken by way of a shared one", async () => {
  const cluster = fakeCluster();
  const opened = await joined(cluster);
  opened.state.has_block_bug = true;
  await opened.lock(VG, "ex");
  expect(opened.node.sent.map((line) => line.slice(0, 11))).toEqual(["VGLK mode 3", "VGLK mode 5"]);
});

test("there, a shared lock that was taken on the way to a refused exclusive one goes back", async () => {
  const cluster = fakeCluster();
  const one = await joined(cluster, 1);
  const two = await joined(cluster, 2);
  two.state.has_block_bug = true;
  await one.lock(VG, "sh");
  expect(await two.lock(VG, "ex")).toMatchObject({ code: "EAGAIN" });
  expect(await one.handle.convert({ resource: VG, from: "sh", mode: "ex", r_version: 0 })).toMatchObject({
    kind: "done",
  });
});

test("a conflict on a VG lock is worth another try soon, one on an LV's is not", async () => {
  const cluster = fakeCluster();
  const one = await joined(cluster, 1);
  const two = await joined(cluster, 2);
  for (const resource of [VG, LV]) await one.lock(resource, "ex");
  expect(await two.lock(VG, "ex")).toMatchObject({ code: "EAGAIN", retry: "soon" });
  expect(await two.lock(LV, "ex")).toMatchObject({ code: "EAGAIN", retry: "never" });
});

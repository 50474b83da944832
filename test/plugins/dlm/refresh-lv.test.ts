import { expect, test } from "bun:test";
import { DEADLINES } from "../../../core/deadlines.ts";
import { lvOfPath, refreshLv } from "../../../plugins/dlm/refresh-lv.ts";
import { fakeCluster, fakeNode } from "./fake-dlm.ts";

const call = (path: string) => ({ lv_uuid: "uuid", path });

test("the other nodes are asked to refresh the LV, and their result is waited for", async () => {
  const node = fakeNode(fakeCluster());
  node.run_status = [1, 1, 2];
  expect(await refreshLv(node.tools, call("/dev//vg0/lv0"))).toMatchObject({ kind: "done" });
  expect(node.sent).toEqual(["lvm lvchange --refresh --partial --nolocking vg0/lv0"]);
});

test("a node that could not is a refusal, and in the log", async () => {
  const node = fakeNode(fakeCluster());
  node.run_status = [1, 2 | 4];
  expect(await refreshLv(node.tools, call("/dev/vg0/lv0"))).toMatchObject({ code: "ELMERR" });
  expect(node.news).toMatchObject([{ kind: "log", level: "error" }]);
});

test("nodes that say nothing are not waited for without end", async () => {
  const node = fakeNode(fakeCluster());
  node.run_status = [];
  expect(await refreshLv(node.tools, call("/dev/vg0/lv0"))).toMatchObject({ code: "ELMERR" });
  expect(node.now_ms).toBeLessThan(DEADLINES.manager_refresh_ms);
});

test.each([
  "/dev/vg0",
  "vg0/lv0",
  "/dev/vg0/lv0/x",
  "/dev/vg0/lv0 --config x",
  "/dev/vg0/-lv",
  "/dev/-vg/lv",
  "/dev/vg;reboot/lv",
  "",
])("%p is no path of an LV and runs nowhere", async (path) => {
  const node = fakeNode(fakeCluster());
  expect(lvOfPath(path)).toBeNull();
  expect(await refreshLv(node.tools, call(path))).toMatchObject({ code: "EINVAL" });
  expect(node.sent).toEqual([]);
});

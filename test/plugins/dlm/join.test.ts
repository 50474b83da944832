import { expect, test } from "bun:test";
import { DEADLINES } from "../../../core/deadlines.ts";
import type { OpenerResult } from "../../../plugins/dlm/client.ts";
import { WAIT } from "../../../plugins/dlm/flags.ts";
import { stopWatch } from "../../../plugins/dlm/watch.ts";
import { fakeCluster } from "./fake-dlm.ts";
import { open } from "./joined.ts";

const JOIN = { adopt: "no", nodelay: false, repair: false } as const;

test("without quorum a start is refused before it blocks", async () => {
  const { node, handle } = open();
  node.quorate = false;
  expect(await handle.join(JOIN)).toMatchObject({ code: "ENETDOWN" });
  expect(node.sent).toEqual([]);
});

test("without the dlm a start names what is missing", async () => {
  const { node, handle } = open();
  node.daemon = false;
  node.quorate = null;
  const answer = await handle.prepare({ repair: false });
  expect(answer).toMatchObject({ code: "EMANAGER" });
  expect(answer.kind === "refused" && answer.detail).toContain("systemctl start corosync dlm");
});

test("a VG of another cluster is refused with both names and the way to move it", async () => {
  const { node, handle } = open();
  node.cluster_name = "other";
  const answer = await handle.prepare({ repair: false });
  expect(answer).toMatchObject({ code: "EARGS" });
  const detail = answer.kind === "refused" ? answer.detail : "";
  expect(detail).toContain('belongs to cluster "lab", and this host is in cluster "other"');
  expect(detail).toContain("vgchange --locktype none --lockopt force vg");
});

test("a start that loses the quorum while it waits is given up in time, and the next one goes on with it", async () => {
  const { node, state, handle } = open();
  const { promise, resolve } = Promise.withResolvers<OpenerResult>();
  let calls = 0;
  node.opener = () => {
    calls++;
    return promise;
  };
  node.wait_condition = WAIT.QUORUM;
  expect(await handle.join(JOIN)).toMatchObject({ code: "ENETDOWN" });
  expect(node.now_ms).toBeLessThan(DEADLINES.dlm_blocked_ms + 2000);
  expect(node.news).toContainEqual(expect.objectContaining({ kind: "progress", lockspace_name: "lvm_vg" }));
  const again = handle.join(JOIN);
  node.asleep = () => resolve({ handle: 1, errno: 0 });
  expect(await again).toMatchObject({ kind: "done" });
  stopWatch(state);
  expect(calls).toBe(1);
});

test("a start waits for a fencing that takes minutes", async () => {
  const { node, state, handle } = open();
  const { promise, resolve } = Promise.withResolvers<OpenerResult>();
  node.opener = () => promise;
  node.wait_condition = WAIT.FENCING;
  node.asleep = () => {
    if (node.now_ms > 120_000) resolve({ handle: 1, errno: 0 });
  };
  expect(await handle.join(JOIN)).toMatchObject({ kind: "done" });
  stopWatch(state);
});

test("a start that was given up and came through is left again by a stop", async () => {
  const cluster = fakeCluster();
  const { node, handle } = open(cluster);
  const { promise, resolve } = Promise.withResolvers<OpenerResult>();
  const calls: string[] = [];
  node.opener = async (call) => {
    calls.push(call.kind);
    return call.kind === "release" ? { handle: 0, errno: 0 } : promise;
  };
  node.wait_condition = WAIT.QUORUM;
  await handle.join(JOIN);
  cluster.members.set("lvm_vg", new Set([node.nodeid]));
  resolve({ handle: 1, errno: 0 });
  expect(await handle.leave({ free_vg: false })).toMatchObject({ kind: "done" });
  expect(calls).toEqual(["create", "release"]);
});

test("a stop that was given up is waited for by the next start, which joins anew", async () => {
  const { node, state, handle } = open();
  await handle.join(JOIN);
  const { promise, resolve } = Promise.withResolvers<OpenerResult>();
  const ordinary = node.tools.opener;
  node.opener = () => promise;
  node.wait_condition = WAIT.QUORUM;
  expect(await handle.leave({ free_vg: false })).toMatchObject({ code: "ENETDOWN" });
  // The library has freed the handle, so that nothing may be asked with it.
  expect(state.handle).toBeNull();
  node.opener = null;
  node.wait_condition = 0;
  await ordinary({ kind: "release", name: "lvm_vg", handle: 1 });
  resolve({ handle: 0, errno: 0 });
  expect(await handle.join(JOIN)).toMatchObject({ kind: "done" });
  stopWatch(state);
});

/** Starts and stops that were given up while the kernel goes on with them. */
import { expect, test } from "bun:test";
import type { OpenerCall, OpenerResult } from "../../../plugins/dlm/client.ts";
import { WAIT } from "../../../plugins/dlm/flags.ts";
import { createManager } from "../../../plugins/dlm/manager.ts";
import { stopWatch } from "../../../plugins/dlm/watch.ts";
import { type FakeNode, fakeCluster } from "./fake-dlm.ts";
import { type Joined, joined, LV, open, openOn, VG } from "./joined.ts";

const JOIN = { adopt: "no", nodelay: false, repair: false } as const;

/** Has the node's calls wait for the cluster, each until it is let through; the kernel shows a lockspace from the begin of its join. */
function waiting(node: FakeNode, kinds: readonly OpenerCall["kind"][]) {
  const ordinary = node.tools.opener;
  const calls: string[] = [];
  const held: (() => void)[] = [];
  node.opener = async (call) => {
    calls.push(call.kind);
    node.opener = null;
    const done = call.kind === "release" ? null : await ordinary(call);
    node.opener = self;
    if (kinds.includes(call.kind)) {
      const { promise, resolve } = Promise.withResolvers<void>();
      held.push(resolve);
      await promise;
    }
    node.opener = null;
    const result: OpenerResult = done ?? (await ordinary(call));
    node.opener = self;
    return result;
  };
  const self = node.opener;
  return {
    calls,
    async through(): Promise<void> {
      await turns();
      held.shift()?.();
      await turns();
    },
  };
}

/** Lets everything get as far as it does by itself. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** A start that is given up because the quorum goes while it waits. */
async function givenUp(
  opened: Joined,
  kinds: readonly OpenerCall["kind"][],
  join: Parameters<Joined["handle"]["join"]>[0] = JOIN,
) {
  const { node, handle } = opened;
  const cluster = waiting(node, kinds);
  node.wait_condition = WAIT.QUORUM;
  expect(await handle.join(join)).toMatchObject({ code: "ENETDOWN" });
  node.wait_condition = 0;
  return cluster;
}

const kept = ({ news }: FakeNode) => news.findLast(({ kind }) => kind === "keep");

test("a start that was given up is taken back when it comes through and nobody wants it any more", async () => {
  const cluster = fakeCluster();
  const first = open(cluster);
  const { node } = first;
  const { calls, through } = await givenUp(first, ["create"]);
  expect(cluster.members.get("lvm_vg")?.has(1)).toBe(true);
  await through();
  expect(calls).toEqual(["create", "release"]);
  expect(cluster.members.get("lvm_vg")?.has(1)).toBe(false);
  expect(node.news).toContainEqual({
    kind: "log",
    level: "warning",
    text: "the start of lvm_vg that was given up has come through, and is taken back",
  });
  node.opener = null;
  const next = openOn(node);
  expect(await next.handle.join(JOIN)).toMatchObject({ kind: "done" });
  stopWatch(next.state);
});

test("the next start of the VG goes on with the join of one that was given up, and keeps it", async () => {
  const first = open();
  const { calls, through } = await givenUp(first, ["create"]);
  const next = openOn(first.node);
  const starting = next.handle.join(JOIN);
  await through();
  expect(await starting).toMatchObject({ kind: "done" });
  stopWatch(next.state);
  expect(calls).toEqual(["create"]);
  expect(await next.lock(LV, "ex")).toMatchObject({ kind: "done" });
});

test("a start that comes while one that was given up is taken back waits for that and joins anew", async () => {
  const first = open();
  const { calls, through } = await givenUp(first, ["create", "release"]);
  await through();
  const next = openOn(first.node);
  const starting = next.handle.join(JOIN);
  await through();
  await through();
  expect(await starting).toMatchObject({ kind: "done" });
  stopWatch(next.state);
  expect(calls).toEqual(["create", "release", "create"]);
});

test("a start that is given up twice is taken back once", async () => {
  const first = open();
  const { calls, through } = await givenUp(first, ["create"]);
  const { node } = first;
  node.wait_condition = WAIT.QUORUM;
  expect(await openOn(node).handle.join(JOIN)).toMatchObject({ code: "ENETDOWN" });
  await through();
  expect(calls).toEqual(["create", "release"]);
});

test("the global lockspace, which may always be one that was left behind, goes on with such a join as well", async () => {
  const first = open(fakeCluster(), 1, "");
  const global = { ...JOIN, adopt: "if-orphan" } as const;
  const { calls, through } = await givenUp(first, ["create"], global);
  const next = openOn(first.node, "");
  const starting = next.handle.join(global);
  await through();
  expect(await starting).toMatchObject({ kind: "done" });
  stopWatch(next.state);
  expect(calls).toEqual(["create"]);
});

test("a stop that was given up is waited for by the next start, which joins anew", async () => {
  const cluster = fakeCluster();
  const first = await joined(cluster);
  const { node } = first;
  const { calls, through } = waiting(node, ["release"]);
  node.wait_condition = WAIT.QUORUM;
  expect(await first.handle.leave({ free_vg: false })).toMatchObject({ code: "ENETDOWN" });
  node.wait_condition = 0;
  const next = openOn(node);
  const starting = next.handle.join(JOIN);
  await through();
  expect(await starting).toMatchObject({ kind: "done" });
  stopWatch(next.state);
  expect(calls).toEqual(["release", "create"]);
});

test("while that stop is not through a start is refused for it, also one that would adopt, and no lock is given", async () => {
  const cluster = fakeCluster();
  const first = await joined(cluster);
  const { node } = first;
  const { calls } = waiting(node, ["release"]);
  node.wait_condition = WAIT.FENCING;
  const left = await first.handle.leave({ free_vg: false });
  expect(left).toMatchObject({ code: "ENETDOWN" });
  expect(left.kind === "refused" && left.detail).toStartWith(
    "the stop of lvm_vg goes on, but is not through",
  );
  for (const adopt of ["no", "if-orphan"] as const) {
    const next = openOn(node);
    const answer = await next.handle.join({ ...JOIN, adopt });
    expect(answer).toMatchObject({ code: "ENETDOWN", retry: "soon" });
    expect(answer.kind === "refused" && answer.detail).toStartWith(
      "the last stop of lvm_vg on this host is still under way",
    );
    expect(await next.lock(LV, "ex")).toMatchObject({ code: "ENOTCONN" });
  }
  expect(calls).toEqual(["release"]);
});

test("a stop that a process began which has died is waited for, and the lockspace joined anew", async () => {
  const cluster = fakeCluster();
  const dead = await joined(cluster);
  await dead.lock(LV, "ex");
  dead.node.die();
  for (const adopt of ["no", "if-orphan"] as const) {
    const next = open(cluster);
    const { node } = next;
    node.is_leaving = true;
    const answer = await next.handle.join({ ...JOIN, adopt });
    expect(answer.kind === "refused" && answer.detail).toStartWith("the last stop of lvm_vg on this host");
    node.sent.length = 0;
    const ends_ms = node.now_ms + 1000;
    node.asleep = () => {
      if (node.now_ms < ends_ms) return;
      node.asleep = () => {};
      cluster.members.get("lvm_vg")?.delete(1);
    };
    expect(await next.handle.join({ ...JOIN, adopt })).toMatchObject({ kind: "done" });
    stopWatch(next.state);
    expect(node.sent).toEqual(["create lvm_vg"]);
  }
});

test("a lockspace with orphans in it is never left because a start of it was given up", async () => {
  const cluster = fakeCluster();
  const dead = await joined(cluster);
  await dead.lock(LV, "ex");
  dead.node.die();
  const next = open(cluster);
  const adopt = { ...JOIN, adopt: "if-orphan" } as const;
  const { calls, through } = await givenUp(next, ["open"], adopt);
  await through();
  expect(calls).toEqual(["open"]);
  expect(cluster.resources.get("lvm_vg uuid")?.locks).toMatchObject([{ orphan: true }]);
  const after = openOn(next.node);
  expect(await after.handle.join(adopt)).toMatchObject({ kind: "done" });
  stopWatch(after.state);
  expect(calls).toEqual(["open"]);
});

test("the host keeps the name for this worker for as long as something is under way, and no longer", async () => {
  const first = open();
  const { through } = await givenUp(first, ["create", "release"]);
  const { node } = first;
  expect(kept(node)).toMatchObject({ lockspace_name: "lvm_vg", text: "under way" });
  await through();
  expect(kept(node)).toMatchObject({ text: "under way" });
  await through();
  expect(kept(node)).toMatchObject({ text: "" });
});

test("before it ends, lvmlockd waits for a start to be taken back", async () => {
  const cluster = fakeCluster();
  const first = open(cluster);
  const { through } = await givenUp(first, ["create", "release"]);
  const closing = createManager(first.node.tools).close?.();
  await through();
  await through();
  await closing;
  expect(cluster.members.get("lvm_vg")?.has(1)).toBe(false);
});

test("a lockspace that an lvmlockd left without a lock in it is taken over by any start", async () => {
  const cluster = fakeCluster();
  const ended = await joined(cluster);
  ended.node.die();
  const next = open(cluster);
  expect(await next.handle.join(JOIN)).toMatchObject({ kind: "done" });
  stopWatch(next.state);
  expect(await next.lock(VG, "ex")).toMatchObject({ kind: "done" });
});

test("one with locks in it, or of which the kernel does not tell that, is not", async () => {
  const cluster = fakeCluster();
  const ended = await joined(cluster);
  const { node, handle } = open(cluster);
  node.debugfs = false;
  expect(await handle.join(JOIN)).toMatchObject({ code: "EEXIST" });
  node.debugfs = true;
  await ended.lock(LV, "sh");
  ended.node.die();
  expect(await handle.join(JOIN)).toMatchObject({ code: "EEXIST" });
});

/** Locks whose worker has died: orphans, which are taken over when something is to be done with them. */
import { expect, test } from "bun:test";
import type { LockCall, UnlockCall } from "../../../plugins/contract.ts";
import { ERRNO } from "../../../plugins/dlm/flags.ts";
import { JOINED } from "../../../plugins/dlm/join.ts";
import { look, stopWatch } from "../../../plugins/dlm/watch.ts";
import { releaseOfUnanswered } from "../../../plugins/host/unanswered.ts";
import { type FakeCluster, fakeCluster } from "./fake-dlm.ts";
import { type Joined, joined, LV, open, VG } from "./joined.ts";

/** A worker that dies behind what is done in it, the one that has its place, and another node. */
async function afterDeath(inFirst: (first: Joined) => unknown) {
  const cluster = fakeCluster();
  const first = await joined(cluster);
  const other = await joined(cluster, 2);
  await inFirst(first);
  first.node.die();
  const next = open(cluster);
  await next.handle.prepare({ repair: false, kept: JOINED });
  await next.handle.join({ adopt: "if-orphan", nodelay: false, repair: false });
  stopWatch(next.state);
  next.node.sent.length = 0;
  next.node.news.length = 0;
  return { cluster, next, other };
}

/** The worker that has the place of one that died, told what that one has left to be told. */
async function takeOver(cluster: FakeCluster, { node }: Joined): Promise<Joined> {
  const kept = node.news.findLast((news) => news.kind === "keep")?.text ?? "";
  const next = open(cluster);
  await next.handle.prepare({ repair: false, kept });
  await next.handle.join({ adopt: "if-orphan", nodelay: false, repair: false });
  stopWatch(next.state);
  return next;
}

/** The lockspace goes on, and is looked at as often as a release may need. */
async function goesOn({ node, state }: Joined): Promise<void> {
  node.state = "running";
  node.silent = false;
  for (let times = 0; times < 3; times++) await look(state);
}

test("a lock that is released while the lockspace is stopped is taken over and released when that goes on", async () => {
  const { next, other } = await afterDeath((first) => first.lock(LV, "ex"));
  next.node.state = "stopped";
  expect(await next.unlock(LV, "ex")).toMatchObject({ kind: "done" });
  expect(next.node.sent).toEqual([]);
  expect(await other.lock(LV, "ex")).toMatchObject({ code: "EAGAIN" });
  await goesOn(next);
  expect(await other.lock(LV, "ex")).toMatchObject({ kind: "done" });
  expect(next.state.late.size).toBe(0);
});

test("where the kernel is busy with it then, it is taken over once and released when the kernel is through", async () => {
  const { next, other } = await afterDeath((first) => first.lock(LV, "ex"));
  next.node.state = "stopped";
  await next.unlock(LV, "ex");
  next.node.refusal = ERRNO.EBUSY;
  await goesOn(next);
  next.node.refusal = 0;
  await goesOn(next);
  expect(next.node.sent.filter((line) => line.startsWith("adopt"))).toEqual(["adopt uuid mode 5"]);
  expect(await other.lock(LV, "ex")).toMatchObject({ kind: "done" });
  expect(next.state.late.size).toBe(0);
});

test("a VG lock that is released in that way leaves the version that its command has written", async () => {
  const { next, other } = await afterDeath((first) => first.lock(VG, "ex"));
  next.node.state = "stopped";
  expect(await next.unlock(VG, "ex", 7)).toMatchObject({ kind: "done" });
  await goesOn(next);
  expect(await other.lock(VG, "ex")).toMatchObject({ value_block: { r_version: 7 } });
});

test("the shared VG lock of a running command keeps other hosts from changing the VG, and is released by it", async () => {
  const { next, other } = await afterDeath((first) => first.lock(VG, "sh"));
  expect(await other.lock(VG, "ex")).toMatchObject({ code: "EAGAIN" });
  expect(await other.lock(VG, "sh")).toMatchObject({ kind: "done" });
  await other.unlock(VG, "sh");
  expect(await next.unlock(VG, "sh")).toMatchObject({ kind: "done" });
  expect(await other.lock(VG, "ex")).toMatchObject({ kind: "done" });
});

test("one whose grant the worker did not live to tell is released by what the host calls for it, in either state", async () => {
  for (const mode of ["sh", "ex"] as const) {
    for (const state of ["running", "stopped"] as const) {
      const { next, other } = await afterDeath((first) => first.lock(VG, mode));
      next.node.state = state;
      const lost: LockCall = {
        resource: VG,
        mode,
        adopt: "no",
        repair: false,
        persistent: false,
        patience_ms: 0,
      };
      const call = { call_id: 1, key: 1, method: "lock", args: lost, later() {} } as const;
      const release = releaseOfUnanswered(call, { name: "dlm", log() {} });
      expect(await next.handle.unlock(release?.args as UnlockCall)).toMatchObject({ kind: "done" });
      await goesOn(next);
      expect(await other.lock(VG, "ex")).toMatchObject({ kind: "done" });
    }
  }
});

test("until it is released the same lock is refused with a try soon, and then had", async () => {
  const { next } = await afterDeath((first) => first.lock(LV, "ex"));
  next.node.state = "stopped";
  await next.unlock(LV, "ex");
  next.node.state = "running";
  next.node.silent = true;
  expect(await next.lock(LV, "sh")).toMatchObject({ code: "ENETDOWN", retry: "soon" });
  await goesOn(next);
  expect(await next.lock(LV, "sh")).toMatchObject({ kind: "done" });
});

test("one that the dlm did not keep, or that is released twice, is forgotten without alarm", async () => {
  const { cluster, next } = await afterDeath(() => {});
  next.node.state = "stopped";
  expect(await next.unlock(VG, "sh")).toMatchObject({ kind: "done" });
  expect(await next.unlock(VG, "sh")).toMatchObject({ kind: "done" });
  next.node.news.length = 0;
  await goesOn(next);
  expect(next.state.late.size).toBe(0);
  expect(cluster.resources.get("lvm_vg VGLK")?.locks ?? []).toEqual([]);
  const logged = next.node.news.flatMap((news) =>
    news.kind === "log" ? [`${news.level} ${news.text}`] : [],
  );
  expect(logged.filter((line) => line.includes("VGLK") && !line.startsWith("debug"))).toEqual([]);
});

test("a conversion while the lockspace is stopped is refused with the reason, and done when that goes on", async () => {
  const { next } = await afterDeath((first) => first.lock(LV, "sh"));
  const convert = { resource: LV, from: "sh", mode: "ex", r_version: 0 } as const;
  next.node.state = "stopped";
  expect(await next.handle.convert(convert)).toMatchObject({ code: "ENETDOWN", retry: "soon" });
  next.node.state = "running";
  expect(await next.handle.convert(convert)).toMatchObject({ kind: "done" });
});

test("a lock whose conversion the worker did not live to tell is released in the mode that it has", async () => {
  const { next, other } = await afterDeath(async ({ lock, handle }) => {
    await lock(LV, "sh");
    await handle.convert({ resource: LV, from: "sh", mode: "ex", r_version: 0 });
  });
  expect(await next.unlock(LV, "sh")).toMatchObject({ kind: "done" });
  expect(await other.lock(LV, "ex")).toMatchObject({ kind: "done" });
});

test("the same while the lockspace is stopped", async () => {
  const { next, other } = await afterDeath(async ({ lock, handle }) => {
    await lock(LV, "sh");
    await handle.convert({ resource: LV, from: "sh", mode: "ex", r_version: 0 });
  });
  next.node.state = "stopped";
  await next.unlock(LV, "sh");
  await goesOn(next);
  expect(await other.lock(LV, "ex")).toMatchObject({ kind: "done" });
});

test("a worker that dies before it could drop the locks of an earlier lvmlockd's commands leaves that to the next", async () => {
  const cluster = fakeCluster();
  const earlier = await joined(cluster);
  const other = await joined(cluster, 2);
  await earlier.lock(VG, "ex");
  earlier.node.die();
  const first = open(cluster);
  first.node.state = "stopped";
  await first.handle.join({ adopt: "if-orphan", nodelay: false, repair: false });
  stopWatch(first.state);
  first.node.die();
  const next = await takeOver(cluster, first);
  await goesOn(next);
  expect(await other.lock(VG, "ex")).toMatchObject({ kind: "done" });
});

test("the one that has dropped them tells so, and the next goes on with the locks of commands that run now", async () => {
  const cluster = fakeCluster();
  const earlier = await joined(cluster);
  const other = await joined(cluster, 2);
  earlier.node.die();
  const first = open(cluster);
  first.node.state = "stopped";
  await first.handle.join({ adopt: "if-orphan", nodelay: false, repair: false });
  stopWatch(first.state);
  first.node.state = "running";
  await first.lock(VG, "ex");
  first.node.die();
  const next = await takeOver(cluster, first);
  await goesOn(next);
  expect(await other.lock(VG, "ex")).toMatchObject({ code: "EAGAIN" });
});

test("the stop of a lockspace that could not be taken over is refused with a remedy while the kernel has it", async () => {
  const cluster = fakeCluster();
  const first = await joined(cluster);
  await first.lock(LV, "ex");
  const next = open(cluster);
  next.node.quorate = false;
  await next.handle.prepare({ repair: false, kept: JOINED });
  const rejoin = { adopt: "if-orphan", nodelay: false, repair: false } as const;
  expect(await next.handle.join(rejoin)).toMatchObject({ code: "ENETDOWN" });
  const answer = await next.handle.leave({ free_vg: false });
  expect(answer).toMatchObject({
    code: "EMANAGER",
    detail: expect.stringContaining("dlm_tool leave lvm_vg"),
  });
  cluster.members.get("lvm_vg")?.delete(1);
  expect(await next.handle.leave({ free_vg: false })).toEqual({ kind: "done" });
});

test("what another program has joined is none of a stop's business", async () => {
  const cluster = fakeCluster();
  const another = await joined(cluster);
  await another.lock(LV, "ex");
  const { handle } = open(cluster);
  await handle.prepare({ repair: false, kept: "" });
  expect(await handle.join({ adopt: "no", nodelay: false, repair: false })).toMatchObject({ code: "EEXIST" });
  expect(await handle.leave({ free_vg: false })).toEqual({ kind: "done" });
});

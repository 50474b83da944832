import { expect, test } from "bun:test";
import { LKM } from "../../../plugins/dlm/flags.ts";
import { JOINED } from "../../../plugins/dlm/join.ts";
import { UNWRITTEN } from "../../../plugins/dlm/value-block.ts";
import { look, stopWatch } from "../../../plugins/dlm/watch.ts";
import { fakeCluster } from "./fake-dlm.ts";
import { joined, LV, open, VG } from "./joined.ts";

/** A daemon with an LV and the VG locked that dies, and the next one of its host. */
async function afterDeath(adopt: "no" | "if-orphan" | "only-orphan") {
  const cluster = fakeCluster();
  const first = await joined(cluster);
  await first.lock(LV, "sh");
  await first.lock(VG, "ex");
  first.node.die();
  const next = open(cluster);
  const answer = await next.handle.join({ adopt, nodelay: false, repair: false });
  return { cluster, next, answer };
}

test("a lockspace that was left behind is not joined without adoption, and the refusal says what to do", async () => {
  const { answer } = await afterDeath("no");
  expect(answer).toMatchObject({ kind: "refused", code: "EEXIST" });
  expect(answer.kind === "refused" && answer.detail).toContain("--lockopt adopt");
});

test("with nothing left behind a start that must adopt is refused", async () => {
  const answer = await open().handle.join({ adopt: "only-orphan", nodelay: false, repair: false });
  expect(answer).toMatchObject({ code: "EADOPT_NONE" });
});

test("the VG lock of a command that died with its lvmlockd is released at the next start", async () => {
  const { cluster, next } = await afterDeath("if-orphan");
  const other = await joined(cluster, 2);
  await next.handle.hosts({ notify: false });
  await next.lock({ ...LV, name: "another" }, "sh");
  expect(await other.lock(VG, "ex")).toMatchObject({ kind: "done" });
});

test("so is the shared one of a command that was reading", async () => {
  const cluster = fakeCluster();
  const first = await joined(cluster);
  const other = await joined(cluster, 2);
  await first.lock(VG, "sh");
  first.node.die();
  expect(await other.lock(VG, "ex")).toMatchObject({ code: "EAGAIN" });
  const next = await joined(cluster);
  for (let times = 0; times < 2; times++) await look(next.state);
  expect(await other.lock(VG, "ex")).toMatchObject({ kind: "done" });
});

test("the value block of an exclusive VG lock is lost with the lvmlockd that had it, of a shared one it stays", async () => {
  for (const mode of ["ex", "sh"] as const) {
    const cluster = fakeCluster();
    const other = await joined(cluster, 2);
    await other.lock(VG, "ex");
    await other.unlock(VG, "ex", 7);
    const first = await joined(cluster);
    await first.lock(VG, mode);
    first.node.die();
    const next = await joined(cluster);
    await look(next.state);
    const version = { ...UNWRITTEN, layout: 0x0101, r_version: 7 };
    const value_block = mode === "ex" ? null : version;
    expect(await other.lock(VG, "sh")).toMatchObject({ kind: "done", value_block });
  }
});

test("of several shared ones each is released", async () => {
  const cluster = fakeCluster();
  const other = await joined(cluster, 2);
  for (let times = 0; times < 3; times++) {
    // A worker that was told that it was joined leaves what it finds, and a dead one's lock does not keep it from a shared one.
    const one = open(cluster);
    await one.handle.prepare({ repair: false, kept: JOINED });
    await one.handle.join({ adopt: "if-orphan", nodelay: false, repair: false });
    stopWatch(one.state);
    expect(await one.lock(VG, "sh")).toMatchObject({ kind: "done" });
    one.node.die();
  }
  const next = await joined(cluster);
  for (let times = 0; times < 4; times++) await look(next.state);
  expect(next.state.late.size).toBe(0);
  expect(await other.lock(VG, "ex")).toMatchObject({ kind: "done" });
});

test("in a lockspace that is stopped when it is taken over, that is done when it goes on", async () => {
  for (const vg_name of ["vg", ""]) {
    const cluster = fakeCluster();
    const resource = vg_name === "" ? ({ kind: "gl", name: "GLLK", lv_lock_args: "" } as const) : VG;
    const first = open(cluster, 1, vg_name);
    await first.handle.join({ adopt: "if-orphan", nodelay: false, repair: false });
    await first.lock(resource, "ex");
    first.node.die();
    const next = open(cluster, 1, vg_name);
    next.node.state = "stopped";
    const answer = await next.handle.join({ adopt: "if-orphan", nodelay: false, repair: false });
    expect(answer).toMatchObject({ kind: "done" });
    expect(cluster.resources.get(`lvm_vg ${resource.name}`)?.locks).toMatchObject([{ mode: LKM.EX }]);
    next.node.state = "running";
    for (let times = 0; times < 2; times++) await look(next.state);
    expect(await next.lock(resource, "ex")).toMatchObject({ kind: "done", adopted: false });
  }
});

test("an orphan is adopted in its own mode, and in no other", async () => {
  const { next } = await afterDeath("only-orphan");
  const adopt = {
    resource: LV,
    adopt: "only-orphan",
    repair: false,
    persistent: true,
    patience_ms: 0,
  } as const;
  expect(await next.handle.lock({ ...adopt, mode: "ex" })).toMatchObject({ code: "EADOPT_RETRY" });
  expect(await next.handle.lock({ ...adopt, mode: "sh" })).toMatchObject({ kind: "done", adopted: true });
  expect(await next.handle.lock({ ...adopt, resource: { ...LV, name: "none" }, mode: "sh" })).toMatchObject({
    code: "EADOPT_NONE",
  });
});

test("a lock that is refused because of this host's own orphan says so", async () => {
  const { next } = await afterDeath("if-orphan");
  expect(await next.lock(LV, "ex")).toMatchObject({ code: "EORPHAN" });
});

test("the orphans of a global lockspace are purged when it is joined", async () => {
  const cluster = fakeCluster();
  const first = open(cluster, 1, "");
  await first.handle.join({ adopt: "if-orphan", nodelay: false, repair: false });
  await first.lock({ kind: "gl", name: "GLLK", lv_lock_args: "" }, "ex");
  first.node.die();
  const next = open(cluster, 1, "");
  await next.handle.join({ adopt: "if-orphan", nodelay: false, repair: false });
  expect(next.node.sent).toContain("purge");
  expect(await next.lock({ kind: "gl", name: "GLLK", lv_lock_args: "" }, "ex")).toMatchObject({
    kind: "done",
  });
});

test("a worker that takes over from one that died goes on with its locks, those of running commands included", async () => {
  const cluster = fakeCluster();
  const first = await joined(cluster);
  const other = await joined(cluster, 2);
  expect(first.node.news).toContainEqual({ kind: "keep", lockspace_name: "lvm_vg", text: JOINED });
  await first.lock(LV, "sh");
  await first.lock(VG, "ex");
  first.node.die();
  const next = open(cluster);
  await next.handle.prepare({ repair: false, kept: JOINED });
  await next.handle.join({ adopt: "if-orphan", nodelay: false, repair: false });
  await look(next.state);
  expect(await other.lock(VG, "ex")).toMatchObject({ code: "EAGAIN" });
  expect(await next.handle.convert({ resource: LV, from: "sh", mode: "ex", r_version: 0 })).toMatchObject({
    kind: "done",
  });
  expect(await next.unlock(VG, "ex", 5)).toMatchObject({ kind: "done" });
  expect(await other.lock(VG, "ex")).toMatchObject({ value_block: { r_version: 5 } });
  expect(await other.lock(LV, "sh")).toMatchObject({ code: "EAGAIN" });
  expect(await next.unlock(LV, "ex")).toMatchObject({ kind: "done" });
  expect(await other.lock(LV, "sh")).toMatchObject({ kind: "done" });
});

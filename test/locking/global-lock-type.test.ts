import { describe, expect, test } from "bun:test";
import { DEADLINES } from "../../core/deadlines.ts";
import { wireResult } from "../../core/errors.ts";
import { type LockType, refuse } from "../../plugins/contract.ts";
import { done } from "./manager.ts";
import { makeRig, type Rig, type RigOptions } from "./rig.ts";

const ENOLS = wireResult("ENOLS");
const GL_VG = {
  kind: "done",
  lm_result: 0,
  prev_generation: 0,
  generation: 1,
  global_lock: "enabled",
} as const;

/** From now on these lock managers run. */
function run(rig: Rig, ...running: LockType[]): void {
  rig.script("isRunning", ({ target }) => done({ running: running.includes(target.lock_type) }));
}

/** A host whose only shared VG is one of sanlock, with the global lock in it. */
function withSanlockVg(options: RigOptions = {}): Rig {
  const rig = makeRig({ lock_type: "sanlock", ...options });
  rig.script("prepare", () => GL_VG);
  rig.script("join", () => GL_VG);
  run(rig, "sanlock", "dlm");
  rig.startVg("vg");
  rig.unscript("prepare");
  rig.unscript("join");
  return rig;
}

/** `vgchange --locktype none`: under the locks, and its unlocks come when the VG's lockspace has gone. */
function changeToNone(rig: Rig, vg_name = "vg"): void {
  const client = rig.client();
  expect(client.gl("ex")).toBe(0);
  expect(client.vg("ex", { vg: vg_name })).toBe(0);
  expect(client.ask("free_vg", { vg_name, vg_lock_type: "sanlock" })).toBe(0);
  client.vg("un", { vg: vg_name });
  client.gl("un");
  client.close();
}

const lockspaceNames = (rig: Rig): string[] => [...rig.core.lockspaces()].map((view) => view.lockspace_name);

describe("after the last VG of sanlock has become one without lock type", () => {
  test("the dlm has the global lock once it alone runs", () => {
    const rig = withSanlockVg();
    changeToNone(rig);
    run(rig, "dlm");
    expect(rig.client().gl("ex")).toBe(0);
    expect(lockspaceNames(rig)).toEqual(["lvm_global"]);
    expect(rig.lockspace("")?.lock_type).toBe("dlm");
  });

  test("so it does when commands have asked for the lock while sanlock alone was running", () => {
    const rig = withSanlockVg();
    run(rig, "sanlock");
    changeToNone(rig);
    expect([rig.client().gl("sh"), rig.client().gl("ex")]).toEqual([ENOLS, ENOLS]);
    run(rig, "dlm");
    expect(rig.client().gl("ex")).toBe(0);
  });

  test("so it does after a failed start and a failed lock of a VG of sanlock", () => {
    const rig = withSanlockVg();
    changeToNone(rig);
    rig.client().lv("lv1", "ex");
    expect(rig.client().ask("lock_vg", { vg_name: "gone", mode: "sh", vg_lock_type: "sanlock" })).toBe(ENOLS);
    run(rig, "dlm");
    expect(rig.client().gl("ex")).toBe(0);
  });

  test("nobody has it while both run, the reply says why, and nothing is started", () => {
    const rig = withSanlockVg();
    changeToNone(rig);
    const reply = rig.client().send("lock_gl", { mode: "ex" });
    expect(reply).toMatchObject({ result: ENOLS, flags: { no_gl_ls: true, no_lm: false } });
    expect((reply as { detail: string }).detail).toMatch(/^dlm and sanlock run, .*daemon\/gl_type$/);
    expect(lockspaceNames(rig)).toEqual([]);
  });

  test("an unlock chooses nothing", () => {
    const rig = withSanlockVg();
    changeToNone(rig);
    run(rig, "dlm");
    expect(rig.client().gl("un")).toBe(ENOLS);
    run(rig, "sanlock", "dlm");
    expect(rig.client().gl("ex")).toBe(ENOLS);
  });

  test("a type that was set stays, and no manager is asked", () => {
    const rig = withSanlockVg({ gl_type: "sanlock" });
    changeToNone(rig);
    run(rig, "dlm");
    rig.newCalls();
    expect(rig.client().gl("ex")).toBe(ENOLS);
    expect(rig.newCalls()).toEqual([]);
  });
});

describe("the dlm is not given the global lock of sanlock", () => {
  test("while another VG of sanlock is started, though the one that held it is gone", () => {
    const rig = withSanlockVg();
    rig.startVg("other");
    changeToNone(rig);
    run(rig, "dlm");
    expect(rig.client().gl("ex")).toBe(ENOLS);
    expect(lockspaceNames(rig)).toEqual(["lvm_other"]);
  });

  test("while the last VG is stopping", () => {
    const rig = withSanlockVg();
    rig.hold("leave");
    rig.client().ask("stop_vg", { vg_name: "vg" });
    run(rig, "dlm");
    expect(rig.client().gl("ex")).toBe(wireResult("ESTALE"));
    rig.answer(done(), "leave");
    expect(rig.client().gl("ex")).toBe(0);
  });

  test("when a VG of sanlock is started while the managers are being asked", () => {
    const rig = withSanlockVg();
    changeToNone(rig);
    rig.hold("isRunning");
    const client = rig.client();
    expect(client.gl("ex")).toBeNull();
    rig.script("prepare", () => GL_VG);
    rig.script("join", () => GL_VG);
    rig.startVg("vg2");
    for (const ask of rig.held("isRunning"))
      rig.answer(done({ running: ask.target.lock_type === "dlm" }), ask);
    expect(client.result()).toBe(0);
    expect(lockspaceNames(rig)).toEqual(["lvm_vg2"]);
  });

  test("while sanlock does not say whether it runs, be it silent or unable to", () => {
    for (const unsure of [null, refuse("EMANAGER", "can't be reached", { lm_result: -111 })]) {
      const rig = withSanlockVg();
      changeToNone(rig);
      rig.script("isRunning", ({ target }) =>
        target.lock_type === "dlm" ? done({ running: true }) : unsure,
      );
      const client = rig.client();
      const at_once = client.gl("ex");
      rig.advance(DEADLINES.manager_prepare_ms + 1000);
      expect(at_once ?? client.result()).toBe(ENOLS);
      expect(lockspaceNames(rig)).toEqual([]);
    }
  });

  test("for a request that names sanlock, as vgcreate does", () => {
    const rig = withSanlockVg();
    changeToNone(rig);
    run(rig, "dlm");
    expect(rig.client().gl("ex", { vg_lock_type: "sanlock" })).toBe(ENOLS);
    expect(lockspaceNames(rig)).toEqual([]);
  });
});

test("the dlm keeps the global lock as long as its lockspace is there, whatever runs", () => {
  const rig = makeRig();
  run(rig, "dlm");
  const holder = rig.client();
  expect(holder.gl("ex")).toBe(0);
  run(rig, "sanlock");
  expect(rig.client().gl("ex")).toBeNull();
  expect(holder.gl("un")).toBe(0);
  expect(rig.client().gl("sh", { vg_lock_type: "sanlock" })).toBe(wireResult("EINVAL"));
});

/** A manager that never comes back keeps nobody waiting: not the command that asked, nor those who wait for it to be over. */
import { describe, expect, test } from "bun:test";
import { done } from "./manager.ts";
import { makeRig } from "./rig.ts";

const START = { vg_name: "vg", vg_uuid: "uuid", vg_lock_type: "dlm", vg_lock_args: "1.0.0:x" } as const;
const orphaned = (vg_name: string) =>
  ({
    vg_name,
    vg_uuid: `of ${vg_name}`,
    lock_type: "dlm",
    vg_lock_args: "1.0.0:x",
    host_id: 1,
    locks: [],
  }) as const;
const LONG_ms = 5_000_000;

describe("a manager that hangs", () => {
  test("in the join of the global lock's lockspace does not keep lock_gl waiting", () => {
    const rig = makeRig({ gl_type: "dlm" });
    rig.hold("join");
    const client = rig.client();
    client.gl("sh");
    rig.advance(LONG_ms);
    expect(client.waits()).toBe(false);
  });

  test("while leaving does not keep those waiting who want the lockspace started again", () => {
    const rig = makeRig({ gl_type: "dlm" });
    rig.startVg();
    rig.hold("leave");
    const stopper = rig.client();
    stopper.ask("stop_vg", { vg_name: "vg" });
    const client = rig.client();
    client.gl("sh");
    rig.advance(LONG_ms);
    expect([stopper.waits(), client.waits()]).toEqual([false, false]);
  });

  test("while leaving does not keep stop_all waiting", () => {
    const rig = makeRig();
    rig.startVg();
    rig.hold("leave");
    const client = rig.client();
    client.ask("stop_all", { opts: { wait: true } });
    rig.advance(LONG_ms);
    expect(client.waits()).toBe(false);
  });

  test("in the join of an adopted VG lets the adoption be over, once", () => {
    const rig = makeRig();
    rig.hold("join");
    rig.handle({ kind: "adopt", lockspaces: [orphaned("vg"), orphaned("vg2")] });
    rig.advance(LONG_ms);
    expect(rig.effectsOf("adopted").length).toBe(1);
    while (rig.held("join").length > 0) rig.answer(done({ generation: 1, global_lock: "not-here" }), "join");
    expect(rig.effectsOf("adopted").length).toBe(1);
  });
});

test("a start_vg that waits is answered when the VG is stopped while it is being prepared", () => {
  const rig = makeRig();
  rig.hold("prepare");
  const starter = rig.client();
  starter.ask("start_vg", { ...START, opts: { wait: true } });
  rig.client().ask("stop_vg", { vg_name: "vg" });
  while (rig.held("prepare").length > 0) {
    rig.answer(done({ prev_generation: 0, global_lock: "not-here" }), "prepare");
  }
  expect(starter.waits()).toBe(false);
});

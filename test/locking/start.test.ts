import { describe, expect, test } from "bun:test";
import { wireResult } from "../../core/errors.ts";
import { argsOf, DLM, done, refused } from "./manager.ts";
import { makeRig, type NormalReply } from "./rig.ts";

const ESTARTING = wireResult("ESTARTING");
const START = { vg_name: "vg", vg_uuid: "uuid", vg_lock_type: "dlm", vg_lock_args: "1.0.0:x" } as const;

describe("start_vg", () => {
  test("is answered after the quick prepare while the join goes on", () => {
    const rig = makeRig();
    rig.hold("join");
    const a = rig.client();
    expect(a.ask("start_vg", START)).toBe(0);
    expect(rig.lockspace()?.state).toBe("joining");
    expect(a.vg("sh")).toBe(ESTARTING);
    rig.answer(done({ generation: 3 }), "join");
    rig.answer(done({ generation: 4 }), "join");
    expect(rig.lockspace()).toMatchObject({ state: "started", generation: 4 });
    expect(a.vg("sh")).toBe(0);
  });

  test("with wait is answered after the join", () => {
    const rig = makeRig();
    rig.hold("join");
    const a = rig.client();
    expect(a.ask("start_vg", { ...START, opts: { wait: true } })).toBeNull();
    rig.answer(done(), "join");
    rig.answer(done(), "join");
    expect(a.result()).toBe(0);
  });

  test("hands the VG's identity and the options to the lock manager", () => {
    const rig = makeRig();
    const opts = { nodelay: true, repair: true, adopt: "if-orphan" } as const;
    rig.client().ask("start_vg", { ...START, host_id: 12, opts });
    const join = rig
      .calls("join")
      .find(({ target }) => target.kind === "lockspace" && target.identity.vg_name !== "");
    expect(join?.target).toMatchObject({
      identity: {
        lockspace_name: "lvm_vg",
        vg_name: "vg",
        vg_uuid: "uuid",
        vg_lock_args: "1.0.0:x",
        host_id: 12,
      },
    });
    expect(join?.args).toEqual({ adopt: "if-orphan", nodelay: true, repair: true });
  });

  test("without a host_id uses the configured one", () => {
    const rig = makeRig({ host_id: 77 });
    rig.client().ask("start_vg", START);
    expect(rig.lockspace()?.host_id).toBe(77);
  });

  test("of a started VG is EEXIST, of a starting one ESTARTING, of a stopping one EAGAIN", () => {
    const rig = makeRig();
    rig.hold("join");
    const a = rig.client();
    a.ask("start_vg", START);
    expect(a.ask("start_vg", START)).toBe(ESTARTING);
    rig.answer(done(), "join");
    rig.answer(done(), "join");
    expect(a.ask("start_vg", START)).toBe(wireResult("EEXIST"));
    rig.hold("leave");
    rig.client().ask("stop_vg", { vg_name: "vg" });
    expect(a.ask("start_vg", START)).toBe(wireResult("EAGAIN"));
  });

  test("of another VG with the name of a started one is refused with what to do, because lvm takes EEXIST for success", () => {
    const rig = makeRig();
    const a = rig.client();
    a.ask("start_vg", START);
    const { result, detail } = a.send("start_vg", { ...START, vg_uuid: "other" }) as NormalReply;
    expect(result).toBe(wireResult("EBUSY"));
    expect(detail).toMatch(/an earlier VG of this name \(uuid\) is, .*vgchange --lockstop vg/);
    expect(a.ask("start_vg", START)).toBe(wireResult("EEXIST"));
    // A client that does not tell means the VG that there is.
    expect(a.ask("start_vg", { ...START, vg_uuid: "" })).toBe(wireResult("EEXIST"));
  });

  test("whose prepare is refused tells the reason and leaves nothing", () => {
    const rig = makeRig();
    rig.script("prepare", () => refused("EHOSTID", { lm_result: -213 }));
    expect(rig.client().send("start_vg", START)).toMatchObject({
      result: wireResult("EHOSTID"),
      lm_result: -213,
    });
    expect(rig.lockspace()).toBeUndefined();
    expect(rig.journal.size).toBe(0);
  });

  test("of a host whose lease had a previous generation tells that generation", () => {
    const rig = makeRig();
    rig.script("prepare", () => done({ prev_generation: 5, global_lock: "not-here" }));
    expect(rig.client().send("start_vg", START)).toMatchObject({
      shape: "start",
      prev_generation: 5,
      result: 0,
    });
  });

  test("without a lock type, or with one that nobody serves, is refused", () => {
    const rig = makeRig();
    const a = rig.client();
    expect(a.ask("start_vg", { vg_name: "vg" })).toBe(wireResult("EINVAL"));
    expect(a.ask("start_vg", { ...START, vg_lock_type: "bad" })).toBe(wireResult("EINVAL"));
    expect(a.ask("start_vg", { ...START, vg_lock_type: "idm" })).toBe(wireResult("EPROTONOSUPPORT"));
  });

  test("again after a stop meets no handle of its predecessor", () => {
    const rig = makeRig();
    const a = rig.client();
    a.ask("start_vg", START);
    a.ask("stop_vg", { vg_name: "vg" });
    a.ask("start_vg", START);
    const keys = rig
      .calls("join")
      .flatMap(({ target }) =>
        target.kind === "lockspace" && target.identity.vg_name === "vg" ? [target.key] : [],
      );
    expect(new Set(keys).size).toBe(2);
    expect(rig.effectsOf("forget-lockspace").map(({ key }) => key)).toContain(keys[0] ?? -1);
  });
});

describe("start_wait", () => {
  test("waits for the starts of this client and for no others", () => {
    const rig = makeRig({ gl_type: "sanlock" });
    rig.hold("join");
    const [a, b] = [rig.client(), rig.client()];
    a.ask("start_vg", { ...START, vg_lock_type: "sanlock" });
    expect(b.ask("start_wait")).toBe(0);
    expect(a.ask("start_wait")).toBeNull();
    rig.answer(done());
    expect(a.result()).toBe(0);
  });

  test("waits also for a start that another client had begun when this one asked for it", () => {
    const rig = makeRig({ gl_type: "sanlock" });
    rig.hold("join");
    const [a, b] = [rig.client(), rig.client()];
    a.ask("start_vg", { ...START, vg_lock_type: "sanlock" });
    b.ask("start_vg", { ...START, vg_lock_type: "sanlock" });
    expect(b.ask("start_wait")).toBeNull();
    rig.answer(done());
    expect(b.result()).toBe(0);
  });

  test("reports a failed join to everybody who waits for it, once", () => {
    const rig = makeRig({ gl_type: "sanlock" });
    rig.hold("join");
    const [a, b] = [rig.client(), rig.client()];
    a.ask("start_vg", { ...START, vg_lock_type: "sanlock" });
    b.ask("start_vg", { ...START, vg_lock_type: "sanlock" });
    a.ask("start_wait");
    rig.answer(refused("ELOCKIO"));
    expect(a.result()).toBe(wireResult("ELOCKIO"));
    expect(b.ask("start_wait")).toBe(wireResult("ELOCKIO"));
    expect(b.ask("start_wait")).toBe(0);
    expect(rig.core.incidents().at(-1)).toMatchObject({ vg_name: "vg", code: "ELOCKIO" });
  });

  test("reports a refused prepare to those who met the start, not to the one who was told already", () => {
    const rig = makeRig({ gl_type: "sanlock" });
    rig.hold("prepare");
    const [a, b] = [rig.client(), rig.client()];
    a.ask("start_vg", { ...START, vg_lock_type: "sanlock" });
    b.ask("start_vg", { ...START, vg_lock_type: "sanlock" });
    rig.answer(refused("EMANAGER"));
    expect(a.result()).toBe(wireResult("EMANAGER"));
    expect(a.ask("start_wait")).toBe(0);
    expect(b.ask("start_wait")).toBe(wireResult("EMANAGER"));
  });

  test("reports the first of several failures", () => {
    const rig = makeRig({ gl_type: "sanlock" });
    rig.hold("join");
    const a = rig.client();
    for (const vg_name of ["vg1", "vg2", "vg3"])
      a.ask("start_vg", { ...START, vg_name, vg_lock_type: "sanlock" });
    a.ask("start_wait");
    rig.answer(done());
    rig.answer(refused("EHOSTID"));
    rig.answer(refused("ELOCKIO"));
    expect(a.result()).toBe(wireResult("EHOSTID"));
  });

  test("ends when the start is stopped, and when the client goes", () => {
    const rig = makeRig({ gl_type: "sanlock" });
    rig.hold("join");
    const [a, b] = [rig.client(), rig.client()];
    a.ask("start_vg", { ...START, vg_lock_type: "sanlock" });
    a.ask("start_wait");
    b.ask("stop_vg", { vg_name: "vg" });
    rig.answer(done());
    expect(a.result()).toBe(0);
    expect(b.result()).toBe(0);
    a.ask("start_vg", { ...START, vg_lock_type: "sanlock" });
    a.ask("start_wait");
    a.close();
    rig.answer(done());
    expect(rig.lockspace()?.state).toBe("started");
  });
});

describe("a start that is stopped before it is over", () => {
  test("leaves again after the join, and the stop is answered then", () => {
    const rig = makeRig({ gl_type: "sanlock" });
    rig.hold("join");
    const [a, b] = [rig.client(), rig.client()];
    a.ask("start_vg", { ...START, vg_lock_type: "sanlock" });
    expect(b.ask("stop_vg", { vg_name: "vg" })).toBeNull();
    expect(a.vg("sh")).toBe(wireResult("ESTALE"));
    rig.answer(done());
    expect(b.result()).toBe(0);
    expect(rig.newCalls()).toEqual(["prepare", "join", "leave"]);
    expect(rig.journal.size).toBe(0);
  });

  test("has nothing to leave when it was only preparing", () => {
    const rig = makeRig({ gl_type: "sanlock" });
    rig.hold("prepare");
    const [a, b] = [rig.client(), rig.client()];
    a.ask("start_vg", { ...START, vg_lock_type: "sanlock" });
    expect(b.ask("stop_vg", { vg_name: "vg" })).toBeNull();
    rig.answer(done({ global_lock: "not-here" }));
    expect(a.result()).toBe(0);
    expect(b.result()).toBe(0);
    expect(rig.newCalls()).toEqual(["prepare"]);
    expect(rig.effectsOf("forget-lockspace").length).toBe(1);
  });

  test("answers the stop also when the join or the prepare fails", () => {
    for (const method of ["prepare", "join"] as const) {
      const rig = makeRig({ gl_type: "sanlock" });
      rig.hold(method);
      const [a, b] = [rig.client(), rig.client()];
      a.ask("start_vg", { ...START, vg_lock_type: "sanlock" });
      expect(b.ask("stop_vg", { vg_name: "vg" })).toBeNull();
      rig.answer(refused("ELOCKIO"));
      expect(b.result()).toBe(0);
      expect(rig.lockspace()).toBeUndefined();
      expect(rig.effectsOf("forget-lockspace").length).toBe(1);
    }
  });
});

describe("VG names", () => {
  const names = (prefix: string, lockspace_name_max: number): string[] => {
    const manager = { ...DLM, capabilities: { ...DLM.capabilities, lockspace_name_max } };
    const rig = makeRig({ managers: { dlm: manager } });
    for (const last of ["a", "b"]) rig.startVg(prefix + last);
    return [...rig.core.lockspaces()].map((view) => view.lockspace_name);
  };

  test("that are too long for the lock manager get lockspaces of their own, short enough and different", () => {
    for (const max of [48, 64]) {
      const made = names("v".repeat(126), max);
      expect(new Set(made).size).toBe(3);
      expect(made.every((name) => name.length <= max)).toBe(true);
    }
  });

  test("that fit are taken as they are, with lvm's prefix", () => {
    expect(names("vg_", 64)).toEqual(["lvm_global", "lvm_vg_a", "lvm_vg_b"]);
  });

  test("that fit exactly are not hashed", () => {
    expect(names("v".repeat(59), 64)).toContain(`lvm_${"v".repeat(59)}a`);
    expect(names("v".repeat(60), 64)).not.toContain(`lvm_${"v".repeat(60)}a`);
  });

  test("a VG called global does not meet the global lock's lockspace", () => {
    const rig = makeRig();
    rig.startVg("global");
    const [gl, vg] = [...rig.core.lockspaces()].map((view) => view.lockspace_name);
    expect(gl).toBe("lvm_global");
    expect(vg).not.toBe("lvm_global");
    expect(rig.client().vg("ex", { vg: "global" })).toBe(0);
    expect(rig.client().gl("ex")).toBe(0);
  });

  test("a lease is made under the name that the start uses", () => {
    const vg_name = "w".repeat(127);
    const rig = makeRig({ managers: { dlm: DLM } });
    rig.client().ask("init_vg", { vg_name, vg_lock_type: "dlm" });
    rig.startVg(vg_name);
    const made = argsOf(rig.calls("initVg")[0] as never).lockspace_name;
    expect(made).toBe(rig.lockspace(vg_name)?.lockspace_name as never);
  });
});

describe("requests to a VG that is not started", () => {
  test("are ENOLS, and tell what else there is", () => {
    const rig = makeRig();
    const a = rig.client();
    const reply = a.send("lock_vg", { vg_name: "vg", mode: "sh" }) as NormalReply;
    expect(reply).toMatchObject({ result: wireResult("ENOLS"), lock_type: "none", ls_generation: 0 });
    expect(reply.flags).toMatchObject({ no_lockspaces: true, no_gl_ls: true, no_lm: true });
    rig.startVg();
    expect((a.send("lock_vg", { vg_name: "other", mode: "sh" }) as NormalReply).flags).toMatchObject({
      no_lockspaces: false,
      no_gl_ls: false,
      no_lm: false,
    });
  });

  test("say no_lm only when no lock manager runs", () => {
    const rig = makeRig();
    rig.script("isRunning", () => done({ running: true }));
    for (const name of ["lock_vg", "vg_update", "stop_vg", "busy_vg"] as const) {
      const reply = rig.client().send(name, { vg_name: "vg", mode: "sh" }) as NormalReply;
      expect(reply.flags).toMatchObject({ no_lockspaces: true, no_gl_ls: true, no_lm: false });
    }
  });
});

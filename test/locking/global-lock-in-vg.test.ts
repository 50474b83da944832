import { describe, expect, test } from "bun:test";
import { wireResult } from "../../core/errors.ts";
import { done, refused } from "./manager.ts";
import { makeRig, type NormalReply, type Rig, type RigOptions, type TestClient } from "./rig.ts";

const ENOLS = wireResult("ENOLS");
const lockGl = (client: TestClient, mode: "sh" | "ex" | "un"): NormalReply =>
  client.send("lock_gl", { mode }) as NormalReply;

/** VGs whose global lock lives in them; `enabled` have theirs enabled on disk. */
function sanlockRig(enabled: string[], options: RigOptions = {}): Rig {
  const rig = makeRig({ gl_type: "sanlock", lock_type: "sanlock", ...options });
  const state = (vg_name: string): string => (enabled.includes(vg_name) ? "enabled" : "disabled");
  for (const method of ["prepare", "join"] as const) {
    rig.script(method, ({ target }) =>
      done({ global_lock: target.kind === "lockspace" ? state(target.identity.vg_name) : "not-here" }),
    );
  }
  rig.script("hasGlobalLock", ({ target }) =>
    done({ enabled: target.kind === "lockspace" && enabled.includes(target.identity.vg_name) }),
  );
  rig.script("setGlobalLock", ({ target, args }) => {
    const { vg_name } = target.kind === "lockspace" ? target.identity : { vg_name: "" };
    if ((args as { enabled: boolean }).enabled) enabled.push(vg_name);
    else enabled.splice(enabled.indexOf(vg_name), 1);
    return done();
  });
  return rig;
}

describe("a global lock that lives in a VG", () => {
  test("is taken in the VG whose copy is enabled", () => {
    const rig = sanlockRig(["vg2"]);
    rig.startVg("vg1");
    rig.startVg("vg2");
    expect(lockGl(rig.client(), "ex")).toMatchObject({ result: 0, lock_type: "sanlock" });
    expect(rig.resource("GLLK", "vg2")?.mode).toBe("ex");
    expect(rig.resource("GLLK", "vg1")).toBeUndefined();
    expect(rig.lockspace("vg2")?.global_lock_enabled).toBe(true);
  });

  test("is searched in the started VGs, in turn, when it is not known", () => {
    const enabled: string[] = [];
    const rig = sanlockRig(enabled);
    for (const vg_name of ["vg1", "vg2", "vg3"]) rig.startVg(vg_name);
    expect(lockGl(rig.client(), "sh")).toMatchObject({ result: ENOLS, flags: { no_gl_ls: true } });
    enabled.push("vg2");
    rig.newCalls();
    expect(lockGl(rig.client(), "sh").result).toBe(0);
    expect(rig.newCalls()).toEqual(["hasGlobalLock", "hasGlobalLock", "lock GLLK sh"]);
    expect(lockGl(rig.client(), "sh").result).toBe(0);
    expect(rig.newCalls()).toEqual([]);
  });

  test("is ENOLS with the flags when no VG is started at all", () => {
    const rig = sanlockRig([]);
    expect(lockGl(rig.client(), "ex")).toMatchObject({
      result: ENOLS,
      flags: { no_lockspaces: true, no_gl_ls: true },
    });
  });

  test("that is searched in a VG which stops meanwhile is searched on", () => {
    const rig = sanlockRig([]);
    rig.startVg("vg1");
    rig.hold("hasGlobalLock");
    const [a, b] = [rig.client(), rig.client()];
    a.gl("sh");
    expect(b.ask("stop_vg", { vg_name: "vg1" })).toBeNull();
    rig.answer(done({ enabled: true }));
    expect(a.result()).toBe(ENOLS);
    expect(b.result()).toBe(0);
  });

  test("that turns out disabled at the lock manager is forgotten: ENOLS to the one, ECANCELED to those behind", () => {
    const enabled = ["vg1"];
    const rig = sanlockRig(enabled);
    rig.startVg("vg1");
    rig.script("lock", () => refused("EAGAIN"));
    const [a, b] = [rig.client(), rig.client()];
    a.gl("ex");
    b.gl("ex");
    enabled.length = 0;
    rig.script("lock", () => refused("EUNATCH"));
    rig.advance(100);
    expect(a.reply()).toMatchObject({ result: ENOLS, flags: { no_gl_ls: true } });
    expect(b.result()).toBe(wireResult("ECANCELED"));
    rig.unscript("lock");
    expect(rig.client().gl("sh")).toBe(ENOLS);
  });

  test("of the first VG is known from making it", () => {
    const rig = sanlockRig([]);
    rig.script("initVg", () => done({ vg_lock_args: "1.0.0:lvmlock", global_lock: "enabled" }));
    const a = rig.client();
    a.ask("init_vg", { vg_name: "vg1", vg_lock_type: "sanlock", opts: { enable: true } });
    rig.startVg("vg1");
    rig.newCalls();
    expect(a.gl("ex")).toBe(0);
    expect(rig.newCalls()).toEqual(["lock GLLK ex"]);
  });

  test("is wanted from the first VG of the host, from no further one, and as the command says when it says so", () => {
    const rig = sanlockRig([]);
    rig.script("initVg", () => done({ vg_lock_args: "1.0.0:lvmlock", global_lock: "disabled" }));
    const wanted = (enable_global_lock: boolean) => expect.objectContaining({ enable_global_lock });
    const make = (opts: { enable?: true; disable?: true } = {}): unknown => {
      rig.client().ask("init_vg", { vg_name: "new", vg_lock_type: "sanlock", opts });
      return rig.calls("initVg").at(-1)?.args;
    };
    expect([make(), make({ disable: true }), make({ enable: true })]).toEqual(
      [true, false, true].map(wanted),
    );
    rig.startVg("vg1");
    expect([make(), make({ enable: true })]).toEqual([false, true].map(wanted));
  });
});

describe("duplicate global locks", () => {
  test("that were disabled on another host are none any more for the request after the next", () => {
    const rig = sanlockRig(["vg1", "vg2"]);
    rig.startVg("vg1");
    rig.startVg("vg2");
    rig.hold("hasGlobalLock");
    const [a, b] = [rig.client(), rig.client()];
    expect(lockGl(a, "sh").flags.dup_gl_ls).toBe(true);
    expect(lockGl(b, "sh").flags.dup_gl_ls).toBe(false);
    expect(rig.held("hasGlobalLock").length).toBe(1);
    rig.answer(done({ enabled: true }));
    for (const client of [a, b]) client.gl("un");
    expect(lockGl(a, "sh").flags.dup_gl_ls).toBe(true);
    rig.answer(done({ enabled: false }));
    a.gl("un");
    expect(lockGl(a, "sh").flags.dup_gl_ls).toBe(false);
    expect(rig.held("hasGlobalLock")).toEqual([]);
    expect(rig.lockspace("vg1")?.global_lock_enabled).toBe(true);
  });

  test("are told to clients that lock in a VG which has one, until one is disabled", () => {
    const rig = sanlockRig(["vg1", "vg2"]);
    rig.startVg("vg1");
    rig.startVg("vg2");
    const a = rig.client();
    expect(lockGl(a, "sh").flags.dup_gl_ls).toBe(true);
    expect(rig.logs().some((text) => text.includes("--gl-disable vg2"))).toBe(true);
    expect(rig.client().ask("disable_gl", { vg_name: "vg2" })).toBe(0);
    a.gl("un");
    expect(lockGl(a, "sh").flags.dup_gl_ls).toBe(false);
  });

  test("end when one of the VGs is stopped", () => {
    const rig = sanlockRig(["vg1", "vg2"]);
    rig.startVg("vg1");
    rig.startVg("vg2");
    rig.client().ask("stop_vg", { vg_name: "vg2" });
    expect(lockGl(rig.client(), "sh").flags.dup_gl_ls).toBe(false);
  });

  test("are not what a VG without its own enabled copy reports", () => {
    const rig = sanlockRig(["vg1", "vg2"]);
    for (const vg_name of ["vg1", "vg2", "vg3"]) rig.startVg(vg_name);
    const reply = rig.client().send("lock_vg", { vg_name: "vg3", mode: "sh" }) as NormalReply;
    expect(reply.flags.dup_gl_ls).toBe(false);
  });
});

describe("enable_gl and disable_gl", () => {
  test("move the global lock from one VG to another", () => {
    const rig = sanlockRig(["vg1"]);
    rig.startVg("vg1");
    rig.startVg("vg2");
    const a = rig.client();
    expect(a.send("enable_gl", { vg_name: "vg2" })).toMatchObject({
      result: wireResult("EINVAL"),
      detail: "disable the global lock in VG vg1 first: lvmlockctl --gl-disable vg1",
    });
    expect(a.ask("disable_gl", { vg_name: "vg1" })).toBe(0);
    expect(a.gl("ex")).toBe(ENOLS);
    expect(a.ask("enable_gl", { vg_name: "vg2" })).toBe(0);
    expect(a.gl("ex")).toBe(0);
    expect(rig.resource("GLLK", "vg2")?.mode).toBe("ex");
  });

  test("are refused while the global lock is held", () => {
    const rig = sanlockRig(["vg1"]);
    rig.startVg("vg1");
    rig.client().gl("sh");
    expect(rig.client().ask("disable_gl", { vg_name: "vg1" })).toBe(wireResult("EINVAL"));
  });

  test("tell the lock manager's refusal and change nothing then", () => {
    const rig = sanlockRig(["vg1"]);
    rig.startVg("vg1");
    rig.script("setGlobalLock", () => refused("ELOCKIO"));
    expect(rig.client().ask("disable_gl", { vg_name: "vg1" })).toBe(wireResult("ELOCKIO"));
    expect(rig.client().gl("sh")).toBe(0);
  });

  test("wait behind a lock call, and requests behind them meet the new state", () => {
    const rig = sanlockRig(["vg1"]);
    rig.startVg("vg1");
    rig.hold("setGlobalLock");
    const [a, b] = [rig.client(), rig.client()];
    a.ask("disable_gl", { vg_name: "vg1" });
    b.gl("sh");
    rig.script("lock", () => refused("EUNATCH"));
    rig.answer(done());
    expect(a.result()).toBe(0);
    expect(b.result()).toBe(ENOLS);
  });

  test("of an unknown VG are ENOLS, of a killed one EVGKILLED", () => {
    const rig = sanlockRig([]);
    rig.startVg("vg1");
    const a = rig.client();
    expect(a.ask("enable_gl", { vg_name: "other" })).toBe(ENOLS);
    a.ask("kill_vg", { vg_name: "vg1" });
    expect(a.ask("enable_gl", { vg_name: "vg1" })).toBe(wireResult("EVGKILLED"));
  });
});

describe("WARN_GL_REMOVED", () => {
  test("is on every reply after vgremove of the VG with the global lock, until one is enabled again", () => {
    const rig = sanlockRig(["vg1"]);
    rig.startVg("vg1");
    rig.startVg("vg2");
    const a = rig.client();
    expect((a.send("free_vg", { vg_name: "vg1" }) as NormalReply).flags.warn_gl_removed).toBe(true);
    const vg2 = { vg_name: "vg2", mode: "sh" } as const;
    expect((a.send("lock_vg", vg2) as NormalReply).flags.warn_gl_removed).toBe(true);
    expect(a.ask("enable_gl", { vg_name: "vg2" })).toBe(0);
    expect((a.send("lock_vg", vg2) as NormalReply).flags.warn_gl_removed).toBe(false);
  });

  test("stays when a VG without the global lock is started, and ends when one that has it is", () => {
    const rig = sanlockRig(["vg1", "vg4"]);
    rig.startVg("vg1");
    rig.startVg("vg2");
    const a = rig.client();
    expect(a.ask("free_vg", { vg_name: "vg1" })).toBe(0);
    const removed = (): boolean =>
      (a.send("busy_vg", { vg_name: "vg2" }) as NormalReply).flags.warn_gl_removed;
    rig.startVg("vg3");
    expect([removed(), a.gl("ex")]).toEqual([true, ENOLS]);
    rig.startVg("vg4");
    expect([removed(), a.gl("ex")]).toEqual([false, 0]);
  });

  test("stays when the VG could not be enabled", () => {
    const rig = sanlockRig(["vg1"]);
    rig.startVg("vg1");
    rig.startVg("vg2");
    const a = rig.client();
    a.ask("free_vg", { vg_name: "vg1" });
    rig.script("setGlobalLock", () => refused("ELOCKIO"));
    expect(a.send("enable_gl", { vg_name: "vg2" })).toMatchObject({
      result: wireResult("ELOCKIO"),
      flags: { warn_gl_removed: true },
    });
  });

  test("is not there when no other VG is left without a global lock", () => {
    const rig = sanlockRig(["vg1"]);
    rig.startVg("vg1");
    expect((rig.client().send("free_vg", { vg_name: "vg1" }) as NormalReply).flags.warn_gl_removed).toBe(
      false,
    );
  });

  test("is not there after an ordinary stop", () => {
    const rig = sanlockRig(["vg1"]);
    rig.startVg("vg1");
    rig.startVg("vg2");
    const reply = rig.client().send("stop_vg", { vg_name: "vg1" }) as NormalReply;
    expect(reply.flags.warn_gl_removed).toBe(false);
  });
});

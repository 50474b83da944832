import { describe, expect, test } from "bun:test";
import { wireResult } from "../../core/errors.ts";
import { done, granted, refused, SANLOCK } from "./manager.ts";
import { makeRig, type NormalReply, type Rig, type RigOptions, type TestClient } from "./rig.ts";

const ENOLS = wireResult("ENOLS");
const lockGl = (client: TestClient, mode: "sh" | "ex" | "un"): NormalReply =>
  client.send("lock_gl", { mode }) as NormalReply;

describe("a global lock with a lockspace of its own", () => {
  test("is started by the first request for it, which waits for the start", () => {
    const rig = makeRig({ gl_type: "dlm" });
    rig.hold("join");
    const a = rig.client();
    expect(a.gl("sh")).toBeNull();
    rig.answer(done());
    expect(a.result()).toBe(0);
    expect(rig.newCalls()).toEqual(["prepare", "join", "lock GLLK sh"]);
  });

  test("is started along with the first VG", () => {
    const rig = makeRig();
    rig.startVg();
    expect([...rig.core.lockspaces()].map((view) => view.lockspace_name)).toEqual(["lvm_global", "lvm_vg"]);
  });

  test("waits for a start that is under way, for a lock; an unlock has nothing to wait for", () => {
    const rig = makeRig({ gl_type: "dlm" });
    rig.hold("join");
    const [a, b] = [rig.client(), rig.client()];
    a.gl("sh");
    expect(b.gl("un")).toBe(wireResult("ESTARTING"));
  });

  test("an unlock does not start it", () => {
    const rig = makeRig({ gl_type: "dlm" });
    expect(rig.client().gl("un")).toBe(ENOLS);
    expect(rig.newCalls()).toEqual([]);
  });

  test("that cannot be started answers everybody with ENOLS and the reason", () => {
    const rig = makeRig({ gl_type: "dlm" });
    rig.hold("prepare");
    const [a, b] = [rig.client(), rig.client()];
    a.gl("sh");
    b.gl("ex");
    rig.answer({ ...refused("EMANAGER"), detail: "dlm_controld does not run" } as never);
    expect(a.reply()).toMatchObject({ result: ENOLS, detail: "dlm_controld does not run" });
    expect(b.result()).toBe(ENOLS);
    expect([...rig.core.lockspaces()]).toEqual([]);
  });

  test("is started again by a request that comes while it is stopping", () => {
    const rig = makeRig();
    rig.startVg();
    rig.hold("leave");
    const [a, b] = [rig.client(), rig.client()];
    a.ask("stop_vg", { vg_name: "vg" });
    expect(b.gl("sh")).toBeNull();
    while (rig.held("leave").length > 0) rig.answer(done(), "leave");
    expect(b.result()).toBe(0);
  });

  test("is started again also when what was stopped had not even been joined and fails", () => {
    const rig = makeRig();
    rig.startVg();
    const a = rig.client();
    rig.client().ask("stop_vg", { vg_name: "vg" });
    rig.hold("join");
    rig.client().ask("start_vg", { vg_name: "vg2", vg_lock_type: "dlm" });
    rig.client().ask("stop_vg", { vg_name: "vg2" });
    expect(a.gl("ex")).toBeNull();
    rig.unscript("join");
    rig.answer(refused("ELMERR"), "join");
    rig.answer(refused("ELMERR"), "join");
    expect(a.result()).toBe(0);
  });

  test("drops the request of a client that goes while it is being started", () => {
    const rig = makeRig({ gl_type: "dlm" });
    rig.hold("join");
    const a = rig.client();
    a.gl("ex");
    a.close();
    rig.answer(done());
    expect(rig.calls("lock")).toEqual([]);
  });

  test("can't be enabled or disabled", () => {
    const rig = makeRig();
    rig.startVg();
    expect(rig.client().ask("enable_gl", { vg_name: "vg" })).toBe(wireResult("EINVAL"));
    expect(rig.client().ask("disable_gl", { vg_name: "vg" })).toBe(wireResult("EINVAL"));
  });
});

describe("the type of the global lock", () => {
  test("is the one that the only running lock manager has", () => {
    const rig = makeRig();
    rig.script("isRunning", ({ target }) => done({ running: target.lock_type === "dlm" }));
    expect(rig.client().gl("sh")).toBe(0);
    expect(rig.lockspace("")?.lock_type).toBe("dlm");
  });

  test("stays open when two run or none, and the reply says which", () => {
    for (const running of [true, false]) {
      const rig = makeRig();
      rig.script("isRunning", () => done({ running }));
      const reply = lockGl(rig.client(), "sh");
      expect(reply.result).toBe(ENOLS);
      expect(reply.flags).toMatchObject({ no_lockspaces: true, no_gl_ls: true, no_lm: !running });
    }
  });

  test("is named by the first request that names one", () => {
    const rig = makeRig();
    expect(rig.client().gl("ex", { vg_lock_type: "dlm" })).toBe(0);
    expect(rig.calls("isRunning")).toEqual([]);
  });

  test("does not change while a lockspace exists, and is open again after the last one", () => {
    const rig = makeRig();
    rig.startVg("vg1");
    rig.startVg("vg2", { vg_lock_type: "sanlock" });
    expect(rig.client().gl("ex")).toBe(0);
    expect(rig.lockspace("")?.lock_type).toBe("dlm");
    rig.client().ask("stop_vg", { vg_name: "vg1" });
    rig.client().ask("stop_vg", { vg_name: "vg2" });
    expect(rig.client().gl("sh", { vg_lock_type: "sanlock" })).toBe(ENOLS);
  });

  test("that the administrator has fixed is not changed by anybody", () => {
    const rig = makeRig({ gl_type: "sanlock" });
    rig.startVg("vg");
    expect(lockGl(rig.client(), "sh")).toMatchObject({
      result: ENOLS,
      flags: { no_gl_ls: true, no_lm: false },
    });
  });
});

describe("after the last VG was removed, a global lock with a lockspace of its own", () => {
  /** The VG goes for good, by a command that has the global lock. */
  function removed(rig: Rig): TestClient {
    rig.startVg();
    const command = rig.client();
    command.gl("ex");
    command.vg("ex");
    expect(command.ask("free_vg", { vg_name: "vg" })).toBe(0);
    rig.newCalls();
    return command;
  }
  const names = (rig: Rig): string[] => [...rig.core.lockspaces()].map((view) => view.lockspace_name);

  test("stops when the command releases it", () => {
    const rig = makeRig();
    const command = removed(rig);
    expect(names(rig)).toEqual(["lvm_global"]);
    expect(command.gl("un")).toBe(0);
    expect(rig.newCalls()).toEqual(["unlock GLLK ex", "leave"]);
    expect(names(rig)).toEqual([]);
  });

  test("stops when the command ends without a release", () => {
    const rig = makeRig();
    removed(rig).close();
    expect(rig.newCalls()).toEqual(["unlock GLLK ex", "leave"]);
  });

  test("stops at once when nobody has the lock", () => {
    const rig = makeRig();
    rig.startVg();
    rig.client().ask("free_vg", { vg_name: "vg" });
    expect(names(rig)).toEqual([]);
  });

  test("serves those who wait for the lock first", () => {
    const rig = makeRig();
    const command = removed(rig);
    const next = rig.client();
    expect(next.gl("ex")).toBeNull();
    command.gl("un");
    expect(next.result()).toBe(0);
    expect(names(rig)).toEqual(["lvm_global"]);
    next.close();
    expect(names(rig)).toEqual([]);
  });

  test("is not left while the lock is being taken or given back", () => {
    const rig = makeRig();
    const command = removed(rig);
    rig.hold("unlock");
    expect(command.gl("un")).toBeNull();
    expect(rig.newCalls()).toEqual(["unlock GLLK ex"]);
    rig.answer(done());
    expect(command.result()).toBe(0);
    expect(rig.newCalls()).toEqual(["leave"]);
  });

  test("stays when another VG is started meanwhile", () => {
    const rig = makeRig();
    const command = removed(rig);
    rig.startVg("vg2");
    command.gl("un");
    expect(names(rig)).toEqual(["lvm_global", "lvm_vg2"]);
  });

  test("is started again by a request that comes while it is left", () => {
    const rig = makeRig();
    const command = removed(rig);
    rig.hold("leave");
    command.gl("un");
    const next = rig.client();
    expect(next.gl("sh")).toBeNull();
    rig.answer(done(), "leave");
    expect(next.result()).toBe(0);
    expect(rig.newCalls()).toEqual(["unlock GLLK ex", "leave", "prepare", "join", "lock GLLK sh"]);
  });

  test("that was started by a command, and no VG with it, stays for the next one", () => {
    const rig = makeRig({ gl_type: "dlm" });
    const command = rig.client();
    command.gl("sh");
    command.close();
    expect(names(rig)).toEqual(["lvm_global"]);
  });
});

describe("running_lm", () => {
  test("answers the number of the lock manager that runs, ENOLCK for none, EXFULL for several", () => {
    const answers = (running: string[]): number | null => {
      const rig = makeRig();
      rig.script("isRunning", ({ target }) =>
        done({ running: running.includes(target.lock_type as string) }),
      );
      return rig.client().ask("running_lm");
    };
    expect(answers(["dlm"])).toBe(2);
    expect(answers(["sanlock"])).toBe(3);
    expect(answers([])).toBe(wireResult("ENOLCK"));
    expect(answers(["dlm", "sanlock"])).toBe(wireResult("EXFULL"));
  });

  test("in test mode answers the type in use, without asking", () => {
    const rig = makeRig({ test_mode: true, gl_type: "dlm" });
    expect(rig.client().ask("running_lm")).toBe(2);
    expect(rig.calls()).toEqual([]);
  });

  test("counts a lock manager whose library is not there as one that does not run", () => {
    const rig = makeRig();
    rig.script("isRunning", () => refused("EMANAGER"));
    expect(rig.client().ask("running_lm")).toBe(wireResult("ENOLCK"));
  });

  test("without any lock manager configured is ENOLCK", () => {
    expect(makeRig({ managers: {} }).client().ask("running_lm")).toBe(wireResult("ENOLCK"));
  });
});

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

describe("a manager without the other type", () => {
  test("lock requests for a type that nobody serves are EPROTONOSUPPORT", () => {
    const rig = makeRig({ managers: { sanlock: SANLOCK } });
    rig.script("lock", () => granted());
    expect(rig.client().gl("sh", { vg_lock_type: "dlm" })).toBe(wireResult("EPROTONOSUPPORT"));
    expect(rig.client().ask("init_vg", { vg_name: "vg", vg_lock_type: "idm" })).toBe(
      wireResult("EPROTONOSUPPORT"),
    );
  });
});

import { describe, expect, test } from "bun:test";
import { wireResult } from "../../core/errors.ts";
import { done, granted, refused, SANLOCK } from "./manager.ts";
import { makeRig, type NormalReply, type Rig, type TestClient } from "./rig.ts";

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

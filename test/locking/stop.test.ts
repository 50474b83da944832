import { describe, expect, test } from "bun:test";
import { wireResult } from "../../core/errors.ts";
import { argsOf, done, granted, refused } from "./manager.ts";
import { makeRig, type Rig } from "./rig.ts";

const STOP = { vg_name: "vg" };

function started(): Rig {
  const rig = makeRig();
  rig.startVg();
  rig.newCalls();
  return rig;
}

describe("stop_vg", () => {
  test("releases the GL and VG locks that are held, then leaves, then answers", () => {
    const rig = started();
    rig.startVg("vg2");
    const a = rig.client();
    a.vg("sh");
    rig.newCalls();
    rig.hold("leave");
    expect(a.ask("stop_vg", STOP)).toBeNull();
    expect(rig.newCalls()).toEqual(["unlock VGLK sh", "leave"]);
    rig.answer(done());
    expect(a.result()).toBe(0);
    expect(a.vg("un")).toBe(wireResult("ENOLS"));
  });

  test("is refused with EBUSY while LVs of the VG hold locks, unless forced", () => {
    const rig = started();
    const a = rig.client();
    a.lv("lv1", "ex", { persistent: true });
    a.lv("lv2", "sh");
    expect(a.ask("stop_vg", STOP)).toBe(wireResult("EBUSY"));
    expect(rig.lockspace()?.state).toBe("started");
    expect(a.ask("stop_vg", { ...STOP, opts: { force: true } })).toBe(0);
    expect(rig.journal.size).toBe(0);
  });

  test("of a VG that is not started is ENOLS, of one that is stopping ESTALE", () => {
    const rig = started();
    const a = rig.client();
    expect(a.ask("stop_vg", { vg_name: "other" })).toBe(wireResult("ENOLS"));
    rig.hold("leave");
    rig.client().ask("stop_vg", STOP);
    expect(a.ask("stop_vg", STOP)).toBe(wireResult("ESTALE"));
    expect(a.vg("sh")).toBe(wireResult("ESTALE"));
  });

  test("tells those who wait for a lock that the VG was stopped", () => {
    const rig = started();
    const [a, b, c, d] = [rig.client(), rig.client(), rig.client(), rig.client()];
    a.vg("ex");
    b.vg("ex");
    c.vg("sh");
    expect(d.ask("stop_vg", STOP)).toBe(0);
    expect([b.result(), c.result()]).toEqual([wireResult("ECANCELED"), wireResult("ECANCELED")]);
  });

  test("waits for the calls under way, whatever they are for, and gives their grants back", () => {
    const rig = started();
    const [a, b, c, d, e] = [rig.client(), rig.client(), rig.client(), rig.client(), rig.client()];
    for (const method of ["lock", "hosts", "findFreeLock", "status"] as const) rig.hold(method);
    a.vg("ex");
    b.ask("busy_vg", STOP);
    c.ask("find_free_lock", STOP);
    d.ask("vg_status", STOP);
    rig.newCalls();
    expect(e.ask("stop_vg", STOP)).toBeNull();
    expect(a.result()).toBe(wireResult("ECANCELED"));
    rig.answer(granted(), "lock");
    rig.answer(done(), "findFreeLock");
    rig.answer(done({ owner: {} }), "status");
    expect(e.waits()).toBe(true);
    rig.answer(done({ others: 0 }), "hosts");
    expect(e.result()).toBe(0);
    expect([b, c, d].map((client) => client.unread.length)).toEqual([1, 1, 1]);
    expect(rig.newCalls()).toEqual(["leave", "unlock VGLK ex", "leave"]);
  });

  test("overtakes an unlock that waits behind a call, and tells it that the VG is gone", () => {
    const rig = started();
    const [a, b, c] = [rig.client(), rig.client(), rig.client()];
    a.lv("lv1", "sh", { persistent: true });
    rig.hold("convert");
    a.lv("lv1", "ex", { persistent: true });
    b.lv("lv1", "un", { persistent: true });
    c.ask("stop_vg", { ...STOP, opts: { force: true } });
    expect(b.result()).toBe(wireResult("ENOLS"));
    rig.answer(done());
    expect(a.result()).toBe(0);
    expect(c.result()).toBe(0);
  });

  test("goes on when the lock manager refuses to release", () => {
    const rig = started();
    const a = rig.client();
    a.vg("ex");
    rig.script("unlock", () => refused("ELOCKIO"));
    expect(a.ask("stop_vg", STOP)).toBe(0);
    expect(rig.core.incidents().length).toBe(1);
  });

  test("goes on when leaving fails with an error", () => {
    const rig = started();
    rig.script("leave", () => refused("ELMERR"));
    expect(rig.client().ask("stop_vg", STOP)).toBe(0);
    expect(rig.lockspace()).toBeUndefined();
  });

  test("that the lock manager finds busy is told, and the VG serves on", () => {
    const rig = started();
    rig.script("leave", () => refused("EBUSY"));
    const a = rig.client();
    expect(a.ask("stop_vg", STOP)).toBe(wireResult("EBUSY"));
    expect(a.vg("ex")).toBe(0);
    rig.unscript("leave");
    expect(a.ask("stop_vg", STOP)).toBe(0);
  });

  test("that the lock manager finds busy leaves no lock at the manager whose release it had refused", () => {
    const rig = started();
    const [a, b] = [rig.client(), rig.client()];
    a.vg("ex");
    a.lv("lv1", "ex", { persistent: true });
    rig.script("unlock", () => refused("ELOCKIO"));
    rig.script("leave", () => refused("EBUSY"));
    expect(a.ask("stop_vg", { ...STOP, opts: { force: true } })).toBe(wireResult("EBUSY"));
    expect(b.vg("ex")).toBeNull();
    expect(rig.journal.has("vg/lv1")).toBe(true);
    rig.unscript("unlock");
    rig.advance(1000);
    expect(b.result()).toBe(0);
    expect(rig.journal.has("vg/lv1")).toBe(false);
  });

  test("that came during the start and comes to nothing leaves nobody waiting for that start", () => {
    const rig = makeRig({ gl_type: "dlm" });
    rig.hold("join");
    const [a, b] = [rig.client(), rig.client()];
    expect(a.gl("ex")).toBeNull();
    expect(b.ask("stop_all", { opts: { wait: true } })).toBeNull();
    rig.script("leave", () => refused("EBUSY"));
    rig.answer(done({ generation: 1, global_lock: "not-here" }));
    expect(b.result()).toBe(1);
    expect(a.result()).toBe(0);
    expect(rig.newCalls()).toEqual(["prepare", "join", "leave", "lock GLLK ex"]);
  });

  test("of the last VG stops the global lock's own lockspace too", () => {
    const rig = started();
    rig.startVg("vg2");
    const a = rig.client();
    a.ask("stop_vg", STOP);
    expect([...rig.core.lockspaces()].map((view) => view.lockspace_name)).toEqual(["lvm_global", "lvm_vg2"]);
    a.ask("stop_vg", { vg_name: "vg2" });
    expect([...rig.core.lockspaces()]).toEqual([]);
  });

  test("is in the journal after the lock manager has left, not before", () => {
    const rig = started();
    rig.hold("leave");
    rig.client().ask("stop_vg", STOP);
    expect(rig.journal.has("vg")).toBe(true);
    while (rig.held("leave").length > 0) rig.answer(done(), "leave");
    expect(rig.journal.has("vg")).toBe(false);
  });
});

describe("stop_all", () => {
  const locked = (): Rig => {
    const rig = makeRig();
    for (const vg_name of ["vg1", "vg2"]) rig.startVg(vg_name);
    return rig;
  };

  test("stops what holds no lock and answers how many lockspaces are left", () => {
    const rig = locked();
    rig.hold("leave");
    const a = rig.client();
    a.lv("lv1", "ex", { vg: "vg1" });
    expect(a.ask("stop_all")).toBe(3);
    while (rig.held("leave").length > 0) rig.answer(done(), "leave");
    expect([...rig.core.lockspaces()].map((view) => view.vg_name)).toEqual(["vg1"]);
  });

  test("with force stops everything", () => {
    const rig = locked();
    rig.client().lv("lv1", "ex", { vg: "vg1" });
    rig.client().ask("stop_all", { opts: { force: true } });
    expect([...rig.core.lockspaces()]).toEqual([]);
    expect(rig.journal.size).toBe(0);
  });

  test("with wait answers 0 once everything has stopped, which it does as locks are released", () => {
    const rig = locked();
    const [a, b] = [rig.client(), rig.client()];
    a.lv("lv1", "ex", { vg: "vg1" });
    expect(b.ask("stop_all", { opts: { wait: true } })).toBeNull();
    expect([...rig.core.lockspaces()].map((view) => view.vg_name)).toEqual(["vg1"]);
    a.lv("lv1", "un", { vg: "vg1" });
    expect(b.result()).toBe(0);
  });

  test("with wait and force waits only for the lock manager", () => {
    const rig = locked();
    rig.client().lv("lv1", "ex", { vg: "vg1" });
    rig.hold("leave");
    const b = rig.client();
    expect(b.ask("stop_all", { opts: { wait: true, force: true } })).toBeNull();
    while (rig.held("leave").length > 0) rig.answer(done(), "leave");
    expect(b.result()).toBe(0);
  });

  test("with nothing started answers 0", () => {
    expect(
      makeRig()
        .client()
        .ask("stop_all", { opts: { wait: true } }),
    ).toBe(0);
  });

  test("with wait is told how many are left when the lock manager does not let one go", () => {
    const rig = locked();
    rig.script("leave", ({ target }) =>
      target.kind === "lockspace" && target.identity.vg_name === "vg1" ? refused("EBUSY") : done(),
    );
    expect(rig.client().ask("stop_all", { opts: { wait: true } })).toBeGreaterThan(0);
  });

  test("several may wait, and one that goes meanwhile is forgotten", () => {
    const rig = locked();
    const [a, b, c] = [rig.client(), rig.client(), rig.client()];
    a.lv("lv1", "ex", { vg: "vg1" });
    b.ask("stop_all", { opts: { wait: true } });
    c.ask("stop_all", { opts: { wait: true } });
    b.close();
    a.lv("lv1", "un", { vg: "vg1" });
    expect(c.result()).toBe(0);
  });
});

describe("quit", () => {
  test("is refused with EBUSY while a VG is started", () => {
    const rig = started();
    expect(rig.client().ask("quit")).toBe(wireResult("EBUSY"));
    expect(rig.effectsOf("quit")).toEqual([]);
  });

  test("is obeyed when nothing is started, after the reply", () => {
    const rig = makeRig();
    expect(rig.client().ask("quit")).toBe(0);
    expect(rig.effects.at(-1)?.kind).toBe("quit");
  });

  test("takes the global lock's lockspace along when nobody holds that", () => {
    const rig = makeRig({ gl_type: "dlm" });
    const a = rig.client();
    a.gl("sh");
    expect(rig.client().ask("quit")).toBe(wireResult("EBUSY"));
    a.gl("un");
    expect(rig.client().ask("quit")).toBe(0);
    expect(rig.effectsOf("quit").length).toBe(1);
    expect([...rig.core.lockspaces()]).toEqual([]);
  });

  test("lets nothing be started any more", () => {
    const rig = makeRig({ gl_type: "dlm" });
    const [a, b] = [rig.client(), rig.client()];
    a.gl("sh");
    a.gl("un");
    rig.hold("leave");
    a.ask("quit");
    expect(b.ask("start_vg", { vg_name: "vg", vg_lock_type: "dlm" })).toBe(wireResult("ESTALE"));
    expect(b.gl("sh")).toBe(wireResult("ESTALE"));
    rig.answer(done());
    expect(rig.effectsOf("quit").length).toBe(1);
  });
});

describe("terminate", () => {
  test("stops everything and quits when no lock is held", () => {
    const rig = started();
    rig.handle({ kind: "terminate" });
    expect([...rig.core.lockspaces()]).toEqual([]);
    expect(rig.effects.at(-1)?.kind).toBe("quit");
  });

  test("stops nothing and stays when a lock is held anywhere, and says where", () => {
    const rig = started();
    rig.startVg("vg2");
    rig.client().lv("lv1", "ex", { vg: "vg2", persistent: true });
    rig.newCalls();
    rig.handle({ kind: "terminate" });
    expect(rig.effects.at(-1)).toEqual({ kind: "stay", vg_names: ["vg2"] });
    expect(rig.newCalls()).toEqual([]);
    expect(rig.client().vg("ex")).toBe(0);
  });

  test("cancels what waits for the lock manager, and quits when that has ended", () => {
    const rig = started();
    rig.hold("lock");
    const a = rig.client();
    a.vg("ex");
    rig.handle({ kind: "terminate" });
    expect(a.result()).toBe(wireResult("ECANCELED"));
    expect(rig.effectsOf("quit")).toEqual([]);
    rig.answer(granted());
    expect(rig.effectsOf("quit").length).toBe(1);
  });

  test("stays when the lock manager does not let a VG go, and serves on", () => {
    const rig = started();
    rig.script("leave", () => refused("EBUSY"));
    rig.handle({ kind: "terminate" });
    expect(rig.effectsOf("quit")).toEqual([]);
    expect(rig.effectsOf("stay").length).toBeGreaterThan(0);
    expect(rig.client().vg("ex")).toBe(0);
    expect(rig.client().ask("start_vg", { vg_name: "vg3", vg_lock_type: "dlm" })).toBe(0);
  });
});

describe("replies of requests that end a lockspace", () => {
  test("free_vg releases with the VG marked as going, tells the other hosts, and leaves for good", () => {
    const rig = started();
    rig.startVg("vg2");
    const a = rig.client();
    a.vg("ex");
    rig.newCalls();
    expect(a.ask("free_vg", STOP)).toBe(0);
    expect(rig.newCalls()).toEqual(["hosts", "unlock VGLK ex", "hosts", "leave"]);
    expect(argsOf(rig.calls("unlock").at(-1) as never).free_vg).toBe(true);
    expect(argsOf(rig.calls("leave").at(-1) as never).free_vg).toBe(true);
    expect(rig.calls("hosts").map((ask) => argsOf(ask).notify)).toEqual([true, true]);
    expect(a.vg("un")).toBe(wireResult("ENOLS"));
  });
});

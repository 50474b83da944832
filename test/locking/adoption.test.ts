import { describe, expect, test } from "bun:test";
import { wireResult } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import type { AdoptableLock, AdoptableLockspace } from "../../core/locking/api.ts";
import { argsOf, done, granted, refused } from "./manager.ts";
import { makeRig, type Rig, type RigOptions } from "./rig.ts";

const lock = (lv_uuid: string, more: Partial<AdoptableLock> = {}): AdoptableLock => ({
  lv_uuid,
  lv_name: `name of ${lv_uuid}`,
  lv_lock_args: "1.0.0:99",
  mode: "ex",
  persistent: true,
  ...more,
});

const vg = (locks: AdoptableLock[], more: Partial<AdoptableLockspace> = {}): AdoptableLockspace => ({
  vg_name: "vg",
  vg_uuid: "uuid of vg",
  lock_type: "sanlock",
  vg_lock_args: "1.0.0:lvmlock",
  host_id: 9,
  locks,
  ...more,
});

/** A daemon that adopts; the scripts are in place before it begins. */
function adopting(
  sources: AdoptableLockspace[],
  prepare: (rig: Rig) => void = () => undefined,
  options: RigOptions = {},
): Rig {
  const rig = makeRig({ lock_type: "sanlock", ...options });
  for (const source of sources) {
    rig.journal.set(source.vg_name, { kind: "lockspace-started", ...source });
    for (const held of source.locks)
      rig.journal.set(`${source.vg_name}/${held.lv_uuid}`, {
        kind: "lock-held",
        vg_name: source.vg_name,
        ...held,
      });
  }
  prepare(rig);
  rig.handle({ kind: "adopt", lockspaces: sources });
  return rig;
}

const adopted = (rig: Rig) => rig.effectsOf("adopted").map(({ kind: _, ...counts }) => counts);

describe("adoption", () => {
  test("joins the VG as an orphan under its recorded identity and takes its LV locks over", () => {
    const rig = adopting([vg([lock("lv1"), lock("lv2", { mode: "sh" })])]);
    expect(rig.newCalls()).toEqual(["prepare", "join", "lock lv1 ex", "lock lv2 sh"]);
    expect(rig.calls("join")[0]).toMatchObject({
      target: { identity: { vg_uuid: "uuid of vg", vg_lock_args: "1.0.0:lvmlock", host_id: 9 } },
      args: { adopt: "if-orphan" },
    });
    expect(argsOf(rig.calls("lock")[0] as never)).toMatchObject({
      adopt: "only-orphan",
      resource: { lv_lock_args: "1.0.0:99" },
    });
    expect(rig.resource("lv1")).toMatchObject({
      mode: "ex",
      lv_name: "name of lv1",
      locks: [{ persistent: true }],
    });
    expect(rig.resource("lv2")?.mode).toBe("sh");
    expect(adopted(rig)).toEqual([{ adopted: 2, released: 0, failed: 0 }]);
    expect([...rig.journal.keys()]).toEqual(["vg", "vg/lv1", "vg/lv2"]);
  });

  test("of nothing is over at once", () => {
    expect(adopted(adopting([]))).toEqual([{ adopted: 0, released: 0, failed: 0 }]);
  });

  test("releases the lock of an LV that is not active any more, and keeps one that can't be asked about", () => {
    const rig = adopting([vg([lock("lv1"), lock("lv2")])], (r) => {
      r.device("lv1", "inactive");
      r.device("lv2", "unknown");
    });
    expect(rig.newCalls()).toContain("unlock lv1 ex");
    expect(rig.resource("lv1")).toBeUndefined();
    expect(rig.resource("lv2")?.mode).toBe("ex");
    expect(adopted(rig)).toEqual([{ adopted: 1, released: 1, failed: 0 }]);
    expect(rig.journal.has("vg/lv1")).toBe(false);
  });

  test("releases the transient lock of a command that has gone", () => {
    const rig = adopting([vg([lock("lv1", { persistent: false })])]);
    expect(rig.resource("lv1")).toBeUndefined();
    expect(adopted(rig)).toEqual([{ adopted: 0, released: 1, failed: 0 }]);
  });

  test("asks for the other mode when the orphan turns out to have it, once", () => {
    const rig = adopting([vg([lock("lv1", { mode: "ex" })])], (r) =>
      r.script("lock", (ask) => (argsOf(ask).mode === "sh" ? granted() : refused("EADOPT_RETRY"))),
    );
    expect(rig.resource("lv1")?.mode).toBe("sh");
    expect(rig.journal.get("vg/lv1")).toMatchObject({ mode: "sh" });
    const stubborn = adopting([vg([lock("lv1")])], (r) => r.script("lock", () => refused("EADOPT_RETRY")));
    expect(stubborn.calls("lock").length).toBe(2);
    expect(adopted(stubborn)).toEqual([{ adopted: 0, released: 0, failed: 1 }]);
  });

  test("looks at the devices after the join: a command for which it waited may have activated an LV meanwhile", () => {
    const rig = adopting([vg([lock("lv1")])], (r) => {
      r.hold("join");
      r.device("lv1", "inactive");
    });
    expect(rig.effectsOf("look-at-devices")).toEqual([]);
    rig.device("lv1", "active");
    rig.answer(done({ generation: 3, global_lock: "not-here" }), "join");
    expect(rig.resource("lv1")?.mode).toBe("ex");
    expect(adopted(rig)).toEqual([{ adopted: 1, released: 0, failed: 0 }]);
  });

  test("looks at the devices anew when a VG that could not be joined is started later", () => {
    const rig = adopting([vg([lock("lv1")])], (r) => {
      r.script("join", () => refused("EMANAGER"));
      r.device("lv1", "inactive");
    });
    rig.unscript("join");
    rig.device("lv1", "active");
    rig.startVg("vg", { vg_uuid: "uuid of vg" });
    expect(rig.resource("lv1")?.mode).toBe("ex");
  });

  test("asks anew for the lock of an active LV whose orphan is gone", () => {
    const rig = adopting([vg([lock("lv1")])], (r) =>
      r.script("lock", (ask) => (argsOf(ask).adopt === "no" ? granted() : refused("EADOPT_NONE"))),
    );
    expect(rig.resource("lv1")).toMatchObject({ mode: "ex", locks: [{ persistent: true }] });
    expect(adopted(rig)).toEqual([{ adopted: 1, released: 0, failed: 0 }]);
    expect(rig.journal.get("vg/lv1")).toMatchObject({ mode: "ex" });
    expect(rig.logs().join("\n")).toContain("is active on this host, and the lock manager has lost its lock");
  });

  test("of an active LV whose lock is lost and held by another host is an incident that says what to do", () => {
    const rig = adopting([vg([lock("lv1"), lock("lv2")])], (r) =>
      r.script("lock", (ask) => {
        if (argsOf(ask).resource.name === "lv2") return granted();
        return argsOf(ask).adopt === "no"
          ? refused("EAGAIN", { detail: "host 2 has it" })
          : refused("EADOPT_NONE");
      }),
    );
    expect(adopted(rig)).toEqual([{ adopted: 1, released: 0, failed: 1 }]);
    expect(rig.core.incidents().at(-1)?.text).toMatch(
      /lv1.*is active.*deactivate it here at once.*host 2 has it/,
    );
    expect(rig.journal.has("vg/lv1")).toBe(true);
  });

  test("counts an orphan that does not exist as released and forgets it, when its LV is not active", () => {
    const rig = adopting([vg([lock("lv1")])], (r) => {
      r.script("lock", () => refused("EADOPT_NONE"));
      r.device("lv1", "inactive");
    });
    expect(adopted(rig)).toEqual([{ adopted: 0, released: 1, failed: 0 }]);
    expect(rig.journal.has("vg/lv1")).toBe(false);
    expect(rig.resource("lv1")).toBeUndefined();
  });

  test("of a lock that the lock manager refuses is an incident, and the record stays for the next daemon", () => {
    const rig = adopting([vg([lock("lv1"), lock("lv2")])], (r) =>
      r.script("lock", (ask) => (argsOf(ask).resource.name === "lv1" ? refused("ELOCKIO") : granted())),
    );
    expect(adopted(rig)).toEqual([{ adopted: 1, released: 0, failed: 1 }]);
    expect(rig.core.incidents().at(-1)?.text).toContain("name of lv1 (lv1)");
    expect(rig.journal.has("vg/lv1")).toBe(true);
    rig.unscript("lock");
    const a = rig.client();
    expect(a.lv("lv1", "ex")).toBe(0);
    expect(a.lv("lv1", "un")).toBe(0);
    expect(rig.journal.has("vg/lv1")).toBe(false);
  });

  test("that failed for a lock is a reason not to stop the VG without force", () => {
    const rig = adopting([vg([lock("lv1")])], (r) => r.script("lock", () => refused("ELOCKIO")));
    expect(rig.client().ask("stop_vg", { vg_name: "vg" })).toBe(wireResult("EBUSY"));
    expect(rig.client().ask("setlockargs_vg_before", { vg_name: "vg" })).toBe(wireResult("ENOTEMPTY"));
    expect(rig.client().ask("stop_vg", { vg_name: "vg", opts: { force: true } })).toBe(0);
    expect(rig.journal.size).toBe(0);
  });

  test("that is stopped by force before the join keeps every record: nothing was left", () => {
    const rig = adopting([vg([lock("lv1")])], (r) => r.hold("prepare"));
    const a = rig.client();
    a.ask("stop_vg", { vg_name: "vg", opts: { force: true } });
    rig.answer(done({ global_lock: "not-here" }));
    expect(a.result()).toBe(0);
    expect([...rig.journal.keys()]).toEqual(["vg", "vg/lv1"]);
    rig.unscript("prepare");
    rig.startVg();
    expect(rig.resource("lv1")?.mode).toBe("ex");
  });

  test("goes on when a stop that came before it comes to nothing, because the lock manager does not let the VG go", () => {
    const rig = adopting([vg([lock("lv1")])], (r) => r.hold("join"));
    const a = rig.client();
    expect(a.ask("stop_vg", { vg_name: "vg", opts: { force: true } })).toBeNull();
    rig.script("leave", () => refused("EBUSY"));
    rig.answer(done({ generation: 3, global_lock: "not-here" }));
    expect(a.result()).toBe(wireResult("EBUSY"));
    expect(rig.newCalls()).toEqual(["prepare", "join", "leave", "lock lv1 ex"]);
    expect(rig.lockspace()?.state).toBe("started");
    expect(rig.resource("lv1")).toMatchObject({ mode: "ex", locks: [{ persistent: true }] });
    expect(adopted(rig)).toEqual([{ adopted: 1, released: 0, failed: 0 }]);
  });

  test("that failed for a lock keeps its record whole while others ask for that lock and are refused", () => {
    const rig = adopting([vg([lock("lv1", { mode: "ex" })])], (r) =>
      r.script("lock", () => refused("ELOCKIO")),
    );
    rig.script("lock", () => refused("EORPHAN"));
    expect(rig.client().lv("lv1", "sh")).toBe(wireResult("EORPHAN"));
    expect(rig.journal.get("vg/lv1")).toMatchObject({ mode: "ex", persistent: true });
  });

  test("whose join fails keeps every record, and the next start of the VG adopts", () => {
    const rig = adopting([vg([lock("lv1")])], (r) => r.script("join", () => refused("EMANAGER")));
    expect(adopted(rig)).toEqual([{ adopted: 0, released: 0, failed: 0 }]);
    expect([...rig.journal.keys()]).toEqual(["vg", "vg/lv1"]);
    rig.unscript("join");
    rig.startVg();
    expect(rig.resource("lv1")?.mode).toBe("ex");
    expect(argsOf(rig.calls("join").at(-1) as never).adopt).toBe("if-orphan");
  });

  test("whose prepare fails keeps every record too", () => {
    const rig = adopting([vg([lock("lv1")])], (r) => r.script("prepare", () => refused("EMANAGER")));
    expect([...rig.journal.keys()]).toEqual(["vg", "vg/lv1"]);
  });

  test("that failed is not mixed up with another VG of the same name", () => {
    const rig = adopting([vg([lock("lv1")])], (r) => r.script("join", () => refused("EMANAGER")));
    rig.unscript("join");
    rig.startVg("vg", { vg_uuid: "another" });
    expect(rig.calls("lock")).toEqual([]);
    expect([...rig.journal.keys()]).toEqual(["vg"]);
    expect(rig.core.incidents().at(-1)?.text).toContain("not adopted");
  });

  test("of a lock type that nobody serves is an incident and keeps the records", () => {
    const rig = adopting([vg([lock("lv1")], { lock_type: "idm" })]);
    expect(adopted(rig)).toEqual([{ adopted: 0, released: 0, failed: 0 }]);
    expect(rig.core.incidents()[0]?.code).toBe("EPROTONOSUPPORT");
    expect(rig.journal.has("vg/lv1")).toBe(true);
  });

  test("uses the configured host_id where the journal has none", () => {
    const rig = adopting([vg([], { host_id: 0 })], undefined, { host_id: 33 });
    expect(rig.lockspace()?.host_id).toBe(33);
  });

  test("asks for a bounded number of locks at the same time", () => {
    const locks = Array.from({ length: LIMITS.adoptions_in_flight + 10 }, (_, i) => lock(`lv${i}`));
    const rig = adopting([vg(locks)], (r) => r.hold("lock"));
    expect(rig.held("lock").length).toBe(LIMITS.adoptions_in_flight);
    while (rig.held("lock").length > 0) rig.answer(granted());
    expect(adopted(rig)).toEqual([{ adopted: locks.length, released: 0, failed: 0 }]);
  });

  test("of several VGs is over when the last one is", () => {
    const rig = adopting([vg([lock("lv1")]), vg([], { vg_name: "vg2" })], (r) => r.hold("join"));
    rig.answer(done());
    expect(adopted(rig)).toEqual([]);
    rig.answer(refused("ELOCKIO"));
    expect(adopted(rig)).toEqual([{ adopted: 1, released: 0, failed: 0 }]);
  });

  test("brings the global lock's lockspace along, as an orphan", () => {
    const rig = adopting([vg([], { lock_type: "dlm" })]);
    expect([...rig.core.lockspaces()].map((view) => view.lockspace_name)).toEqual(["lvm_global", "lvm_vg"]);
    expect(rig.calls("join").map((ask) => argsOf(ask).adopt)).toEqual(["if-orphan", "if-orphan"]);
  });
});

describe("the global lock's own lockspace that an earlier daemon had", () => {
  const GLOBAL = vg([], { vg_name: "", vg_uuid: "", vg_lock_args: "", lock_type: "dlm" });

  test("is joined, which releases what was left in it, and left where no VG needs it", () => {
    const rig = adopting([GLOBAL], undefined, { lock_type: "dlm" });
    expect(rig.newCalls()).toEqual(["prepare", "join", "leave"]);
    expect(rig.calls("join").map((ask) => argsOf(ask).adopt)).toEqual(["if-orphan"]);
    expect([...rig.core.lockspaces()]).toEqual([]);
    expect([...rig.journal.keys()]).toEqual([]);
    expect(adopted(rig)).toEqual([{ adopted: 0, released: 0, failed: 0 }]);
  });

  test("stays for a VG, and is joined once", () => {
    const rig = adopting([GLOBAL, vg([], { lock_type: "dlm" })], undefined, { lock_type: "dlm" });
    expect([...rig.core.lockspaces()].map((view) => view.lockspace_name)).toEqual(["lvm_global", "lvm_vg"]);
    expect(rig.calls("join").length).toBe(2);
    expect(rig.calls("leave")).toEqual([]);
  });

  test("stays for a command that comes meanwhile and has the global lock, until that releases it", () => {
    const rig = adopting([GLOBAL], (r) => r.hold("join"), { lock_type: "dlm" });
    const a = rig.client();
    expect(a.gl("ex")).toBeNull();
    rig.answer(done());
    expect(a.result()).toBe(0);
    expect(rig.calls("leave")).toEqual([]);
    expect(a.gl("un")).toBe(0);
    expect(rig.calls("leave").length).toBe(1);
  });

  test("stays on record while it can't be joined, for the next daemon", () => {
    const rig = adopting([GLOBAL], (r) => r.hold("join"), { lock_type: "dlm" });
    rig.answer(refused("ENETDOWN"));
    expect([...rig.journal.keys()]).toEqual([""]);
    const a = rig.client();
    expect(a.gl("sh", { vg_lock_type: "dlm" })).toBeNull();
    rig.answer(done());
    expect(a.result()).toBe(0);
  });
});

describe("while adoption is under way", () => {
  const underWay = (): Rig => adopting([vg([lock("lv1"), lock("lv2")])], (r) => r.hold("lock"));

  test("clients are answered, and the VG counts as starting", () => {
    const rig = underWay();
    const a = rig.client();
    expect(a.vg("sh")).toBe(wireResult("ESTARTING"));
    expect(a.ask("start_vg", { vg_name: "vg", vg_lock_type: "sanlock" })).toBe(wireResult("ESTARTING"));
    expect(a.ask("start_wait")).toBeNull();
    rig.answer(granted());
    rig.answer(granted());
    expect(a.result()).toBe(0);
  });

  test("the VG is not stopped without force: its LVs are active", () => {
    const rig = underWay();
    const a = rig.client();
    expect(a.ask("stop_vg", { vg_name: "vg" })).toBe(wireResult("EBUSY"));
    rig.handle({ kind: "terminate" });
    expect(rig.effectsOf("stay")).toEqual([{ kind: "stay", vg_names: ["vg"] }]);
    expect(a.ask("stop_all")).toBe(1);
    expect(rig.lockspace()?.state).toBe("adopting");
  });

  test("with force it is stopped, and what was adopted by then is released", () => {
    const rig = underWay();
    const a = rig.client();
    expect(a.ask("stop_vg", { vg_name: "vg", opts: { force: true } })).toBeNull();
    rig.answer(granted());
    rig.answer(granted());
    expect(a.result()).toBe(0);
    expect(rig.newCalls().slice(-3)).toEqual(["unlock lv1 ex", "unlock lv2 ex", "leave"]);
    expect(rig.journal.size).toBe(0);
    expect(adopted(rig).length).toBe(1);
  });

  test("an adopted lock counts like any persistent lock", () => {
    const rig = adopting([vg([lock("lv1")])]);
    const a = rig.client();
    expect(a.lv("lv1", "ex", { persistent: true })).toBe(wireResult("EALREADY"));
    expect(a.ask("stop_vg", { vg_name: "vg" })).toBe(wireResult("EBUSY"));
    expect(a.lv("lv1", "un", { persistent: true })).toBe(0);
    expect(a.ask("stop_vg", { vg_name: "vg" })).toBe(0);
  });
});

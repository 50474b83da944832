import { describe, expect, test } from "bun:test";
import { DEADLINES } from "../../core/deadlines.ts";
import { wireResult } from "../../core/errors.ts";
import { done, granted, refused } from "./manager.ts";
import { makeRig, type Rig } from "./rig.ts";

const ETIMEDOUT = wireResult("ETIMEDOUT");
const LATE_MS = DEADLINES.manager_lock_ms + DEADLINES.late_call_check_ms;

function started(): Rig {
  const rig = makeRig();
  rig.startVg();
  return rig;
}

describe("a lock call that outlives its deadline", () => {
  test("is answered with ETIMEDOUT, and the grant that comes late is released", () => {
    const rig = started();
    rig.hold("lock");
    const a = rig.client();
    a.vg("ex");
    rig.advance(DEADLINES.manager_lock_ms - 1);
    expect(a.waits()).toBe(true);
    rig.advance(DEADLINES.late_call_check_ms + 1);
    expect(a.result()).toBe(ETIMEDOUT);
    rig.newCalls();
    rig.answer(granted());
    expect(rig.newCalls()).toEqual(["unlock VGLK ex"]);
    expect(rig.resource("VGLK")?.mode).toBe("un");
  });

  test("is told to everybody behind it, and to newcomers at once", () => {
    const rig = started();
    rig.hold("lock");
    const [a, b, c] = [rig.client(), rig.client(), rig.client()];
    a.vg("ex");
    b.vg("sh");
    rig.advance(LATE_MS);
    expect([a.result(), b.result()]).toEqual([ETIMEDOUT, ETIMEDOUT]);
    expect(c.vg("sh")).toBe(ETIMEDOUT);
  });

  test("delays no other resource", () => {
    const rig = started();
    rig.hold("lock");
    rig.client().vg("ex");
    rig.advance(LATE_MS);
    rig.unscript("lock");
    expect(rig.client().lv("lv1", "ex")).toBe(0);
  });

  test("lets the resource be used again once its answer has come", () => {
    const rig = started();
    rig.hold("lock");
    rig.client().vg("ex");
    rig.advance(LATE_MS);
    rig.answer(refused("EIOTIMEOUT"));
    rig.unscript("lock");
    expect(rig.client().vg("ex")).toBe(0);
  });

  test("keeps an LV's journal record until the late grant is released", () => {
    const rig = started();
    rig.hold("lock");
    rig.client().lv("lv1", "ex", { persistent: true });
    rig.advance(LATE_MS);
    expect(rig.journal.has("vg/lv1")).toBe(true);
    rig.hold("unlock");
    rig.answer(granted());
    expect(rig.journal.has("vg/lv1")).toBe(true);
    rig.answer(done());
    expect(rig.journal.has("vg/lv1")).toBe(false);
  });

  test("is noted as an incident", () => {
    const rig = started();
    rig.hold("lock");
    rig.client().vg("ex");
    rig.advance(LATE_MS);
    expect(rig.core.incidents().at(-1)).toMatchObject({ code: "ETIMEDOUT", vg_name: "vg" });
  });
});

describe("a conversion that outlives its deadline", () => {
  test("to exclusive is taken back when it succeeds after all", () => {
    const rig = started();
    const a = rig.client();
    a.lv("lv1", "sh", { persistent: true });
    rig.hold("convert");
    a.lv("lv1", "ex", { persistent: true });
    rig.advance(LATE_MS);
    expect(a.result()).toBe(ETIMEDOUT);
    rig.unscript("convert");
    rig.newCalls();
    rig.answer(done());
    expect(rig.newCalls()).toEqual(["convert lv1 sh"]);
    expect(rig.resource("lv1")?.mode).toBe("sh");
    expect(rig.journal.get("vg/lv1")).toMatchObject({ mode: "sh" });
  });

  test("that can't be taken back is an incident, and the lock stays what the lock manager has", () => {
    const rig = started();
    const a = rig.client();
    a.lv("lv1", "sh", { persistent: true });
    rig.hold("convert");
    a.lv("lv1", "ex", { persistent: true });
    rig.advance(LATE_MS);
    rig.script("convert", () => refused("ELOCKIO"));
    rig.answer(done());
    expect(rig.resource("lv1")?.mode).toBe("ex");
    expect(rig.journal.get("vg/lv1")).toMatchObject({ mode: "ex" });
    expect(rig.core.incidents().at(-1)?.text).toContain("lvm_vg:lv1 is held ex");
  });

  test("whose client has gone ends with a release", () => {
    const rig = started();
    const a = rig.client();
    a.vg("sh");
    rig.hold("convert");
    a.vg("ex");
    rig.advance(LATE_MS);
    a.close();
    rig.newCalls();
    rig.answer(done());
    expect(rig.newCalls()).toEqual(["unlock VGLK ex"]);
  });
});

describe("an unlock that outlives its deadline", () => {
  test("is answered with ETIMEDOUT and counts when its answer comes", () => {
    const rig = started();
    const [a, b] = [rig.client(), rig.client()];
    a.vg("ex");
    rig.hold("unlock");
    a.vg("un");
    rig.advance(LATE_MS);
    expect(a.result()).toBe(ETIMEDOUT);
    rig.answer(done());
    expect(b.vg("ex")).toBe(0);
  });

  test("an unlock behind a late call is told ETIMEDOUT and carried out all the same", () => {
    const rig = started();
    const [a, b] = [rig.client(), rig.client()];
    a.lv("lv1", "sh", { persistent: true });
    rig.hold("convert");
    a.lv("lv1", "ex", { persistent: true });
    rig.advance(LATE_MS);
    expect(b.lv("lv1", "un", { persistent: true })).toBe(ETIMEDOUT);
    rig.unscript("convert");
    rig.answer(refused("EIOTIMEOUT"));
    expect(rig.resource("lv1")).toBeUndefined();
    expect(rig.journal.has("vg/lv1")).toBe(false);
  });

  test("an unlock that waited behind a call when that became late is carried out once", () => {
    const rig = started();
    const [a, b] = [rig.client(), rig.client()];
    a.lv("lv1", "sh", { persistent: true });
    rig.hold("convert");
    a.lv("lv1", "ex", { persistent: true });
    b.lv("lv1", "un", { persistent: true });
    rig.advance(LATE_MS);
    expect(b.result()).toBe(ETIMEDOUT);
    rig.unscript("convert");
    rig.answer(refused("EIOTIMEOUT"));
    expect(rig.calls("unlock").length).toBe(1);
  });
});

describe("other late calls", () => {
  test("a join that takes too long is told to start_wait, and the VG serves once it has joined", () => {
    const rig = makeRig();
    rig.hold("join");
    const a = rig.client();
    a.ask("start_vg", { vg_name: "vg", vg_lock_type: "sanlock" });
    expect(a.ask("start_wait")).toBeNull();
    rig.advance(DEADLINES.manager_join_ms + 1000);
    expect(a.result()).toBe(ETIMEDOUT);
    rig.answer(done({ generation: 1 }), "join");
    expect(rig.lockspace()?.state).toBe("started");
  });

  test("a prepare that takes too long is answered once, although the join goes on", () => {
    const rig = makeRig();
    rig.hold("prepare");
    const a = rig.client();
    a.ask("start_vg", { vg_name: "vg", vg_lock_type: "sanlock", opts: { wait: true } });
    rig.advance(DEADLINES.manager_prepare_ms + 1000);
    expect(a.result()).toBe(ETIMEDOUT);
    rig.answer(done({ global_lock: "not-here" }), "prepare");
    expect(a.unread).toEqual([]);
    expect(rig.lockspace()?.state).toBe("started");
  });

  test("a call of a started VG is no failed start", () => {
    const rig = makeRig();
    const a = rig.client();
    a.ask("start_vg", { vg_name: "vg", vg_lock_type: "sanlock" });
    rig.hold("lock");
    rig.client().vg("ex");
    rig.advance(LATE_MS);
    expect(a.ask("start_wait")).toBe(0);
  });

  test("a search for the global lock that takes too long is answered once", () => {
    const rig = makeRig({ gl_type: "sanlock", lock_type: "sanlock" });
    rig.startVg();
    rig.hold("hasGlobalLock");
    const a = rig.client();
    a.gl("sh");
    rig.advance(DEADLINES.manager_query_ms + 1000);
    expect(a.result()).toBe(ETIMEDOUT);
    rig.answer(done({ enabled: true }));
    expect(a.unread).toEqual([]);
    rig.unscript("hasGlobalLock");
    expect(a.gl("sh")).toBe(0);
  });

  test("a manager that does not say whether it runs counts as one that does", () => {
    const rig = makeRig();
    rig.script("isRunning", (ask) => (ask.target.lock_type === "dlm" ? null : done({ running: true })));
    const a = rig.client();
    expect(a.ask("running_lm")).toBeNull();
    rig.advance(DEADLINES.manager_prepare_ms + 1000);
    expect(a.result()).toBe(wireResult("EXFULL"));
    rig.answer(done({ running: false }));
    expect(a.unread).toEqual([]);
  });

  test("a stop whose leave does not come back is told, and ends when it does", () => {
    const rig = started();
    rig.hold("leave");
    const a = rig.client();
    a.ask("stop_vg", { vg_name: "vg" });
    rig.advance(DEADLINES.manager_leave_ms + 1000);
    expect(a.result()).toBe(ETIMEDOUT);
    while (rig.held("leave").length > 0) rig.answer(done(), "leave");
    expect(rig.lockspace()).toBeUndefined();
  });

  test("hosts and making leases are told as late", () => {
    for (const [method, request] of [
      ["hosts", { name: "busy_vg", fields: { vg_name: "vg" } }],
      ["initLv", { name: "init_lv", fields: { vg_name: "vg", lv_uuid: "u", vg_lock_type: "dlm" } }],
      ["status", { name: "vg_status", fields: { vg_name: "vg" } }],
    ] as const) {
      const rig = started();
      rig.hold(method);
      const a = rig.client();
      a.ask(request.name, request.fields);
      rig.advance(DEADLINES.manager_init_ms + 1000);
      expect(a.result()).toBe(ETIMEDOUT);
      rig.answer(done({ others: 0 }));
      expect(a.unread).toEqual([]);
    }
  });
});

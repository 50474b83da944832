/** A VG that needs persistent reservations starts only where this host has its key, in the generation that the join gave it. */
import { describe, expect, test } from "bun:test";
import { DEADLINES } from "../../core/deadlines.ts";
import { wireResult } from "../../core/errors.ts";
import type { Refused } from "../../plugins/contract.ts";
import { DLM, done, FENCING, refused } from "./manager.ts";
import { makeRig, type Rig } from "./rig.ts";

const PERSIST = { vg_lock_args: "2.0.0:lvmlock:persist:notimeout" };

/** A rig with VG "vg" started as host_id 1 in generation 7, whose failed owners are fenced. */
function started(): Rig {
  const rig = makeRig({ managers: { dlm: DLM, sanlock: FENCING }, lock_type: "sanlock" });
  rig.startVg("vg", PERSIST);
  return rig;
}

describe("the start of a VG that needs reservations", () => {
  const fields = {
    vg_name: "vg",
    vg_uuid: "u",
    vg_lock_type: "sanlock",
    ...PERSIST,
  } as const;
  const rigFor = () => makeRig({ managers: { sanlock: FENCING }, lock_type: "sanlock" });

  test("checks our key before anything, and corrects its generation after the join", () => {
    const rig = started();
    expect(rig.keyCalls().map(({ method, own }) => [method, own])).toEqual([
      ["checkKey", { host_id: 1, generation: 0 }],
      ["correctKey", { host_id: 1, generation: 7 }],
    ]);
    expect(rig.newCalls()).toEqual(["prepare", "join"]);
  });

  test("is refused without our key, and the lock manager is asked for nothing", () => {
    const rig = rigFor();
    rig.scriptKeys(() => ({ ...(refused("EPREPARE") as Refused), detail: "no key on /dev/sdb" }));
    const a = rig.client();
    expect(a.send("start_vg", fields)).toMatchObject({
      result: wireResult("EPREPARE"),
      detail: "no key on /dev/sdb",
    });
    expect(rig.newCalls()).toEqual([]);
    expect(rig.lockspace()).toBeUndefined();
    expect(rig.journal.size).toBe(0);
  });

  test("serves nobody before the key is right", () => {
    const rig = rigFor();
    rig.scriptKeys((ask) => (ask.method === "correctKey" ? null : done()));
    const a = rig.client();
    expect(a.ask("start_vg", fields)).toBe(0);
    expect(rig.client().vg("sh")).toBe(wireResult("ESTARTING"));
    expect(a.ask("start_wait")).toBeNull();
    rig.answerKeys(done());
    expect(a.result()).toBe(0);
    expect(a.vg("sh")).toBe(0);
  });

  test("whose key can't be corrected is left again, and those who wait for it are told", () => {
    const rig = rigFor();
    rig.scriptKeys((ask) => (ask.method === "correctKey" ? refused("EPREPARE") : done()));
    const a = rig.client();
    expect(a.ask("start_vg", fields)).toBe(0);
    expect(a.ask("start_wait")).toBe(wireResult("EPREPARE"));
    expect(rig.newCalls()).toEqual(["prepare", "join", "leave"]);
    expect(rig.lockspace()).toBeUndefined();
    expect(rig.journal.size).toBe(0);
  });

  test("with wait is answered when the key is right, or could not be made so", () => {
    for (const [answer, result] of [
      [done(), 0],
      [refused("EPREPARE"), wireResult("EPREPARE")],
    ] as const) {
      const rig = rigFor();
      rig.scriptKeys((ask) => (ask.method === "correctKey" ? null : done()));
      const a = rig.client();
      expect(a.ask("start_vg", { ...fields, opts: { wait: true } })).toBeNull();
      rig.answerKeys(answer);
      expect(a.result()).toBe(result);
    }
  });

  test("that is stopped while the key is checked or corrected ends as any start does", () => {
    for (const method of ["checkKey", "correctKey"]) {
      const rig = rigFor();
      rig.scriptKeys((ask) => (ask.method === method ? null : done()));
      const [a, b] = [rig.client(), rig.client()];
      a.ask("start_vg", { ...fields, opts: { wait: true } });
      expect(b.ask("stop_vg", { vg_name: "vg" })).toBeNull();
      rig.answerKeys(done());
      expect(b.result()).toBe(0);
      expect(a.result()).toBe(method === "checkKey" ? wireResult("ECANCELED") : 0);
      expect(rig.lockspace()).toBeUndefined();
    }
  });

  test("whose check outlives its deadline is told late, once, and goes on", () => {
    const rig = rigFor();
    rig.scriptKeys((ask) => (ask.method === "checkKey" ? null : done()));
    const a = rig.client();
    expect(a.ask("start_vg", fields)).toBeNull();
    rig.advance(DEADLINES.reservation_call_ms + DEADLINES.late_call_check_ms);
    expect(a.result()).toBe(wireResult("ETIMEDOUT"));
    rig.answerKeys(done());
    expect(rig.lockspace()?.state).toBe("started");
  });

  test("of an earlier daemon's VG leaves our key alone: it has the generation that it had", () => {
    const rig = makeRig({
      managers: { sanlock: FENCING },
      lock_type: "sanlock",
      adopt: [{ vg_name: "vg", vg_uuid: "u", lock_type: "sanlock", ...PERSIST, host_id: 1, locks: [] }],
    });
    expect(rig.lockspace()?.state).toBe("started");
    expect(rig.keyCalls()).toEqual([]);
  });

  test("that adopts LV locks is not left again when the key is wrong: it says so instead", () => {
    const lock = { lv_uuid: "lv1", lv_name: "", lv_lock_args: "", mode: "ex", persistent: true } as const;
    const vg = { vg_name: "vg", vg_uuid: "u", lock_type: "sanlock", ...PERSIST, host_id: 1 } as const;
    const rig = makeRig({ managers: { sanlock: FENCING }, lock_type: "sanlock" });
    rig.script("join", () => refused("EMANAGER"));
    rig.handle({ kind: "adopt", lockspaces: [{ ...vg, locks: [lock] }] });
    rig.unscript("join");
    rig.scriptKeys((ask) => (ask.method === "correctKey" ? refused("EPREPARE") : done()));
    expect(rig.client().ask("start_vg", fields)).toBe(0);
    expect(rig.resource("lv1")?.mode).toBe("ex");
    expect(rig.core.incidents().at(-1)?.code).toBe("EPREPARE");
  });
});

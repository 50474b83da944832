import { describe, expect, test } from "bun:test";
import { granted, refused } from "./manager.ts";
import { makeRig, type Rig } from "./rig.ts";

function started(): Rig {
  const rig = makeRig();
  rig.startVg();
  rig.effects.length = 0;
  return rig;
}

/** The effects that matter here, in order: "journal lock-held ex", "ask lock", "reply 0". */
function order(rig: Rig): string[] {
  return rig.effects.splice(0).flatMap((effect) => {
    if (effect.kind === "journal") {
      const { record } = effect;
      return [`journal ${record.kind}${record.kind === "lock-held" ? ` ${record.mode}` : ""}`];
    }
    if (effect.kind === "ask") return [`ask ${effect.target.method}`];
    return effect.kind === "reply" ? [`reply ${effect.reply.result}`] : [];
  });
}

describe("the journal", () => {
  test("has an LV lock before the lock manager is asked, and loses it only after the manager let go", () => {
    const rig = started();
    const a = rig.client();
    a.lv("lv1", "ex", { persistent: true });
    expect(order(rig)).toEqual(["journal lock-held ex", "ask lock", "reply 0"]);
    a.lv("lv1", "un", { persistent: true });
    expect(order(rig)).toEqual(["ask unlock", "journal lock-released", "reply 0"]);
  });

  test("takes a refused lock back", () => {
    const rig = started();
    rig.script("lock", () => refused("EAGAIN"));
    rig.client().lv("lv1", "ex");
    expect(order(rig)).toEqual(["journal lock-held ex", "ask lock", "reply -11", "journal lock-released"]);
  });

  test("says whether a lock is persistent, also when that changes", () => {
    const rig = started();
    const [a, b] = [rig.client(), rig.client()];
    a.lv("lv1", "sh");
    expect(rig.journal.get("vg/lv1")).toMatchObject({ persistent: false, lv_name: "name of lv1" });
    b.lv("lv1", "sh", { persistent: true });
    expect(rig.journal.get("vg/lv1")).toMatchObject({ persistent: true });
    b.lv("lv1", "un", { persistent: true });
    expect(rig.journal.get("vg/lv1")).toMatchObject({ persistent: false });
    a.close();
    expect(rig.journal.has("vg/lv1")).toBe(false);
  });

  test("is written only for what changes: GL and VG locks and further shared locks of an LV are not news", () => {
    const rig = started();
    const a = rig.client();
    rig.client().lv("lv1", "sh");
    order(rig);
    rig.client().lv("lv1", "sh");
    a.vg("ex");
    a.gl("sh");
    a.vg("un");
    expect(order(rig).filter((line) => line.startsWith("journal"))).toEqual([]);
  });

  test("keeps the record while a given-up grant is on its way back", () => {
    const rig = started();
    rig.hold("lock");
    rig.hold("unlock");
    const a = rig.client();
    a.lv("lv1", "ex");
    a.close();
    rig.answer(granted());
    expect(rig.journal.has("vg/lv1")).toBe(true);
    rig.answer({ kind: "done" });
    expect(rig.journal.has("vg/lv1")).toBe(false);
  });

  test("loses the record of a wait that ended without a grant", () => {
    const rig = started();
    rig.script("lock", () => refused("EAGAIN", { retry: "soon" }));
    const a = rig.client();
    a.lv("lv1", "ex");
    expect(rig.journal.has("vg/lv1")).toBe(true);
    a.close();
    expect(rig.journal.has("vg/lv1")).toBe(false);
  });

  test("has a lockspace before it is joined, and loses it with all its locks after it was left", () => {
    const rig = makeRig({ gl_type: "sanlock", lock_type: "sanlock" });
    rig.startVg();
    expect(order(rig)).toEqual([
      "ask prepare",
      "reply 0",
      "journal lockspace-started",
      "ask join",
      "reply 0",
    ]);
    rig.client().ask("stop_vg", { vg_name: "vg" });
    expect(order(rig)).toEqual(["ask leave", "journal lockspace-stopped", "reply 0"]);
  });
});

import { describe, expect, test } from "bun:test";
import { LIMITS } from "../../core/limits.ts";
import type { Owner } from "../../plugins/contract.ts";
import { FENCING, granted, refused } from "./manager.ts";
import { makeRig, type Rig } from "./rig.ts";

const OWNER: Owner = { host_id: 3, generation: 2, timestamp_s: 5311, state: "LIVE", name: "alpha" };
const HELD = { ...refused("EAGAIN", { owner: OWNER }), detail: "host_id 3 (alpha) holds it and is alive" };

function started(lock_type: "dlm" | "sanlock" = "dlm"): Rig {
  const rig = makeRig({ lock_type });
  rig.startVg();
  return rig;
}

const refusalsOf = (rig: Rig) => rig.lockspace()?.refusals ?? [];

describe("a refused lock", () => {
  test("is remembered with its owner though nobody waits for it", () => {
    const rig = started();
    rig.script("lock", () => HELD);
    rig.client().lv("lv1", "ex", { persistent: true });
    expect(rig.resource("lv1")).toBeUndefined();
    expect(refusalsOf(rig)).toEqual([
      {
        kind: "lv",
        name: "lv1",
        lv_name: "name of lv1",
        mode: "ex",
        owner: OWNER,
        detail: HELD.detail,
        at_ms: rig.now_ms(),
      },
    ]);
  });

  test("is one entry with the latest owner, however often it is refused", () => {
    const rig = started();
    rig.script("lock", () => HELD);
    rig.client().lv("lv1", "ex");
    rig.advance(1000);
    rig.script("lock", () => ({ ...HELD, owner: { ...OWNER, host_id: 4 } }));
    rig.client().lv("lv1", "sh");
    expect(refusalsOf(rig).map(({ mode, owner, at_ms }) => [mode, owner?.host_id, at_ms])).toEqual([
      ["sh", 4, rig.now_ms()],
    ]);
  });

  test("is forgotten once this host has had it", () => {
    const rig = started();
    rig.script("lock", () => HELD);
    rig.client().lv("lv1", "ex");
    rig.script("lock", () => granted());
    const holder = rig.client();
    holder.lv("lv1", "ex");
    expect(refusalsOf(rig)).toEqual([]);
    holder.lv("lv1", "un");
    expect(refusalsOf(rig)).toEqual([]);
  });

  test("is forgotten with the stop of the VG", () => {
    const rig = started();
    rig.script("lock", () => HELD);
    rig.client().lv("lv1", "ex");
    expect(rig.client().ask("stop_vg", { vg_name: "vg" })).toBe(0);
    rig.startVg();
    expect(refusalsOf(rig)).toEqual([]);
  });

  test("is forgotten with the LV", () => {
    const rig = started("sanlock");
    rig.script("lock", () => HELD);
    rig.client().lv("lv1", "ex");
    expect(rig.client().ask("free_lv", { vg_name: "vg", lv_uuid: "lv1" })).toBe(0);
    expect(refusalsOf(rig)).toEqual([]);
  });

  test("for another reason than an owner is none that `who` could answer with", () => {
    const rig = started();
    rig.script("lock", () => refused("ELOCKIO"));
    rig.client().lv("lv1", "ex");
    expect(refusalsOf(rig)).toEqual([]);
  });

  test("makes room for the next one at the bound, the oldest first", () => {
    const rig = started();
    rig.script("lock", () => HELD);
    const client = rig.client();
    for (let i = 0; i <= LIMITS.lock_refusals; i++) {
      client.lv(`lv${i}`, "ex");
      if (i === 10) client.lv("lv0", "ex");
    }
    const names = refusalsOf(rig).map(({ name }) => name);
    expect(names.length).toBe(LIMITS.lock_refusals);
    expect(names).toContain("lv0");
    expect(names).not.toContain("lv1");
  });
});

describe("a conversion that another host's lock stands against", () => {
  test("is remembered beside the lock that is held, until it is done", () => {
    const rig = started();
    const client = rig.client();
    client.lv("lv1", "sh");
    rig.script("convert", () => HELD);
    client.lv("lv1", "ex");
    expect(rig.resource("lv1")?.mode).toBe("sh");
    expect(refusalsOf(rig)).toMatchObject([{ name: "lv1", mode: "ex", owner: OWNER }]);
    rig.unscript("convert");
    expect(client.lv("lv1", "ex")).toBe(0);
    expect(refusalsOf(rig)).toEqual([]);
  });
});

describe("a request that is tried again", () => {
  test("has what the lock manager said last", () => {
    const rig = started();
    rig.script("lock", () => ({ ...HELD, retry: "soon" as const }));
    rig.client().vg("ex");
    expect(rig.resource("VGLK")?.waiters).toMatchObject([
      { waits_for: "remote", refusal: { owner: OWNER, detail: HELD.detail } },
    ]);
    const other = { ...OWNER, state: "FAIL" };
    rig.script("lock", () => ({ ...HELD, retry: "soon" as const, owner: other }));
    rig.advance(300);
    expect(rig.resource("VGLK")?.waiters).toMatchObject([{ refusal: { owner: other } }]);
  });

  test("has it also while its failed owner is cut off", () => {
    const rig = makeRig({ lock_type: "sanlock", managers: { sanlock: FENCING } });
    rig.startVg("vg", { vg_lock_args: "1.0.0:lvmlock:persist" });
    rig.scriptKeys(() => null);
    const failed = { ...OWNER, state: "FAIL" };
    rig.script("lock", () => ({ ...HELD, retry: "after-fence" as const, owner: failed }));
    rig.client().lv("lv1", "ex");
    expect(rig.resource("lv1")?.waiters).toMatchObject([{ waits_for: "fence", refusal: { owner: failed } }]);
  });
});

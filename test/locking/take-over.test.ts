import { describe, expect, test } from "bun:test";
import { wireResult } from "../../core/errors.ts";
import type { Refused } from "../../plugins/contract.ts";
import { DLM, done, refused, TAKE_OVER } from "./manager.ts";
import { makeRig } from "./rig.ts";

const KEY = "0x1000000000000002";
const fields = {
  vg_name: "vg",
  vg_uuid: "u",
  vg_lock_type: "dlm",
  vg_lock_args: "1.0.0:scsi-pr",
  remove_key: KEY,
} as const;
const rigFor = () => makeRig({ managers: { dlm: TAKE_OVER } });

describe("a take-over", () => {
  test("is a start that tells prepare and join whose key goes, and is answered after the join", () => {
    const rig = rigFor();
    rig.hold("join");
    const a = rig.client();
    expect(a.ask("takeover_vg", fields)).toBeNull();
    rig.answer(done({ generation: 0, global_lock: "not-here", detail: "taken from host_id 2" }));
    expect(a.reply()).toMatchObject({ op: 1004, result: 0, detail: "taken from host_id 2" });
    for (const method of ["prepare", "join"] as const)
      expect(rig.calls(method)[0]?.args).toMatchObject({ take_over: { remove_key: KEY }, adopt: "no" });
    expect(a.vg("ex")).toBe(0);
    expect(rig.journal.get("vg")).toMatchObject({ kind: "lockspace-started" });
  });

  test("that the lock manager refuses is told with who holds what, and nothing is started", () => {
    for (const method of ["prepare", "join"] as const) {
      const rig = rigFor();
      rig.script(method, () => ({
        ...(refused("EBUSY") as Refused),
        detail: "/dev/sdb is held by host_id 3",
      }));
      expect(rig.client().send("takeover_vg", fields)).toMatchObject({
        result: wireResult("EBUSY"),
        detail: "/dev/sdb is held by host_id 3",
      });
      expect(rig.lockspace()).toBeUndefined();
      expect(rig.journal.size).toBe(0);
    }
  });

  test("is not for a VG that is started here, or is being stopped", () => {
    const rig = rigFor();
    expect(rig.client().ask("takeover_vg", fields)).toBe(0);
    expect(rig.client().ask("takeover_vg", fields)).toBe(wireResult("EEXIST"));
    expect(rig.calls("join").length).toBe(1);
  });

  test("needs a lock manager that knows it, a lock type and a key", () => {
    const rig = makeRig({ managers: { dlm: DLM } });
    expect(rig.client().send("takeover_vg", fields)).toMatchObject({
      result: wireResult("EPROTONOSUPPORT"),
      detail: "the lock manager dlm has no take-over",
    });
    const other = rigFor();
    const bad = ["", "0x", "0x0", "0x01", "0x10000000000000000", "1", "0xABC", "0x1;rm"];
    for (const remove_key of bad)
      expect(other.client().ask("takeover_vg", { ...fields, remove_key })).toBe(wireResult("EINVAL"));
    expect(other.client().ask("takeover_vg", { ...fields, vg_lock_type: "none" })).toBe(wireResult("EINVAL"));
    expect(other.newCalls()).toEqual([]);
  });

  test("of one VG says nothing of it to the start of another", () => {
    const rig = rigFor();
    rig.client().ask("takeover_vg", fields);
    rig.startVg("vg2", { vg_lock_type: "dlm" });
    expect(rig.calls("join").at(-1)?.args).not.toHaveProperty("take_over");
    expect(rig.calls("prepare").at(-1)?.args).not.toHaveProperty("take_over");
  });
});

import { describe, expect, test } from "bun:test";
import { parseReport } from "../../cli/lvmlockctl/report-schema.ts";
import { infoJson } from "../../core/daemon/info/json.ts";
import { infoText } from "../../core/daemon/info/text.ts";
import { refused } from "../locking/manager.ts";
import { makeRig } from "../locking/rig.ts";

const owner = { host_id: 3, generation: 2, timestamp_s: 5311, state: "LIVE", name: "alpha" };
const OWNER_KEYS = {
  owner_host_id: 3,
  owner_generation: 2,
  owner_timestamp_s: 5311,
  owner_state: "LIVE",
  owner_name: "alpha",
  detail: "alpha has it",
};

/** Two LVs that were refused at once, and a VG lock that is tried again. */
function afterRefusals() {
  const rig = makeRig();
  rig.startVg();
  rig.script("lock", () => ({ ...refused("EAGAIN", { owner }), detail: "alpha has it" }));
  rig.client().lv("lv1", "ex");
  rig.client().lv("lv2", "sh");
  rig.client().vg("ex");
  return rig;
}

describe("owners of refused locks in info", () => {
  test("are rows of the report, and keys of those who wait", () => {
    const { core, now_ms } = afterRefusals();
    const wants = { lockspace: () => true, resource: () => true };
    const report = parseReport(
      [...infoJson({ locking: core, now_ms: now_ms() + 2500, daemon: null, wants })].join(""),
    );
    expect(report.refusal.map(({ kind, lv_uuid, mode, ago_s }) => [kind, lv_uuid, mode, ago_s])).toEqual([
      ["lv", "lv1", "ex", 2.5],
      ["lv", "lv2", "sh", 2.5],
      ["vg", "", "ex", 2.5],
    ]);
    expect(report.refusal[0]).toMatchObject({ lv_name: "name of lv1", vg_name: "vg", ...OWNER_KEYS });
    expect(report.waiter).toMatchObject([{ kind: "vg", ...OWNER_KEYS }]);
  });

  test("are told of the LV that is asked for, and of no other", () => {
    const { core, now_ms } = afterRefusals();
    const wants = {
      lockspace: () => true,
      resource: ({ name }: { readonly name: string }) => name === "lv2",
    };
    const report = parseReport(
      [...infoJson({ locking: core, now_ms: now_ms(), daemon: null, wants })].join(""),
    );
    expect(report.refusal.map((row) => row.lv_uuid)).toEqual(["lv2"]);
  });

  test("are no part of the lines that the C daemon writes", () => {
    const { core } = afterRefusals();
    const text = [...infoText({ locking: core, connections: new Map(), dialect: "2.03.40" })].join("");
    expect(text).toContain("rt=vg mode=ex lm_type=dlm result=0 lm_rv=0 owner_host_id=0 owner_generation=0\n");
    expect(text).not.toContain("alpha");
  });
});

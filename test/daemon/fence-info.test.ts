import { describe, expect, test } from "bun:test";
import { compatibleLines } from "../../cli/lvmlockctl/raw-lines.ts";
import { parseReport } from "../../cli/lvmlockctl/report-schema.ts";
import { infoJson } from "../../core/daemon/info/json.ts";
import { infoText } from "../../core/daemon/info/text.ts";
import { cutOff, FENCING, refused } from "../locking/manager.ts";
import { makeRig } from "../locking/rig.ts";

const PERSIST = "2.0.0:lvmlock:persist:notimeout";

/** A VG in which host 5 was cut off, host 6 could not be, and host 7 is waited for by a client. */
function afterFences() {
  const rig = makeRig({ managers: { sanlock: FENCING }, lock_type: "sanlock" });
  rig.startVg("vg", { vg_lock_args: PERSIST });
  for (const [host_id, outcome] of [
    [5, cutOff()],
    [6, refused("EAGAIN")],
    [7, null],
  ] as const) {
    rig.script("lock", () => {
      const owner = { host_id, generation: 3, timestamp_s: 1, state: "FAIL", name: "" };
      rig.script("lock", () => refused("EAGAIN"));
      return refused("EAGAIN", { retry: "after-fence", owner });
    });
    rig.scriptKeys(() => outcome);
    rig.client(100 + host_id).lv("lv1", "ex");
  }
  return rig;
}

const everything = { lockspace: () => true, resource: () => true };

describe("fences in info", () => {
  test("are lines as lvmlockctl of lvm2 2.03.40 reads them, those who wait in a list of their own", () => {
    const text = [
      ...infoText({ locking: afterFences().core, connections: new Map(), dialect: "2.03.40" }),
    ].join("");
    const lines = text.split("\n");
    expect(lines.filter((line) => line.startsWith("info=ls_fence_history"))).toEqual([
      "info=ls_fence_history op=fence_result result=0 msg_id=1 owner_host_id=5 owner_generation=3 ourkey=0x1000000000070001 remkey=0x1000000000030005",
      "info=ls_fence_history op=fence_result result=-11 msg_id=2 owner_host_id=6 owner_generation=3 ourkey=0x1000000000070001 remkey=0x1000000000030006",
      "info=ls_fence_history op=fence result=0 msg_id=3 owner_host_id=7 owner_generation=3 ourkey=0x1000000000070001 remkey=0x1000000000030007",
    ]);
    expect(lines.find((line) => line.startsWith("info=r_fence_wait_action"))).toEndWith(
      "op=lock rt=lv mode=ex lm_type=sanlock result=0 lm_rv=0 owner_host_id=7 owner_generation=3",
    );
    expect(text).toContain("fence_pr=1 no_timeout=1");
    expect(compatibleLines(text)).toContain("PR host_id 6 generation 3 key 0x1000000000030006 failed");
  });

  test("are left out for lvmlockctl of 2.03.16, which knows no such lines", () => {
    const text = [
      ...infoText({ locking: afterFences().core, connections: new Map(), dialect: "2.03.16" }),
    ].join("");
    expect(text).not.toContain("fence");
    expect(text).toContain("info=r_action");
  });

  test("are rows of the report, with the reason of a failure", () => {
    const rig = afterFences();
    const source = { locking: rig.core, now_ms: rig.now_ms() + 5000, daemon: null, wants: everything };
    const report = parseReport([...infoJson(source)].join(""));
    expect(report.fence).toEqual([
      {
        vg_name: "vg",
        host_id: 5,
        generation: 3,
        key: "0x1000000000030005",
        state: "removed",
        state_s: 5,
        attempts: 1,
        detail: "",
      },
      expect.objectContaining({ host_id: 6, state: "failed", detail: "EAGAIN" }),
      expect.objectContaining({ host_id: 7, state: "waiting" }),
    ]);
    expect(report.waiter).toMatchObject([{ waits_for: "fence", fence_host_id: 7, fence_generation: 3 }]);
  });
});

import { describe, expect, test } from "bun:test";
import { DEADLINES } from "../../core/deadlines.ts";
import { wireResult } from "../../core/errors.ts";
import type { CallTimes } from "../../plugins/contract.ts";
import { done, granted } from "./manager.ts";
import { makeRig, type Rig } from "./rig.ts";

const ETIMEDOUT = wireResult("ETIMEDOUT");
const TIMES: CallTimes = {
  join_ms: 4_000_000,
  leave_ms: 500_000,
  lock_ms: 600_000,
  query_ms: 300_000,
};
const START = { vg_name: "vg", vg_uuid: "u", vg_lock_type: "sanlock", vg_lock_args: "1.0.0:x" } as const;

function timed(call_times: CallTimes): Rig {
  const rig = makeRig({ lock_type: "sanlock" });
  rig.script("prepare", () => done({ prev_generation: 0, global_lock: "not-here", call_times }));
  return rig;
}

/** How long the first request of a client waits until it is told that the manager is late. */
function patience_ms(rig: Rig, client: ReturnType<Rig["client"]>): number {
  const from_ms = rig.now_ms();
  const until_ms = from_ms + 2 * DEADLINES.manager_longest_ms;
  while (client.waits() && rig.now_ms() < until_ms) rig.advance(DEADLINES.late_call_check_ms);
  expect(client.result()).toBe(ETIMEDOUT);
  return rig.now_ms() - from_ms;
}

describe("a manager with longer timeouts than usual", () => {
  test("is given its own time to join", () => {
    const rig = timed(TIMES);
    rig.hold("join");
    const client = rig.client();
    expect(client.ask("start_vg", START)).toBe(0);
    expect(client.ask("start_wait")).toBeNull();
    expect(patience_ms(rig, client)).toBe(TIMES.join_ms);
  });

  for (const [method, time] of [
    ["lock", "lock_ms"],
    ["status", "query_ms"],
  ] as const) {
    test(`is given its own time to ${method}`, () => {
      const rig = timed(TIMES);
      rig.startVg("vg");
      rig.hold(method);
      const client = rig.client();
      if (method === "lock") client.vg("ex");
      else client.ask("vg_status", { vg_name: "vg" });
      expect(patience_ms(rig, client)).toBe(TIMES[time]);
    });
  }

  test("is given its own time to unlock, and to leave", () => {
    const rig = timed(TIMES);
    rig.startVg("vg");
    const client = rig.client();
    client.vg("ex");
    rig.hold("unlock");
    client.vg("un");
    expect(patience_ms(rig, client)).toBe(TIMES.lock_ms);
    rig.answer(done());
    rig.hold("leave");
    client.ask("stop_vg", { vg_name: "vg" });
    expect(patience_ms(rig, client)).toBe(TIMES.leave_ms);
  });

  test("is not waited for without end, whatever it says", () => {
    const rig = timed({ ...TIMES, lock_ms: 1e12 });
    rig.startVg("vg");
    rig.hold("lock");
    const client = rig.client();
    client.vg("ex");
    expect(patience_ms(rig, client)).toBe(DEADLINES.manager_longest_ms);
  });
});

test("a manager with short timeouts still has the usual time: the host may be busy", () => {
  const rig = timed({ join_ms: 1, leave_ms: 1, lock_ms: 1, query_ms: 1 });
  rig.startVg("vg");
  rig.hold("lock");
  const client = rig.client();
  client.vg("ex");
  expect(patience_ms(rig, client)).toBe(DEADLINES.manager_lock_ms);
  rig.answer(granted());
});

test("each VG has the time that its own lockspace needs", () => {
  const rig = timed(TIMES);
  rig.startVg("slow");
  rig.unscript("prepare");
  rig.startVg("vg");
  rig.hold("lock");
  const client = rig.client();
  client.vg("ex");
  expect(patience_ms(rig, client)).toBe(DEADLINES.manager_lock_ms);
});

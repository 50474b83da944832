/**
 * busy_vg and the requests that stop a VG while sanlock does not know yet how the other hosts are, over a client's socket: lvm then
 * says "unknown host state (wait and retry)" when the reply has HOSTS_UNKNOWN beside EBUSY.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { wireResult } from "../../core/errors.ts";
import { resultOf } from "../rig/replies.ts";
import {
  type Client,
  createVg,
  type Daemons,
  initVg,
  startDaemons,
  startVg,
  untilAlone,
  vgKeys,
} from "./daemons.ts";

setDefaultTimeout(120_000);

let daemons: Daemons;
let first: Client;

beforeAll(async () => {
  daemons = await startDaemons(2);
  first = await daemons.client(0);
});
afterAll(() => daemons.close());

/** op_result and the flags of a request about a VG. */
async function asked(request: string, vg_name: string): Promise<readonly [result: number, flags: string]> {
  const answer = await first.ask(request, vgKeys(vg_name));
  return [resultOf(answer), String(answer.get("result_flags") ?? "none")];
}

const EBUSY = wireResult("EBUSY");
/** A try takes two seconds and mostly the first one does; a machine that misses the moment this often has the test's time to go. */
const tries_max = 30;
const UNKNOWN = expect.stringContaining("HOSTS_UNKNOWN");

test("right after a start, before sanlock has looked at any host, a VG is busy with hosts unknown; then it is not", async () => {
  await initVg(daemons, "alone", [0]);
  // sanlock looks within a second of the start, which a busy machine may need for the way from start_wait to here: another try then.
  for (let tries = 0; ; tries++) {
    await startVg(daemons, 0, "alone");
    const [result, flags] = await asked("busy_vg", "alone");
    if (result === EBUSY) {
      expect(flags).toContain("HOSTS_UNKNOWN");
      break;
    }
    expect([result, flags, tries < tries_max]).toEqual([0, "none", true]);
    expect(await first.result("stop_vg", { vg_name: "alone" })).toBe(0);
  }
  expect(await untilAlone(() => first.result("busy_vg", vgKeys("alone")))).toBe(0);
  expect(await asked("busy_vg", "alone")).toEqual([0, "none"]);
});

test("a host that has died is unknown to one that starts later, which then stops nothing; once it counts as failed it is in nobody's way", async () => {
  await createVg(daemons, "shared", [0, 1]);
  // Both start at once: a sanlock that looked before the other one's lease was written calls this host alone until it looks again.
  for (;;) {
    const [result, flags] = await asked("busy_vg", "shared");
    if (result === EBUSY && flags === "none") break;
    await Bun.sleep(100);
  }
  expect(await first.result("stop_vg", { vg_name: "shared" })).toBe(0);
  await daemons.cluster.sanlock[1]?.kill();
  await startVg(daemons, 0, "shared");
  for (const request of ["busy_vg", "free_vg", "rename_vg_before"])
    expect(await asked(request, "shared")).toEqual([EBUSY, UNKNOWN]);
  expect(await first.result("lock_vg", { mode: "ex", vg_name: "shared" })).toBe(0);
  expect(await untilAlone(() => first.result("busy_vg", vgKeys("shared")))).toBe(0);
  expect(await asked("free_vg", "shared")).toEqual([0, "none"]);
});

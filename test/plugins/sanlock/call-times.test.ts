import { afterEach, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { DEADLINES } from "../../../core/deadlines.ts";
import { callTimes } from "../../../plugins/sanlock/call-times.ts";
import type { Scratch } from "../../rig/scratch.ts";
import { fakeClient, fakeHandle, fakeTools } from "./fake-client.ts";

describe("how long sanlock's calls take", () => {
  test("with its default fits into the daemon's own bounds", () => {
    expect(callTimes(0, 60)).toEqual(callTimes(10, 60));
    expect(callTimes(10, 60)).toEqual({
      join_ms: 290_000,
      leave_ms: 120_000,
      lock_ms: 90_000,
      query_ms: 60_000,
    });
    expect(callTimes(10, 60).lock_ms).toBeLessThanOrEqual(DEADLINES.manager_lock_ms);
    expect(callTimes(10, 60).join_ms).toBeLessThanOrEqual(DEADLINES.manager_join_ms);
    expect(callTimes(10, 60).leave_ms).toBeLessThanOrEqual(DEADLINES.manager_leave_ms);
    expect(callTimes(10, 60).query_ms).toBeLessThanOrEqual(DEADLINES.manager_query_ms);
  });

  test("follows from the I/O timeout and the watchdog's, up to the longest that a lease can say", () => {
    expect(callTimes(100, 60)).toMatchObject({ join_ms: 1_820_000, lock_ms: 630_000 });
    expect(callTimes(100, 120).join_ms - callTimes(100, 60).join_ms).toBe(60_000);
    expect(callTimes(1, 60, 100).join_ms - callTimes(1, 60, 1).join_ms).toBe(297_000);
    expect(callTimes(255, 60).join_ms).toBeLessThanOrEqual(DEADLINES.manager_longest_ms);
  });
});

let scratch: Scratch | null = null;
afterEach(() => scratch?.remove());

test("prepare tells the times of the longer of the two timeouts, this host's and the one in its lease", async () => {
  for (const [own_s, in_lease_s, counts_s] of [
    [100, 10, 100],
    [0, 40, 40],
    [20, 40, 40],
  ] as const) {
    const client = fakeClient(
      {},
      {
        readLockspace: () => ({ ...fakeClient({}, {}).readLockspace("", 1), io_timeout_s: in_lease_s }),
      },
    );
    const made = fakeTools(client);
    scratch?.remove();
    scratch = made.scratch;
    writeFileSync(scratch.file("vg-lvmlock"), new Uint8Array(4096));
    const tools = { ...made.tools, context: { ...made.tools.context, io_timeout_s: own_s } };
    const prepared = await fakeHandle(tools).prepare({ repair: false });
    expect(prepared).toMatchObject({
      kind: "done",
      call_times: { lock_ms: callTimes(counts_s, 60).lock_ms },
    });
  }
});

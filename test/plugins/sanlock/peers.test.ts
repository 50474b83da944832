/** How long a newcomer waits for hosts with I/O timeouts of their own; on a clock that only the waits move. */
import { afterEach, beforeEach, describe, expect, mock, spyOn, test } from "bun:test";
import { renameSync } from "node:fs";
import { geometryFromAlign } from "../../../plugins/sanlock/geometry.ts";
import { createLockspaceState, type Prepared } from "../../../plugins/sanlock/lockspace-state.ts";
import { countFrom, leasesOf, waitForRenewals } from "../../../plugins/sanlock/peers.ts";
import { fakeClient, fakeTools, IDENTITY, writeHostLease } from "./fake-client.ts";

const clock = { now_ms: 0, after: (_now_ms: number): void => {} };

beforeEach(() => {
  clock.now_ms = 0;
  clock.after = () => {};
  spyOn(performance, "now").mockImplementation(() => clock.now_ms);
  spyOn(Bun, "sleep").mockImplementation(async (time) => {
    clock.now_ms += Number(time);
    clock.after(clock.now_ms);
  });
});
afterEach(() => mock.restore());

/** A VG in which host 2 has a lease with a timeout of 10 s, and this host, host 1, has 1 s and joins within 2 s. */
function joining() {
  const { tools, lease_file } = fakeTools(fakeClient({}, {}));
  const geometry = geometryFromAlign(1024 * 1024);
  const prepared = { path: lease_file, geometry, io_timeout_s: 1 } as Prepared;
  const other = (timestamp_s: number): void =>
    writeHostLease(lease_file, 2, { timestamp_s, io_timeout_s: 10 });
  const before = () => ({ leases: leasesOf(prepared), at_ms: clock.now_ms });
  const joinedAndWaited = async (from: ReturnType<typeof before>): Promise<number> => {
    clock.now_ms += 2000;
    await waitForRenewals(createLockspaceState(IDENTITY, tools), prepared, countFrom(prepared, from, false));
    return clock.now_ms;
  };
  return { lease_file, other, before, joinedAndWaited };
}

describe("a host with a short I/O timeout that starts beside one with a long one", () => {
  test("waits until that one has renewed its lease by its own timeout", async () => {
    const { other, before, joinedAndWaited } = joining();
    other(50);
    clock.after = (now_ms) => now_ms >= 19_000 && other(70);
    expect(await joinedAndWaited(before())).toBe(19_000 + 1500);
  });

  test("gives it up by that timeout as well", async () => {
    const { other, before, joinedAndWaited } = joining();
    other(50);
    expect(await joinedAndWaited(before())).toBe(30_000 + 1500);
  });

  test("waits until that one looks for strangers again, also when it has renewed at once", async () => {
    const { other, before, joinedAndWaited } = joining();
    other(50);
    const from = before();
    other(70);
    // This host's lease was written at the beginning of the join.
    expect(await joinedAndWaited(from)).toBe(10_000);
  });

  test("waits for that as well when that one has come during the join", async () => {
    const { other, before, joinedAndWaited } = joining();
    const from = before();
    other(50);
    expect(await joinedAndWaited(from)).toBe(10_000);
  });

  test("does not take a read that fails for a renewal, nor for an empty VG", async () => {
    const { lease_file, other, before, joinedAndWaited } = joining();
    other(50);
    const from = { leases: null, at_ms: clock.now_ms };
    const away = `${lease_file}.away`;
    clock.after = (now_ms) => {
      if (now_ms === 5000) renameSync(lease_file, away);
      if (now_ms === 6000) renameSync(away, lease_file);
      if (now_ms >= 25_000) other(70);
    };
    expect(before().leases?.size).toBe(1);
    expect(await joinedAndWaited(from)).toBe(25_000 + 1500);
  });
});

test("the first host of a VG waits for nobody", async () => {
  const { before, joinedAndWaited } = joining();
  expect(await joinedAndWaited(before())).toBe(2000);
});

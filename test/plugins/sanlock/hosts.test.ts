/** How many other hosts have a VG started where sanlock's list and the disk differ, and how a VG is left that sanlock gives up. */
import { describe, expect, test } from "bun:test";
import type { HostInfo } from "../../../plugins/sanlock/client.ts";
import { HOST_STATE } from "../../../plugins/sanlock/flags.ts";
import { fakeJoined, listedHost, writeHostLease } from "./fake-client.ts";

const host = (host_id: number, flags: number): HostInfo => listedHost(host_id, { flags });

/** What `hosts` says when sanlock lists these and the disk has leases in use by those; this host is host 1. */
async function counted(listed: readonly HostInfo[], in_use: readonly number[]) {
  const hosts = () => ({ rv: 0, hosts: [host(1, HOST_STATE.LIVE), ...listed] });
  const { handle, lease_file } = await fakeJoined({ hosts });
  // Written after the join, which would wait for the hosts that it finds.
  for (const host_id of [1, ...listed.map((one) => one.host_id)])
    writeHostLease(lease_file, host_id, { timestamp_s: 0 });
  for (const host_id of in_use) writeHostLease(lease_file, host_id, { timestamp_s: 9 });
  return await handle.hosts({ notify: false });
}

describe("the hosts of a VG", () => {
  test("are those that live, unless they have left since sanlock looked", async () => {
    const live = [host(2, HOST_STATE.LIVE), host(3, HOST_STATE.LIVE)];
    expect(await counted(live, [1, 2, 3])).toMatchObject({ others: 2, unknown: false });
    expect(await counted(live, [1, 3])).toMatchObject({ others: 1, unknown: false });
  });

  test("are also those that sanlock has not met, or takes for free, when their leases are in use", async () => {
    expect(await counted([], [1, 2])).toMatchObject({ others: 1, unknown: false });
    expect(await counted([host(2, HOST_STATE.FREE)], [1, 2])).toMatchObject({ others: 1 });
    expect(await counted([host(2, HOST_STATE.FREE)], [1])).toMatchObject({ others: 0 });
  });

  test("are not those that are dead, though their leases look used", async () => {
    expect(await counted([host(2, HOST_STATE.DEAD)], [1, 2])).toMatchObject({ others: 0, unknown: false });
  });

  test("are unknown while sanlock has not looked at any, and one is assumed", async () => {
    const { handle } = await fakeJoined({ hosts: () => ({ rv: -11, hosts: [] }) });
    expect(await handle.hosts({ notify: false })).toEqual({ kind: "done", others: 1, unknown: true });
  });

  test("are unknown while sanlock is not sure of any", async () => {
    expect(await counted([host(2, HOST_STATE.UNKNOWN)], [1, 2])).toMatchObject({ others: 1, unknown: true });
  });
});

test("a lockspace that sanlock is removing by itself is left when it is gone", async () => {
  const answers = [-115, -115, -2];
  const { handle } = await fakeJoined({ removeLockspace: () => answers.shift() ?? 0 });
  expect(await handle.leave({ free_vg: false })).toEqual({ kind: "done" });
  expect(answers).toEqual([]);
});

/** How many other hosts have a VG started where sanlock's list and the disk differ, and how a VG is left that sanlock gives up. */
import { afterEach, describe, expect, test } from "bun:test";
import { closeSync, openSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import type { HostInfo } from "../../../plugins/sanlock/client.ts";
import { HOST_STATE } from "../../../plugins/sanlock/flags.ts";
import type { Scratch } from "../../rig/scratch.ts";
import { fakeClient, fakeHandle, fakeTools } from "./fake-client.ts";

const scratches: Scratch[] = [];
afterEach(() => {
  for (const scratch of scratches.splice(0)) scratch.remove();
});

const SECTOR_SIZE_BYTES = 512;

/** Writes what counts of a host's lease: its magic and the time of its last renewal. */
function writeHostLease(path: string, host_id: number, timestamp_s: number): void {
  const sector = new DataView(new ArrayBuffer(SECTOR_SIZE_BYTES));
  sector.setUint32(0, 0x12212010, true);
  sector.setBigUint64(152, BigInt(timestamp_s), true);
  const fd = openSync(path, "r+");
  writeSync(fd, new Uint8Array(sector.buffer), 0, SECTOR_SIZE_BYTES, (host_id - 1) * SECTOR_SIZE_BYTES);
  closeSync(fd);
}

const host = (host_id: number, state: number): HostInfo => ({
  host_id,
  generation: 1,
  timestamp_s: 5,
  io_timeout_s: 10,
  flags: state,
});

/** What `hosts` says when sanlock lists these and the disk has leases in use by those; this host is host 1. */
async function counted(listed: readonly HostInfo[], in_use: readonly number[]) {
  const fake = fakeTools(
    fakeClient({}, { hosts: () => ({ rv: 0, hosts: [host(1, HOST_STATE.LIVE), ...listed] }) }),
  );
  scratches.push(fake.scratch);
  const path = fake.scratch.file("vg-lvmlock");
  writeFileSync(path, "");
  truncateSync(path, 70 * 1024 * 1024);
  const handle = fakeHandle(fake.tools);
  await handle.prepare({ repair: false });
  await handle.join({ adopt: "no", nodelay: false, repair: false });
  // Written after the join, which would wait for the hosts that it finds.
  for (const host_id of [1, ...listed.map((one) => one.host_id)]) writeHostLease(path, host_id, 0);
  for (const host_id of in_use) writeHostLease(path, host_id, 9);
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

  test("are unknown while sanlock is not sure of any", async () => {
    expect(await counted([host(2, HOST_STATE.UNKNOWN)], [1, 2])).toMatchObject({ others: 1, unknown: true });
  });
});

test("a lockspace that sanlock is removing by itself is left when it is gone", async () => {
  const answers = [-115, -115, -2];
  const fake = fakeTools(fakeClient({}, { removeLockspace: () => answers.shift() ?? 0 }));
  scratches.push(fake.scratch);
  const path = fake.scratch.file("vg-lvmlock");
  writeFileSync(path, "");
  truncateSync(path, 70 * 1024 * 1024);
  const handle = fakeHandle(fake.tools);
  await handle.prepare({ repair: false });
  await handle.join({ adopt: "no", nodelay: false, repair: false });
  expect(await handle.leave({ free_vg: false })).toEqual({ kind: "done" });
  expect(answers).toEqual([]);
});

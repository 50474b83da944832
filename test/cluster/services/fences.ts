/** Around a host that is cut off by its key: what the PVs say, what lvmlockd says, and a writer that the device stops. */
import assert from "node:assert/strict";
import { inTime } from "../lab/failures.ts";
import type { Host } from "../lab/host.ts";

/** What lvmpersist reads of a PV, in the words of its report. */
export interface PvRow {
  readonly device: string;
  readonly status: string;
  readonly keys: readonly string[] | null;
  readonly reservation: string | null;
  readonly ptpl: number | null;
}

/** The PVs' reservations; the devices are named, because lvm finds no PV that it may not read. */
export async function readPvs(host: Host, devices: readonly string[]): Promise<readonly PvRow[]> {
  const named = devices.map((device) => `--device ${device}`).join(" ");
  const { stdout } = await host.must(`lvmpersist read ${named} --reportformat json_std`);
  const { report } = JSON.parse(stdout) as { report: readonly [{ device: readonly PvRow[] }] };
  return report[0].device;
}

/** The registered keys, which are the same on all PVs. */
export async function sameKeys(host: Host, devices: readonly string[]): Promise<readonly string[]> {
  const lists = (await readPvs(host, devices)).map((pv) => [...(pv.keys ?? [])].sort());
  const [first = []] = lists;
  for (const list of lists) assert.deepEqual(list, first);
  return first;
}

export interface FenceRow {
  readonly host_id: number;
  readonly generation: number;
  readonly key: string;
  readonly state: string;
  readonly attempts: number;
  readonly detail: string;
}

interface Info {
  readonly lockspace: readonly { readonly vg_name: string; readonly generation: number }[];
  readonly fence: readonly FenceRow[];
}

export async function infoOf(host: Host): Promise<Info> {
  const { stdout } = await host.must("lvmlockctl --info --reportformat json_std");
  return (JSON.parse(stdout) as { report: readonly [Info] }).report[0];
}

export async function isStarted(host: Host, vg: string): Promise<boolean> {
  return (await infoOf(host)).lockspace.some(({ vg_name }) => vg_name === vg);
}

/** lvmlockd leaves a VG by itself when its start has failed after the join. */
export async function untilStopped(host: Host, vg: string): Promise<void> {
  const end_ms = performance.now() + leave_ms_max;
  while (await isStarted(host, vg))
    inTime(performance.now() < end_ms, `${host.name} still has ${vg} after ${leave_ms_max} ms`);
}

/** A host's key, as lvm makes it of host_id and generation; 0 is no generation. */
export function keyIn(host: Host, generation: number): string {
  const hex = (number: number, digits: number): string => number.toString(16).padStart(digits, "0");
  return `0x100000${hex(generation, 6)}${hex(host.id, 4)}`;
}

/** This host's key as its present generation of the VG's lockspace makes it. */
export async function keyNow(host: Host, vg: string): Promise<string> {
  const generation = (await infoOf(host)).lockspace.find(({ vg_name }) => vg_name === vg)?.generation ?? 0;
  assert.ok(generation > 0, `${host.name} is in a generation of the lockspace`);
  return keyIn(host, generation);
}

const leave_ms_max = 60_000;

/** A lock of a host that has failed is had within this; sanlock's wait for it is about half a minute. */
export const fence_ms_max = 120_000;

/** As lvm itself asks again. */
const ask_again_ms = 1000;

/** Counts in the first sector of an LV until a write fails; /run/acked has the last count that the device took. */
const writer = (lv: string): string => `#!/bin/bash
for ((n = 1; ; n++)); do
  printf '%-512s' "host1 $n" >/run/block
  dd if=/run/block of=/dev/${lv} bs=512 count=1 oflag=direct 2>/dev/null || break
  echo $n >/run/acked
done
echo $n >/run/writer-failed
`;

export async function startCounting(host: Host, lv: string): Promise<void> {
  await host.write("/root/writer", writer(lv));
  await host.must(
    "rm -f /run/writer-failed; chmod +x /root/writer; setsid /root/writer </dev/null >/dev/null 2>&1 & disown",
  );
  await host.until("test $(cat /run/acked) -ge 3", { timeout_ms: 30_000 });
}

/** The host loses network and heartbeat, and goes on writing: a partition, seen from the others. */
export async function loseHeartbeat(host: Host, cut: () => void): Promise<void> {
  cut();
  await host.must("pkill -STOP -x sanlock");
  const before = Number((await host.must("cat /run/acked")).stdout);
  await host.until(`test $(cat /run/acked) -gt ${before + 2}`, { timeout_ms: 30_000 });
}

/** The writer's last write failed at the device, and what the other host read when it got the LV is the last that came. */
export async function expectStopped(host: Host, taken: string): Promise<void> {
  await host.until("test -e /run/writer-failed", { timeout_ms: 20_000 });
  await host.must("dmesg | grep -q 'reservation conflict'");
  const [acked, failed] = (await host.must("cat /run/acked /run/writer-failed")).stdout.trim().split("\n");
  // The write that failed may have been taken just before the device cut the host off; no later one can have been.
  assert.ok([`host1 ${acked}`, `host1 ${failed}`].includes(taken), `${taken} after ${acked}`);
}

/** A write that was under way when the device cut the host off would have landed by then. */
const late_write_ms = 2000;

/** The host that was cut off can't overwrite what its successor writes, and nothing of it lands later. */
export async function expectNoLaterWrite(cut_off: Host, successor: Host, lv: string): Promise<void> {
  const text = `${successor.name} was here`;
  await successor.must(`printf '${text}' | dd of=/dev/${lv} conv=sync oflag=direct`);
  await cut_off.refused(`dd if=/run/block of=/dev/${lv} bs=512 count=1 oflag=direct`, /error writing/);
  await Bun.sleep(late_write_ms);
  assert.equal(await firstSector(successor, lv), text);
}

export async function firstSector(host: Host, lv: string): Promise<string> {
  return (await host.must(`dd if=/dev/${lv} bs=512 count=1 iflag=direct | tr -d '\\0'`)).stdout.trim();
}

/** Asks for the LV until a failed host's key could not be removed this many times; lvm is told each time that another host has it. */
export async function untilNotRemoved(host: Host, lv: string, attempts: number): Promise<FenceRow> {
  const end_ms = performance.now() + fence_ms_max;
  for (;;) {
    await host.refused(`lvchange -aey ${lv}`, new RegExp(`LV locked by other host: ${lv}`));
    const [fence, ...more] = (await infoOf(host)).fence;
    assert.equal(more.length, 0, "one host in one generation is one fence");
    if (fence?.state === "failed" && fence.attempts >= attempts) return fence;
    inTime(performance.now() < end_ms, `${JSON.stringify(fence)} after ${fence_ms_max} ms`);
    await Bun.sleep(ask_again_ms);
  }
}

/** When removals were begun, and when they had failed, in seconds by lvmlockd's log. */
export async function removalTimes(
  host: Host,
): Promise<{ readonly begun: number[]; readonly failed: number[] }> {
  const lines = (await host.must("lvmlockctl --dump")).stdout.split("\n");
  const times = (pattern: RegExp): number[] =>
    lines.filter((line) => pattern.test(line)).map((line) => Number.parseInt(line, 10));
  return {
    begun: times(/^\d+ warning: .* has failed: its key is being removed from every PV/),
    failed: times(/^\d+ error: .* has failed and could not be cut off: /),
  };
}

/** What the steps on lvmpersist have in common: two hosts, the LUNs of an array, and the words to run it with. */
import assert from "node:assert/strict";
import { PERSIST_EXIT } from "../../../../cli/lvmpersist/exit.ts";
import type { Host } from "../../lab/host.ts";
import type { Disk } from "../../lab/shared-disk.ts";
import type { Steps } from "../../scenario.ts";
import type { Storage } from "../../services/lio.ts";

/** Keys of lvm's making: of host_id 1 and 2, generation 1, and host 2's next one. */
export const KEY_A = "0x1000000000010001";
export const KEY_B = "0x1000000000010002";
export const KEY_B2 = "0x1000000000020002";

export const LUNS = 3;

export interface World {
  readonly a: Host;
  readonly b: Host;
  readonly storage: Storage;
  readonly disks: readonly Disk[];
  /** "--device /dev/sda --device …", the same on both hosts. */
  readonly all: string;
  readonly step: Steps["step"];
}

export interface DeviceRow {
  readonly device: string;
  /** "ok", or what is in the way. */
  readonly status: string;
  readonly result: string;
  readonly detail: string;
  readonly keys: readonly string[] | null;
  readonly reservation: string | null;
  readonly holder: string;
  readonly ptpl: number | null;
}

/** Runs lvmpersist and wants this exit status. */
export async function persist(
  host: Host,
  words: string,
  exit_status: number = PERSIST_EXIT.ok,
): Promise<string> {
  const { rc, stdout, stderr } = await host.run(`lvmpersist ${words} </dev/null`);
  assert.equal(rc, exit_status, `lvmpersist ${words} on ${host.name}: ${rc}\n${stdout}${stderr}`);
  return stdout + stderr;
}

export async function rows(host: Host, devices: string): Promise<readonly DeviceRow[]> {
  const { stdout } = await host.must(`lvmpersist read ${devices} --reportformat json_std`);
  return JSON.parse(stdout).report[0].device as readonly DeviceRow[];
}

/** Every device has these keys and this reservation, as sg_persist, which is not ours, reads them. */
export async function expectOnAll(
  { a, disks }: World,
  keys: readonly string[],
  type: RegExp | null,
): Promise<void> {
  for (const { path } of disks) await expectOn(a, path, keys, type);
}

/** The same of one device, as this host sees it. */
export async function expectOn(
  host: Host,
  path: string,
  keys: readonly string[],
  type: RegExp | null,
): Promise<void> {
  // sg_persist takes a unit attention for the answer, and a host whose key was removed has some waiting.
  const script = `sg_persist -n -i -k ${path} && sg_persist -n -i -r ${path}`;
  const { stdout } = await host.until(script, { timeout_ms: 30_000 });
  const found = [...stdout.matchAll(/^ +(0x[0-9a-f]+)$/gm)].map(([, key]) => key).sort();
  assert.deepEqual(found, [...keys].sort(), `keys of ${path} as ${host.name} sees them`);
  assert.match(stdout, type ?? /there is NO reservation held/);
}

export async function writes(host: Host, path: string): Promise<boolean> {
  const { rc } = await host.run(
    `dd if=/dev/zero of=${path} bs=4096 count=1 seek=8 oflag=direct conv=notrunc`,
  );
  return rc === 0;
}

export async function expectWrites({ a, b, disks }: World, by_a: boolean, by_b: boolean): Promise<void> {
  for (const { path } of disks) {
    assert.deepEqual([await writes(a, path), await writes(b, path)], [by_a, by_b], `writes to ${path}`);
  }
}

/** The sg device of a disk: several disks get their commands through these, by write(2). */
export async function sgDevice(host: Host, path: string): Promise<string> {
  const directory = `/sys/block/${path.split("/").at(-1)}/device/scsi_generic`;
  return `/dev/${(await host.must(`ls ${directory}`)).stdout.trim()}`;
}

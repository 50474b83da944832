/** What the steps on lvmpersist have in common: two hosts, the LUNs of an array, and the words to run it with. */
import assert from "node:assert/strict";
import { PERSIST_EXIT } from "../../../../cli/lvmpersist/exit.ts";
import type { Host } from "../../lab/host.ts";
import type { Disk } from "../../lab/shared-disk.ts";
import type { Steps } from "../../scenario.ts";
import type { Storage } from "../../services/lio.ts";
import { TYPES, type Type } from "../../services/reservation-rules.ts";

/** Keys of lvm's making: of host_id 1 and 2, generation 1, and host 2's next one. */
export const KEY_A = "0x1000000000010001";
export const KEY_B = "0x1000000000010002";
export const KEY_B2 = "0x1000000000020002";

export const LUNS = 3;

/** Two hosts and devices that both see, of whatever kind, under names that both have for them. */
export interface World {
  readonly a: Host;
  readonly b: Host;
  readonly disks: readonly Pick<Disk, "path">[];
  /** "--device /dev/sda --device …", the same on both hosts. */
  readonly all: string;
  /** How many ways host a has to each device, whose key is then listed as often; with several the device is a multipath map. */
  readonly paths_of_a: number;
  readonly step: Steps["step"];
}

/** The same on the LUNs of an array, which can fail and go away. */
export interface ArrayWorld extends World {
  readonly storage: Storage;
  readonly disks: readonly Disk[];
}

/** The words that sg_persist has for the types. */
export const TYPE_NAMES = {
  WE: "Write Exclusive",
  EA: "Exclusive Access",
  WERO: "Write Exclusive, registrants only",
  EARO: "Exclusive Access, registrants only",
  WEAR: "Write Exclusive, all registrants",
  EAAR: "Exclusive Access, all registrants",
} as const satisfies Record<Type, string>;

/** What sg_persist says of a reservation of this type. */
export function typeShown(type: Type): RegExp {
  return new RegExp(`type: ${TYPE_NAMES[type]}$`, "m");
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

/** A registration through one nexus. */
export interface RegistrationRow {
  readonly device: string;
  readonly key: string;
  readonly host_id: number | null;
  readonly generation: number | null;
  readonly initiator: string | null;
}

export interface Report {
  readonly device: readonly DeviceRow[];
  readonly registration: readonly RegistrationRow[];
}

export async function report(host: Host, devices: string): Promise<Report> {
  const { stdout } = await host.must(`lvmpersist read ${devices} --reportformat json_std`);
  return JSON.parse(stdout).report[0] as Report;
}

export async function rows(host: Host, devices: string): Promise<readonly DeviceRow[]> {
  return (await report(host, devices)).device;
}

/** Every device has these keys and this reservation, as a program reads them that is not ours. */
export async function expectOnAll(
  { a, disks, paths_of_a }: World,
  keys: readonly string[],
  type: RegExp | null,
): Promise<void> {
  const listed = keys.flatMap((key) => Array<string>(key === KEY_A ? paths_of_a : 1).fill(key));
  await Promise.all(disks.map(({ path }) => expectOn(a, path, listed, type)));
}

/** The same of one device, as this host sees it. */
export async function expectOn(
  host: Host,
  path: string,
  keys: readonly string[],
  type: RegExp | null,
): Promise<void> {
  const seen = path.startsWith("/dev/nvme")
    ? await seenByNvme(host, path)
    : await seenBySgPersist(host, path);
  assert.deepEqual(seen.keys.sort(), [...keys].sort(), `keys of ${path} as ${host.name} sees them`);
  assert.match(seen.reservation, type ?? /there is NO reservation held/);
}

interface Seen {
  readonly keys: string[];
  /** In the words of sg_persist. */
  readonly reservation: string;
}

async function seenBySgPersist(host: Host, path: string): Promise<Seen> {
  // sg_persist takes a unit attention for the answer, and a host whose key was removed has some waiting.
  const script = `sg_persist -n -i -k ${path} && sg_persist -n -i -r ${path}`;
  const { stdout } = await host.until(script, { timeout_ms: 30_000 });
  const keys = [...stdout.matchAll(/^ +(0x[0-9a-f]+)$/gm)].map(([, key = ""]) => key);
  return { keys, reservation: stdout };
}

async function seenByNvme(host: Host, path: string): Promise<Seen> {
  const { stdout } = await host.must(`nvme resv-report ${path} --eds -o json`);
  // Not by JSON.parse, whose numbers are too short for keys.
  const keys = [...stdout.matchAll(/"rkey" *: *(\d+)/g)].map(
    ([, key = ""]) => `0x${BigInt(key).toString(16)}`,
  );
  // NVMe numbers the six types from 1, in this order.
  const type = TYPES[Number(/"rtype" *: *(\d+)/.exec(stdout)?.[1]) - 1];
  const reservation = type === undefined ? "there is NO reservation held" : `type: ${TYPE_NAMES[type]}\n`;
  return { keys, reservation };
}

export async function writes(host: Host, path: string): Promise<boolean> {
  const { rc } = await host.run(
    `dd if=/dev/zero of=${path} bs=4096 count=1 seek=8 oflag=direct conv=notrunc`,
  );
  return rc === 0;
}

export async function expectWrites({ a, b, disks }: World, by_a: boolean, by_b: boolean): Promise<void> {
  const one = async (path: string): Promise<void> => {
    const seen = await Promise.all([writes(a, path), writes(b, path)]);
    assert.deepEqual(seen, [by_a, by_b], `writes to ${path}`);
  };
  await Promise.all(disks.map(({ path }) => one(path)));
}

/** The same hosts with the first of the devices alone, for what has been seen of several at once. */
export function withFirst(world: World): World {
  const [first] = world.disks;
  assert.ok(first, "there is a device");
  return { ...world, disks: [first], all: `--device ${first.path}` };
}

/** The sg device of a disk: several disks get their commands through these, by write(2). */
export async function sgDevice(host: Host, path: string): Promise<string> {
  const directory = `/sys/block/${path.split("/").at(-1)}/device/scsi_generic`;
  return `/dev/${(await host.must(`ls ${directory}`)).stdout.trim()}`;
}

import { existsSync, readdirSync, readFileSync, readlinkSync, realpathSync } from "node:fs";
import { basename, join } from "node:path";
import type { PrRefusal } from "./reservable.ts";

/* What a block device is, from what sysfs says of it; the name that the user gave (by-id, mapper, sdX) does not matter. */

/** What sysfs says of one block device. */
export interface BlockDeviceFacts {
  /** "sda", "dm-3", "nvme0n1". */
  readonly kernel_name: string;
  readonly is_partition: boolean;
  /** Directories that only drivers of these kinds make. */
  readonly is_loop: boolean;
  readonly is_raid: boolean;
  /** device-mapper's name and uuid; a uuid begins with its maker: "mpath-", "LVM-", "CRYPT-". */
  readonly dm: { readonly name: string; readonly uuid: string } | null;
  /** The peripheral device type (0: disk) of a SCSI device, null of others. */
  readonly scsi_type: number | null;
  /** Kernel names of the devices below. */
  readonly slaves: readonly string[];
  /** Names of the multipath maps above, whose path this device is. */
  readonly maps: readonly string[];
  /**
   * Which disk this is, whatever it is called: the kernel's wwid of a SCSI disk (from VPD page 83h) or a NVMe namespace (its uuid,
   * nguid or eui64), a map's device-mapper uuid, which multipathd makes from the same; "" where there is none.
   */
  readonly identity: string;
}

/** What takes reservation commands, or why this does not. */
export type BlockDeviceKind =
  | { readonly kind: "scsi" }
  | { readonly kind: "nvme" }
  | { readonly kind: "multipath"; readonly kernel_name: string; readonly slaves: readonly string[] }
  | PrRefusal;

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    // Attributes come and go with the kind of device, and the device itself may go while we look.
    return null;
  }
}

function subsystemOf(directory: string): string | null {
  try {
    return basename(readlinkSync(join(directory, "subsystem")));
  } catch {
    return null;
  }
}

/** Reads the facts of the device with this number; null when it is not there any more. */
export function readFacts(major: number, minor: number, sysfs = "/sys"): BlockDeviceFacts | null {
  let directory: string;
  try {
    directory = realpathSync(join(sysfs, "dev/block", `${major}:${minor}`));
  } catch {
    return null;
  }
  const device = join(directory, "device");
  const kernel_name = basename(directory).replaceAll("!", "/");
  const is_partition = existsSync(join(directory, "partition"));
  const maps = mapsAbove(join(directory, "holders"));
  if (subsystemOf(device) === "scsi") {
    const type = readText(join(device, "type"));
    const scsi_type = type === null || !/^\d+$/.test(type) ? null : Number(type);
    // A SCSI driver's device is none of the others; looking for what they have is half of what this costs, for each of many disks.
    const nothing_else = { is_loop: false, is_raid: false, dm: null, slaves: [] } as const;
    const identity = readText(join(device, "wwid")) ?? "";
    return { kernel_name, is_partition, scsi_type, ...nothing_else, maps, identity };
  }
  const uuid = readText(join(directory, "dm/uuid"));
  const identity = uuid ?? readText(join(directory, "wwid")) ?? "";
  return {
    kernel_name,
    is_partition,
    is_loop: existsSync(join(directory, "loop")) || basename(directory).startsWith("loop"),
    is_raid: existsSync(join(directory, "md")),
    dm: uuid === null ? null : { uuid, name: readText(join(directory, "dm/name")) ?? "" },
    scsi_type: null,
    slaves: namesIn(join(directory, "slaves")),
    maps,
    identity,
  };
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    return [];
  }
}

function mapsAbove(holders: string): string[] {
  return namesIn(holders).flatMap((name) => {
    const uuid = readText(join(holders, name, "dm/uuid")) ?? "";
    return uuid.startsWith("mpath-") ? [readText(join(holders, name, "dm/name")) ?? name] : [];
  });
}

/**
 * Why this disk is not to be named by itself: it is a path of a multipath map. What is registered through it holds for this path
 * alone, and a reservation that is made so fails this host's own writes through the others.
 */
export function refuseAsPath(path: string, { kernel_name, maps }: BlockDeviceFacts): PrRefusal | null {
  const [map] = maps;
  if (map === undefined) return null;
  const detail = `${path}: ${kernel_name} is one path of the multipath map ${map}, and a reservation has to hold for all of them; name /dev/mapper/${map}`;
  return { kind: "unsupported", detail };
}

/** Peripheral device types that are disks: direct access, reduced block commands, host-managed zones. */
const DISK_TYPES = [0x00, 0x0e, 0x14];

/** Decides what a device is. Every refusal is a sentence of its own that says what to name instead. */
export function classify(path: string, facts: BlockDeviceFacts): BlockDeviceKind {
  const { kernel_name, dm } = facts;
  const refuse = (why: string): PrRefusal => ({ kind: "unsupported", detail: `${path}: ${why}` });
  if (facts.is_partition)
    return refuse(`${kernel_name} is a partition; a reservation is for a whole disk, name that`);
  if (facts.is_loop) return refuse(`${kernel_name} is a loop device, which has no persistent reservations`);
  if (facts.is_raid)
    return refuse(`${kernel_name} is a RAID array; name its disks (${facts.slaves.join(", ")})`);
  if (dm !== null) return classifyDm(path, facts, dm);
  if (/^nvme\d+(c\d+)?n\d+$/.test(kernel_name)) return { kind: "nvme" };
  if (facts.scsi_type === null)
    return refuse(`${kernel_name} is neither a SCSI disk nor a NVMe namespace nor a multipath map`);
  if (!DISK_TYPES.includes(facts.scsi_type))
    return refuse(`${kernel_name} is a SCSI device of type ${facts.scsi_type}, not a disk`);
  return { kind: "scsi" };
}

function classifyDm(
  path: string,
  { kernel_name, slaves }: BlockDeviceFacts,
  { name, uuid }: { name: string; uuid: string },
): BlockDeviceKind {
  const refuse = (why: string): PrRefusal => ({ kind: "unsupported", detail: `${path}: ${why}` });
  const below = slaves.length === 0 ? "" : ` (${slaves.join(", ")})`;
  if (/^part\d+-mpath-/.test(uuid))
    return refuse(`${name} is a partition of a multipath map; name the map${below}`);
  if (uuid.startsWith("LVM-")) return refuse(`${name} is a logical volume; name the disks of its VG${below}`);
  if (!uuid.startsWith("mpath-"))
    return refuse(`${name} is a device-mapper device, but no multipath map; name its disks${below}`);
  return { kind: "multipath", kernel_name, slaves };
}

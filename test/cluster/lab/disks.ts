/** Disks that several hosts see: plugged into running guests, and broken for one of them or all. */
import { closeSync, ftruncateSync, openSync } from "node:fs";
import type { Guest } from "./qemu.ts";

/** An empty disk of its own file, SCSI, writable by all hosts that have it. */
export interface FileDisk {
  readonly kind?: "file";
  readonly size_mb: number;
  /** Logical blocks; sanlock's leases are larger with 4096. */
  readonly block_bytes?: 512 | 4096;
}

/** A file that is there already. */
export interface ImageDisk {
  readonly kind: "image";
  readonly file: string;
  readonly readonly: boolean;
}

/** Any block device that QEMU can make, for each host its own: e.g. a SCSI disk behind an iSCSI target. */
export interface CustomDisk {
  readonly kind: "custom";
  /** The protocol node of `blockdev-add`, e.g. { driver: "iscsi", portal, target, lun, "initiator-name" }. */
  readonly protocol: (host_id: number) => object;
  /** Options of `device_add` beside bus, drive and id, e.g. { driver: "scsi-block" }. */
  readonly device: { readonly driver: string } & Readonly<Record<string, unknown>>;
}

export type DiskSpec = FileDisk | ImageDisk | CustomDisk;

/**
 * errors: the disk is there and every read and write fails. gone: the disk is unplugged.
 */
export type DiskFault = "errors" | "gone";

const megabyte_bytes = 1024 * 1024;
const EIO = 5;
const file_mode = 0o600;
const unplug_ms_max = 20_000;

/** Makes the file of a disk, without holes in its range but holes in its storage. */
export function makeDiskFile(path: string, size_mb: number): void {
  const fd = openSync(path, "w", file_mode);
  ftruncateSync(fd, size_mb * megabyte_bytes);
  closeSync(fd);
}

/** The SCSI id on the guest's one adapter, which also names the nodes. */
function names(number: number): { node: string; file: string; broken: string; device: string } {
  return { node: `disk${number}`, file: `file${number}`, broken: `broken${number}`, device: `lun${number}` };
}

function protocolNode(spec: DiskSpec, file: string, host_id: number): object {
  if (spec.kind === "custom") return spec.protocol(host_id);
  const path = spec.kind === "image" ? spec.file : file;
  const readonly = spec.kind === "image" && spec.readonly;
  // Other hosts have the file open as well; that is what it is for.
  return { driver: "file", filename: path, locking: "off", aio: "threads", "read-only": readonly };
}

/** The host's page cache holds what guests write: hosts are killed here, the machine is not. */
function rawNode(spec: DiskSpec, number: number, child: string): object {
  return {
    driver: "raw",
    "node-name": names(number).node,
    cache: { direct: spec.kind === "custom", "no-flush": spec.kind !== "custom" },
    discard: "unmap",
    "read-only": spec.kind === "image" && spec.readonly,
    file: child,
  };
}

function deviceOptions(spec: DiskSpec, number: number): object {
  if (spec.kind === "custom") return spec.device;
  const block_bytes = (spec.kind !== "image" ? spec.block_bytes : undefined) ?? 512;
  return {
    driver: "scsi-hd",
    serial: `LAB${number}`,
    // The same on every host, as with one disk that all of them see.
    wwn: `0x5000c5000000${(256 + number).toString(16).padStart(4, "0")}`,
    logical_block_size: block_bytes,
    physical_block_size: block_bytes,
  };
}

/** Plugs the disk in. The guest sees it soon after. */
export async function plugDisk(
  guest: Guest,
  spec: DiskSpec,
  number: number,
  file: string,
  host_id: number,
): Promise<void> {
  const { node, file: child, device } = names(number);
  const cache = { direct: spec.kind === "custom", "no-flush": spec.kind !== "custom" };
  await guest.qmp.execute("blockdev-add", {
    ...protocolNode(spec, file, host_id),
    "node-name": child,
    cache,
  });
  await guest.qmp.execute("blockdev-add", rawNode(spec, number, child));
  await plugDevice(guest, spec, number, node, device);
}

async function plugDevice(
  guest: Guest,
  spec: DiskSpec,
  number: number,
  drive: string,
  id: string,
): Promise<void> {
  const options = deviceOptions(spec, number);
  await guest.qmp.execute("device_add", {
    bus: "scsi0.0",
    "scsi-id": number,
    drive,
    id,
    "share-rw": true,
    ...options,
  });
}

export async function breakDisk(
  guest: Guest,
  spec: DiskSpec,
  number: number,
  fault: DiskFault,
): Promise<void> {
  const { file, broken, device } = names(number);
  if (fault === "gone") {
    const gone = guest.qmp.event("DEVICE_DELETED", unplug_ms_max);
    await guest.qmp.execute("device_del", { id: device });
    return gone;
  }
  await guest.qmp.execute("blockdev-add", {
    driver: "blkdebug",
    "node-name": broken,
    image: file,
    // "none" is the event of the node's own making, so the rule holds from then on. Flushes succeed: QEMU flushes when it changes back.
    "inject-error": ["read", "write", "write-zeroes", "discard"].map((iotype) => ({
      event: "none",
      iotype,
      errno: EIO,
      once: false,
      immediately: true,
    })),
  });
  await guest.qmp.execute("blockdev-reopen", { options: [rawNode(spec, number, broken)] });
}

export async function mendDisk(
  guest: Guest,
  spec: DiskSpec,
  number: number,
  fault: DiskFault,
): Promise<void> {
  const { node, file, broken, device } = names(number);
  if (fault === "gone") return plugDevice(guest, spec, number, node, device);
  await guest.qmp.execute("blockdev-reopen", { options: [rawNode(spec, number, file)] });
  await guest.qmp.execute("blockdev-del", { "node-name": broken });
}

import { ptr } from "bun:ffi";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { type Geometry, hostIdMax } from "./geometry.ts";
import { NAME_SIZE_BYTES } from "./layouts.ts";

/** A host's lease as it is on the disk right now. */
export interface HostLeaseRecord {
  readonly generation: number;
  /** When the host renewed it last, in its own clock; 0 when it has left the lockspace, or never joined it. */
  readonly timestamp_s: number;
  readonly io_timeout_s: number;
}

/** Who a host lease says that it belongs to; texts, for people. */
export interface HostLeaseNames {
  readonly lockspace_name: string;
  /** What sanlock calls the host: our_host_name of sanlock.conf, or a UUID and the host's name. */
  readonly host_name: string;
}

/** First bytes of a host lease (DELTA_DISK_MAGIC of sanlock's leader.h). */
const MAGIC = 0x12212010;
/** Where the fields are in struct leader_record, which is little endian on the disk. */
const OFFSET = {
  magic: 0,
  owner_generation: 40,
  lockspace_name: 56,
  resource_name: 104,
  timestamp: 152,
  io_timeout: 174,
} as const;
/** O_DIRECT wants memory that is aligned to the sectors, the largest of which have 4 KiB. */
const ALIGNMENT_BYTES = 4096;

/**
 * Reads the lease of `host_id`. Libraries before 4.0 have no function for it, and sanlock's own list of hosts is as old as
 * its last renewal, up to 20 s. The page cache is left out, because other hosts write to the same disk. Null when it can't
 * be read; whoever asks does without.
 */
export function readHostLease(path: string, geometry: Geometry, host_id: number): HostLeaseRecord | null {
  const { sector_size_bytes } = geometry;
  const sector = readDirectly(path, sector_size_bytes, (host_id - 1) * sector_size_bytes);
  return sector === null ? null : decodeHostLease(sector);
}

/** The names in the lease of `host_id`; null when it can't be read, or is none. */
export function readHostLeaseNames(path: string, geometry: Geometry, host_id: number): HostLeaseNames | null {
  const { sector_size_bytes } = geometry;
  const sector = readDirectly(path, sector_size_bytes, (host_id - 1) * sector_size_bytes);
  if (sector === null || decodeHostLease(sector) === null) return null;
  return {
    lockspace_name: nameAt(sector, OFFSET.lockspace_name),
    host_name: nameAt(sector, OFFSET.resource_name),
  };
}

/** A name of the full length has no NUL behind it. */
function nameAt(sector: Uint8Array, begin: number): string {
  const field = sector.subarray(begin, begin + NAME_SIZE_BYTES);
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}

/** The leases of all hosts that have theirs in use, by host_id. Null when they can't be read. */
export function readHostLeases(
  path: string,
  geometry: Geometry,
): ReadonlyMap<number, HostLeaseRecord> | null {
  const { sector_size_bytes } = geometry;
  const size_bytes = hostIdMax(geometry) * sector_size_bytes;
  const area = readDirectly(path, size_bytes, 0);
  if (area === null) return null;
  const leases = new Map<number, HostLeaseRecord>();
  for (let begin = 0; begin < size_bytes; begin += sector_size_bytes) {
    const lease = decodeHostLease(area.subarray(begin, begin + sector_size_bytes));
    if (lease !== null && lease.timestamp_s !== 0) leases.set(begin / sector_size_bytes + 1, lease);
  }
  return leases;
}

function readDirectly(path: string, size_bytes: number, offset_bytes: number): Uint8Array | null {
  const memory = alignedMemory(size_bytes);
  let fd: number | null = null;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_DIRECT);
    return readSync(fd, memory, 0, size_bytes, offset_bytes) === size_bytes ? memory : null;
  } catch {
    // The answer is an estimate or a refinement; errors of the disk are told by sanlock, who has to read it too.
    return null;
  } finally {
    if (fd !== null) closeSync(fd);
  }
}

function alignedMemory(size_bytes: number): Uint8Array {
  const memory = new Uint8Array(new ArrayBuffer(size_bytes + ALIGNMENT_BYTES));
  const past = ptr(memory) % ALIGNMENT_BYTES;
  const begin = past === 0 ? 0 : ALIGNMENT_BYTES - past;
  return memory.subarray(begin, begin + size_bytes);
}

/** Null when these bytes are no host lease. */
export function decodeHostLease(sector: Uint8Array): HostLeaseRecord | null {
  const view = new DataView(sector.buffer, sector.byteOffset, sector.byteLength);
  if (view.getUint32(OFFSET.magic, true) !== MAGIC) return null;
  return {
    generation: Number(view.getBigUint64(OFFSET.owner_generation, true)),
    timestamp_s: Number(view.getBigUint64(OFFSET.timestamp, true)),
    io_timeout_s: view.getUint16(OFFSET.io_timeout, true),
  };
}

import { SIZES } from "./flags.ts";

/** Sizes of the leases of one lockspace. They are chosen when the VG is made and kept on the disk. */
export interface Geometry {
  readonly sector_size_bytes: 512 | 4096;
  readonly align_mb: 1 | 2 | 4 | 8;
}

const MIB = 1024 * 1024;

/** Slots of one lease size each: 0 is the hosts' leases, 1 to 64 are reserved, then these. */
export const GL_SLOT = 65;
export const VG_SLOT = 66;
export const FIRST_LV_SLOT = 67;

/** Hosts for each lease size on 4K sectors; leases of 512-byte sectors always have room for 2000 in 1 MiB. */
const HOSTS_BY_ALIGN = { 1: 250, 2: 500, 4: 1000, 8: 2000 } as const;
const HOSTS_MAX = 2000;

const ALIGN_FLAGS = {
  1: SIZES.ALIGN1M,
  2: SIZES.ALIGN2M,
  4: SIZES.ALIGN4M,
  8: SIZES.ALIGN8M,
} as const;
const ALIGNS = [1, 2, 4, 8] as const;

/** The flags that tell sanlock these sizes, for resources and lockspaces alike. */
export function sizeFlags({ sector_size_bytes, align_mb }: Geometry): number {
  return ALIGN_FLAGS[align_mb] | (sector_size_bytes === 512 ? SIZES.SECTOR512 : SIZES.SECTOR4K);
}

/** The sizes that a lockspace's flags say; null for a lockspace from before sanlock 3.7, which does not keep them. */
export function geometryFromFlags(flags: number): Geometry | null {
  if ((flags & SIZES.SECTOR512) !== 0) return { sector_size_bytes: 512, align_mb: 1 };
  if ((flags & SIZES.SECTOR4K) === 0) return null;
  const align_mb = ALIGNS.find((mb) => (flags & ALIGN_FLAGS[mb]) !== 0);
  return align_mb === undefined ? null : { sector_size_bytes: 4096, align_mb };
}

/** The sizes of an old lockspace from what sanlock_align says: 1 MiB with 512-byte sectors, 8 MiB with 4K ones. */
export function geometryFromAlign(align_bytes: number): Geometry {
  return align_bytes === MIB
    ? { sector_size_bytes: 512, align_mb: 1 }
    : { sector_size_bytes: 4096, align_mb: 8 };
}

/** The sizes for a new VG: what the device says, and on 4K sectors the lease size that the user chose (0 for none). */
export function chooseGeometry(sector_size_bytes: 512 | 4096, align_mb: number): Geometry | null {
  if (sector_size_bytes === 512) return { sector_size_bytes, align_mb: 1 };
  if (align_mb === 0) return { sector_size_bytes, align_mb: 8 };
  const chosen = ALIGNS.find((mb) => mb === align_mb);
  return chosen === undefined ? null : { sector_size_bytes, align_mb: chosen };
}

/** The highest host_id that has a lease. */
export function hostIdMax({ sector_size_bytes, align_mb }: Geometry): number {
  return sector_size_bytes === 512 ? HOSTS_MAX : HOSTS_BY_ALIGN[align_mb];
}

/** LVB_SECTOR of sanlock's resource.c: its place for 2000 hosts, which sanlock uses for smaller leases as well. */
const VALUE_BLOCK_SECTOR = 2002;

/**
 * Whether a lease has room for its value block where sanlock keeps it. With 4K sectors and leases below 8 MiB it would be in
 * another lease, in the block of one host there, or behind the end of the device.
 */
export function hasValueBlock(geometry: Geometry): boolean {
  return (VALUE_BLOCK_SECTOR + 1) * geometry.sector_size_bytes <= leaseSize_bytes(geometry);
}

export function leaseSize_bytes({ align_mb }: Geometry): number {
  return align_mb * MIB;
}

/** Where a slot's lease begins on the disk. */
export function slotOffset_bytes(geometry: Geometry, slot: number): number {
  return slot * leaseSize_bytes(geometry);
}

/** The slot of an LV's lease, or null when no LV's lease can be at this offset. */
export function lvSlotAt(geometry: Geometry, offset_bytes: number): number | null {
  const slot = offset_bytes / leaseSize_bytes(geometry);
  return Number.isInteger(slot) && slot >= FIRST_LV_SLOT ? slot : null;
}

/** How many slots a device of this size has, the reserved ones included. */
export function slotCount(geometry: Geometry, size_bytes: number): number {
  return Math.floor(size_bytes / leaseSize_bytes(geometry));
}

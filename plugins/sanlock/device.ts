import { existsSync, readFileSync, statSync } from "node:fs";
import { DEADLINES } from "../../core/deadlines.ts";
import { type Refused, refuse } from "../contract.ts";

/** What the lock LV looks like from here, or why it can't be used. */
export type LeaseDevice =
  | { readonly kind: "device"; readonly size_bytes: number; readonly sector_size_bytes: 512 | 4096 }
  | { readonly kind: "missing"; readonly problem: string };

const SYSFS_SECTOR_SIZE_BYTES = 512;

/**
 * lvm activates the lock LV just before it asks, under a new name for a rename; the device node may come a moment later. The C
 * daemon sleeps a second. Null when it is there.
 */
export async function waitForDevice(path: string): Promise<Refused | null> {
  const until_ms = performance.now() + DEADLINES.sanlock_device_ms;
  while (!existsSync(path)) {
    if (performance.now() >= until_ms)
      return refuse("EARGS", `${path} does not exist: is the VG's lock LV active?`);
    await Bun.sleep(DEADLINES.sanlock_device_look_ms);
  }
  return null;
}

/** Size and sector size of the device, or of a plain file, which has no sectors: `file_sector_size` stands for them. */
export function readDevice(path: string, file_sector_size: 512 | 4096): LeaseDevice {
  try {
    const stat = statSync(path);
    if (stat.isFile()) return { kind: "device", size_bytes: stat.size, sector_size_bytes: file_sector_size };
    if (!stat.isBlockDevice()) return { kind: "missing", problem: `${path} is neither a device nor a file` };
    return readBlockDevice(path, stat.rdev);
  } catch (error) {
    const { code } = error as { code?: unknown };
    const reason = code === "ENOENT" ? "does not exist" : `can't be read: ${String(code ?? error)}`;
    return { kind: "missing", problem: `${path} ${reason}` };
  }
}

function readBlockDevice(path: string, rdev: number): LeaseDevice {
  const directory = `/sys/dev/block/${majorOf(rdev)}:${minorOf(rdev)}`;
  const sector_size_bytes = chooseSectorSize(
    readNumber(`${directory}/queue/physical_block_size`),
    readNumber(`${directory}/queue/logical_block_size`),
  );
  if (sector_size_bytes === null)
    return { kind: "missing", problem: `${path} has neither 512-byte nor 4096-byte sectors` };
  const size_bytes = readNumber(`${directory}/size`) * SYSFS_SECTOR_SIZE_BYTES;
  return { kind: "device", size_bytes, sector_size_bytes };
}

/**
 * 4096 as soon as either size says so: a lease written in 512-byte pieces would not be atomic on 4K sectors. A size that the
 * kernel does not tell, or an odd one, is ignored, as the C daemon does; null when neither is known.
 */
export function chooseSectorSize(physical_bytes: number, logical_bytes: number): 512 | 4096 | null {
  const sizes = [physical_bytes, logical_bytes];
  if (sizes.includes(4096)) return 4096;
  return sizes.includes(512) ? 512 : null;
}

/** 0 when the kernel does not tell. */
function readNumber(path: string): number {
  try {
    return Number.parseInt(readFileSync(path, "utf8"), 10) || 0;
  } catch {
    // Not every device has every attribute; what is missing counts as unknown.
    return 0;
  }
}

/** The parts of a Linux device number, as glibc's gnu_dev_major and gnu_dev_minor take them apart. */
function majorOf(rdev: number): number {
  const wide = BigInt(rdev);
  return Number(((wide >> 8n) & 0xfffn) | ((wide >> 32n) & 0xfffff000n));
}

function minorOf(rdev: number): number {
  const wide = BigInt(rdev);
  return Number((wide & 0xffn) | ((wide >> 12n) & 0xffffff00n));
}

/** Which LVs device-mapper has: a lock of an earlier daemon whose LV is gone need not be adopted. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { AdoptableLockspace } from "../locking/api.ts";

/** LVM's device uuids: "LVM-", the VG's and the LV's uuid without dashes, and a suffix for hidden layers ("-real", "-tpool"). */
const DEVICE_UUID = /^LVM-([0-9A-Za-z]{64})/;

/**
 * The active LVs as VG uuid and LV uuid joined without dashes; null when device-mapper can't be asked, because its driver is not
 * there or /sys can't be read. One file is read per device, some 10 us each.
 */
export function activeLvs(sys = "/sys"): ReadonlySet<string> | null {
  try {
    if (!existsSync(join(sys, "class/misc/device-mapper"))) return null;
    const active = new Set<string>();
    for (const name of readdirSync(join(sys, "block"))) {
      if (!name.startsWith("dm-")) continue;
      const uuid = DEVICE_UUID.exec(readUuid(join(sys, "block", name, "dm/uuid")))?.[1];
      if (uuid !== undefined) active.add(uuid);
    }
    return active;
  } catch {
    return null;
  }
}

/** "" for a device that went while we looked. */
function readUuid(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

/** The lockspaces with each lock's device state filled in. */
export function withDeviceStates(
  lockspaces: readonly AdoptableLockspace[],
  active: ReadonlySet<string> | null,
): AdoptableLockspace[] {
  if (active === null) return [...lockspaces];
  return lockspaces.map((lockspace) => {
    const vg = undashed(lockspace.vg_uuid);
    const locks = lockspace.locks.map((lock) => {
      const device = active.has(vg + undashed(lock.lv_uuid)) ? "active" : "inactive";
      return { ...lock, device } as const;
    });
    return { ...lockspace, locks };
  });
}

function undashed(uuid: string): string {
  return uuid.replaceAll("-", "");
}

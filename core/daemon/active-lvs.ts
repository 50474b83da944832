/** Which LVs device-mapper has: a lock of an earlier daemon whose LV is gone need not be adopted. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { DeviceStates } from "../locking/api.ts";

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

/** What device-mapper says of these LVs of a VG right now; nothing when it can't be asked. */
export function deviceStates(vg_uuid: string, lv_uuids: readonly string[], sys = "/sys"): DeviceStates {
  const states = new Map<string, "active" | "inactive">();
  const active = lv_uuids.length === 0 ? null : activeLvs(sys);
  if (active === null) return states;
  const vg = undashed(vg_uuid);
  for (const lv_uuid of lv_uuids)
    states.set(lv_uuid, active.has(vg + undashed(lv_uuid)) ? "active" : "inactive");
  return states;
}

function undashed(uuid: string): string {
  return uuid.replaceAll("-", "");
}

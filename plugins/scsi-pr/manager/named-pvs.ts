/** Devices that scsi_pr/pvs names for a VG, held against what lvm has. */
import { statSync } from "node:fs";
import { type LockspaceIdentity, type Refused, refuse } from "../../contract.ts";
import type { ReportRow } from "./lvm-report.ts";

/** Which device a path leads to, in a form that can be compared; the path itself where it leads to none. */
export function deviceAt(path: string): string {
  try {
    const status = statSync(path);
    return status.isBlockDevice() ? `device ${status.rdev}` : path;
  } catch {
    return path;
  }
}

/**
 * Refuses a list that lacks a PV: it would not be reserved, so other hosts could write to it while its LVs are in use here, and nobody
 * would see that. A device that is no PV (yet) does no harm, so that is a remark; null where all is as lvm has it. PVs that lvm
 * does not see on this host may be those that were named for that very reason.
 */
export function compareWithLvm(
  { vg_name, vg_uuid }: Pick<LockspaceIdentity, "vg_name" | "vg_uuid">,
  named: readonly string[],
  rows: readonly ReportRow[],
  deviceOf: (path: string) => string = deviceAt,
): Refused | string | null {
  const names = rows.filter((row) => row.vg_uuid === vg_uuid).map(({ pv_name = "" }) => pv_name);
  const known = new Set(named.map(deviceOf));
  const visible = names.filter((name) => name.startsWith("/"));
  const lacking = visible.filter((name) => !known.has(deviceOf(name)));
  const unseen = names.length - visible.length;
  const seen = new Set(visible.map(deviceOf));
  const surplus = named.filter((path) => !seen.has(deviceOf(path)));
  const remedy =
    "what is not named is not reserved, so other hosts could write to it: add it to the list, on every host";
  if (lacking.length > 0)
    return refuse(
      "EPREPARE",
      `scsi_pr/pvs does not name ${lacking.join(", ")}, which lvm has as PV of VG ${vg_name}; ${remedy}`,
    );
  if (unseen > surplus.length)
    return refuse(
      "EPREPARE",
      `scsi_pr/pvs names ${named.length} devices of VG ${vg_name}, and lvm says that it has ${names.length} PVs; ${remedy}`,
    );
  if (names.length === 0 || surplus.length === unseen) return null;
  return `scsi_pr/pvs names ${surplus.join(", ")}, which lvm does not have as PV of VG ${vg_name}: it is reserved as well`;
}

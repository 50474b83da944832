import { isAbsolute } from "node:path";
import type { ManagerContext } from "../../contract.ts";
import { parseReservationKey } from "../keys.ts";
import type { ReservationKey } from "../reservable.ts";

/** The scsi_pr section of lvmlockd.conf, and the host_id of lvmlocal.conf, which lvm sends for sanlock only. */
export interface ScsiPrSettings {
  /** A key of the user's own; null: it is made from the host_id. */
  readonly key: ReservationKey | null;
  /** 0 when lvmlocal.conf has none. */
  readonly host_id: number;
  /** Devices by VG, where lvm is not to be asked for them. */
  readonly pvs: ReadonlyMap<string, readonly string[]>;
  readonly lvm_path: string;
}

export type ReadSettings =
  | { readonly kind: "settings"; readonly settings: ScsiPrSettings }
  | { readonly kind: "wrong"; readonly problem: string };

const LVM_PATH = "/usr/sbin/lvm";

export function readSettings(section: ManagerContext["settings"]): ReadSettings {
  const wrong = (problem: string): ReadSettings => ({ kind: "wrong", problem });
  const { key = "", host_id = 0, pvs = [], lvm_path = LVM_PATH } = section;
  if (typeof key !== "string") return wrong("scsi_pr/key is no text");
  const parsed = key === "" ? null : parseReservationKey(key);
  if (parsed?.kind === "refused") return wrong(`scsi_pr/key: ${parsed.detail}`);
  if (typeof host_id !== "number") return wrong("local/host_id is no number");
  if (typeof lvm_path !== "string" || !isAbsolute(lvm_path))
    return wrong("scsi_pr/lvm_path is no absolute path");
  if (!Array.isArray(pvs)) return wrong("scsi_pr/pvs is no list");
  const by_vg = readPvs(pvs);
  if (typeof by_vg === "string") return wrong(by_vg);
  return { kind: "settings", settings: { key: parsed?.key ?? null, host_id, pvs: by_vg, lvm_path } };
}

/** Entries are VG:/absolute/path; a VG name has no colon. A sentence when one of them is not of that form. */
function readPvs(entries: readonly unknown[]): ReadonlyMap<string, readonly string[]> | string {
  const by_vg = new Map<string, string[]>();
  for (const entry of entries) {
    const text = String(entry);
    const colon = text.indexOf(":");
    const vg_name = text.slice(0, Math.max(colon, 0));
    const path = text.slice(colon + 1);
    if (vg_name === "" || !isAbsolute(path))
      return `scsi_pr/pvs: ${JSON.stringify(text)} is not of the form VG:/path/of/a/device`;
    const paths = by_vg.get(vg_name) ?? [];
    if (paths.includes(path)) return `scsi_pr/pvs names ${path} twice for VG ${vg_name}`;
    paths.push(path);
    by_vg.set(vg_name, paths);
  }
  return by_vg;
}

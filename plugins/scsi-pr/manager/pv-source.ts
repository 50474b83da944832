import { DEADLINES } from "../../../core/deadlines.ts";
import { LIMITS } from "../../../core/limits.ts";
import type { LockspaceIdentity, Refused } from "../../contract.ts";
import { refuse } from "../../contract.ts";
import { type ReportRow, runLvmReport } from "./lvm-report.ts";
import { compareWithLvm } from "./named-pvs.ts";
import type { ScsiPrSettings } from "./settings.ts";

/** A PV of the VG. Its id is the PV's uuid, or the path where the configuration names the devices. */
export interface Pv {
  readonly id: string;
  readonly path: string;
}

export type PvList =
  | {
      readonly kind: "pvs";
      readonly pvs: readonly Pv[];
      /** What an administrator should know of the list, as a sentence. */
      readonly remark?: string;
    }
  | Refused;

/** Tells which devices a VG lies on. */
export type PvSource = (identity: LockspaceIdentity) => Promise<PvList>;

/** The PVs of a VG from the configuration where it names them, else from lvm. */
export function createPvSource(settings: ScsiPrSettings): PvSource {
  const { lvm_path } = settings;
  const fields = ["vg_uuid", "pv_uuid", "pv_name"];
  // VGs of which lvm could not tell, and when that was, in the clock of performance.now().
  const untold = new Map<string, number>();
  return async (identity) => {
    const { vg_name } = identity;
    const named = settings.pvs.get(vg_name);
    const pvs = named?.map((path) => ({ id: path, path }));
    const isAsked = performance.now() - (untold.get(vg_name) ?? Number.NEGATIVE_INFINITY) >= AGAIN_MS;
    // Who names the devices does so because lvm can't always tell, so a start does not wait for it again and again.
    if (pvs !== undefined && !isAsked) return { kind: "pvs", pvs };
    const report = await runLvmReport({ lvm_path, fields, vg_name });
    if (named === undefined || pvs === undefined)
      return report.kind === "failed" ? refuse("EPREPARE", report.detail) : pvsOf(identity, report.rows);
    if (report.kind === "failed") {
      untold.set(vg_name, performance.now());
      const remark = `the list in scsi_pr/pvs is taken as it is, and could not be compared: ${report.detail}`;
      return { kind: "pvs", pvs, remark };
    }
    const compared = compareWithLvm(identity, named, report.rows);
    if (compared === null) return { kind: "pvs", pvs };
    return typeof compared === "string" ? { kind: "pvs", pvs, remark: compared } : compared;
  };
}

const AGAIN_MS = DEADLINES.pr_compare_again_ms;

/** lvm calls a PV "[unknown]" when its device is missing; what can't be reserved can't be protected. */
export function pvsOf({ vg_name, vg_uuid }: LockspaceIdentity, rows: readonly ReportRow[]): PvList {
  const own = rows.filter((row) => row.vg_uuid === vg_uuid);
  if (own.length === 0)
    return refuse("EPREPARE", `lvm knows no VG ${vg_name} with the uuid ${vg_uuid} on this host`);
  if (own.length > LIMITS.pr_devices)
    return refuse("EPREPARE", `VG ${vg_name} has more than ${LIMITS.pr_devices} PVs`);
  const pvs: Pv[] = [];
  for (const { pv_uuid = "", pv_name = "" } of own) {
    if (pv_uuid === "" || !pv_name.startsWith("/"))
      return refuse(
        "EDEVOPEN",
        `PV ${pv_uuid || "of unknown uuid"} of VG ${vg_name} is missing on this host: the VG can only be started with all of its PVs reserved`,
      );
    pvs.push({ id: pv_uuid, path: pv_name });
  }
  // Every host reserves in the order of the uuids: of two that start at once, the one that gets the first PV gets them all.
  pvs.sort((a, b) => (a.id < b.id ? -1 : 1));
  return { kind: "pvs", pvs };
}

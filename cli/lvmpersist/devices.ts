/** The devices of a run: as they were named, or the PVs of a VG as lvm tells them. */
import { realpathSync, statSync } from "node:fs";
import { dirname, isAbsolute } from "node:path";
import { LIMITS } from "../../core/limits.ts";
import { type ReportRow, runLvmReport } from "../../plugins/scsi-pr/manager/lvm-report.ts";
import { PERSIST_EXIT } from "./exit.ts";

/** A device by its path, or a PV of the VG that this host can't see: then `problem` says so. */
export interface NamedDevice {
  readonly path: string;
  readonly problem: string | null;
}

export type DeviceList =
  | {
      readonly kind: "devices";
      readonly devices: readonly NamedDevice[];
      /** Sentences about names that led to a device which was named before. */
      readonly notes: readonly string[];
    }
  | { readonly kind: "refused"; readonly detail: string; readonly exit_status: number };

function refuse(detail: string, exit_status: number): DeviceList {
  return { kind: "refused", detail, exit_status };
}

/** Finds the devices. With devices named, lvm is not run and the VG is no more than a name for them. */
export async function findDevices(
  named: readonly string[],
  vg_name: string | null,
  lvm_binary: string | undefined,
): Promise<DeviceList> {
  if (named.length > 0 || vg_name === null) {
    if (named.length > LIMITS.persist_devices) return tooMany("are named");
    return withoutRepeats(named);
  }
  const lvm = findLvm(lvm_binary);
  if (lvm.kind === "refused") return lvm;
  const fields = ["vg_uuid", "pv_uuid", "pv_name"];
  const report = await runLvmReport({ lvm_path: lvm.path, fields, vg_name });
  if (report.kind === "failed") {
    const isUnknown = /not found|Cannot process volume group/.test(report.detail);
    return refuse(report.detail, isUnknown ? PERSIST_EXIT.not_found : PERSIST_EXIT.failure);
  }
  return devicesOf(vg_name, report.rows);
}

function tooMany(what: string): DeviceList {
  return refuse(
    `more than ${LIMITS.persist_devices} devices ${what}; do it in several runs`,
    PERSIST_EXIT.usage,
  );
}

/** The PVs of lvm's report. A PV without a device is a device that can't be reached, and never left out. */
export function devicesOf(vg_name: string, rows: readonly ReportRow[]): DeviceList {
  if (rows.length === 0) return refuse(`VG ${vg_name} has no PVs`, PERSIST_EXIT.not_found);
  if (new Set(rows.map((row) => row.vg_uuid)).size > 1) {
    return refuse(
      `there is more than one VG ${vg_name}; name the devices with --device`,
      PERSIST_EXIT.not_found,
    );
  }
  if (rows.length > LIMITS.persist_devices) return tooMany(`are PVs of VG ${vg_name}`);
  const devices = rows.map(({ pv_name = "", pv_uuid = "" }) =>
    pv_name.startsWith("/")
      ? { path: pv_name, problem: null }
      : { path: pv_uuid, problem: `PV ${pv_uuid} of VG ${vg_name} is missing on this host` },
  );
  return { kind: "devices", devices, notes: [] };
}

/** Two names of one device would be two threads that change it at the same time, and see each other's changes. */
function withoutRepeats(paths: readonly string[]): DeviceList {
  const first_name = new Map<string, string>();
  const notes: string[] = [];
  const devices: NamedDevice[] = [];
  for (const path of paths) {
    const identity = identityOf(path);
    const earlier = first_name.get(identity);
    if (earlier !== undefined) {
      notes.push(earlier === path ? `${path} is named twice` : `${path} is the same device as ${earlier}`);
      continue;
    }
    first_name.set(identity, path);
    devices.push({ path, problem: null });
  }
  return { kind: "devices", devices, notes };
}

function identityOf(path: string): string {
  try {
    const status = statSync(path);
    return status.isBlockDevice() ? `device ${status.rdev}` : path;
  } catch {
    // What is wrong with it is said when it is opened.
    return path;
  }
}

/** Where distributions have lvm; the current PATH is not asked, because this program runs as root. */
const LVM_PLACES = ["/usr/sbin/lvm", "/sbin/lvm", "/usr/bin/lvm"] as const;

type LvmProgram =
  | { readonly kind: "lvm"; readonly path: string }
  | { readonly kind: "refused"; readonly detail: string; readonly exit_status: number };

/** The lvm to run: LVM_BINARY when it can be trusted, as lvm2's own script has it, else the installed one. */
export function findLvm(lvm_binary: string | undefined): LvmProgram {
  if (lvm_binary !== undefined && lvm_binary !== "") {
    const problem = programProblem(lvm_binary);
    if (problem === null) return { kind: "lvm", path: lvm_binary };
    return {
      kind: "refused",
      detail: `LVM_BINARY is ${JSON.stringify(lvm_binary)}, which is not run: ${problem}`,
      exit_status: PERSIST_EXIT.config,
    };
  }
  const path = LVM_PLACES.find((place) => programProblem(place) === null);
  if (path !== undefined) return { kind: "lvm", path };
  const detail = `there is no lvm at ${LVM_PLACES.join(", ")}; name the devices with --device`;
  return { kind: "refused", detail, exit_status: PERSIST_EXIT.config };
}

const GROUP_OR_OTHERS_WRITE = 0o022;
const STICKY = 0o1000;

/**
 * Why root should not run this program, as a clause: what others than root could replace is theirs. That holds for the file, for
 * what a link leads to, and for each directory above them. null when it is all right.
 */
export function programProblem(path: string): string | null {
  if (!isAbsolute(path) || path.split("/").includes("..")) return "it is not an absolute path";
  try {
    const real = realpathSync(path);
    const program = statSync(real);
    if (!program.isFile() || (program.mode & 0o111) === 0) return "it is not a program";
    return ownerProblem(path) ?? ownerProblem(real);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function ownerProblem(path: string): string | null {
  for (let at = path; ; at = dirname(at)) {
    const { uid, mode } = statSync(at);
    // In a sticky directory, such as /tmp, only the owner of a file can replace it.
    const isSticky = at !== path && (mode & STICKY) !== 0;
    if (uid !== 0) return `${at} does not belong to root`;
    if ((mode & GROUP_OR_OTHERS_WRITE) !== 0 && !isSticky) return `others than root may write ${at}`;
    if (at === dirname(at)) return null;
  }
}

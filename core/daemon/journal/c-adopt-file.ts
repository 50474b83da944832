/**
 * The C daemon's adopt file, for a hand-over to us: a header `lvmlockd adopt_version 1.0 pid P updates N <date>`, then
 * `VG: <uuid> <vg> <lock type> <args>` and `LV: <vg uuid> <lv uuid> <lv args> ex|sh <version>`, fields apart by blanks.
 */
import type { HeldMode, LockType } from "../../../plugins/contract.ts";
import type { JournalRecord } from "../../locking/api.ts";

const HEADER = /^lvmlockd adopt_version 1\./;

/** True for the first line of an adopt file that we can read. */
export function isCAdoptHeader(line: string): boolean {
  return HEADER.test(line);
}

/** The record of a VG: or LV: line; null when it is damaged. `vg_names` maps the VG uuids seen so far, and is filled here. */
export function readCAdoptLine(line: string, vg_names: Map<string, string>): JournalRecord | null {
  const [tag, ...fields] = line.trim().split(/\s+/);
  if (tag === "VG:") return readVg(fields, vg_names);
  if (tag === "LV:") return readLv(fields, vg_names);
  return null;
}

function readVg(fields: readonly string[], vg_names: Map<string, string>): JournalRecord | null {
  const [vg_uuid, vg_name, word, args] = fields;
  const lock_type = asLockType(word);
  if (vg_uuid === undefined || vg_name === undefined || lock_type === null) return null;
  vg_names.set(vg_uuid, vg_name);
  const vg_lock_args = noneAsEmpty(args);
  // The file has no host id: 0 lets the core use the one that is configured.
  return { kind: "lockspace-started", vg_name, vg_uuid, lock_type, vg_lock_args, host_id: 0 };
}

/**
 * Empty lock args leave a field less. The mode goes stale on conversions (an lvchange -asy, then -aey still says sh); the lock
 * manager's own answer to the adoption corrects that. Only persistent locks are in the file.
 */
function readLv(fields: readonly string[], vg_names: Map<string, string>): JournalRecord | null {
  const [vg_uuid, lv_uuid] = fields;
  const args = fields.length > 4 ? fields[2] : "";
  const mode = asMode(fields.length > 4 ? fields[3] : fields[2]);
  const vg_name = vg_names.get(vg_uuid ?? "");
  if (lv_uuid === undefined || vg_name === undefined || mode === null) return null;
  const lv_lock_args = noneAsEmpty(args);
  return { kind: "lock-held", vg_name, lv_uuid, lv_name: "", lv_lock_args, mode, persistent: true };
}

function asLockType(word: string | undefined): LockType | null {
  return word === "dlm" || word === "sanlock" || word === "idm" ? word : null;
}

function asMode(word: string | undefined): HeldMode | null {
  return word === "ex" || word === "sh" ? word : null;
}

function noneAsEmpty(args: string | undefined): string {
  return args === undefined || args === "none" ? "" : args;
}

/**
 * The journal's lines. Each is `<crc32 of the rest, 8 hex digits> <JSON array>`: text, so that a person can read it, one record
 * a line, so that a damaged line costs only itself, and a checksum, so that damage is seen and never believed.
 */
import type { HeldMode, LockType } from "../../../plugins/contract.ts";
import type { JournalRecord } from "../../locking/api.ts";

/** The first line's tag and format number; a file of another format is not ours to read. */
const HEADER_TAG = "lvmlockd-journal";
const FORMAT_NUMBER = 1;

/** What the first line says: which boot the locks belong to, and who wrote the file (for people). */
export interface JournalHeader {
  /** /proc/sys/kernel/random/boot_id; locks do not outlive the host's boot. "" when unknown. */
  readonly boot_id: string;
  readonly pid: number;
}

function seal(payload: string): string {
  return `${Bun.hash.crc32(payload).toString(16).padStart(8, "0")} ${payload}\n`;
}

/** One line of the file, with its line end. */
export function encodeRecord(record: JournalRecord): string {
  switch (record.kind) {
    case "lock-held": {
      const { vg_name, lv_uuid, lv_name, lv_lock_args, mode } = record;
      const persistent = record.persistent ? 1 : 0;
      return seal(JSON.stringify(["held", vg_name, lv_uuid, lv_name, lv_lock_args, mode, persistent]));
    }
    case "lock-released":
      return seal(JSON.stringify(["released", record.vg_name, record.lv_uuid]));
    case "lockspace-started": {
      const { vg_name, vg_uuid, lock_type, vg_lock_args, host_id } = record;
      return seal(JSON.stringify(["started", vg_name, vg_uuid, lock_type, vg_lock_args, host_id]));
    }
    case "lockspace-stopped":
      return seal(JSON.stringify(["stopped", record.vg_name, record.lock_type]));
  }
}

export function encodeHeader(header: JournalHeader): string {
  return seal(JSON.stringify([HEADER_TAG, FORMAT_NUMBER, header.boot_id, header.pid]));
}

/** The array of a line without its line end; null when the checksum or the form is wrong. */
function open(line: string): readonly unknown[] | null {
  if (line.length < 11 || line[8] !== " ") return null;
  const payload = line.slice(9);
  if (Bun.hash.crc32(payload).toString(16).padStart(8, "0") !== line.slice(0, 8)) return null;
  try {
    const value: unknown = JSON.parse(payload);
    return Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

function isMode(value: unknown): value is HeldMode {
  return value === "sh" || value === "ex";
}

function isLockType(value: unknown): value is LockType {
  return value === "dlm" || value === "sanlock" || value === "idm";
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

/** The record of a line (without its line end); null for a torn, damaged or foreign line. */
export function decodeRecord(line: string): JournalRecord | null {
  const fields = open(line);
  if (fields === null) return null;
  const [tag, vg_name, a, b, c, d, e] = fields;
  if (!isText(vg_name)) return null;
  if (tag === "held") {
    if (!isText(a) || !isText(b) || !isText(c) || !isMode(d)) return null;
    const persistent = e === 1;
    return { kind: "lock-held", vg_name, lv_uuid: a, lv_name: b, lv_lock_args: c, mode: d, persistent };
  }
  if (tag === "released") return isText(a) ? { kind: "lock-released", vg_name, lv_uuid: a } : null;
  if (tag === "started") {
    if (!isText(a) || !isLockType(b) || !isText(c) || typeof d !== "number") return null;
    return { kind: "lockspace-started", vg_name, vg_uuid: a, lock_type: b, vg_lock_args: c, host_id: d };
  }
  if (tag === "stopped") return isLockType(a) ? { kind: "lockspace-stopped", vg_name, lock_type: a } : null;
  return null;
}

/** The header of a first line (without its line end); null when it is none, or of another format. */
export function decodeHeader(line: string): JournalHeader | null {
  const fields = open(line);
  if (fields === null) return null;
  const [tag, format, boot_id, pid] = fields;
  if (tag !== HEADER_TAG || format !== FORMAT_NUMBER || !isText(boot_id) || typeof pid !== "number")
    return null;
  return { boot_id, pid };
}

/** True when a first line is what damage left of a header of ours, so that the file may be treated as a journal. */
export function resemblesHeader(line: string): boolean {
  const start = `["${HEADER_TAG}"`;
  return line.includes(HEADER_TAG) || start.startsWith(line.slice(9));
}

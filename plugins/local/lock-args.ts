import type { LockType } from "../contract.ts";

/** The version in front of all lock args that this generation of daemons writes, and the newest major it can read. */
export const LOCK_ARGS_VERSION = "1.0.0";
const MAJOR_MAX = 1;
/** LVM's metadata keeps lock args in 64 characters. */
export const LOCK_ARGS_LENGTH_MAX = 64;

/** Lock args in their two parts: "1.0.0:lvmlock" is major 1 with the body "lvmlock". */
export interface LockArgs {
  readonly major: number;
  readonly body: string;
}

/**
 * Reads lock args as lvmlockd does: a version with two dots up to the first colon, of which only the major number counts
 * and counts 0 when it is no number; the body is what follows the last colon. Null when the version or the colon is missing.
 */
export function parseLockArgs(args: string): LockArgs | null {
  const colon = args.indexOf(":");
  if (colon < 0) return null;
  const parts = args.slice(0, colon).split(".");
  if (parts.length < 3) return null;
  const major = Number.parseInt(parts[0] ?? "", 10);
  return { major: Number.isNaN(major) ? 0 : major, body: args.slice(args.lastIndexOf(":") + 1) };
}

/** True for lock args whose version we can read, which is all that test mode asks of them. */
export function isReadable(args: string): boolean {
  const parsed = parseLockArgs(args);
  return parsed !== null && parsed.major <= MAJOR_MAX;
}

/**
 * Why a VG with these lock args may not be started under `identity`, as a sentence for a person; null when they are its
 * own. This is what keeps a VG made under another lock manager, or on another machine, from being used without its locks.
 */
export function whyForeign(vg_lock_args: string, lock_type: LockType, identity: string): string | null {
  if (vg_lock_args === "" || vg_lock_args === "none") return "the VG has no lock args";
  const parsed = parseLockArgs(vg_lock_args);
  if (parsed === null) return `the VG's lock args ${quote(vg_lock_args)} can't be read`;
  if (parsed.major > MAJOR_MAX)
    return `the VG's lock args ${quote(vg_lock_args)} were made by a newer lvmlockd (version ${parsed.major})`;
  if (parsed.body === identity) return null;
  if (parsed.body.startsWith("local."))
    return `the VG was made under the local lock manager on another machine (${parsed.body}; this one is ${identity})`;
  const belongs =
    lock_type === "dlm" ? `dlm cluster ${quote(parsed.body)}` : `${lock_type} (${quote(vg_lock_args)})`;
  return `the VG belongs to ${belongs}, not to this machine's local lock manager`;
}

function quote(text: string): string {
  return `"${text}"`;
}

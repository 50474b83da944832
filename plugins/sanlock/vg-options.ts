import { type Refused, refuse } from "../contract.ts";
import type { SanlockClient } from "./client.ts";
import { parseUserLockArgs, type UserLockArgs } from "./lock-args.ts";
import { refuseUnconnected } from "./refusals.ts";

/** Versions of sanlock's daemon (0xMMmmpp00) with which options of a VG came. */
const NO_TIMEOUT_SINCE = 0x04020000;
const CAW_SINCE = 0x05000000;

/** Reads --setlockargs and refuses what this host's sanlock does not know, before anything is written. */
export function readOptions(client: SanlockClient, set_lock_args: string): UserLockArgs | Refused {
  const parsed = parseUserLockArgs(set_lock_args);
  if (parsed.kind === "wrong") return refuse("EARGS", parsed.problem);
  const { no_timeout, persist, caw } = parsed.args;
  const since = caw === "yes" ? CAW_SINCE : no_timeout || persist ? NO_TIMEOUT_SINCE : 0;
  const { rv, version } = client.version();
  if (rv < 0) return refuseUnconnected(rv);
  if (version >= since && (since === 0 || client.features.set_host)) return parsed.args;
  const needed = versionText(since);
  const detail = `the lock args "${set_lock_args}" need sanlock ${needed}; this host has ${versionText(version)}`;
  return refuse("EPROTONOSUPPORT", detail);
}

/**
 * Why this host's sanlock, library or daemon, can't be told that a host is dead, as a clause; "" when it can. A VG with the lock arg
 * persist needs that: a failed host would be cut off there, and its locks would stay taken all the same.
 */
export function fencingProblem(client: SanlockClient): string | Refused {
  if (!client.features.set_host)
    return `declaring a host dead needs libsanlock ${versionText(NO_TIMEOUT_SINCE)}`;
  const { rv, version } = client.version();
  if (rv < 0) return refuseUnconnected(rv);
  if (version >= NO_TIMEOUT_SINCE) return "";
  return `declaring a host dead needs sanlock ${versionText(NO_TIMEOUT_SINCE)}, and the daemon of this host is ${versionText(version)}`;
}

/** Which kind of leases a VG has is settled when it is made; the C daemon takes a change of it for done and ignores it. */
export function checkCawKept({ caw }: UserLockArgs, using_caw: boolean): Refused | null {
  if (caw === "default" || (caw === "yes") === using_caw) return null;
  const [has, wanted] = using_caw ? ["with", "nocaw"] : ["without", "caw"];
  return refuse(
    "EPROTONOSUPPORT",
    `the VG's leases were made ${has} compare-and-write, which ${wanted} can't change: only vgcreate can choose it`,
  );
}

export function versionText(version: number): string {
  return `${version >>> 24}.${(version >>> 16) & 0xff}.${(version >>> 8) & 0xff}`;
}

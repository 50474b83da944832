import { type HeldMode, type Refused, type ResourceRef, refuse } from "../contract.ts";
import { ERRNO, LKF, LKM } from "./flags.ts";

/** One of LKM for a mode. */
export function dlmMode(mode: HeldMode): number {
  return mode === "ex" ? LKM.EX : LKM.PR;
}

/**
 * What a lock becomes when lvmlockd dies. An LV stays active without it, and a command may be writing metadata under an exclusive
 * GL or VG lock, so these go on protecting what they were taken for. Nothing needs the shared lock of a command that reads.
 */
export function persistence(resource: ResourceRef, mode: HeldMode): number {
  return resource.kind === "lv" || mode === "ex" ? LKF.PERSISTENT : 0;
}

/** Another node has it. GL and VG locks are held for the length of a command, an LV's while the LV is active. */
export function refuseHeld({ kind, name }: ResourceRef): Refused {
  const what = kind === "lv" ? `the lock of LV ${name}` : kind === "vg" ? "the VG lock" : "the global lock";
  return refuse("EAGAIN", `another node of the cluster holds ${what}: \`lvmlockctl who\` tells it there`, {
    lm_result: -ERRNO.EAGAIN,
    retry: kind === "lv" ? "never" : "soon",
  });
}

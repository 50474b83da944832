import { type HeldMode, type Refused, type ResourceRef, refuse } from "../contract.ts";
import { ERRNO, LKF, LKM } from "./flags.ts";

/** One of LKM for a mode. */
export function dlmMode(mode: HeldMode): number {
  return mode === "ex" ? LKM.EX : LKM.PR;
}

/**
 * What every lock is asked for with: it becomes an orphan when its worker or lvmlockd dies, and goes on protecting what it was taken
 * for. An LV stays active without lvmlockd. A command may be writing metadata under a GL or VG lock; one that only reads is done
 * no harm by a lock that ends, but the core goes on with the locks of a worker that has died, shared ones too, and grants more shared
 * ones without asking: so they have to be there. The price is that the death of lvmlockd itself in the middle of a command that reads
 * keeps other hosts from changing the VG until the next lvmlockd, which a service manager starts within a second.
 */
export const KEPT = LKF.PERSISTENT;

/** Another node has it. GL and VG locks are held for the length of a command, an LV's while the LV is active. */
export function refuseHeld({ kind, name }: ResourceRef): Refused {
  const what = kind === "lv" ? `the lock of LV ${name}` : kind === "vg" ? "the VG lock" : "the global lock";
  return refuse("EAGAIN", `another node of the cluster holds ${what}: \`lvmlockctl who\` tells it there`, {
    lm_result: -ERRNO.EAGAIN,
    retry: kind === "lv" ? "never" : "soon",
  });
}

/**
 * The last refusal of each lock that another host holds, kept so that `who` can name the owner afterwards: an LV that is active elsewhere
 * is refused at once, and nobody waits for it who could be asked. A grant, a stop or the removal of the LV ends the record.
 */
import type { HeldMode, Refused } from "../../plugins/contract.ts";
import { LIMITS } from "../limits.ts";
import type { LockRefusal } from "./api.ts";
import type { Lockspace, Resource, State } from "./state.ts";

/** What was refused and why, remembered when the reason is another host's lock. */
export function noteLockRefused(
  state: State,
  resource: Resource,
  mode: HeldMode,
  refused: Refused,
): LockRefusal {
  const { kind, name, lv_name, lockspace } = resource;
  const { owner, detail } = refused;
  const { refusals } = lockspace;
  const refusal: LockRefusal = { kind, name, lv_name, mode, owner, detail, at_ms: state.now_ms };
  if (refused.code !== "EAGAIN") return refusal;
  // Taken out and put in again, so that the first one is always the oldest.
  refusals.delete(name);
  if (refusals.size >= LIMITS.lock_refusals) {
    const [oldest] = refusals.keys();
    if (oldest !== undefined) refusals.delete(oldest);
  }
  refusals.set(name, refusal);
  return refusal;
}

/** This host has the lock, or the LV is gone: what was said of its owner is over. */
export function forgetLockRefused({ refusals }: Lockspace, name: string): void {
  if (refusals.size > 0) refusals.delete(name);
}

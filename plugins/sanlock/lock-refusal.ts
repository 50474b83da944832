import { DEADLINES } from "../../core/deadlines.ts";
import { type HeldMode, type Refused, type ResourceKind, refuse } from "../contract.ts";
import type { AcquireResult, HostInfo, Lease } from "./client.ts";
import { HOST_STATE, HOST_STATE_MASK } from "./flags.ts";
import type { LockspaceState } from "./lockspace-state.ts";
import { meetsEarlierCall } from "./orphans.ts";
import { findOwner, ownerOf, ownerSentence } from "./owner.ts";
import { refuseFor } from "./refusals.ts";
import { ERRNO, isOwnerFailed, isRace, returnValueText, SANLK } from "./return-codes.ts";

/** LVs whose refusals are remembered at the same time: those that commands of this host wait for right now, and some that gave up. */
const SHARED_REFUSALS_MAX = 256;

/** The refusal of a lock that sanlock did not give, when it is about somebody else holding it; and of everything else. */
export function refuseLock(
  state: LockspaceState,
  kind: ResourceKind,
  mode: HeldMode,
  lease: Lease,
  result: AcquireResult,
): Refused {
  const { rv } = result;
  if (rv === ERRNO.EAGAIN || isRace(rv) || isOwnerFailed(rv))
    return refuseHeld(state, kind, mode, lease, result);
  if (meetsEarlierCall(state, rv))
    return refuse(
      "EAGAIN",
      "sanlock is not yet through with what an lvmlockd of this host, or a worker of it, asked for before it died",
      { lm_result: rv, retry: "soon" },
    );
  // sanlock takes no acquire from a connection whose lockspace it is giving up; its kill path is on its way to lvmlockctl.
  if (rv === ERRNO.EBUSY)
    return refuse(
      "EVGKILLED",
      "sanlock can't renew the lockspace and gives no new lock until those that are held are given back",
      { lm_result: rv },
    );
  if (rv === ERRNO.EUCLEAN)
    return refuse("EORPHAN", "an earlier lvmlockd of this host left the lock behind as an orphan", {
      lm_result: rv,
    });
  if (rv === ERRNO.EEXIST)
    return refuse("EEXIST", "another process of this host holds the lock at sanlock", { lm_result: rv });
  if (rv === ERRNO.EMSGSIZE)
    return refuse("EMSGSIZE", `the lease at byte ${lease.offset_bytes} is behind the end of ${lease.path}`, {
      lm_result: rv,
    });
  if (rv === ERRNO.ENOSPC)
    return refuse(
      "ELOCKIO",
      "sanlock has dropped the lockspace, after its storage failed or its daemon was restarted: stop the VG and start it again",
      { lm_result: rv },
    );
  return refuseFor(rv, `sanlock can't lock ${lease.name}`);
}

function refuseHeld(
  state: LockspaceState,
  kind: ResourceKind,
  mode: HeldMode,
  lease: Lease,
  result: AcquireResult,
): Refused {
  const { rv } = result;
  state.turns.refused(kind);
  const found = findOwner(state, lease, result);
  const detail = `${ownerSentence(state, found)}: ${returnValueText(rv)}`;
  const more = { lm_result: rv, owner: ownerOf(found) };
  if (isOwnerFailed(rv) && mustWait(rv, found.owner))
    return refuse("EAGAIN", detail, { ...more, retry: "after-fence" });
  // GL and VG locks are held for the length of a command.
  const passes = isRace(rv) || isOwnerFailed(rv);
  const soon = kind !== "lv" || (mode === "sh" && passes && mayPass(state, lease.name));
  return refuse("EAGAIN", detail, { ...more, retry: soon ? "soon" : "never" });
}

/**
 * In the first seconds after a start sanlock does not know yet that an owner is alive and calls it failed for that time; its
 * list of hosts tells the two apart.
 */
function mustWait(rv: number, owner: HostInfo | null): boolean {
  if (rv === SANLK.ACQUIRE_OWNED_NO_TIMEOUT || owner === null) return true;
  return (owner.flags & HOST_STATE_MASK) === HOST_STATE.FAIL;
}

/**
 * Two hosts that take the same LV in shared mode at once can refuse each other (13 of 20 tries did with 3.8.5), because sanlock
 * takes the lease exclusively for a moment. That looks like a real exclusive holder, so only refusals that last are taken for
 * one.
 */
function mayPass(state: LockspaceState, name: string): boolean {
  const { shared_refusals } = state;
  const now_ms = performance.now();
  const since_ms = shared_refusals.get(name) ?? now_ms;
  const passes = now_ms - since_ms < DEADLINES.sanlock_shared_race_ms;
  // Taken out and put in again, so that the first one is always the one that was refused longest ago.
  shared_refusals.delete(name);
  if (passes) shared_refusals.set(name, since_ms);
  const [longestAgo] = shared_refusals.keys();
  if (shared_refusals.size > SHARED_REFUSALS_MAX && longestAgo !== undefined)
    shared_refusals.delete(longestAgo);
  return passes;
}

/**
 * Recovery of locks whose owner has failed, in VGs with the lock arg "persist": the owner's reservation key is removed from every
 * PV, so that it can write no more, then the lock manager is told that it is dead, then the lock is asked for again. Requests
 * wait for that where they are, at the head of their queues. A removal that fails is told to all who wait, and a later request
 * tries again.
 *
 * A host that has no key can write no more, but what it had sent before may still be on its way inside a device. Only our own PREEMPT
 * AND ABORT that a device has answered with success says that this has ended. Without that on every PV (another survivor was faster,
 * an answer was lost) the host gets some time, and its locks are asked for meanwhile: who was faster may have declared it dead.
 */
import type { Refused } from "../../plugins/contract.ts";
import { assert } from "../assert.ts";
import { DEADLINES } from "../deadlines.ts";
import { LIMITS } from "../limits.ts";
import type { ManagerAnswer } from "./api.ts";
import { askLockspace, askReservations, resultFlag, resultString } from "./calls.ts";
import { noteIncident } from "./incidents.ts";
import { refuseHead } from "./lock.ts";
import { log } from "./replies.ts";
import { settle } from "./settle.ts";
import type { Fence, Lockspace, PendingCall, Resource, State } from "./state.ts";

/** The states in which an owner may be cut off. Of one that is unknown, sanlock may just have begun to look. */
const FAILED_STATES: ReadonlySet<string> = new Set(["FAIL", "DEAD"]);

/**
 * A lock was refused because its owner has to be fenced first. Null: the resource waits for that. Otherwise what the requests are
 * to be told, or to be tried again for.
 */
export function recover(state: State, resource: Resource, refused: Refused): Refused | null {
  const { lockspace } = resource;
  const { owner } = refused;
  if (!lockspace.fence_pr || owner === null || owner.host_id === 0 || owner.generation === 0) return refused;
  const { host_id, generation } = owner;
  if (lockspace.fencing_problem !== "")
    return { ...refused, detail: `${refused.detail}; it is not cut off: ${lockspace.fencing_problem}` };
  if (host_id === lockspace.identity.host_id) {
    const detail = `${refused.detail}; it is this host itself, in generation ${generation}, and no host cuts itself off`;
    return { ...refused, detail };
  }
  if (!FAILED_STATES.has(owner.state)) return { ...refused, retry: "soon" };
  const known = lockspace.fences.find((f) => f.host_id === host_id && f.generation === generation);
  // The lock manager was told; it may need a moment to act on it.
  if (known?.state === "removed") return { ...refused, retry: "soon" };
  const rests = known?.state === "failed" && (state.now_ms < known.again_at_ms || known.call !== null);
  if (rests) return { ...refused, detail: failureText(known) };
  const fence = known ?? makeFence(state, lockspace, host_id, generation);
  if (fence === null) return refused;
  fence.waiting.set(resource, refused);
  resource.fence = fence;
  if (known === undefined || known.state === "failed") beginRemoval(state, fence);
  return null;
}

/** Enters a fence; the oldest one that is over makes room. Null when there is none: as many hosts as that have never failed at once. */
function makeFence(state: State, lockspace: Lockspace, host_id: number, generation: number): Fence | null {
  const { fences } = lockspace;
  if (fences.length >= LIMITS.fence_history) {
    const isOver = ({ state: reached, call }: Fence): boolean =>
      call === null && (reached === "removed" || reached === "failed");
    const oldest = fences.findIndex(isOver);
    if (oldest < 0) return null;
    fences.splice(oldest, 1);
  }
  const fence: Fence = {
    lockspace,
    host_id,
    generation,
    state: "removing",
    detail: "",
    attempts: 0,
    since_ms: state.now_ms,
    gone_since_ms: -1,
    again_at_ms: 0,
    call: null,
    waiting: new Map(),
  };
  fences.push(fence);
  return fence;
}

function enterState(state: State, fence: Fence, entered: Fence["state"], detail = ""): void {
  fence.state = entered;
  fence.detail = detail;
  fence.since_ms = state.now_ms;
}

function beginRemoval(state: State, fence: Fence): void {
  const { lockspace, host_id, generation } = fence;
  assert(host_id !== lockspace.identity.host_id, "a host never fences itself");
  assert(fence.call === null, "a host's key is removed by one call at a time");
  fence.attempts++;
  enterState(state, fence, "removing");
  log(state, "warning", `${nameOf(fence)} has failed: its key is being removed from every PV`);
  fence.call = askReservations(state, lockspace, "removeKey", { host_id, generation }, keyRemoved, { fence });
}

function keyRemoved(state: State, call: PendingCall, answer: ManagerAnswer): void {
  const { fence } = call;
  assert(fence !== null, "a removal has its fence");
  fence.call = null;
  const { lockspace } = fence;
  if (answer.kind === "refused") {
    // A late one was given up for failed already.
    if (!call.late) failed(state, fence, answer.detail === "" ? answer.code : answer.detail);
  } else if (isEnding(lockspace)) {
    ended(state, fence);
  } else if (resultFlag(answer, "aborted")) {
    tellManager(state, fence);
  } else {
    beginSettling(state, fence, resultString(answer, "detail"));
  }
}

function isEnding({ stop_wanted, killed, leaving }: Lockspace): boolean {
  return stop_wanted || killed || leaving;
}

/** Nobody waits any more, and a VG that is stopped all the same not will find the key gone the next time. */
function ended(state: State, fence: Fence): void {
  enterState(state, fence, "failed", "the VG was being stopped");
  letGo(fence);
}

function beginSettling(state: State, fence: Fence, why: string): void {
  if (fence.gone_since_ms < 0) fence.gone_since_ms = state.now_ms;
  const wait_s = DEADLINES.fence_settle_ms / 1000;
  const detail =
    `its key is gone, but it is not known whether its commands under way have ended, which is waited for ${wait_s} s: ` +
    (why === "" ? "no abort of ours was answered" : why);
  enterState(state, fence, "settling", detail);
  log(state, "warning", `${nameOf(fence)}: ${detail}`);
  lookAgain(state, fence);
}

/** The next look at a fence that settles: soon, for a lock that another survivor has made free, and at the end of its time. */
function lookAgain(state: State, fence: Fence): void {
  const end_ms = fence.gone_since_ms + DEADLINES.fence_settle_ms;
  const at_ms = Math.min(state.now_ms + DEADLINES.fence_look_ms, end_ms);
  state.timers.push({ at_ms, kind: "fence", fence });
}

/** A fence that settles is looked at: its locks are asked for, or its time is over and the PVs are read once more. */
export function fenceDue(state: State, fence: Fence): void {
  if (fence.state !== "settling") return;
  const { lockspace, host_id, generation } = fence;
  if (isEnding(lockspace)) {
    ended(state, fence);
  } else if (state.now_ms < fence.gone_since_ms + DEADLINES.fence_settle_ms) {
    lookAgain(state, fence);
    askForLocks(state, fence);
  } else {
    enterState(state, fence, "checking", fence.detail);
    const removed = { host_id, generation };
    fence.call = askReservations(state, lockspace, "checkRemoved", removed, stillRemoved, { fence });
  }
}

function stillRemoved(state: State, call: PendingCall, answer: ManagerAnswer): void {
  const { fence } = call;
  assert(fence !== null, "a look at the PVs has its fence");
  fence.call = null;
  if (answer.kind === "refused") {
    if (!call.late) failed(state, fence, answer.detail === "" ? answer.code : answer.detail);
  } else if (isEnding(fence.lockspace)) {
    ended(state, fence);
  } else {
    tellManager(state, fence);
  }
}

function tellManager(state: State, fence: Fence): void {
  enterState(state, fence, "telling");
  const { lockspace, host_id, generation } = fence;
  fence.call = askLockspace(state, lockspace, "setHostDead", { host_id, generation }, managerTold, { fence });
}

function managerTold(state: State, call: PendingCall, answer: ManagerAnswer): void {
  const { fence } = call;
  assert(fence !== null, "the word of a host's death has its fence");
  fence.call = null;
  if (answer.kind === "refused") {
    if (call.late) return;
    const why = answer.detail === "" ? answer.code : answer.detail;
    failed(state, fence, `its key was removed, but the lock manager does not give its locks away: ${why}`);
    return;
  }
  enterState(state, fence, "removed");
  log(state, "warning", `${nameOf(fence)} is cut off: its key is on no PV any more, and its locks are free`);
  askForLocks(state, fence);
}

/** All who wait ask the lock manager again, now. Whoever is refused as before comes back to the fence. */
function askForLocks(state: State, fence: Fence): void {
  for (const resource of letGo(fence)) {
    resource.retry_at_ms = 0;
    resource.retry_delay_ms = 0;
    for (const waiter of resource.queue) waiter.refused_since_ms = -1;
    settle(state, resource);
  }
}

/** A call outlived its deadline: nobody waits for it any more, but what it still brings about counts. */
export function fenceLate(state: State, { fence }: PendingCall): void {
  assert(fence !== null, "a late call of a fence has it");
  const what = fence.state === "telling" ? "the lock manager has not answered" : "it has not ended in time";
  failed(state, fence, what);
}

function failed(state: State, fence: Fence, detail: string): void {
  enterState(state, fence, "failed", detail);
  // The next attempt has to see the key gone for as long again: what made this one fail may have brought it back.
  fence.gone_since_ms = -1;
  fence.again_at_ms = state.now_ms + pause_ms(fence.attempts);
  const text = failureText(fence);
  noteIncident(state, fence.lockspace.identity.vg_name, "EAGAIN", text);
  const told = new Map(fence.waiting);
  for (const resource of letGo(fence)) {
    const refused = told.get(resource);
    assert(refused !== undefined, "who waits for a fence was refused before");
    refuseHead(state, resource, { ...refused, detail: text });
    settle(state, resource);
  }
}

/** Twice as long after each failure: the storage, or a person, has to change something first. */
function pause_ms(attempts: number): number {
  return Math.min(DEADLINES.fence_again_max_ms, DEADLINES.fence_again_first_ms * 2 ** (attempts - 1));
}

/** Ends the wait of all resources and says which they were. */
function letGo(fence: Fence): Resource[] {
  const resources = [...fence.waiting.keys()];
  fence.waiting.clear();
  for (const resource of resources) resource.fence = null;
  return resources;
}

function nameOf({ lockspace, host_id, generation }: Fence): string {
  return `host_id ${host_id} in generation ${generation} of VG ${lockspace.identity.vg_name}`;
}

function failureText(fence: Fence): string {
  return `${nameOf(fence)} has failed and could not be cut off: ${fence.detail}`;
}

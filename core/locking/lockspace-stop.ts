/**
 * Stopping lockspaces: everything that waits is told, calls under way are let end, locks are released, then the manager leaves.
 * `continueStop` is called again whenever one of these ends, until the lockspace is gone.
 */
import { assert } from "../assert.ts";
import { wireResult } from "../errors.ts";
import type { Request } from "../wire/message.ts";
import { adoptionEnded, goOnAdopting } from "./adopt.ts";
import type { ManagerAnswer } from "./api.ts";
import { askLockspace } from "./calls.ts";
import { countDuplicates, routeGlobalLock } from "./global-lock.ts";
import { recordStopped } from "./journaling.ts";
import { cancelDeferred, cancelQueue } from "./lock.ts";
import { allLockspaces, allResources, lvLocksKept } from "./lockspace.ts";
import { started } from "./lockspace-start.ts";
import { log, type ReplyParts, reply } from "./replies.ts";
import { removeLock } from "./resource.ts";
import { answerStopAlls, quitWhenEmpty, stopAllRefused } from "./shutdown.ts";
import { answerStartWaits } from "./start-waits.ts";
import type { Client, Deferred, Lockspace, PendingCall, Resource, State } from "./state.ts";
import { release, releaseDropped } from "./unlock.ts";

/** stop_vg: refused while LVs of the VG hold locks, unless forced. */
export function stopVg(state: State, client: Client, request: Request): void {
  const lockspace = state.by_vg.get(request.vg_name);
  if (lockspace === undefined) {
    reply(state, client, request, null, wireResult("ENOLS"));
  } else if (lockspace.stop_wanted) {
    reply(state, client, request, null, wireResult("ESTALE"));
  } else if (lvLocksKept(lockspace) > 0 && !request.opts.force) {
    const detail = `${lvLocksKept(lockspace)} LVs of the VG hold locks: deactivate them first`;
    reply(state, client, request, null, wireResult("EBUSY"), { detail });
  } else {
    beginStop(state, lockspace, { client, request, free_vg: false });
    stopGlobalWithLastVg(state);
  }
}

/** The last VG goes, and with it the lockspace that only serves the global lock. */
function stopGlobalWithLastVg(state: State): void {
  if (servesVgs(state)) return;
  for (const lockspace of state.globals.values()) {
    if (!lockspace.stop_wanted) beginStop(state, lockspace, { client: null, request: null, free_vg: false });
  }
}

function servesVgs(state: State): boolean {
  for (const lockspace of state.by_vg.values()) if (!lockspace.stop_wanted) return true;
  return false;
}

/**
 * The same after the last VG was removed, or made a local one, by a command that has the global lock: its lockspace goes when nobody has
 * or wants the lock any more. The C daemon keeps it then, so that the cluster can't be stopped or renamed.
 */
export function stopUnusedGlobals(state: State): void {
  state.globals_unused = false;
  if (servesVgs(state)) return;
  for (const lockspace of state.globals.values()) {
    if (lockspace.stop_wanted) continue;
    if (isIdle(lockspace)) beginStop(state, lockspace, { client: null, request: null, free_vg: false });
    else state.globals_unused = true;
  }
}

function isIdle({ state, lock_count, calls_in_flight, start_queue, gl }: Lockspace): boolean {
  if (state !== "started" || lock_count > 0 || calls_in_flight > 0 || start_queue.length > 0) return false;
  return gl === null || (gl.queue.length === 0 && gl.deferred.length === 0);
}

export interface StopOrder {
  readonly client: Client | null;
  readonly request: Request | null;
  readonly free_vg: boolean;
}

export function beginStop(state: State, lockspace: Lockspace, order: StopOrder): void {
  if (order.client !== null && order.request !== null) {
    lockspace.stop_replies.push({ client: order.client, request: order.request });
  }
  lockspace.stop_wanted = true;
  lockspace.stop_free_vg = order.free_vg;
  continueStop(state, lockspace);
}

export function continueStop(state: State, lockspace: Lockspace): void {
  if (lockspace.leaving || lockspace.state === "joining" || !lockspace.stop_wanted) return;
  const neverJoined = lockspace.state === "preparing";
  if (neverJoined && lockspace.calls_in_flight > 0) return;
  if (lockspace.state !== "stopping") {
    lockspace.state = "stopping";
    lockspace.since_ms = state.now_ms;
    answerStartWaits(state);
    for (const resource of allResources(lockspace)) cancelWaits(state, resource);
  }
  if (neverJoined) {
    neverStarted(state, lockspace);
    return;
  }
  if (lockspace.calls_in_flight > 0) return;
  for (const resource of [...allResources(lockspace)]) releaseAll(state, resource);
  if (lockspace.calls_in_flight > 0) return;
  lockspace.leaving = true;
  if (lockspace.stop_free_vg) askLockspace(state, lockspace, "hosts", { notify: true }, hostsTold, {});
  else askLockspace(state, lockspace, "leave", { free_vg: false }, left, {});
}

function cancelWaits(state: State, resource: Resource): void {
  const result = wireResult("ECANCELED");
  const detail = "the VG was stopped";
  cancelQueue(state, resource, result, detail);
  cancelDeferred(state, resource, result, detail);
  // An unlock has nothing left to do: the stop releases every lock.
  for (const { client, request, answered } of resource.deferred)
    if (!answered) reply(state, client, request, resource.lockspace, wireResult("ENOLS"), { detail });
  resource.deferred = [];
}

/** Drops every lock but one off the books and gives that one back at the manager. */
function releaseAll(state: State, resource: Resource): void {
  if (resource.call !== null) return;
  for (const lock of resource.locks.slice(1)) removeLock(lock);
  const last = resource.locks[0];
  if (last !== undefined) release(state, last, state.nobody, null);
}

function hostsTold(state: State, call: PendingCall): void {
  assert(call.lockspace !== null, "a hosts call has its lockspace");
  askLockspace(state, call.lockspace, "leave", { free_vg: true }, left, {});
}

function left(state: State, call: PendingCall, answer: ManagerAnswer): void {
  const { lockspace } = call;
  assert(lockspace !== null, "a leave call has its lockspace");
  if (answer.kind === "refused" && answer.code === "EBUSY" && !lockspace.stop_free_vg) {
    const detail = answer.detail;
    for (const { client, request } of lockspace.stop_replies) {
      reply(state, client, request, null, wireResult("EBUSY"), { lm_result: answer.lm_result, detail });
    }
    lockspace.stop_replies = [];
    stayStarted(state, lockspace);
    return;
  }
  if (answer.kind === "refused") {
    log(
      state,
      "error",
      `${lockspace.identity.lockspace_name} left with an error: ${answer.code} ${answer.detail}`,
    );
  }
  finish(state, lockspace);
}

/** The manager does not let the lockspace go yet: it serves again, and nobody is left waiting for its end. */
function stayStarted(state: State, lockspace: Lockspace): void {
  const { restart_queue, unreleased } = lockspace;
  lockspace.restart_queue = [];
  lockspace.unreleased = [];
  lockspace.stop_wanted = false;
  lockspace.leaving = false;
  lockspace.state = lockspace.adoption === null ? "started" : "adopting";
  for (const lock of unreleased) releaseDropped(state, lock);
  // A stop that came during the start leaves the rest of that to be done: what an earlier daemon held is adopted, because it would
  // stay held for nobody, and those who wait for the start are served.
  if (lockspace.adoption === null) started(state, lockspace);
  else goOnAdopting(state, lockspace);
  stopAllRefused(state);
  restartGlobal(state, lockspace, restart_queue);
}

/** The global lock's lockspace has stopped, or stays, and these want its lock: its type is settled by that. */
function restartGlobal(state: State, lockspace: Lockspace, queue: readonly Deferred[]): void {
  for (const { client, request } of queue) {
    if (!client.open) continue;
    if (state.gl_type === null) state.gl_type = lockspace.identity.lock_type;
    routeGlobalLock(state, client, request);
  }
}

/** Nothing was joined and nothing is left; what an earlier daemon held is held still, so it waits for the next start. */
function neverStarted(state: State, lockspace: Lockspace): void {
  const { adoption, identity } = lockspace;
  if (adoption !== null) state.unadopted.set(identity.vg_name, adoption.source);
  removeLockspace(state, lockspace);
  stopEnded(state, lockspace, undefined, "the lockspace was stopped");
}

function finish(state: State, lockspace: Lockspace): void {
  recordStopped(state, lockspace);
  log(state, "info", `${lockspace.identity.lockspace_name} stopped`);
  const warn_gl_removed = noteGlobalLockRemoved(state, lockspace);
  state.unadopted.delete(lockspace.identity.vg_name);
  if (lockspace.stop_free_vg) state.globals_unused = true;
  removeLockspace(state, lockspace);
  stopEnded(state, lockspace, warn_gl_removed ? { warn_gl_removed } : undefined, "the lockspace was stopped");
}

/** The lockspace has gone: whoever stopped it, waited for its start or wants it started again is told. */
export function stopEnded(
  state: State,
  lockspace: Lockspace,
  free_vg_parts: ReplyParts | undefined,
  detail: string,
): void {
  const { stop_replies, restart_queue, start_queue } = lockspace;
  for (const { client, request } of stop_replies) {
    const echoesType = request.name === "stop_vg" ? null : lockspace;
    reply(state, client, request, echoesType, 0, request.name === "free_vg" ? free_vg_parts : undefined);
  }
  for (const { client, request } of start_queue)
    reply(state, client, request, null, wireResult("ENOLS"), { detail });
  restartGlobal(state, lockspace, restart_queue);
  // Last of all, because a reply that is still to be sent must not come after the order to go.
  quitWhenEmpty(state);
}

/** vgremove of the VG that holds the global lock leaves the other VGs without one; every reply says so until it is mended. */
function noteGlobalLockRemoved(state: State, lockspace: Lockspace): boolean {
  if (!lockspace.stop_free_vg || !lockspace.global_lock_enabled) return false;
  for (const other of state.by_vg.values()) {
    if (other === lockspace || other.manager.capabilities.global_lock !== "in-vg") continue;
    state.gl_vg_removed = true;
    return true;
  }
  return false;
}

/** Takes a lockspace off the books, and settles what depends on which lockspaces there are. */
export function removeLockspace(state: State, lockspace: Lockspace): void {
  assert(lockspace.lock_count === 0, "a lockspace that goes holds no lock");
  lockspace.leaving = true;
  const { vg_name, lock_type } = lockspace.identity;
  if (lockspace.is_global) state.globals.delete(lock_type);
  else state.by_vg.delete(vg_name);
  state.effects.push({ kind: "forget-lockspace", lock_type, key: lockspace.key });
  lockspace.global_lock_enabled = false;
  if (!lockspace.is_global && state.gl_vg === vg_name) state.gl_vg = "";
  countDuplicates(state);
  if (allLockspaces(state).next().done === true && state.options.gl_type === null) state.gl_type = null;
  if (lockspace.adoption !== null) adoptionEnded(state, lockspace.adoption);
  answerStartWaits(state);
  answerStopAlls(state);
}

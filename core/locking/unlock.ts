/** Releasing locks: on request, when a client goes, when a grant came for nobody. */
import { assert } from "../assert.ts";
import { DEADLINES } from "../deadlines.ts";
import { wireResult } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Request } from "../wire/message.ts";
import type { ManagerAnswer } from "./api.ts";
import { askResource, refusalResult, resultNumber } from "./calls.ts";
import { noteIncident } from "./incidents.ts";
import { recordTruth } from "./journaling.ts";
import { abandon } from "./lock.ts";
import { log, reply } from "./replies.ts";
import { addLock, findTransient, plainUnlockCall, removeLock } from "./resource.ts";
import { settle } from "./settle.ts";
import type { Client, Lock, PendingCall, Resource, State, Waiter } from "./state.ts";
import { noteVersionWritten, versionToWrite } from "./value-block.ts";

const ENOENT = wireResult("ENOENT");

/** An unlock request for a resource that the manager is not busy with. Any client may release a persistent lock. */
export function requestUnlock(state: State, client: Client, request: Request, resource: Resource): void {
  const lock = request.opts.persistent ? resource.persistent : findTransient(client, resource);
  if (lock !== null) {
    release(state, lock, client, request);
    return;
  }
  const waiter = request.opts.unlock_cancel ? cancellable(client, request, resource) : null;
  if (waiter === null) {
    reply(state, client, request, resource.lockspace, ENOENT);
    return;
  }
  const result = wireResult("ECANCELED");
  abandon(waiter);
  reply(state, waiter.client, waiter.request, resource.lockspace, result);
  reply(state, client, request, resource.lockspace, result);
}

/** unlock_cancel reaches the client's own waiting request, or anybody's when both are persistent. */
function cancellable(client: Client, request: Request, resource: Resource): Waiter | null {
  if (request.opts.persistent) return resource.queue.find((waiter) => waiter.request.opts.persistent) ?? null;
  return resource.queue.find((waiter) => waiter.client === client) ?? null;
}

/** Releases a lock; the manager is asked only when it was the last one. `request` null: nobody waits for a reply. */
export function release(state: State, lock: Lock, client: Client, request: Request | null): void {
  const { resource } = lock;
  assert(resource.call === null, "a lock is released while its resource is idle");
  if (client !== state.nobody) resource.last_client_id = client.id;
  if (resource.locks.length > 1) {
    removeLock(lock);
    state.released = true;
    recordTruth(state, resource);
    if (request !== null) reply(state, client, request, resource.lockspace, 0);
    return;
  }
  askUnlock(state, lock, client, request, 0);
}

function askUnlock(state: State, lock: Lock, client: Client, request: Request | null, attempt: number): void {
  const { resource } = lock;
  const r_version = versionToWrite(resource, lock);
  const free_vg = resource.lockspace.stop_free_vg;
  let args = plainUnlockCall(resource, lock.mode);
  if (r_version !== 0 || free_vg) args = { ...args, r_version, free_vg };
  askResource(state, resource, "unlock", args, unlockAnswered, { client, request, lock, number: attempt });
}

function unlockAnswered(state: State, call: PendingCall, answer: ManagerAnswer): void {
  const { resource, lock, client, request } = call;
  assert(
    resource !== null && lock !== null && client !== null,
    "an unlock call has a resource, a lock and a client",
  );
  const gone = answer.kind === "done" || answer.code === "ENOENT";
  if (gone) {
    noteVersionWritten(resource, lock);
    forget(state, lock);
    if (request !== null && !call.late) {
      const lm_result = resultNumber(answer, "lm_result");
      if (lm_result === 0) reply(state, client, request, resource.lockspace, 0);
      else reply(state, client, request, resource.lockspace, 0, { lm_result });
    }
  } else {
    if (request !== null && !call.late) {
      const parts = { lm_result: answer.lm_result, detail: answer.detail };
      reply(state, client, request, resource.lockspace, refusalResult(answer), parts);
    }
    if (request === null || lock.client?.open === false) retryRelease(state, lock, call.number);
  }
  settle(state, resource);
}

function forget(state: State, lock: Lock): void {
  removeLock(lock);
  state.released = true;
  recordTruth(state, lock.resource);
}

/** Nobody is left to try again for this lock, so we do, a bounded number of times; then only a person can help. */
function retryRelease(state: State, lock: Lock, attempt: number): void {
  const { resource } = lock;
  const name = `${resource.lockspace.identity.lockspace_name}:${resource.name}`;
  if (attempt < LIMITS.unlock_attempts && resource.lockspace.state !== "stopping") {
    // Nobody may take it for a lock that is held: it would go away under their hands.
    if (lock.client === null || lock.client.open) disown(state, lock);
    resource.closing = false;
    releaseLater(state, lock, attempt + 1);
    return;
  }
  // The journal keeps it, because the manager may as well.
  resource.orphan = resource.kind === "lv";
  if (resource.lockspace.state === "stopping") resource.lockspace.unreleased.push(lock);
  noteIncident(
    state,
    resource.lockspace.identity.vg_name,
    "ELMERR",
    `${name} could not be released at the lock manager`,
  );
  forget(state, lock);
}

function releaseLater(state: State, lock: Lock, attempt: number): void {
  const at_ms = state.now_ms + DEADLINES.unlock_again_ms;
  state.timers.push({ at_ms, kind: "unlock-again", lock, attempt });
}

/** The time of another attempt has come. The lock may be gone by now, or its resource busy for the moment. */
export function releaseAgain(state: State, lock: Lock, attempt: number): void {
  const { resource } = lock;
  if (!resource.locks.includes(lock)) return;
  if (resource.call !== null) {
    releaseLater(state, lock, attempt);
    return;
  }
  if (resource.locks.length > 1) forget(state, lock);
  else askUnlock(state, lock, lock.client ?? state.nobody, null, attempt);
  settle(state, resource);
}

/** The manager granted what nobody wants any more: it goes back, as the lock of nobody. */
export function giveBack(state: State, resource: Resource, why: string): void {
  assert(resource.mode !== "un" && resource.locks.length === 0, "only an unclaimed grant is given back");
  log(
    state,
    "info",
    `${resource.lockspace.identity.lockspace_name}:${resource.name} granted lock given back: ${why}`,
  );
  const lock = addLock(state, resource, resource.mode, { client: state.nobody, pid: 0, cmd: "" });
  askUnlock(state, lock, state.nobody, null, 0);
}

/** The stop for which the lock was dropped came to nothing, so the manager has it still and it goes back after all. */
export function releaseDropped(state: State, { resource, mode }: Lock): void {
  resource.mode = mode;
  resource.orphan = false;
  giveBack(state, resource, "its VG was to be stopped and is not");
}

/** Releases the locks of clients that have gone. Called by `settle` on an idle resource. */
export function releaseClosed(state: State, resource: Resource): void {
  resource.closing = false;
  for (const lock of [...resource.locks]) {
    if (lock.client === null || lock.client.open) continue;
    release(state, lock, lock.client, null);
    if (resource.call !== null) {
      // More of them may be left; the answer to this call comes back here.
      resource.closing = true;
      return;
    }
  }
}

/** A client has gone: its waits end, its transient locks are released, as soon as their resources are idle. */
export function closeClient(state: State, client: Client): void {
  client.open = false;
  if (client.waiting !== null) {
    const { resource } = client.waiting;
    abandon(client.waiting);
    settle(state, resource);
  }
  for (const lock of [...client.locks]) {
    lock.resource.closing = true;
    settle(state, lock.resource);
  }
  assert(client.waiting === null, "a client that has gone waits for nothing");
}

/**
 * The reply that granted an LV lock did not reach its client, so the LV was never activated: the lock is released, unless
 * another client has had to do with it since.
 */
export function undelivered(state: State, client: Client): void {
  const resource = client.granted;
  client.granted = null;
  if (resource === null || resource.last_client_id !== client.id) return;
  const lock = client.granted_persistent ? resource.persistent : findTransient(client, resource);
  if (lock === null) return;
  log(
    state,
    "notice",
    `${resource.lockspace.identity.lockspace_name}:${resource.name} released: its grant could not be delivered`,
  );
  disown(state, lock);
  settle(state, resource);
}

/** Turns a lock into one of nobody, so that `settle` releases it like those of clients that have gone. */
export function disown(state: State, lock: Lock): void {
  const { resource, client } = lock;
  if (client === null) resource.persistent = null;
  else client.locks.splice(client.locks.indexOf(lock), 1);
  lock.client = state.nobody;
  state.nobody.locks.push(lock);
  resource.closing = true;
}

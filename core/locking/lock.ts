/**
 * Lock requests: what existing locks answer at once, what has to queue, and how the queue is granted. A queue is first come,
 * first served; a shared request never passes an exclusive one that waits in front of it.
 */

import type { HeldMode, LockCall, Refused, ValueBlock } from "../../plugins/contract.ts";
import { assert } from "../assert.ts";
import { wireResult } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Request } from "../wire/message.ts";
import type { ManagerAnswer } from "./api.ts";
import { askResource, refusalResult, resultNumber } from "./calls.ts";
import { requestConvert } from "./convert.ts";
import { describeCircle, findCircle } from "./deadlock.ts";
import { recover } from "./fencing.ts";
import { countDuplicates } from "./global-lock.ts";
import { recordHeld, recordTruth } from "./journaling.ts";
import { forgetLockRefused, noteLockRefused } from "./lock-refusals.ts";
import { log, reply } from "./replies.ts";
import { addLock, findTransient, nameLv, plainLockCall, removeLock } from "./resource.ts";
import { nextDelay_ms, nextRandom, retryBudget_ms, withJitter_ms } from "./retry.ts";
import { settle } from "./settle.ts";
import type { Client, PendingCall, Resource, State, Waiter } from "./state.ts";
import { giveBack } from "./unlock.ts";
import { readBlock } from "./value-block.ts";

const EAGAIN = wireResult("EAGAIN");
const EALREADY = wireResult("EALREADY");
const EEXIST = wireResult("EEXIST");

/**
 * What an existing lock of the client or a persistent lock says to a request; true when that was the answer. The order of the
 * cases is the C daemon's (its res_process), because lvm relies on it: lvextend takes a transient lock over the persistent one
 * of an active LV, and never gives it back.
 */
export function answerFromExisting(
  state: State,
  client: Client,
  request: Request,
  resource: Resource,
): boolean {
  const mode = request.mode;
  const own = findTransient(client, resource);
  const { persistent } = resource;
  const existing = request.opts.persistent ? persistent : own;
  if (existing !== null && existing.mode === mode) {
    return answered(state, client, request, resource, EALREADY);
  }
  if (!request.opts.persistent && persistent !== null) {
    if (persistent.mode === "ex" || mode === "sh") return answered(state, client, request, resource, 0);
    resource.last_client_id = client.id;
    reply(state, client, request, resource.lockspace, EEXIST, { sh_exists: true });
    return true;
  }
  if (request.opts.persistent && own !== null) {
    if (own.mode !== mode) return answered(state, client, request, resource, EEXIST);
    removeLock(own);
    resource.mode = own.mode;
    const kept = addLock(state, resource, own.mode, { client: null, pid: own.pid, cmd: own.cmd });
    kept.version = own.version;
    resource.rescan = true;
    recordTruth(state, resource);
    if (resource.kind === "lv") {
      client.granted = resource;
      client.granted_persistent = true;
    }
    return answered(state, client, request, resource, 0);
  }
  if (existing === null) return false;
  requestConvert(state, client, request, existing);
  return true;
}

function answered(state: State, client: Client, request: Request, resource: Resource, result: number): true {
  resource.last_client_id = client.id;
  reply(state, client, request, resource.lockspace, result);
  return true;
}

/** Whether a lock that another host is made to hold (tests of lvm do that) stands against the mode. */
export function remoteConflict(resource: Resource, mode: HeldMode): boolean {
  return resource.remote !== null && !(mode === "sh" && resource.remote === "sh");
}

/** A lock request (sh or ex) for a resource that the manager is not busy with. */
export function requestLock(state: State, client: Client, request: Request, resource: Resource): void {
  if (answerFromExisting(state, client, request, resource)) return;
  const mode: HeldMode = request.mode === "sh" ? "sh" : "ex";
  if (remoteConflict(resource, mode)) {
    reply(state, client, request, resource.lockspace, EAGAIN);
    return;
  }
  if (resource.queue.length >= LIMITS.resource_queue) {
    reply(state, client, request, resource.lockspace, wireResult("ENOMEM"), {
      detail: "too many requests wait for this lock",
    });
    return;
  }
  const circle = findCircle(client, resource, mode);
  if (circle !== null) {
    const detail = describeCircle(client, circle);
    log(
      state,
      "warning",
      `${resource.lockspace.identity.lockspace_name}:${resource.name} refused, ${detail}`,
    );
    reply(state, client, request, resource.lockspace, wireResult("EDEADLK"), { detail });
    return;
  }
  enqueue(state, client, request, resource, mode);
}

function enqueue(state: State, client: Client, request: Request, resource: Resource, mode: HeldMode): void {
  const waiter: Waiter = {
    client,
    request,
    resource,
    mode,
    since_ms: state.now_ms,
    refused_since_ms: -1,
    retries: 0,
    refusal: null,
    abandoned: false,
  };
  client.waiting = waiter;
  resource.queue.push(waiter);
  if (resource.kind === "lv") nameLv(resource, request.lv_name, request.lv_lock_args);
  boundWait(state, waiter);
}

/** Ends the wait after the configured limit, when there is one. */
export function boundWait(state: State, waiter: Waiter): void {
  const { wait_limit_ms, now_ms, timers } = state;
  if (wait_limit_ms > 0) timers.push({ at_ms: now_ms + wait_limit_ms, kind: "wait-limit", waiter });
}

/** Takes a waiter out of its queue; the manager's answer to it, if one is still to come, is then for nobody. */
export function abandon(waiter: Waiter): void {
  waiter.abandoned = true;
  waiter.client.waiting = null;
  const { queue } = waiter.resource;
  const index = queue.indexOf(waiter);
  if (index >= 0) queue.splice(index, 1);
}

/** Grants or asks for the head of the queue; false when nothing can be done about it now. */
export function grantHead(state: State, resource: Resource): boolean {
  const head = resource.queue[0];
  if (head === undefined || resource.mode === "ex" || resource.fence !== null) return false;
  if (resource.mode === "sh") {
    if (head.mode === "ex") return false;
    resource.queue.shift();
    grant(state, head, 0);
    return true;
  }
  if (state.now_ms < resource.retry_at_ms) return false;
  askLock(state, resource, head);
  return true;
}

function askLock(state: State, resource: Resource, head: Waiter): void {
  const { opts } = head.request;
  recordHeld(state, resource, head.mode, opts.persistent);
  let args: LockCall = plainLockCall(resource, head.mode);
  if (opts.adopt !== "no" || opts.repair) args = { ...args, adopt: opts.adopt, repair: opts.repair };
  if (head.request.max_retries < 0) args = { ...args, patience_ms: 0 };
  askResource(state, resource, "lock", args, lockAnswered, { waiter: head, mode: head.mode });
}

/** Puts a granted lock on the books and tells the client. The resource's mode is the granted one already. */
function grant(state: State, waiter: Waiter, lm_result: number, dup_gl_ls = false): void {
  const { client, request, resource } = waiter;
  const { persistent } = request.opts;
  client.waiting = null;
  resource.last_client_id = client.id;
  addLock(state, resource, waiter.mode, {
    client: persistent ? null : client,
    pid: client.pid,
    cmd: client.cmd,
  });
  if (resource.kind === "lv") {
    client.granted = resource;
    client.granted_persistent = persistent;
  }
  if (persistent) {
    resource.rescan = resource.queue.length > 0;
    recordTruth(state, resource);
  }
  if (lm_result === 0 && !dup_gl_ls) reply(state, client, request, resource.lockspace, 0);
  else reply(state, client, request, resource.lockspace, 0, { lm_result, dup_gl_ls });
}

function lockAnswered(state: State, call: PendingCall, answer: ManagerAnswer): void {
  const { resource, waiter } = call;
  assert(resource !== null && waiter !== null, "a lock call has a resource and a waiter");
  if (answer.kind === "refused") {
    lockRefused(state, resource, waiter, answer);
  } else {
    lockGranted(state, resource, waiter, answer);
  }
  settle(state, resource);
}

function lockGranted(
  state: State,
  resource: Resource,
  waiter: Waiter,
  answer: ManagerAnswer & { kind: "done" },
): void {
  resource.retry_at_ms = 0;
  resource.retry_delay_ms = 0;
  assert(resource.mode === "un", "the manager is asked only for a resource that is not held");
  resource.mode = waiter.mode;
  forgetLockRefused(resource.lockspace, resource.name);
  if (resource.orphan) {
    resource.orphan = false;
    recordHeld(state, resource, waiter.mode, waiter.request.opts.persistent);
  }
  const verdict = readBlock(resource, (answer.value_block ?? null) as ValueBlock | null);
  if (waiter.abandoned) {
    giveBack(state, resource, "its request was given up before the lock manager answered");
    return;
  }
  resource.queue.shift();
  if (verdict === "good") {
    const dup_gl_ls = state.gl_duplicate && resource.lockspace.global_lock_enabled;
    grant(state, waiter, resultNumber(answer, "lm_result"), dup_gl_ls);
    return;
  }
  waiter.client.waiting = null;
  const result = wireResult(verdict === "removed" ? "EREMOVED" : "EINVAL");
  const detail =
    verdict === "removed"
      ? "another host has removed the VG"
      : "the value block was written by a newer lvmlockd";
  reply(state, waiter.client, waiter.request, resource.lockspace, result, { detail });
  giveBack(state, resource, detail);
}

/** Who is refused together with the head: everybody in front who wants the same shared lock in the plain way. */
function refusedGroup(resource: Resource, head: Waiter): Waiter[] {
  const { queue } = resource;
  if (head.abandoned) return [];
  if (head.mode === "ex" || head.request.opts.adopt !== "no" || head.request.opts.repair) return [head];
  const end = queue.findIndex(
    (w) => w.mode === "ex" || w.request.opts.adopt !== "no" || w.request.opts.repair,
  );
  return end < 0 ? [...queue] : queue.slice(0, end);
}

function lockRefused(state: State, resource: Resource, head: Waiter, answer: Refused): void {
  const refusal = noteLockRefused(state, resource, head.mode, answer);
  const group = refusedGroup(resource, head);
  for (const waiter of group) waiter.refusal = refusal;
  const refused =
    answer.retry === "after-fence" && !head.abandoned ? recover(state, resource, answer) : answer;
  if (refused === null) return;
  if (refused.code === "EUNATCH") forgetGlobalLock(state, resource);
  const again =
    refused.retry === "soon" ||
    (refused.code === "EAGAIN" && resource.kind !== "lv" && refused.retry !== "after-fence");
  let next_ms = Number.POSITIVE_INFINITY;
  for (const waiter of group) {
    if (waiter.refused_since_ms < 0) waiter.refused_since_ms = state.now_ms;
    const budget_ms = again ? retryBudget_ms(waiter.request.max_retries) : -1;
    const ends_ms = waiter.refused_since_ms + budget_ms;
    if (budget_ms < 0 || state.now_ms >= ends_ms) {
      abandon(waiter);
      refuseWaiter(state, waiter, refused);
    } else {
      waiter.retries++;
      next_ms = Math.min(next_ms, ends_ms);
    }
  }
  if (refused.code === "EUNATCH") cancelQueue(state, resource, wireResult("ECANCELED"));
  if (next_ms === Number.POSITIVE_INFINITY) {
    resource.retry_at_ms = 0;
    resource.retry_delay_ms = 0;
    return;
  }
  resource.retry_delay_ms = nextDelay_ms(resource.retry_delay_ms);
  state.random = nextRandom(state.random);
  const pause_ms = withJitter_ms(resource.retry_delay_ms, state.random);
  resource.retry_at_ms = Math.min(next_ms, state.now_ms + pause_ms);
  state.timers.push({ at_ms: resource.retry_at_ms, kind: "retry", resource });
}

/** Answers the head of the queue and those who would be refused with it. */
export function refuseHead(state: State, resource: Resource, refused: Refused): void {
  const head = resource.queue[0];
  if (head === undefined) return;
  for (const waiter of refusedGroup(resource, head)) {
    abandon(waiter);
    refuseWaiter(state, waiter, refused);
  }
}

function refuseWaiter(state: State, waiter: Waiter, refused: Refused): void {
  const result = refused.code === "EUNATCH" ? wireResult("ENOLS") : refusalResult(refused);
  const owner = refused.code === "EAGAIN" ? refused.owner : null;
  const parts = { lm_result: refused.lm_result, owner, detail: refused.detail };
  waiter.resource.last_client_id = waiter.client.id;
  reply(state, waiter.client, waiter.request, waiter.resource.lockspace, result, parts);
}

/** The VG turned out not to hold the enabled global lock any more: nobody can get it here. */
function forgetGlobalLock(state: State, resource: Resource): void {
  const { lockspace } = resource;
  lockspace.global_lock_enabled = false;
  if (state.gl_vg === lockspace.identity.vg_name) state.gl_vg = "";
  countDuplicates(state);
}

/** Answers what waits behind a manager call for the resource. Unlocks are left alone: they are still carried out. */
export function cancelDeferred(state: State, resource: Resource, result: number, detail: string): void {
  for (const deferred of resource.deferred) {
    const { client, request } = deferred;
    if (deferred.answered || request.mode === "un") continue;
    deferred.answered = true;
    reply(state, client, request, resource.lockspace, result, { detail });
  }
}

/** Answers everybody who waits for the resource. */
export function cancelQueue(state: State, resource: Resource, result: number, detail = ""): void {
  for (const waiter of [...resource.queue]) {
    abandon(waiter);
    reply(state, waiter.client, waiter.request, resource.lockspace, result, { detail });
  }
  resource.retry_at_ms = 0;
  resource.retry_delay_ms = 0;
}

/** Asking lock managers: making the call records, their deadlines, and giving answers to the function that waits for them. */

import type { CallTimes, HeldMode, LockType, Refused } from "../../plugins/contract.ts";
import { assert } from "../assert.ts";
import { DEADLINES } from "../deadlines.ts";
import { type ErrorName, wireResult } from "../errors.ts";
import type { Request } from "../wire/message.ts";
import type {
  AskTarget,
  HostLife,
  LockspaceMethod,
  ManagerAnswer,
  ManagerMethod,
  ReservationMethod,
} from "./api.ts";
import { continueStop } from "./lockspace-stop.ts";
import type {
  CallDone,
  Client,
  Fence,
  Lock,
  Lockspace,
  PendingCall,
  Probe,
  Resource,
  State,
  Waiter,
} from "./state.ts";

/** How long each method may take before its request is answered without it. */
const DEADLINE_MS: Readonly<Record<LockspaceMethod | ManagerMethod | ReservationMethod, number>> = {
  prepare: DEADLINES.manager_prepare_ms,
  join: DEADLINES.manager_join_ms,
  leave: DEADLINES.manager_leave_ms,
  lock: DEADLINES.manager_lock_ms,
  convert: DEADLINES.manager_lock_ms,
  unlock: DEADLINES.manager_lock_ms,
  hosts: DEADLINES.manager_query_ms,
  status: DEADLINES.manager_query_ms,
  findFreeLock: DEADLINES.manager_init_ms,
  freeLv: DEADLINES.manager_query_ms,
  setGlobalLock: DEADLINES.manager_lock_ms,
  hasGlobalLock: DEADLINES.manager_query_ms,
  allowLockArgs: DEADLINES.manager_query_ms,
  setHostDead: DEADLINES.manager_query_ms,
  isRunning: DEADLINES.manager_prepare_ms,
  initVg: DEADLINES.manager_init_ms,
  initLv: DEADLINES.manager_init_ms,
  renameVg: DEADLINES.manager_init_ms,
  setLockArgs: DEADLINES.manager_init_ms,
  refreshLv: DEADLINES.manager_refresh_ms,
  checkKey: DEADLINES.reservation_call_ms,
  correctKey: DEADLINES.reservation_call_ms,
  removeKey: DEADLINES.reservation_call_ms,
  checkRemoved: DEADLINES.reservation_call_ms,
};

/** Which of the manager's own times a call on a lockspace has; what it does not take from its timing is left out. */
const OWN_TIME: Readonly<
  Partial<Record<LockspaceMethod | ManagerMethod | ReservationMethod, keyof CallTimes>>
> = {
  join: "join_ms",
  leave: "leave_ms",
  lock: "lock_ms",
  convert: "lock_ms",
  unlock: "lock_ms",
  setGlobalLock: "lock_ms",
  hosts: "query_ms",
  status: "query_ms",
  findFreeLock: "query_ms",
  freeLv: "query_ms",
  hasGlobalLock: "query_ms",
  allowLockArgs: "query_ms",
  setHostDead: "query_ms",
};

/** How long a call may take: our own bound, or longer where its manager's timing says that a good call may. */
function patience_ms(
  method: LockspaceMethod | ManagerMethod | ReservationMethod,
  times: CallTimes | null,
): number {
  const usual_ms = DEADLINE_MS[method];
  const time = times === null ? undefined : OWN_TIME[method];
  if (times === null || time === undefined) return usual_ms;
  return Math.max(usual_ms, Math.min(times[time], DEADLINES.manager_longest_ms));
}

/** The parts of a call that its kind needs; all of them named, so that every record has the same shape. */
export interface CallParts {
  readonly client?: Client | null;
  readonly request?: Request | null;
  readonly waiter?: Waiter | null;
  readonly lock?: Lock | null;
  readonly mode?: HeldMode;
  readonly number?: number;
  readonly probe?: Probe | null;
  readonly fence?: Fence | null;
}

function targetOf(lockspace: Lockspace, method: LockspaceMethod): AskTarget {
  let target = lockspace.targets.get(method);
  if (target === undefined) {
    const { identity, key } = lockspace;
    target = { kind: "lockspace", lock_type: identity.lock_type, key, identity, method };
    lockspace.targets.set(method, target);
  }
  return target;
}

interface CallFacts {
  readonly method: LockspaceMethod | ManagerMethod | ReservationMethod;
  readonly lock_type: LockType;
}

/** Enters a call; what asks for it is the caller's to say. */
function enter(
  state: State,
  { method, lock_type }: CallFacts,
  done: CallDone,
  lockspace: Lockspace | null,
  resource: Resource | null,
  parts: CallParts,
): PendingCall {
  const id = state.calls.nextId();
  const call: PendingCall = {
    id,
    done,
    deadline_ms: state.now_ms + patience_ms(method, lockspace?.call_times ?? null),
    lock_type,
    lockspace,
    resource,
    client: parts.client ?? null,
    request: parts.request ?? null,
    waiter: parts.waiter ?? null,
    lock: parts.lock ?? null,
    mode: parts.mode ?? "sh",
    number: parts.number ?? 0,
    probe: parts.probe ?? null,
    fence: parts.fence ?? null,
    late: false,
  };
  // The first one of several: nothing can be late before the next look.
  if (state.calls.size() === 0) state.next_late_check_ms = state.now_ms + DEADLINES.late_call_check_ms;
  state.calls.add(call);
  if (lockspace !== null) lockspace.calls_in_flight++;
  if (resource !== null) {
    assert(resource.call === null, "a resource has one manager call at a time");
    resource.call = call;
  }
  return call;
}

function start(
  state: State,
  target: AskTarget,
  args: object,
  done: CallDone,
  lockspace: Lockspace | null,
  resource: Resource | null,
  parts: CallParts,
): PendingCall {
  const call = enter(state, target, done, lockspace, resource, parts);
  state.effects.push({ kind: "ask", call_id: call.id, target, args });
  return call;
}

/** Calls a method of a lockspace on behalf of one resource, which is busy until the answer. */
export function askResource(
  state: State,
  resource: Resource,
  method: "lock" | "convert" | "unlock" | "setGlobalLock",
  args: object,
  done: CallDone,
  parts: CallParts,
): PendingCall {
  const { lockspace } = resource;
  return start(state, targetOf(lockspace, method), args, done, lockspace, resource, parts);
}

/** Calls a method of a lockspace that concerns no single resource. */
export function askLockspace(
  state: State,
  lockspace: Lockspace,
  method: LockspaceMethod,
  args: object,
  done: CallDone,
  parts: CallParts,
): PendingCall {
  return start(state, targetOf(lockspace, method), args, done, lockspace, null, parts);
}

/** Calls a method of the manager itself. */
export function askManager(
  state: State,
  lock_type: LockType,
  method: ManagerMethod,
  args: object,
  done: CallDone,
  parts: CallParts,
): PendingCall {
  return start(state, { kind: "manager", lock_type, method }, args, done, null, null, parts);
}

/**
 * Has something done about the reservation keys of the lockspace's VG. The lockspace is not stopped before our own key is seen to;
 * the removal of another one is nothing that a stop waits for.
 */
export function askReservations(
  state: State,
  lockspace: Lockspace,
  method: ReservationMethod,
  removed: HostLife | null,
  done: CallDone,
  parts: CallParts,
): PendingCall {
  const { lock_type, vg_name, vg_uuid, host_id } = lockspace.identity;
  const call = enter(state, { method, lock_type }, done, removed === null ? lockspace : null, null, parts);
  const own = { host_id, generation: lockspace.generation };
  state.effects.push({ kind: "ask-reservations", call_id: call.id, method, vg_name, vg_uuid, own, removed });
  return call;
}

/** Hands an answer to whom it is for. An answer to a call that is not known is ignored: the host never sends two. */
export function answerCall(state: State, call_id: number, answer: ManagerAnswer): void {
  const call = state.calls.take(call_id);
  if (call === null) return;
  if (call.lockspace !== null) call.lockspace.calls_in_flight--;
  if (call.resource !== null) {
    assert(call.resource.call === call, "the answered call is the resource's own");
    call.resource.call = null;
  }
  call.done(state, call, answer);
  // Whatever the call was for, a stop may have waited for its end.
  if (call.lockspace?.stop_wanted === true) continueStop(state, call.lockspace);
}

/** op_result of a refusal. */
export function refusalResult(refused: Refused): number {
  return wireResult(refused.code satisfies ErrorName);
}

/** A result field of a `done` answer as a number; 0 when the plugin left it out. */
export function resultNumber(answer: ManagerAnswer, field: string): number {
  if (answer.kind !== "done") return answer.lm_result;
  const value = answer[field];
  return typeof value === "number" ? value : 0;
}

/** A result field of a `done` answer as a string; "" when the plugin left it out. */
export function resultString(answer: ManagerAnswer, field: string): string {
  if (answer.kind !== "done") return "";
  const value = answer[field];
  return typeof value === "string" ? value : "";
}

/** A result field of a `done` answer as a truth value. */
export function resultFlag(answer: ManagerAnswer, field: string): boolean {
  return answer.kind === "done" && answer[field] === true;
}

/** Starting lockspaces: start_vg, the global lock's own lockspace, and start_wait. */

import type { Adopt, CallTimes, LockType, TakeOver } from "../../plugins/contract.ts";
import { assert } from "../assert.ts";
import { wireResult } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { OP_NUMBER, type Request } from "../wire/message.ts";
import { goOnAdopting } from "./adopt.ts";
import type { AdoptableLockspace, ManagerAnswer } from "./api.ts";
import { askLockspace, askReservations, refusalResult, resultNumber, resultString } from "./calls.ts";
import { noteEnabled, routeGlobalLock } from "./global-lock.ts";
import { noteIncident } from "./incidents.ts";
import { recordStarted, recordStopped } from "./journaling.ts";
import { makeLockspace } from "./lockspace.ts";
import { beginStop, removeLockspace, stopEnded } from "./lockspace-stop.ts";
import { log, reply, replyFlags, replyLockType } from "./replies.ts";
import { answerStartWaits, noteStartFailure } from "./start-waits.ts";
import type { Client, Lockspace, PendingCall, State } from "./state.ts";

export function startVg(state: State, client: Client, request: Request): void {
  const { vg_name, vg_lock_type } = request;
  const refuse = (result: number, detail = ""): void =>
    reply(state, client, request, null, result, { detail });
  if (vg_lock_type === "none" || vg_lock_type === "bad") {
    refuse(wireResult("EINVAL"), "start_vg needs the VG's lock type");
    return;
  }
  if (request.name === "takeover_vg") {
    const problem = takeOverProblem(state, vg_lock_type, request.remove_key);
    if (problem !== null) {
      refuse(wireResult(problem.code), problem.detail);
      return;
    }
  }
  if (state.quitting) {
    refuse(wireResult("ESTALE"), "lvmlockd is shutting down");
    return;
  }
  const existing = state.by_vg.get(vg_name);
  if (existing !== undefined) {
    const other = otherVg(existing, request.vg_uuid);
    if (existing.stop_wanted) {
      refuse(wireResult("EAGAIN"), "the VG is still stopping");
    } else if (other !== null) {
      // EEXIST is success to lvm, which would go on with the locks of the other VG.
      log(state, "warning", other);
      refuse(wireResult("EBUSY"), other);
    } else if (existing.state !== "started") {
      client.starts.add(existing);
      refuse(wireResult("ESTARTING"));
    } else {
      refuse(wireResult("EEXIST"));
    }
    return;
  }
  if (state.by_vg.size >= LIMITS.lockspaces) {
    refuse(wireResult("ENOMEM"), `this host has ${LIMITS.lockspaces} VGs started already`);
    return;
  }
  const lockspace = newVgLockspace(state, vg_lock_type, request, client.id);
  client.starts.add(lockspace);
  startGlobalFor(state);
  if (lockspace.fence_pr)
    askReservations(state, lockspace, "checkKey", null, keyChecked, { client, request });
  else askPrepare(state, lockspace, client, request);
}

/** Why a VG is not the one that is started under its name; null when it is, or when the request does not tell. */
function otherVg({ identity }: Lockspace, vg_uuid: string): string | null {
  const { vg_name } = identity;
  if (vg_uuid === "" || identity.vg_uuid === "" || vg_uuid === identity.vg_uuid) return null;
  return `VG ${vg_name} (${vg_uuid}) is not started: an earlier VG of this name (${identity.vg_uuid}) is, deactivate its LVs and run vgchange --lockstop ${vg_name}, or lvmlockctl --drop ${vg_name}, first`;
}

function askPrepare(state: State, lockspace: Lockspace, client: Client | null, request: Request): void {
  const args = { repair: request.opts.repair, adopt: adoptOf(lockspace, request), ...takeOverOf(request) };
  askLockspace(state, lockspace, "prepare", args, prepared, { client, request });
}

/**
 * A VG whose failed hosts are cut off by their reservation keys is started only by a host that can be cut off itself: one without
 * a registered key would write on when its locks are given away.
 */
function keyChecked(state: State, call: PendingCall, answer: ManagerAnswer): void {
  const { lockspace, client, request } = call;
  assert(lockspace !== null && request !== null, "the key is checked for a start");
  if (answer.kind === "refused") startFailed(state, lockspace, call, answer);
  else if (!lockspace.stop_wanted) askPrepare(state, lockspace, call.late ? null : client, request);
  else if (client !== null && !call.late) refuseStopped(state, client, request);
}

function refuseStopped(state: State, client: Client, request: Request): void {
  const detail = "the VG was stopped before it had started";
  reply(state, client, request, null, wireResult("ECANCELED"), { detail });
}

/** "0x" and 1 to 16 lower-case hex digits, the first of which is no zero: how a key crosses to a manager. */
const KEY_TEXT = /^0x[1-9a-f][0-9a-f]{0,15}$/;

function takeOverProblem(
  state: State,
  lock_type: LockType,
  remove_key: string,
): { readonly code: "EINVAL" | "EPROTONOSUPPORT"; readonly detail: string } | null {
  const manager = state.options.managers[lock_type];
  if (manager?.capabilities.take_over !== true) {
    const detail = `the lock manager ${manager?.name ?? lock_type} has no take-over`;
    return { code: "EPROTONOSUPPORT", detail };
  }
  if (KEY_TEXT.test(remove_key)) return null;
  return {
    code: "EINVAL",
    detail: "takeover_vg needs removekey, the key to remove as 0x and 1 to 16 hex digits",
  };
}

function newVgLockspace(state: State, lock_type: LockType, request: Request, client_id: number): Lockspace {
  const manager = state.options.managers[lock_type];
  assert(manager !== undefined, "requests for lock types without a manager were refused before");
  const { vg_name, vg_uuid, vg_lock_args } = request;
  const host_id = request.host_id !== 0 ? request.host_id : state.options.host_id;
  const left = state.unadopted.get(vg_name);
  const isSame = left !== undefined && left.vg_uuid === vg_uuid && left.lock_type === lock_type;
  const wanted = { vg_name, vg_uuid, vg_lock_args, lock_type, host_id, adoption: isSame ? left : null };
  const lockspace = makeLockspace(state, manager, {
    ...wanted,
    is_global: false,
    start_client_id: client_id,
  });
  if (left !== undefined && !isSame) forgetNamesake(state, lockspace, left);
  return lockspace;
}

/** Another VG has the name now: the journal, which goes by names, must not mix their locks. */
function forgetNamesake(state: State, lockspace: Lockspace, left: AdoptableLockspace): void {
  const { vg_name } = lockspace.identity;
  state.unadopted.delete(vg_name);
  recordStopped(state, lockspace);
  const text = `another VG ${vg_name} is started now: ${left.locks.length} LV locks of the former one are not adopted`;
  noteIncident(state, vg_name, "EADOPT_NONE", text);
}

/** A VG is being started: the global lock's own lockspace comes along, when its type has one. */
function startGlobalFor(state: State): void {
  if (state.gl_type === null || state.globals.has(state.gl_type)) return;
  if (state.options.managers[state.gl_type]?.capabilities.global_lock === "own")
    startGlobal(state, state.gl_type);
}

/** Whether what an earlier daemon left is taken over; the lockspace of a global lock may always be such a thing. */
function adoptOf({ is_global, adoption }: Lockspace, request: Request | null): Adopt {
  return is_global || adoption !== null ? "if-orphan" : (request?.opts.adopt ?? "no");
}

/** A take-over is a start for a person who wants to know how it went. */
function waitsForJoin(request: Request | null): boolean {
  return request !== null && (request.opts.wait || request.name === "takeover_vg");
}

function takeOverOf(request: Request | null): { readonly take_over?: TakeOver } {
  return request?.name === "takeover_vg" ? { take_over: { remove_key: request.remove_key } } : {};
}

export function startGlobal(state: State, lock_type: LockType): Lockspace {
  const manager = state.options.managers[lock_type];
  assert(manager !== undefined, "the global lock's type has a manager");
  const none = { vg_name: "", vg_uuid: "", vg_lock_args: "", host_id: state.options.host_id, adoption: null };
  const lockspace = makeLockspace(state, manager, {
    ...none,
    lock_type,
    is_global: true,
    start_client_id: 0,
  });
  askLockspace(state, lockspace, "prepare", { repair: false, adopt: "if-orphan" }, prepared, {});
  return lockspace;
}

/**
 * Starts the global lock's own lockspace that an earlier daemon had: what a command of its time left locked there is released with the
 * join, or other hosts would wait for the next command of this one. Where no VG needs it, it goes again.
 */
export function startAdoptedGlobal(state: State, source: AdoptableLockspace): void {
  const { vg_name, lock_type } = source;
  if (state.gl_type === null) state.gl_type = lock_type;
  // On record until it has been joined and left.
  state.unadopted.set(vg_name, source);
  if (!state.globals.has(lock_type)) startGlobal(state, lock_type);
  state.globals_unused = true;
}

/** Starts a VG that an earlier daemon had started. */
export function startAdopted(state: State, source: AdoptableLockspace): void {
  const manager = state.options.managers[source.lock_type];
  assert(manager !== undefined, "adoption skips lock types without a manager");
  const { vg_name, vg_uuid, vg_lock_args, lock_type } = source;
  // The C daemon's adopt file has no host id.
  const host_id = source.host_id !== 0 ? source.host_id : state.options.host_id;
  assert(!state.by_vg.has(vg_name), "adoption comes before the requests of clients");
  const wanted = { vg_name, vg_uuid, vg_lock_args, lock_type, host_id, adoption: source };
  const lockspace = makeLockspace(state, manager, { ...wanted, is_global: false, start_client_id: 0 });
  if (state.gl_type === null) state.gl_type = lock_type;
  startGlobalFor(state);
  askLockspace(state, lockspace, "prepare", { repair: false, adopt: "if-orphan" }, prepared, {});
}

function prepared(state: State, call: PendingCall, answer: ManagerAnswer): void {
  const { lockspace, client, request } = call;
  assert(lockspace !== null, "a prepare call has its lockspace");
  if (answer.kind === "refused") {
    startFailed(state, lockspace, call, answer);
    return;
  }
  lockspace.call_times = (answer.call_times ?? null) as CallTimes | null;
  lockspace.fencing_problem = resultString(answer, "fencing_problem");
  if (answer.global_lock === "enabled" && state.gl_vg === "" && !lockspace.is_global) {
    state.gl_vg = lockspace.identity.vg_name;
  }
  const wait = waitsForJoin(request);
  if (client !== null && request !== null && !wait && !call.late) {
    replyStarted(
      state,
      client,
      request,
      resultNumber(answer, "lm_result"),
      resultNumber(answer, "prev_generation"),
    );
  }
  if (lockspace.stop_wanted) {
    if (wait && client !== null && request !== null && !call.late) refuseStopped(state, client, request);
    return;
  }
  lockspace.state = "joining";
  recordStarted(state, lockspace);
  const adopt = adoptOf(lockspace, request);
  const nodelay = request?.opts.nodelay === true;
  const args = { adopt, nodelay, repair: request?.opts.repair === true, ...takeOverOf(request) };
  // Whoever was told that prepare was late gets no second reply from the join.
  const waits = wait && !call.late;
  askLockspace(state, lockspace, "join", args, joined, {
    client: waits ? client : null,
    request: waits ? request : null,
  });
}

function replyStarted(
  state: State,
  client: Client,
  request: Request,
  lm_result: number,
  prev_generation: number,
): void {
  if (prev_generation === 0 || !client.open) {
    reply(state, client, request, null, 0, lm_result === 0 ? undefined : { lm_result });
    return;
  }
  const op = OP_NUMBER[request.name];
  const lock_type = replyLockType(request, null);
  const flags = replyFlags(state, 0, {}, false);
  const body = {
    shape: "start",
    op,
    lock_type,
    result: 0,
    lm_result,
    prev_generation,
    flags,
    detail: "",
  } as const;
  state.effects.push({ kind: "reply", client_id: client.id, reply: body });
}

function joined(state: State, call: PendingCall, answer: ManagerAnswer): void {
  const { lockspace, client, request } = call;
  assert(lockspace !== null, "a join call has its lockspace");
  if (answer.kind === "refused") {
    startFailed(state, lockspace, call, answer);
    return;
  }
  lockspace.generation = resultNumber(answer, "generation");
  if (answer.global_lock === "enabled" && !lockspace.is_global) noteEnabled(state, lockspace);
  // A lockspace that is taken over from an earlier daemon has the generation, and so the key, that it had before.
  if (lockspace.fence_pr && lockspace.start_client_id !== 0 && !lockspace.stop_wanted) {
    const waiting = call.late ? { client: null, request: null } : { client, request };
    askReservations(state, lockspace, "correctKey", null, keyCorrected, waiting);
    return;
  }
  if (client !== null && request !== null && !call.late)
    reply(state, client, request, null, 0, { detail: resultString(answer, "detail") });
  begin(state, lockspace);
}

/** Joined, and where that matters with the right key: what an earlier daemon held is adopted, then requests are served. */
function begin(state: State, lockspace: Lockspace): void {
  if (lockspace.stop_wanted) {
    lockspace.state = "started";
    return;
  }
  if (lockspace.adoption !== null) {
    lockspace.state = "adopting";
    goOnAdopting(state, lockspace);
    return;
  }
  started(state, lockspace);
}

/**
 * Our key now says in which generation we are, so that a host that cuts us off meets this life of ours and no other. Without that
 * the VG is left again, unless LVs of an earlier daemon are active in it: then a person has to mend it.
 */
function keyCorrected(state: State, call: PendingCall, answer: ManagerAnswer): void {
  const { lockspace, client, request } = call;
  assert(lockspace !== null, "the key is corrected for a start");
  const told = client !== null && request !== null && !call.late ? { client, request } : null;
  if (answer.kind === "done") {
    if (told !== null) reply(state, told.client, told.request, null, 0);
    begin(state, lockspace);
    return;
  }
  const { vg_name, lockspace_name } = lockspace.identity;
  noteIncident(
    state,
    vg_name,
    answer.code,
    `the key of this host in ${lockspace_name} is wrong: ${answer.detail}`,
  );
  if (lockspace.adoption !== null) {
    if (told !== null) reply(state, told.client, told.request, null, 0, { detail: answer.detail });
    begin(state, lockspace);
    return;
  }
  const result = refusalResult(answer);
  if (told !== null) {
    told.client.starts.delete(lockspace);
    reply(state, told.client, told.request, null, result, { detail: answer.detail });
  }
  noteStartFailure(state, lockspace, result);
  lockspace.state = "started";
  beginStop(state, lockspace, { client: null, request: null, free_vg: false });
}

/** The lockspace takes requests from now on; those that waited for it are handed over. */
export function started(state: State, lockspace: Lockspace): void {
  lockspace.state = "started";
  lockspace.since_ms = state.now_ms;
  log(state, "info", `${lockspace.identity.lockspace_name} started`);
  const waiting = lockspace.start_queue;
  lockspace.start_queue = [];
  for (const { client, request } of waiting) if (client.open) routeGlobalLock(state, client, request);
  answerStartWaits(state);
}

function startFailed(state: State, lockspace: Lockspace, call: PendingCall, answer: ManagerAnswer): void {
  assert(answer.kind === "refused", "only a refusal fails a start");
  const result = refusalResult(answer);
  const { client, request } = call;
  const { lockspace_name, vg_name } = lockspace.identity;
  const detail = answer.detail !== "" ? answer.detail : `${lockspace_name} could not be started`;
  const told = client !== null && request !== null && !call.late;
  if (told) {
    client.starts.delete(lockspace);
    reply(state, client, request, null, result, { lm_result: answer.lm_result, detail: answer.detail });
  }
  noteStartFailure(state, lockspace, result);
  noteIncident(state, vg_name, answer.code, `start of ${lockspace_name} failed: ${detail}`);
  // What an earlier daemon held stays on record: the next start_vg of this VG adopts it.
  if (lockspace.adoption !== null) state.unadopted.set(vg_name, lockspace.adoption.source);
  else if (lockspace.state === "joining" && !state.unadopted.has(vg_name)) recordStopped(state, lockspace);
  removeLockspace(state, lockspace);
  // A stop that came while it was starting has what it wanted.
  stopEnded(state, lockspace, undefined, detail);
}

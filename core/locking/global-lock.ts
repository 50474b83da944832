/**
 * Where the global lock is. Its type is settled by the first request that names one, by --gl-type, or by the one lock manager
 * that runs. A manager keeps it in a lockspace of its own, started when it is first wanted, or in one of the VGs.
 */

import type { LockType } from "../../plugins/contract.ts";
import { assert } from "../assert.ts";
import { wireResult } from "../errors.ts";
import type { Request } from "../wire/message.ts";
import type { ManagerAnswer } from "./api.ts";
import { askLockspace, askResource, refusalResult, resultFlag } from "./calls.ts";
import { cancelQueue } from "./lock.ts";
import { allLockspaces, notReady } from "./lockspace.ts";
import { startGlobal } from "./lockspace-start.ts";
import { submit } from "./on-resource.ts";
import { probe } from "./probe.ts";
import { log, reply } from "./replies.ts";
import { findOrMakeResource } from "./resource.ts";
import { settle } from "./settle.ts";
import type { Client, Lockspace, PendingCall, Resource, State } from "./state.ts";

/** A request that names a lock type settles the global lock's, unless it is settled while lockspaces exist. */
export function noteLockType(state: State, request: Request): void {
  const type = request.vg_lock_type;
  if (type === "none" || type === "bad" || type === state.gl_type) return;
  if (state.options.gl_type !== null || state.options.managers[type] === undefined) return;
  if (state.gl_type !== null && (state.by_vg.size > 0 || state.globals.size > 0)) return;
  state.gl_type = type;
  log(state, "debug", `the global lock is of type ${type}`);
}

/** enable_gl, disable_gl and lock_gl. */
export function routeGlobalLock(state: State, client: Client, request: Request): void {
  const settled = settledType(state, request);
  if (settled === null) probe(state, "choose_gl", client, request, 0, 0);
  else routeChosen(state, client, request, settled);
}

/**
 * The type of the global lock; null while it has to be found out. One that lives in a VG is nowhere while no VG is started: what an
 * earlier request said of it is no reason to refuse the lock of another manager, which may be the only one that runs by now. A daemon
 * without a lockspace holds nothing and decides as one that has just started, so that no host can be led to another type by this than
 * by a restart.
 */
function settledType(state: State, request: Request): LockType | null {
  const { gl_type, options, by_vg, globals } = state;
  if (gl_type === null || options.gl_type !== null || request.vg_lock_type !== "none") return gl_type;
  const livesInVg = options.managers[gl_type]?.capabilities.global_lock === "in-vg";
  return livesInVg && by_vg.size === 0 && globals.size === 0 ? null : gl_type;
}

/** The managers have been asked which of them runs; one of them alone is taken. */
export function chooseGlobalLock(
  state: State,
  client: Client,
  request: Request,
  running: readonly LockType[],
): void {
  const only = running.length === 1 ? running[0] : undefined;
  // A type that was settled meanwhile, with a lockspace, comes first.
  const type = settledType(state, request) ?? only ?? state.gl_type;
  if (type === null) {
    const detail =
      running.length < 2
        ? ""
        : `${running.join(" and ")} run, or do not say that they don't, and no started VG says which has the global lock: stop the one that is not used, or set daemon/gl_type`;
    reply(state, client, request, null, wireResult("ENOLS"), { detail }, running.length === 0);
    return;
  }
  routeChosen(state, client, request, type);
}

function routeChosen(state: State, client: Client, request: Request, type: LockType): void {
  const manager = state.options.managers[type];
  assert(manager !== undefined, "the global lock's type has a manager");
  if (manager.capabilities.global_lock === "own") {
    routeOwn(state, client, request, type);
  } else if (request.name === "lock_gl") {
    routeInVg(state, client, request, true);
  } else {
    withLockspace(state, client, request, state.by_vg.get(request.vg_name));
  }
}

function routeOwn(state: State, client: Client, request: Request, type: LockType): void {
  const found = state.globals.get(type);
  const wantsLock = request.name === "lock_gl" && request.mode !== "un";
  if (!wantsLock || (found !== undefined && found.state === "started" && !found.stop_wanted)) {
    withLockspace(state, client, request, found);
    return;
  }
  if (state.quitting) {
    reply(state, client, request, found ?? null, wireResult("ESTALE"), {
      detail: "lvmlockd is shutting down",
    });
    return;
  }
  // From here on there is a lockspace to go by.
  state.gl_type = type;
  const lockspace = found ?? startGlobal(state, type);
  const queue = lockspace.stop_wanted ? lockspace.restart_queue : lockspace.start_queue;
  queue.push({ client, request, answered: false });
}

function routeInVg(state: State, client: Client, request: Request, search: boolean): void {
  if (search && state.gl_duplicate && request.mode !== "un") askDuplicates(state);
  const lockspace = state.gl_vg === "" ? undefined : state.by_vg.get(state.gl_vg);
  if (lockspace === undefined && search) searchFrom(state, client, request, -1);
  else withLockspace(state, client, request, lockspace);
}

/**
 * A duplicate that was disabled on another host is none any more, and nobody tells us. The answer is for the next request; this
 * one does not wait for it.
 */
function askDuplicates(state: State): void {
  for (const lockspace of state.by_vg.values()) {
    const isDuplicate = lockspace.global_lock_enabled && lockspace.identity.vg_name !== state.gl_vg;
    if (!isDuplicate || lockspace.gl_asked || notReady(lockspace) !== 0) continue;
    lockspace.gl_asked = true;
    askLockspace(state, lockspace, "hasGlobalLock", {}, duplicateAsked, {});
  }
}

function duplicateAsked(state: State, call: PendingCall, answer: ManagerAnswer): void {
  const { lockspace } = call;
  assert(lockspace !== null, "a VG was asked about its global lock");
  lockspace.gl_asked = false;
  if (answer.kind === "refused" || resultFlag(answer, "enabled")) return;
  lockspace.global_lock_enabled = false;
  countDuplicates(state);
}

/** Asks the VGs in turn, from the one after `after_key`, whether their copy of the global lock is enabled. */
function searchFrom(state: State, client: Client, request: Request, after_key: number): void {
  for (const lockspace of state.by_vg.values()) {
    if (lockspace.key <= after_key || notReady(lockspace) !== 0) continue;
    if (lockspace.manager.capabilities.global_lock !== "in-vg") continue;
    askLockspace(state, lockspace, "hasGlobalLock", {}, searched, { client, request });
    return;
  }
  routeInVg(state, client, request, false);
}

function searched(state: State, call: PendingCall, answer: ManagerAnswer): void {
  const { lockspace, client, request } = call;
  assert(
    lockspace !== null && client !== null && request !== null,
    "a search call has its lockspace and request",
  );
  const enabled = resultFlag(answer, "enabled") && !lockspace.stop_wanted;
  lockspace.global_lock_enabled = enabled;
  if (enabled) state.gl_vg = lockspace.identity.vg_name;
  if (call.late) return;
  if (enabled) routeInVg(state, client, request, false);
  else searchFrom(state, client, request, lockspace.key);
}

function withLockspace(
  state: State,
  client: Client,
  request: Request,
  lockspace: Lockspace | undefined,
): void {
  if (lockspace === undefined) {
    reply(state, client, request, null, wireResult("ENOLS"));
    return;
  }
  const type = request.vg_lock_type;
  const result =
    type !== "none" && type !== lockspace.identity.lock_type ? wireResult("EINVAL") : notReady(lockspace);
  const killed = lockspace.killed && !(request.name === "lock_gl" && request.mode === "un");
  if (result !== 0 || killed) {
    reply(state, client, request, lockspace, result !== 0 ? result : wireResult("EVGKILLED"));
    return;
  }
  if (lockspace.gl === null && request.name === "lock_gl" && request.mode === "un") {
    reply(state, client, request, lockspace, wireResult("ENOENT"));
    return;
  }
  submit(state, client, request, findOrMakeResource(lockspace, "gl", ""));
}

/** enable_gl and disable_gl on the VG's global lock resource, which is idle. */
export function requestGlobalLockChange(
  state: State,
  client: Client,
  request: Request,
  resource: Resource,
): void {
  const { lockspace } = resource;
  const enable = request.name === "enable_gl";
  const refuse = (detail: string): void =>
    reply(state, client, request, lockspace, wireResult("EINVAL"), { detail });
  if (lockspace.manager.capabilities.global_lock !== "in-vg") {
    refuse(`the global lock of ${lockspace.identity.lock_type} is not kept in a VG`);
  } else if (resource.mode !== "un") {
    refuse("the global lock is held right now");
  } else if (enable && state.gl_vg !== "") {
    refuse(`disable the global lock in VG ${state.gl_vg} first: lvmlockctl --gl-disable ${state.gl_vg}`);
  } else {
    const args = { enabled: enable, ex_disable: request.opts.ex_disable };
    askResource(state, resource, "setGlobalLock", args, changed, { client, request, number: enable ? 1 : 0 });
  }
}

function changed(state: State, call: PendingCall, answer: ManagerAnswer): void {
  const { resource, client, request } = call;
  assert(
    resource !== null && client !== null && request !== null,
    "a change call has its resource and request",
  );
  const { lockspace } = resource;
  if (answer.kind === "refused") {
    const parts = { lm_result: answer.lm_result, detail: answer.detail };
    if (!call.late) reply(state, client, request, lockspace, refusalResult(answer), parts);
    settle(state, resource);
    return;
  }
  const enabled = call.number === 1;
  lockspace.global_lock_enabled = enabled;
  if (enabled) {
    state.gl_vg = lockspace.identity.vg_name;
    state.gl_vg_removed = false;
  } else if (state.gl_vg === lockspace.identity.vg_name) {
    state.gl_vg = "";
  }
  countDuplicates(state);
  if (!call.late) reply(state, client, request, lockspace, 0);
  if (!enabled)
    cancelQueue(state, resource, wireResult("ECANCELED"), "the global lock of this VG was disabled");
  settle(state, resource);
}

/** Duplicates end when fewer than two of the started VGs have an enabled global lock. */
export function countDuplicates(state: State): void {
  let enabled = 0;
  for (const lockspace of allLockspaces(state)) if (lockspace.global_lock_enabled) enabled++;
  if (enabled < 2) state.gl_duplicate = false;
}

/** A VG was joined and its copy of the global lock is enabled. A second one is a duplicate that a person has to resolve. */
export function noteEnabled(state: State, lockspace: Lockspace): void {
  const { vg_name } = lockspace.identity;
  lockspace.global_lock_enabled = true;
  // A VG that has the global lock mends the removal of the one that had it before, like enabling it in another VG.
  state.gl_vg_removed = false;
  if (state.gl_vg === "") state.gl_vg = vg_name;
  if (state.gl_vg === vg_name) return;
  state.gl_duplicate = true;
  log(
    state,
    "error",
    `the global lock is enabled in VG ${state.gl_vg} and in VG ${vg_name}: disable one, lvmlockctl --gl-disable ${vg_name}`,
  );
}

/** Where a request goes: by what it names, to the daemon as a whole, a manager, a lockspace or a resource. */

import type { LockType, ResourceKind } from "../../plugins/contract.ts";
import { wireResult } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Request } from "../wire/message.ts";
import { noteLockType, routeGlobalLock } from "./global-lock.ts";
import { notReady } from "./lockspace.ts";
import { startVg } from "./lockspace-start.ts";
import { stopVg } from "./lockspace-stop.ts";
import { handleOnManager } from "./manager-requests.ts";
import { submit } from "./on-resource.ts";
import { probe } from "./probe.ts";
import { reply, replyArgs } from "./replies.ts";
import { findOrMakeResource, findResource } from "./resource.ts";
import { quit, stopAll } from "./shutdown.ts";
import { startWait } from "./start-waits.ts";
import type { Client, Lockspace, State } from "./state.ts";
import { refuseOutsideTestMode, replyShort } from "./test-mode.ts";
import { handleOnVg, replyQuery, replyStatus } from "./vg-requests.ts";

const ENOLS = wireResult("ENOLS");

export function route(state: State, client: Client, request: Request): void {
  if (client.cmd === "") client.cmd = request.cmd;
  client.granted = null;
  const type = request.vg_lock_type;
  if (type !== "none" && type !== "bad") {
    noteLockType(state, request);
    if (state.options.managers[type as LockType] === undefined) {
      refuse(
        state,
        client,
        request,
        null,
        wireResult("EPROTONOSUPPORT"),
        `no lock manager serves lock type ${type}`,
      );
      return;
    }
  }
  switch (request.name) {
    case "lock_vg":
    case "vg_update":
    case "lock_lv":
      routeLock(state, client, request, request.name === "lock_lv" ? "lv" : "vg");
      return;
    case "lock_gl":
      routeGlobalLock(state, client, request);
      return;
    case "start_wait":
      startWait(state, client, request);
      return;
    case "stop_all":
      stopAll(state, client, request);
      return;
    case "quit":
      quit(state, client);
      return;
    case "running_lm":
      probe(state, "running_lm", client, request, 0, 0);
      return;
    case "refresh_lv":
      if (request.lv_uuid === "" && request.path === "") {
        refuse(state, client, request, null, wireResult("EINVAL"), "refresh_lv needs lv_uuid or path");
        return;
      }
      handleOnManager(state, client, request);
      return;
    default:
      if (missingKey(request) !== "")
        refuse(state, client, request, null, wireResult("EINVAL"), missingKey(request));
      else routeVgRequest(state, client, request);
  }
}

/** What a request would need and lacks; "" when it is complete. */
function missingKey(request: Request): string {
  if (request.vg_name === "") return `${request.name} needs vg_name`;
  const needsLv =
    request.name === "lock_lv" || request.name === "set_remote_lv_lock" || request.name === "init_lv";
  return needsLv && request.lv_uuid === "" ? `${request.name} needs lv_uuid` : "";
}

function routeVgRequest(state: State, client: Client, request: Request): void {
  switch (request.name) {
    case "start_vg":
    case "takeover_vg":
      startVg(state, client, request);
      return;
    case "stop_vg":
      if (state.by_vg.has(request.vg_name)) stopVg(state, client, request);
      else noLockspace(state, client, request);
      return;
    case "enable_gl":
    case "disable_gl":
      routeGlobalLock(state, client, request);
      return;
    case "init_vg":
    case "init_lv":
    case "rename_vg_final":
    case "setlockargs_vg_final":
      handleOnManager(state, client, request);
      return;
    case "set_remote_lv_lock":
      if (!refuseOutsideTestMode(state, client, request)) routeLock(state, client, request, "lv");
      return;
    default:
      routeToLockspace(state, client, request);
  }
}

/** The way of lock_vg, lock_lv and vg_update. */
function routeLock(state: State, client: Client, request: Request, kind: ResourceKind): void {
  const lockspace = state.by_vg.get(request.vg_name);
  if (lockspace === undefined) {
    if (missingKey(request) !== "")
      refuse(state, client, request, null, wireResult("EINVAL"), missingKey(request));
    else noLockspace(state, client, request);
    return;
  }
  const result = whyNot(lockspace, request);
  if (result !== 0) {
    refuse(state, client, request, lockspace, result, "");
    return;
  }
  if (kind === "lv" && request.lv_uuid === "") {
    refuse(state, client, request, lockspace, wireResult("EINVAL"), missingKey(request));
    return;
  }
  const found = findResource(lockspace, kind, request.lv_uuid);
  if (found === null && request.mode === "un" && request.name === "lock_lv") {
    reply(state, client, request, lockspace, wireResult("ENOENT"));
    return;
  }
  if (found === null && lockspace.lvs.size >= LIMITS.resources_per_lockspace) {
    refuse(state, client, request, lockspace, wireResult("ENOMEM"), "too many LVs of this VG are locked");
    return;
  }
  submit(state, client, request, found ?? findOrMakeResource(lockspace, kind, request.lv_uuid));
}

/** 0 when the lockspace takes the request. A killed VG takes only what helps to get rid of it. */
function whyNot(lockspace: Lockspace, request: Request): number {
  const type = request.vg_lock_type;
  if (type !== "none" && type !== lockspace.identity.lock_type) return wireResult("EINVAL");
  const result = notReady(lockspace);
  if (result !== 0 || !lockspace.killed) return result;
  switch (request.name) {
    case "lock_vg":
    case "lock_lv":
      return request.mode === "un" ? 0 : wireResult("EVGKILLED");
    case "vg_update":
    case "rename_vg_before":
    case "query_lock_vg":
    case "query_lock_lv":
    case "find_free_lock":
      return wireResult("EVGKILLED");
    default:
      return 0;
  }
}

function routeToLockspace(state: State, client: Client, request: Request): void {
  const lockspace = state.by_vg.get(request.vg_name);
  if (lockspace === undefined) {
    if (request.name === "vg_status") replyStatus(state, client, request, null, wireResult("ENOENT"));
    else if (request.name.startsWith("query_lock"))
      replyQuery(state, client, request, null, ENOLS, request.mode);
    else noLockspace(state, client, request);
    return;
  }
  const result = whyNot(lockspace, request);
  if (result === 0) handleOnVg(state, client, request, lockspace);
  else refuse(state, client, request, lockspace, result, "");
}

/** The VG is not started; while the type of the global lock is open, the reply says whether any manager runs. */
function noLockspace(state: State, client: Client, request: Request): void {
  if (request.name === "set_remote_lv_lock") replyShort(state, client, request, ENOLS);
  else if (state.gl_type === null) probe(state, "flags", client, request, ENOLS, 0);
  else reply(state, client, request, null, ENOLS);
}

/** Refuses in the shape that the request's reply has. */
function refuse(
  state: State,
  client: Client,
  request: Request,
  lockspace: Lockspace | null,
  result: number,
  detail: string,
): void {
  if (request.name === "set_remote_lv_lock") replyShort(state, client, request, result);
  else if (request.name.startsWith("query_lock"))
    replyQuery(state, client, request, lockspace, result, request.mode);
  else if (request.name === "vg_status") replyStatus(state, client, request, lockspace, result);
  else if (
    request.name === "init_vg" ||
    request.name === "init_lv" ||
    request.name === "setlockargs_vg_final"
  ) {
    replyArgs(state, client, request, result, request, { detail });
  } else reply(state, client, request, lockspace, result, detail === "" ? undefined : { detail });
}

/** The requests that concern one resource: handed on at once while it is idle, kept for later while the manager is busy with it. */
import { unreachable } from "../assert.ts";
import { wireResult } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Request } from "../wire/message.ts";
import { requestGlobalLockChange } from "./global-lock.ts";
import { requestLock } from "./lock.ts";
import { log, reply } from "./replies.ts";
import { findTransient } from "./resource.ts";
import { settle } from "./settle.ts";
import type { Client, Resource, State } from "./state.ts";
import { setRemoteLock } from "./test-mode.ts";
import { requestUnlock } from "./unlock.ts";

/** Gives a request to its resource; the reply may come now or later. */
export function submit(state: State, client: Client, request: Request, resource: Resource): void {
  // A request may have waited for a start or a search while its client went.
  if (!client.open) return;
  if (resource.call === null) {
    handleOnResource(state, client, request, resource);
    settle(state, resource);
    return;
  }
  const { lockspace } = resource;
  if (resource.deferred.length >= LIMITS.resource_queue) {
    reply(state, client, request, lockspace, wireResult("ENOMEM"), {
      detail: "too many requests wait for this lock",
    });
    return;
  }
  const late = resource.call.late;
  if (late)
    reply(state, client, request, lockspace, wireResult("ETIMEDOUT"), { detail: lateDetail(resource) });
  if (!late || request.mode === "un") resource.deferred.push({ client, request, answered: late });
}

/** Why nothing can be done with the resource right now, for a person. */
export function lateDetail(resource: Resource): string {
  return `the lock manager has not answered an earlier call for ${resource.name} of ${resource.lockspace.identity.lockspace_name}`;
}

/** Handles a request whose resource is idle. */
export function handleOnResource(state: State, client: Client, request: Request, resource: Resource): void {
  switch (request.name) {
    case "lock_gl":
    case "lock_vg":
    case "lock_lv":
      handleLock(state, client, request, resource);
      return;
    case "vg_update":
      handleUpdate(state, client, request, resource);
      return;
    case "enable_gl":
    case "disable_gl":
      requestGlobalLockChange(state, client, request, resource);
      return;
    case "set_remote_lv_lock":
      setRemoteLock(state, client, request, resource);
      return;
    default:
      reply(state, client, request, resource.lockspace, wireResult("EINVAL"));
  }
}

function handleLock(state: State, client: Client, request: Request, resource: Resource): void {
  switch (request.mode) {
    case "un":
      requestUnlock(state, client, request, resource);
      return;
    case "sh":
    case "ex":
      requestLock(state, client, request, resource);
      return;
    case "iv":
    case "nl":
      reply(state, client, request, resource.lockspace, wireResult("EINVAL"));
      return;
    default:
      unreachable(request.mode);
  }
}

/** vg_update: the metadata version that the value block shall carry once the client gives up its exclusive VG lock. */
function handleUpdate(state: State, client: Client, request: Request, resource: Resource): void {
  const lock = findTransient(client, resource);
  if (lock === null) {
    reply(state, client, request, resource.lockspace, wireResult("ENOENT"));
    return;
  }
  if (resource.mode !== "ex") {
    reply(state, client, request, resource.lockspace, wireResult("EINVAL"));
    return;
  }
  // A version that is not larger is no error: vg_write without vg_commit is followed by the same seqno again.
  lock.version = request.opts.next_version ? resource.version + 1 : request.version;
  if (state.debug) {
    const { lockspace_name } = resource.lockspace.identity;
    log(state, "debug", `${lockspace_name}: version of the VG goes to ${lock.version}`);
  }
  reply(state, client, request, resource.lockspace, 0);
}

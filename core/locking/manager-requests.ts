/** Requests that a lock manager answers without a started lockspace: making leases, renaming, changing args, remote refresh. */

import type { LockType } from "../../plugins/contract.ts";
import { assert } from "../assert.ts";
import { wireResult } from "../errors.ts";
import type { Request } from "../wire/message.ts";
import type { ManagerAnswer } from "./api.ts";
import { askManager, refusalResult, resultNumber, resultString } from "./calls.ts";
import { lockspaceName } from "./lockspace.ts";
import { reply, replyArgs } from "./replies.ts";
import type { Client, PendingCall, State } from "./state.ts";

export function handleOnManager(state: State, client: Client, request: Request): void {
  const started = state.by_vg.get(request.vg_name);
  if (request.name === "init_vg" && started !== undefined) {
    refuse(state, client, request, "EEXIST", "a VG of this name is started on this host");
    return;
  }
  const lock_type = managerType(state, request, started?.identity.lock_type ?? null);
  const manager = lock_type === null ? undefined : state.options.managers[lock_type];
  if (lock_type === null || manager === undefined) {
    refuse(state, client, request, request.name === "refresh_lv" ? "EPROTONOSUPPORT" : "EINVAL");
    return;
  }
  const lockspace_name = lockspaceName(request.vg_name, manager.capabilities.lockspace_name_max);
  const { vg_name, vg_lock_args, set_lock_args } = request;
  const parts = { client, request };
  switch (request.name) {
    case "init_vg":
      askManager(
        state,
        lock_type,
        "initVg",
        {
          vg_name,
          lockspace_name,
          vg_lock_args,
          set_lock_args,
          align_mb: request.align_mb,
          enable_global_lock: holdsGlobalLock(state, request, lock_type),
        },
        vgMade,
        parts,
      );
      return;
    case "init_lv": {
      const { lv_uuid, lv_name, prev_lv_args } = request;
      const vg_args = started?.identity.vg_lock_args ?? vg_lock_args;
      const args = { vg_name, lockspace_name, lv_uuid, lv_name, vg_lock_args: vg_args, prev_lv_args };
      askManager(state, lock_type, "initLv", { ...args, started: started !== undefined }, argsMade, parts);
      return;
    }
    case "rename_vg_final":
      askManager(state, lock_type, "renameVg", { vg_name, lockspace_name, vg_lock_args }, plainly, parts);
      return;
    case "setlockargs_vg_final":
      if (started !== undefined) {
        refuse(state, client, request, "EAGAIN", "the VG has not stopped yet");
        return;
      }
      askManager(
        state,
        lock_type,
        "setLockArgs",
        { vg_name, lockspace_name, vg_lock_args, set_lock_args },
        argsMade,
        parts,
      );
      return;
    case "refresh_lv":
      askManager(
        state,
        lock_type,
        "refreshLv",
        { lv_uuid: request.lv_uuid, path: request.path },
        plainly,
        parts,
      );
      return;
    default:
      refuse(state, client, request, "EINVAL");
  }
}

/** Which manager a request is for: the type it names, which must be that of a started VG. refresh_lv names none. */
function managerType(state: State, request: Request, started: LockType | null): LockType | null {
  const type = request.vg_lock_type;
  if (request.name === "refresh_lv") {
    const types = Object.keys(state.options.managers) as LockType[];
    return types.find((t) => state.options.managers[t]?.capabilities.remote_refresh === true) ?? null;
  }
  if (type === "none" || type === "bad") return null;
  if (request.name === "init_lv" && started !== null && started !== type) return null;
  return type;
}

type RefusalName = "EINVAL" | "EEXIST" | "EAGAIN" | "EPROTONOSUPPORT";

function refuse(state: State, client: Client, request: Request, code: RefusalName, detail = ""): void {
  answer(state, client, request, wireResult(code), request, 0, detail);
}

function answer(
  state: State,
  client: Client,
  request: Request,
  result: number,
  args: { readonly vg_lock_args: string; readonly lv_lock_args: string },
  lm_result: number,
  detail: string,
): void {
  const { name } = request;
  if (name === "init_vg" || name === "init_lv" || name === "setlockargs_vg_final") {
    replyArgs(state, client, request, result, args, { lm_result, detail });
  } else {
    reply(state, client, request, null, result, { lm_result, detail });
  }
}

/**
 * Whether a new VG is to hold the global lock. lvm leaves that to us as a rule ("none"): the first VG of the host does, as
 * with the C daemon, and any further one would be a duplicate.
 */
function holdsGlobalLock(state: State, { opts }: Request, lock_type: LockType): boolean {
  if (opts.enable || opts.disable) return opts.enable;
  return (
    state.gl_type === lock_type && state.gl_vg === "" && state.by_vg.size === 0 && state.globals.size === 0
  );
}

/** The args that a call made, and those of the request where it made none. */
function argsMade(state: State, call: PendingCall, made: ManagerAnswer): void {
  const { client, request } = call;
  assert(client !== null && request !== null, "an init call has its request");
  if (call.late) return;
  const lm_result = resultNumber(made, "lm_result");
  if (made.kind === "refused") {
    answer(state, client, request, refusalResult(made), request, lm_result, made.detail);
    return;
  }
  const vg_lock_args = resultString(made, "vg_lock_args") || request.vg_lock_args;
  const lv_lock_args = resultString(made, "lv_lock_args") || request.lv_lock_args;
  answer(state, client, request, 0, { vg_lock_args, lv_lock_args }, lm_result, "");
}

function vgMade(state: State, call: PendingCall, made: ManagerAnswer): void {
  if (made.kind === "done" && made.global_lock === "enabled" && state.gl_vg === "" && call.request !== null) {
    state.gl_vg = call.request.vg_name;
  }
  argsMade(state, call, made);
}

function plainly(state: State, call: PendingCall, made: ManagerAnswer): void {
  const { client, request } = call;
  assert(client !== null && request !== null, "a manager call has its request");
  if (call.late) return;
  const result = made.kind === "refused" ? refusalResult(made) : 0;
  const detail = made.kind === "refused" ? made.detail : "";
  answer(state, client, request, result, request, resultNumber(made, "lm_result"), detail);
}

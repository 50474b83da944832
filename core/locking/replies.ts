/** Replies: which lock type, flags and generation a client is told. */

import type { Owner } from "../../plugins/contract.ts";
import { wireResult } from "../errors.ts";
import { NO_FLAGS, OP_NUMBER, type ReplyFlags, type Request, type WireLockType } from "../wire/message.ts";
import type { LogLevel } from "./api.ts";
import type { Client, Lockspace, State } from "./state.ts";

/** The parts of a reply that only some have. */
export interface ReplyParts {
  readonly lm_result?: number;
  readonly sh_exists?: boolean;
  readonly hosts_unknown?: boolean;
  readonly warn_gl_removed?: boolean;
  readonly dup_gl_ls?: boolean;
  readonly owner?: Owner | null;
  readonly detail?: string;
}

const NO_PARTS: ReplyParts = Object.freeze({});
const ENOLS = wireResult("ENOLS");

export function log(state: State, level: LogLevel, text: string): void {
  if (level === "debug" && !state.debug) return;
  state.effects.push({ kind: "log", level, text });
}

/** The lock type of a reply: what the request named, or else that of the lockspace it met. */
export function replyLockType(request: Request, lockspace: Lockspace | null): WireLockType {
  if (request.vg_lock_type !== "none" || lockspace === null) return request.vg_lock_type;
  return lockspace.identity.lock_type;
}

export function replyFlags(state: State, result: number, parts: ReplyParts, no_lm: boolean): ReplyFlags {
  const removed = parts.warn_gl_removed === true || state.gl_vg_removed;
  if (result !== ENOLS && !removed && parts === NO_PARTS) return NO_FLAGS;
  const missing = result === ENOLS;
  return {
    no_lockspaces: missing && state.by_vg.size === 0 && state.globals.size === 0,
    no_gl_ls: missing && !glLockspaceNamed(state),
    no_lm: missing && no_lm,
    dup_gl_ls: parts.dup_gl_ls === true,
    warn_gl_removed: removed,
    sh_exists: parts.sh_exists === true,
    hosts_unknown: parts.hosts_unknown === true,
  };
}

/** Whether a lockspace is known to hold the global lock; one of its own always is, by its constant name. */
function glLockspaceNamed(state: State): boolean {
  if (state.gl_type === null) return false;
  const manager = state.options.managers[state.gl_type];
  if (manager === undefined) return false;
  return manager.capabilities.global_lock === "own" || state.gl_vg !== "";
}

/** Sends the normal reply of a request. Replies to clients that have gone are dropped here and nowhere else. */
export function reply(
  state: State,
  client: Client,
  request: Request,
  lockspace: Lockspace | null,
  result: number,
  parts: ReplyParts = NO_PARTS,
  no_lm = false,
): void {
  if (!client.open) return;
  state.effects.push({
    kind: "reply",
    client_id: client.id,
    reply: {
      shape: "normal",
      op: OP_NUMBER[request.name],
      lock_type: replyLockType(request, lockspace),
      result,
      lm_result: parts.lm_result ?? 0,
      flags: replyFlags(state, result, parts, no_lm),
      ls_generation: lockspace === null ? 0 : lockspace.generation,
      owner: parts.owner ?? null,
      detail: parts.detail ?? "",
    },
  });
}

/** The reply of init_vg, init_lv and setlockargs_vg_final. Args that were not made are echoed, as the C daemon does. */
export function replyArgs(
  state: State,
  client: Client,
  request: Request,
  result: number,
  args: { readonly vg_lock_args: string; readonly lv_lock_args: string },
  parts: ReplyParts = NO_PARTS,
): void {
  if (!client.open) return;
  state.effects.push({
    kind: "reply",
    client_id: client.id,
    reply: {
      shape: "args",
      op: OP_NUMBER[request.name],
      result,
      lm_result: parts.lm_result ?? 0,
      vg_lock_args: args.vg_lock_args === "" ? "none" : args.vg_lock_args,
      lv_lock_args: args.lv_lock_args === "" ? "none" : args.lv_lock_args,
      flags: replyFlags(state, result, parts, false),
      detail: parts.detail ?? "",
    },
  });
}

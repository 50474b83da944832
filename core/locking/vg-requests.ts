/** Requests to one started VG that are no lock requests: removal, rename, lock args, questions, kill and drop. */
import { assert } from "../assert.ts";
import { wireResult } from "../errors.ts";
import { OP_NUMBER, type Reply, type Request } from "../wire/message.ts";
import type { ManagerAnswer } from "./api.ts";
import { askLockspace, refusalResult, resultFlag, resultNumber } from "./calls.ts";
import { noteIncident } from "./incidents.ts";
import { cancelDeferred, cancelQueue } from "./lock.ts";
import { forgetLockRefused } from "./lock-refusals.ts";
import { allResources, lvLocksKept } from "./lockspace.ts";
import { beginStop } from "./lockspace-stop.ts";
import { log, reply, replyFlags, replyLockType } from "./replies.ts";
import { findResource } from "./resource.ts";
import type { Client, Lockspace, PendingCall, State } from "./state.ts";

/** A request whose lockspace was found, is started and, where that matters, not killed. */
export function handleOnVg(state: State, client: Client, request: Request, lockspace: Lockspace): void {
  switch (request.name) {
    case "kill_vg":
      killVg(state, lockspace, "lvmlockctl --kill");
      reply(state, client, request, lockspace, 0);
      return;
    case "drop_vg":
      beginStop(state, lockspace, { client, request, free_vg: false });
      return;
    case "busy_vg":
      askHosts(state, client, request, lockspace, false);
      return;
    case "free_vg":
    case "rename_vg_before":
      askHosts(state, client, request, lockspace, true);
      return;
    case "setlockargs_vg_before":
      setLockArgsBefore(state, client, request, lockspace);
      return;
    case "query_lock_vg":
    case "query_lock_lv":
      queryLock(state, client, request, lockspace);
      return;
    case "find_free_lock": {
      const args = { lv_size_bytes: request.lv_size_bytes };
      askLockspace(state, lockspace, "findFreeLock", args, plainlyAnswered, { client, request });
      return;
    }
    case "free_lv": {
      // The lease of a lock that somebody holds is not given away, whatever the metadata says by now.
      if ((findResource(lockspace, "lv", request.lv_uuid)?.mode ?? "un") !== "un") {
        reply(state, client, request, lockspace, wireResult("EBUSY"), { detail: "the LV's lock is held" });
        return;
      }
      const resource = { kind: "lv", name: request.lv_uuid, lv_lock_args: request.lv_lock_args };
      askLockspace(state, lockspace, "freeLv", { resource }, lvFreed, { client, request });
      return;
    }
    case "vg_status":
      askLockspace(state, lockspace, "status", {}, statusAnswered, { client, request });
      return;
    default:
      reply(state, client, request, lockspace, wireResult("EINVAL"));
  }
}

/** The VG's lease storage is gone: whoever waits is told, and nothing but unlock, stop and drop works any more. */
export function killVg(state: State, lockspace: Lockspace, reason: string): void {
  if (!lockspace.killed) {
    const { vg_name } = lockspace.identity;
    const todo = `deactivate its LVs at once, then lvmlockctl --drop ${vg_name}`;
    noteIncident(state, vg_name, "EVGKILLED", `VG ${vg_name} was killed (${reason}): ${todo}`);
  }
  lockspace.killed = true;
  lockspace.killed_reason = reason;
  for (const resource of allResources(lockspace)) {
    cancelQueue(state, resource, wireResult("EVGKILLED"), reason);
    cancelDeferred(state, resource, wireResult("EVGKILLED"), reason);
  }
}

function plainlyAnswered(state: State, call: PendingCall, answer: ManagerAnswer): void {
  const { client, request, lockspace } = call;
  assert(client !== null && request !== null, "a plain call has its request");
  if (call.late) return;
  const result = answer.kind === "refused" ? refusalResult(answer) : 0;
  const detail = answer.kind === "refused" ? answer.detail : "";
  reply(state, client, request, lockspace, result, { lm_result: resultNumber(answer, "lm_result"), detail });
}

function lvFreed(state: State, call: PendingCall, answer: ManagerAnswer): void {
  const { lockspace, request } = call;
  assert(lockspace !== null && request !== null, "a lease is freed in its lockspace");
  if (answer.kind === "done") forgetLockRefused(lockspace, request.lv_uuid);
  plainlyAnswered(state, call, answer);
}

function askHosts(
  state: State,
  client: Client,
  request: Request,
  lockspace: Lockspace,
  notify: boolean,
): void {
  askLockspace(state, lockspace, "hosts", { notify }, hostsAnswered, { client, request });
}

/** busy_vg ends with the answer; the others go on to stop the lockspace once no other host has it. */
function hostsAnswered(state: State, call: PendingCall, answer: ManagerAnswer): void {
  const { client, request, lockspace } = call;
  assert(
    client !== null && request !== null && lockspace !== null,
    "a hosts call has its request and lockspace",
  );
  if (call.late) return;
  const hosts_unknown = resultFlag(answer, "unknown");
  const others = resultNumber(answer, "others");
  if (answer.kind === "refused" || others > 0) {
    const result = answer.kind === "refused" ? refusalResult(answer) : wireResult("EBUSY");
    const detail = answer.kind === "refused" ? answer.detail : hostsDetail(others, hosts_unknown);
    reply(state, client, request, lockspace, result, { hosts_unknown, detail });
  } else if (request.name === "busy_vg") {
    reply(state, client, request, lockspace, 0, hosts_unknown ? { hosts_unknown } : undefined);
  } else if (lockspace.stop_wanted) {
    reply(state, client, request, lockspace, wireResult("ESTALE"));
  } else if (request.name === "setlockargs_vg_before" && lvLocksKept(lockspace) > 0) {
    // An LV was locked while the manager was asked about the hosts.
    reply(state, client, request, lockspace, wireResult("ENOTEMPTY"));
  } else {
    beginStop(state, lockspace, { client, request, free_vg: request.name === "free_vg" });
  }
}

function hostsDetail(others: number, unknown: boolean): string {
  if (unknown) return "the state of the other hosts is not known yet: try again in some seconds";
  return `${others} other host${others === 1 ? " has" : "s have"} the VG started`;
}

function setLockArgsBefore(state: State, client: Client, request: Request, lockspace: Lockspace): void {
  const args = { set_lock_args: request.set_lock_args };
  askLockspace(state, lockspace, "allowLockArgs", args, lockArgsAllowed, { client, request });
}

function lockArgsAllowed(state: State, call: PendingCall, answer: ManagerAnswer): void {
  const { client, request, lockspace } = call;
  assert(
    client !== null && request !== null && lockspace !== null,
    "an args call has its request and lockspace",
  );
  if (call.late) return;
  if (answer.kind === "refused") plainlyAnswered(state, call, answer);
  else if (lvLocksKept(lockspace) > 0) reply(state, client, request, lockspace, wireResult("ENOTEMPTY"));
  else askHosts(state, client, request, lockspace, true);
}

function queryLock(state: State, client: Client, request: Request, lockspace: Lockspace): void {
  const kind = request.name === "query_lock_vg" ? "vg" : "lv";
  const mode = findResource(lockspace, kind, request.lv_uuid)?.mode ?? "un";
  replyQuery(state, client, request, lockspace, 0, mode);
}

/** The reply of query_lock_*; a refused one echoes the mode of the request, as the C daemon does. */
export function replyQuery(
  state: State,
  client: Client,
  request: Request,
  lockspace: Lockspace | null,
  result: number,
  mode: Request["mode"],
): void {
  const lock_type = replyLockType(request, lockspace);
  const body: Reply = { shape: "query", op: OP_NUMBER[request.name], result, lock_type, mode };
  if (client.open) state.effects.push({ kind: "reply", client_id: client.id, reply: body });
}

const NO_OWNER = Object.freeze({ host_id: 0, generation: 0, timestamp_s: 0, state: "", name: "" });

function statusAnswered(state: State, call: PendingCall, answer: ManagerAnswer): void {
  const { client, request, lockspace } = call;
  assert(client !== null && request !== null, "a status call has its request");
  if (call.late) return;
  const result = answer.kind === "refused" ? refusalResult(answer) : 0;
  const owner = answer.kind === "done" ? (answer.owner as typeof NO_OWNER) : NO_OWNER;
  replyStatus(state, client, request, lockspace, result, resultNumber(answer, "lm_result"), owner);
}

export function replyStatus(
  state: State,
  client: Client,
  request: Request,
  lockspace: Lockspace | null,
  result: number,
  lm_result = 0,
  owner = NO_OWNER,
): void {
  const lock_type = replyLockType(request, lockspace);
  const flags = replyFlags(state, result, {}, false);
  const body: Reply = {
    shape: "status",
    op: OP_NUMBER[request.name],
    lock_type,
    result,
    lm_result,
    owner,
    flags,
  };
  if (client.open) state.effects.push({ kind: "reply", client_id: client.id, reply: body });
}

/** News of the manager: the lockspace is lost, without anybody having asked. */
export function lockspaceLost(state: State, lockspace: Lockspace, reason: string): void {
  log(state, "error", `${lockspace.identity.lockspace_name} lost: ${reason}`);
  killVg(state, lockspace, reason);
}

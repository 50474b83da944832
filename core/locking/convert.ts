/** Changing the mode of a lock that is held. A conversion never waits: it is done or refused, as with the C daemon. */

import type { HeldMode } from "../../plugins/contract.ts";
import { assert } from "../assert.ts";
import { wireResult } from "../errors.ts";
import type { Request } from "../wire/message.ts";
import type { ManagerAnswer } from "./api.ts";
import { askResource, refusalResult, resultNumber } from "./calls.ts";
import { noteIncident } from "./incidents.ts";
import { recordHeld, recordTruth } from "./journaling.ts";
import { forgetLockRefused, noteLockRefused } from "./lock-refusals.ts";
import { log, reply } from "./replies.ts";
import { resourceRef } from "./resource.ts";
import { settle } from "./settle.ts";
import type { Client, Lock, PendingCall, State } from "./state.ts";
import { noteVersionWritten, versionToWrite } from "./value-block.ts";

export function requestConvert(state: State, client: Client, request: Request, lock: Lock): void {
  const { resource } = lock;
  const mode: HeldMode = request.mode === "sh" ? "sh" : "ex";
  assert(mode !== lock.mode, "a conversion changes the mode");
  resource.last_client_id = client.id;
  if (mode === "ex" && resource.locks.length > 1) {
    const detail = `${resource.locks.length - 1} other shared locks of this host are in the way`;
    reply(state, client, request, resource.lockspace, wireResult("EAGAIN"), { detail });
    return;
  }
  askConvert(state, lock, mode, client, request);
}

function askConvert(state: State, lock: Lock, mode: HeldMode, client: Client, request: Request | null): void {
  const { resource } = lock;
  const r_version = versionToWrite(resource, lock);
  if (mode === "ex") recordHeld(state, resource, "ex", lock.client === null);
  const args = { resource: resourceRef(resource), from: lock.mode, mode, r_version };
  askResource(state, resource, "convert", args, convertAnswered, { client, request, lock, mode });
}

function convertAnswered(state: State, call: PendingCall, answer: ManagerAnswer): void {
  const { resource, lock, client, request, mode } = call;
  assert(
    resource !== null && lock !== null && client !== null,
    "a convert call has a resource, a lock and a client",
  );
  const done = answer.kind === "done";
  if (done) {
    noteVersionWritten(resource, lock);
    forgetLockRefused(resource.lockspace, resource.name);
    lock.mode = mode;
    resource.mode = mode;
    lock.since_ms = state.now_ms;
    if (lock.client === null) resource.rescan = true;
  } else {
    noteLockRefused(state, resource, mode, answer);
  }
  if (call.late && done && mode === "ex" && lock.client?.open !== false) {
    // The client was told that it failed: it must not hold more than before.
    log(
      state,
      "warning",
      `${resource.lockspace.identity.lockspace_name}:${resource.name} late conversion taken back`,
    );
    askConvert(state, lock, "sh", client, null);
    return;
  }
  recordTruth(state, resource);
  if (request === null && !done) {
    const { lockspace_name, vg_name } = resource.lockspace.identity;
    const text = `${lockspace_name}:${resource.name} is held ex, though its client was told that it is not: ${answer.code}`;
    noteIncident(state, vg_name, "ETIMEDOUT", text);
  }
  if (request !== null && !call.late) {
    if (done)
      reply(state, client, request, resource.lockspace, 0, { lm_result: resultNumber(answer, "lm_result") });
    else {
      const owner = answer.code === "EAGAIN" ? answer.owner : null;
      const parts = { lm_result: answer.lm_result, owner, detail: answer.detail };
      reply(state, client, request, resource.lockspace, refusalResult(answer), parts);
    }
  }
  settle(state, resource);
}

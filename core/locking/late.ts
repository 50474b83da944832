/**
 * Manager calls that outlived their deadline. Their requests are answered with ETIMEDOUT; the calls go on, because a native call
 * cannot be taken back, and a grant that one of them still brings is released by whoever gets the answer.
 */

import { DEADLINES } from "../deadlines.ts";
import { wireResult } from "../errors.ts";
import { adoptionEnded } from "./adopt.ts";
import { fenceLate } from "./fencing.ts";
import { noteIncident } from "./incidents.ts";
import { abandon, cancelQueue } from "./lock.ts";
import { lateDetail } from "./on-resource.ts";
import { probeLate } from "./probe.ts";
import { reply } from "./replies.ts";
import { answerStartWaits, noteStartFailure } from "./start-waits.ts";
import type { Lockspace, PendingCall, Resource, State } from "./state.ts";

const ETIMEDOUT = wireResult("ETIMEDOUT");

/** Looks through the calls under way; done at most once in `late_call_check_ms`, so its cost does not matter. */
export function findLateCalls(state: State): void {
  if (state.now_ms < state.next_late_check_ms) return;
  state.next_late_check_ms = state.now_ms + DEADLINES.late_call_check_ms;
  for (const call of state.calls.list()) {
    if (!call.late && state.now_ms >= call.deadline_ms) becomeLate(state, call);
  }
}

function becomeLate(state: State, call: PendingCall): void {
  call.late = true;
  if (call.fence !== null) {
    fenceLate(state, call);
    return;
  }
  const { resource, lockspace, client, request, waiter } = call;
  const name = lockspace?.identity.lockspace_name ?? call.lock_type;
  const detail =
    resource === null ? `the lock manager has not answered a call for ${name}` : lateDetail(resource);
  noteIncident(state, lockspace?.identity.vg_name ?? "", "ETIMEDOUT", detail);
  if (call.probe !== null) {
    probeLate(state, call);
  } else if (waiter !== null && !waiter.abandoned) {
    abandon(waiter);
    reply(state, waiter.client, waiter.request, lockspace, ETIMEDOUT, { detail });
  } else if (client !== null && request !== null && waiter === null) {
    reply(state, client, request, lockspace, ETIMEDOUT, { detail });
  }
  if (resource !== null) answerThoseBehind(state, resource, detail);
  if (lockspace === null) return;
  for (const stop of lockspace.stop_replies)
    reply(state, stop.client, stop.request, lockspace, ETIMEDOUT, { detail });
  lockspace.stop_replies = [];
  if (resource === null) answerThoseOutside(state, lockspace, detail);
  if (lockspace.adoption !== null && !lockspace.adoption.counted) {
    state.adopt_counts.failed++;
    adoptionEnded(state, lockspace.adoption);
  }
  if (lockspace.state === "started" || lockspace.state === "stopping") return;
  noteStartFailure(state, lockspace, ETIMEDOUT);
  answerStartWaits(state);
}

/** A start or a stop hangs: so do the requests that wait for it to be over, and a stop_all that waits for everything. */
function answerThoseOutside(state: State, lockspace: Lockspace, detail: string): void {
  const waiting = [...lockspace.start_queue, ...lockspace.restart_queue];
  lockspace.start_queue = [];
  lockspace.restart_queue = [];
  if (lockspace.stop_wanted)
    waiting.push(...state.stop_alls.splice(0).map((all) => ({ ...all, answered: false })));
  for (const { client, request } of waiting) reply(state, client, request, null, ETIMEDOUT, { detail });
}

/** Whoever waits behind a call that does not come back waits for the manager too. Unlocks are still carried out later. */
function answerThoseBehind(state: State, resource: Resource, detail: string): void {
  cancelQueue(state, resource, ETIMEDOUT, detail);
  for (const deferred of resource.deferred) {
    if (deferred.answered) continue;
    deferred.answered = true;
    reply(state, deferred.client, deferred.request, resource.lockspace, ETIMEDOUT, { detail });
  }
}

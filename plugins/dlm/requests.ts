import { DEADLINES } from "../../core/deadlines.ts";
import type { Refused } from "../contract.ts";
import { errnoText } from "../native/errno.ts";
import type { LockspaceHandlePointer, Ticket } from "./client.ts";
import { type Condition, conditionOf, passes, refuseCondition } from "./condition.ts";
import { ERRNO } from "./flags.ts";
import type { Late, LockspaceState } from "./lockspace-state.ts";

/** Sending requests to the kernel and waiting for their results, without ever waiting where nothing bounds the wait. */

/** The result of a request: its ticket, or the errno that sending it gave, or why it was not sent or not waited for. */
export type Outcome =
  | { readonly kind: "result"; readonly ticket: Ticket }
  | { readonly kind: "failed"; readonly errno: number }
  | Refused;

/** A request: how it is sent, and what becomes of its result when nobody waits for it any more. */
export interface Wanted {
  readonly name: string;
  readonly ticket: Ticket;
  readonly send: (handle: LockspaceHandlePointer) => number;
  readonly late: (ticket: Ticket) => Late | null;
  /** How long the request may wait in the dlm's queue for other nodes; 0 when it has LKF.NOQUEUE or needs no one's consent. */
  readonly queue_ms: number;
}

/** Waits until the lockspace takes requests; null when it does. A state that does not pass by itself is refused at once. */
export async function waitUntilRunning(state: LockspaceState): Promise<Refused | null> {
  const { tools, identity } = state;
  const { clock } = tools;
  let condition = await conditionOf(tools, identity.lockspace_name);
  if (condition.kind === "running") return null;
  const until_ms = clock.now_ms() + DEADLINES.dlm_recovery_ms;
  while (passes(condition) && clock.now_ms() < until_ms) {
    await clock.sleep(DEADLINES.dlm_recovery_look_ms);
    condition = await conditionOf(tools, identity.lockspace_name);
    if (condition.kind === "running") return null;
  }
  return refuseCondition(condition, identity.lockspace_name);
}

/** Sends a request and waits for its result. What was given up is finished later by `collectLate`. */
export async function carryOut(
  state: LockspaceState,
  handle: LockspaceHandlePointer,
  wanted: Wanted,
): Promise<Outcome> {
  const stopped = await waitUntilRunning(state);
  if (stopped !== null) return stopped;
  collectLate(state, handle);
  if (state.late.has(wanted.name)) return refuseBusy(state);
  const errno = wanted.send(handle);
  if (errno !== 0) return { kind: "failed", errno };
  const condition = await waitForResult(state, handle, wanted);
  if (condition === null) return { kind: "result", ticket: wanted.ticket };
  state.late.set(wanted.name, {
    ticket: wanted.ticket,
    send: cancelling(state, handle, wanted),
    finish: wanted.late,
  });
  return refuseCondition(condition, state.identity.lockspace_name);
}

/** A request that waits in the queue is taken out of it as soon as the lockspace goes on. */
function cancelling(
  { tools: { client } }: LockspaceState,
  handle: LockspaceHandlePointer,
  { queue_ms, ticket }: Wanted,
): Late["send"] {
  if (queue_ms === 0) return null;
  return () => {
    // When it can't be cancelled it has been granted, and that result is on its way.
    client.cancel(handle, ticket);
    return 0;
  };
}

/** Null when the result is there, else the state of the lockspace for which the wait was given up. */
async function waitForResult(
  state: LockspaceState,
  handle: LockspaceHandlePointer,
  wanted: Wanted,
): Promise<Condition | null> {
  const { client } = state.tools;
  if (wanted.queue_ms > 0) {
    const stopped = await waitWithin(state, handle, wanted.ticket, wanted.queue_ms);
    if (stopped?.kind !== "recovering") return stopped;
    // Its time in the queue is over. It may also be behind a recovery, and then the cancellation would block.
    const condition = await conditionOf(state.tools, state.identity.lockspace_name);
    if (condition.kind !== "running") return condition;
    client.cancel(handle, wanted.ticket);
  }
  return waitWithin(state, handle, wanted.ticket, DEADLINES.dlm_lock_ms);
}

/** The same within a time, after which it says that it is recovering. */
async function waitWithin(
  state: LockspaceState,
  handle: LockspaceHandlePointer,
  ticket: Ticket,
  within_ms: number,
): Promise<Condition | null> {
  const { client, clock } = state.tools;
  const until_ms = clock.now_ms() + within_ms;
  for (;;) {
    const left_ms = Math.max(until_ms - clock.now_ms(), 0);
    if (client.wait(handle, ticket, Math.min(DEADLINES.dlm_result_look_ms, left_ms))) return null;
    // A result that is long in coming is on its way to or from a node that has failed, or behind a recovery.
    const condition = await conditionOf(state.tools, state.identity.lockspace_name);
    if (!passes(condition)) return condition;
    if (clock.now_ms() >= until_ms) return { kind: "recovering" };
  }
}

function refuseBusy(state: LockspaceState): Refused {
  return refuseCondition({ kind: "recovering" }, state.identity.lockspace_name);
}

/** Takes the results that have come for requests that were given up, and does what is to be done with them. */
export function collectLate(state: LockspaceState, handle: LockspaceHandlePointer): void {
  if (state.late.size === 0) return;
  const { client } = state.tools;
  client.collect(handle);
  for (const [name, late] of [...state.late]) {
    if (late.send !== null) {
      const errno = late.send();
      if (errno === 0) state.late.set(name, { ...late, send: null });
      else forget(state, name, errno);
    } else if (client.wait(handle, late.ticket, 0)) {
      const next = late.finish(late.ticket);
      if (next === null) state.late.delete(name);
      else state.late.set(name, next);
    }
  }
}

/** The kernel takes no release of it, so it knows no such lock, or no lockspace any more. */
function forget(state: LockspaceState, name: string, errno: number): void {
  state.late.delete(name);
  const { lockspace_name } = state.identity;
  const text = `${lockspace_name}:${name} can't be released any more: ${errnoText(errno)}`;
  // Without a lock there is nothing to release, as with an orphan that has gone meanwhile.
  const level = errno === ERRNO.ENOENT ? "debug" : "warning";
  state.tools.context.news({ kind: "log", level, text });
}

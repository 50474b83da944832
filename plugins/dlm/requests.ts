import { DEADLINES } from "../../core/deadlines.ts";
import type { Refused } from "../contract.ts";
import { errnoText } from "../native/errno.ts";
import type { LockspaceHandlePointer, Ticket } from "./client.ts";
import { type Condition, conditionOf, passes, refuseCondition } from "./condition.ts";
import { ERRNO, STATUS } from "./flags.ts";
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
  const wait = await waitForResult(state, handle, wanted);
  if (wait === null) return { kind: "result", ticket: wanted.ticket };
  const is_queued = wanted.queue_ms > 0 && wait.kind === "given up";
  state.late.set(wanted.name, {
    ticket: wanted.ticket,
    send: is_queued ? () => cancel(state, handle, wanted.ticket) : null,
    finish: wanted.late,
  });
  return refuseCondition(wait.condition, state.identity.lockspace_name);
}

/**
 * Takes a request out of the queue where it waits; its result follows. One that has had its result is left alone: the library
 * would mark it as under way again, and the kernel, which has nothing to cancel any more, would send no second one.
 */
function cancel(
  { tools: { client } }: LockspaceState,
  handle: LockspaceHandlePointer,
  ticket: Ticket,
): number {
  if (ticket.status() !== STATUS.IN_PROGRESS) return 0;
  // Any other errno says that it is being granted or cancelled, and that result is on its way.
  if (client.cancel(handle, ticket) !== ERRNO.ENOENT) return 0;
  // The kernel has no such request any more: its end is among the results that wait, or none will come.
  client.collect(handle);
  return ticket.status() === STATUS.IN_PROGRESS ? ERRNO.ENOENT : 0;
}

/** A wait that was given up, and the state of the lockspace for which it was. "cancelled": a result follows without doing anything. */
type GivenUp = { readonly kind: "given up" | "cancelled"; readonly condition: Condition };

/** Null when the result is there. */
async function waitForResult(
  state: LockspaceState,
  handle: LockspaceHandlePointer,
  { ticket, queue_ms }: Wanted,
): Promise<GivenUp | null> {
  if (queue_ms > 0) {
    const stopped = await waitWithin(state, handle, ticket, queue_ms);
    if (stopped === null) return null;
    if (stopped.kind !== "recovering") return { kind: "given up", condition: stopped };
    // Its time in the queue is over. It may also be behind a recovery, and then the cancellation would block.
    const condition = await conditionOf(state.tools, state.identity.lockspace_name);
    if (condition.kind !== "running") return { kind: "given up", condition };
    if (cancel(state, handle, ticket) !== 0) return { kind: "given up", condition };
  }
  const condition = await waitWithin(state, handle, ticket, DEADLINES.dlm_lock_ms);
  return condition === null ? null : { kind: "cancelled", condition };
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

/** In a lockspace that runs: takes the results that have come for requests that were given up, and does what is to be done with them. */
export function collectLate(state: LockspaceState, handle: LockspaceHandlePointer): void {
  state.first?.();
  state.first = null;
  if (state.late.size === 0) return;
  const { client } = state.tools;
  client.collect(handle);
  for (const [name, late] of [...state.late]) {
    const errno = late.send?.() ?? 0;
    if (errno !== 0) notSent(state, name, late, errno);
    else if (client.wait(handle, late.ticket, 0)) settle(state, name, late.finish(late.ticket));
    else state.late.set(name, { ...late, send: null });
  }
}

function settle({ late }: LockspaceState, name: string, next: Late | null): void {
  if (next === null) late.delete(name);
  else late.set(name, next);
}

/**
 * What says that the kernel has no such lock, or no lockspace any more. EAGAIN comes from taking an orphan over: none is left in a mode
 * that lvmlockd takes locks in.
 */
const NO_LOCK: readonly number[] = [ERRNO.ENOENT, ERRNO.ENODEV, ERRNO.EINVAL, ERRNO.EAGAIN];

/** Any other errno, as EBUSY while something else is done with the lock, leaves it locked: the request is sent again at the next look. */
function notSent(state: LockspaceState, name: string, late: Late, errno: number): void {
  if (NO_LOCK.includes(errno)) {
    forget(state, name, errno);
    return;
  }
  state.late.set(name, { ...late, errno });
  if (late.errno === errno) return;
  const text = `${state.identity.lockspace_name}:${name} can't be released yet: ${errnoText(errno)}`;
  state.tools.context.news({ kind: "log", level: "warning", text });
}

function forget(state: LockspaceState, name: string, errno: number): void {
  state.late.delete(name);
  const { lockspace_name } = state.identity;
  const text = `${lockspace_name}:${name} can't be released any more: ${errnoText(errno)}`;
  // Without a lock there is nothing to release, as with an orphan that has gone meanwhile.
  const level = errno === ERRNO.ENOENT ? "debug" : "warning";
  state.tools.context.news({ kind: "log", level, text });
}

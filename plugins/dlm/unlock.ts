import {
  type Answer,
  type ConvertCall,
  type HeldMode,
  type Refused,
  type ResourceRef,
  refuse,
  type UnlockCall,
} from "../contract.ts";
import type { LockspaceHandlePointer, Ticket } from "./client.ts";
import { ERRNO, LKF, LKM, STATUS } from "./flags.ts";
import type { HeldLock, Late, LockspaceState } from "./lockspace-state.ts";
import { dlmMode, KEPT, refuseHeld } from "./modes.ts";
import { heldLock, lateOrphanRelease } from "./orphans.ts";
import { refuseErrno } from "./refusals.ts";
import { lateRelease } from "./release.ts";
import { carryOut, waitUntilRunning } from "./requests.ts";
import { encodeValueBlock, nextBlock, UNWRITTEN } from "./value-block.ts";

type Answered = Answer<{ lm_result: number }>;

const DONE: Answered = Object.freeze({ kind: "done", lm_result: 0 });

/** Changes the mode of a lock that is held. */
export async function convert(
  state: LockspaceState,
  handle: LockspaceHandlePointer,
  { resource, from, mode, r_version }: ConvertCall,
): Promise<Answered> {
  const { name } = resource;
  const held = await heldLock(state, handle, resource, from);
  if (held === null) return refuse("ENOENT", `the dlm does not hold ${name} for lvmlockd`);
  if ("kind" in held) return held;
  const { client } = state.tools;
  const ticket = client.ticket();
  const writes = from === "ex" && r_version !== 0 && resource.kind !== "lv";
  const block = writes ? nextBlock(held.block, r_version, false) : null;
  if (block !== null) encodeValueBlock(block, ticket.block);
  const flags = LKF.CONVERT | LKF.NOQUEUE | KEPT | (block === null ? 0 : LKF.VALBLK);
  const request = { lkid: held.lkid, mode: dlmMode(mode), flags, name };
  const outcome = await carryOut(state, handle, {
    name,
    ticket,
    send: (ls) => client.lock(ls, ticket, request),
    late: (late) => convertedLate(state, handle, resource, held, mode, late),
    queue_ms: 0,
  });
  if (outcome.kind === "refused") {
    // From exclusive to shared nothing can be in the way: once that is sent it is done, and others may have the lock any moment.
    const isSent = state.late.get(name)?.ticket === ticket;
    return isSent && mode === "sh" ? DONE : outcome;
  }
  const status = outcome.kind === "failed" ? outcome.errno : ticket.status();
  if (status === STATUS.GRANTED) {
    state.held.set(name, { ...held, mode, block: block ?? held.block });
    return DONE;
  }
  return status === ERRNO.EAGAIN
    ? refuseHeld(resource)
    : refuseErrno(status, `the dlm can't convert ${name}`);
}

/**
 * A conversion that was given up has come through all the same. To exclusive it was refused: it goes back to what it was, which
 * nothing can be in the way of. To shared it was told as done.
 */
function convertedLate(
  { held, tools: { client } }: LockspaceState,
  handle: LockspaceHandlePointer,
  { name }: ResourceRef,
  before: HeldLock,
  mode: HeldMode,
  converted: Ticket,
): Late | null {
  if (converted.status() !== STATUS.GRANTED) return null;
  if (mode === "sh") {
    held.set(name, { ...before, mode });
    return null;
  }
  const ticket = client.ticket();
  const request = { lkid: before.lkid, mode: LKM.PR, flags: LKF.CONVERT | KEPT, name };
  return { ticket, send: () => client.lock(handle, ticket, request), finish: () => null };
}

/** Gives a lock back. Where the lockspace is stopped, that happens when it goes on: the lock is not wanted any more either way. */
export async function unlock(
  state: LockspaceState,
  handle: LockspaceHandlePointer,
  { resource, from, r_version, free_vg }: UnlockCall,
): Promise<Answered> {
  const { name, kind } = resource;
  const held = await heldLock(state, handle, resource, from);
  if (held === null) return DONE;
  const removed = free_vg && kind === "vg";
  const stored = "kind" in held ? UNWRITTEN : held.block;
  const block = kind !== "lv" && from === "ex" ? nextBlock(stored, r_version, removed) : null;
  if ("kind" in held) {
    // What is on its way already is a release of the same orphan.
    if (!state.late.has(name))
      releaseLater(state, name, lateOrphanRelease(state, handle, resource, from, block), held);
    return DONE;
  }
  const release = lateRelease(state, handle, resource, () => held.lkid, block);
  const underWay = state.late.get(name);
  if (underWay !== undefined) {
    // A conversion that was given up has to come to its end first.
    const finish = (ticket: Ticket): Late => {
      underWay.finish(ticket);
      // A conversion that has come through has just put it there again.
      state.held.delete(name);
      return release;
    };
    state.held.delete(name);
    state.late.set(name, { ...underWay, finish });
    return DONE;
  }
  const stopped = await waitUntilRunning(state);
  if (stopped !== null) {
    state.held.delete(name);
    releaseLater(state, name, release, stopped);
    return DONE;
  }
  const outcome = await carryOut(state, handle, {
    name,
    ticket: release.ticket,
    send: () => release.send?.() ?? 0,
    late: release.finish,
    queue_ms: 0,
  });
  if (outcome.kind === "refused") {
    if (!state.late.has(name)) return outcome;
    // It is on its way, and nothing else is done with the lock before it has arrived.
    state.held.delete(name);
    return DONE;
  }
  if (outcome.kind === "failed") return released(state, name, outcome.errno);
  release.finish(release.ticket);
  return released(state, name, outcome.ticket.status());
}

/** The lock is released when the lockspace goes on; with a lockspace that is gone it is gone as well. */
function releaseLater(state: LockspaceState, name: string, release: Late, stopped: Refused): void {
  if (stopped.code !== "ENOTCONN") state.late.set(name, release);
  const text = `${state.identity.lockspace_name}:${name} is released as soon as that is possible: ${stopped.detail}`;
  state.tools.context.news({ kind: "log", level: "warning", text });
}

function released(state: LockspaceState, name: string, status: number): Answered {
  if (status === STATUS.GRANTED || status === STATUS.UNLOCKED) return DONE;
  // The kernel knows no such lock, so nothing is held.
  if (status === ERRNO.ENOENT) {
    state.held.delete(name);
    return DONE;
  }
  return refuseErrno(status, `the dlm can't release ${name}`);
}

import {
  type Answer,
  type HeldMode,
  type LockCall,
  type LockResults,
  type ResourceRef,
  refuse,
} from "../contract.ts";
import type { LockRequest, LockspaceHandlePointer, Ticket } from "./client.ts";
import { ERRNO, LKF, STATUS } from "./flags.ts";
import type { HeldLock, Late, LockspaceState } from "./lockspace-state.ts";
import { dlmMode, KEPT, refuseHeld } from "./modes.ts";
import { adoptOrphan, isOwnOrphan } from "./orphans.ts";
import { refuseErrno } from "./refusals.ts";
import { lateRelease } from "./release.ts";
import { carryOut, type Outcome } from "./requests.ts";
import { unlock } from "./unlock.ts";

import { decodeValueBlock } from "./value-block.ts";

type Locked = Answer<LockResults>;

/**
 * Takes a lock. A GL or VG lock may wait in the dlm's queue for a while, where it is had as soon as another node releases it and in turn;
 * an LV's is refused at once.
 */
export async function lock(
  state: LockspaceState,
  handle: LockspaceHandlePointer,
  call: LockCall,
): Promise<Locked> {
  const { resource, mode, adopt } = call;
  if (adopt !== "no") {
    const adopted = await adoptOrphan(state, handle, call);
    if (adopted !== null) return adopted;
  }
  if (state.has_block_bug && mode === "ex" && resource.kind !== "lv") {
    // Kernels with version 6.0.1 of the interface give an old value block with a conversion from null to exclusive.
    const shared = await take(state, handle, call, "sh");
    if (shared.kind === "refused") return shared;
    const exclusive = await take(state, handle, call, mode);
    // A refusal changes nothing: what was taken on the way goes back.
    if (exclusive.kind === "refused")
      await unlock(state, handle, { resource, from: "sh", r_version: 0, free_vg: false });
    return exclusive;
  }
  return take(state, handle, call, mode);
}

async function take(
  state: LockspaceState,
  handle: LockspaceHandlePointer,
  call: LockCall,
  mode: HeldMode,
): Promise<Locked> {
  const { resource } = call;
  const { client } = state.tools;
  const queue_ms = resource.kind === "lv" || state.has_block_bug ? 0 : call.patience_ms;
  const ticket = client.ticket();
  const outcome = await carryOut(state, handle, {
    name: resource.name,
    ticket,
    send: (ls) => client.lock(ls, ticket, lockRequest(state, resource, mode, queue_ms)),
    late: (late) => grantedLate(state, handle, resource, late),
    queue_ms,
  });
  return answer(state, handle, call, mode, outcome);
}

/** Made when it is sent, because a release that comes to its end just before that leaves a null lock, or none. */
function lockRequest(
  { held }: LockspaceState,
  { kind, name }: ResourceRef,
  mode: HeldMode,
  queue_ms: number,
): LockRequest {
  const lock = held.get(name);
  const lkid = lock?.lkid ?? 0;
  // A new lock queues in any case. A conversion from null to shared would be granted past one to exclusive that waits, and readers that
  // relieve each other would keep a writer out. From other modes the kernel does not take the flag.
  const queues = lock?.mode === "nl" ? LKF.QUECVT : 0;
  const flags =
    (queue_ms === 0 ? LKF.NOQUEUE : queues) |
    (lkid === 0 ? 0 : LKF.CONVERT) |
    (kind === "lv" ? 0 : LKF.VALBLK) |
    KEPT;
  return { lkid, mode: dlmMode(mode), flags, name };
}

async function answer(
  state: LockspaceState,
  handle: LockspaceHandlePointer,
  { resource }: LockCall,
  mode: HeldMode,
  outcome: Outcome,
): Promise<Locked> {
  if (outcome.kind === "refused") return outcome;
  const status = outcome.kind === "failed" ? outcome.errno : outcome.ticket.status();
  if (outcome.kind === "result" && status === STATUS.GRANTED) {
    const held = granted(state, resource, mode, outcome.ticket);
    state.held.set(resource.name, held);
    return { kind: "done", lm_result: 0, value_block: held.block, adopted: false };
  }
  if (status === STATUS.CANCELLED) return refuseHeld(resource);
  if (status !== ERRNO.EAGAIN) return refuseErrno(status, `the dlm can't lock ${resource.name}`);
  if (await isOwnOrphan(state, handle, resource.name))
    return refuse("EORPHAN", "an earlier lvmlockd of this host left the lock behind as an orphan", {
      lm_result: -status,
    });
  return refuseHeld(resource);
}

function granted(
  { identity, tools }: LockspaceState,
  { kind, name }: ResourceRef,
  mode: HeldMode,
  ticket: Ticket,
): HeldLock {
  const lkid = ticket.lkid();
  if (kind === "lv") return { lkid, mode, block: null };
  if (!ticket.blockIsLost()) return { lkid, mode, block: decodeValueBlock(ticket.block) };
  const text = `${identity.lockspace_name}:${name}: the value block was lost with a node that failed, until somebody has the lock exclusively`;
  tools.context.news({ kind: "log", level: "debug", text });
  return { lkid, mode, block: null };
}

/** The result of a lock that was given up: nobody wants it any more, so it goes back. */
function grantedLate(
  state: LockspaceState,
  handle: LockspaceHandlePointer,
  resource: ResourceRef,
  ticket: Ticket,
): Late | null {
  if (ticket.status() !== STATUS.GRANTED) return null;
  return lateRelease(state, handle, resource, () => ticket.lkid(), null);
}

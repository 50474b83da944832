import {
  type Answer,
  type HeldMode,
  type LockCall,
  type LockResults,
  type Refused,
  type ResourceRef,
  refuse,
  type ValueBlock,
} from "../contract.ts";
import type { DlmClient, LockspaceHandlePointer, Ticket } from "./client.ts";
import { ERRNO, LKF, LKM } from "./flags.ts";
import type { HeldLock, Late, LockspaceState } from "./lockspace-state.ts";
import { dlmMode } from "./modes.ts";
import { refuseErrno } from "./refusals.ts";
import { lateRelease } from "./release.ts";
import { waitUntilRunning } from "./requests.ts";
import { UNWRITTEN } from "./value-block.ts";

/** Locks of an earlier lvmlockd of this host, which the dlm keeps as orphans. */

/** Takes an orphan over. Null when there is none and a new lock will do as well. */
export async function adoptOrphan(
  state: LockspaceState,
  handle: LockspaceHandlePointer,
  { resource, mode, adopt }: LockCall,
): Promise<Answer<LockResults> | null> {
  const { name } = resource;
  const none: Refused | null =
    adopt === "only-orphan" ? refuse("EADOPT_NONE", "no orphan of this lock is left") : null;
  if (!state.inherited) return none;
  const stopped = await waitUntilRunning(state);
  if (stopped !== null) return stopped;
  const errno = takeOver(state, handle, name, mode);
  if (errno === ERRNO.ENOENT) return none;
  if (errno === ERRNO.EAGAIN)
    return refuse("EADOPT_RETRY", `the orphan has the other mode, not ${mode}`, { lm_result: -errno });
  if (errno !== 0) return refuseErrno(errno, `the orphan ${name} can't be adopted`);
  return { kind: "done", lm_result: 0, value_block: null, adopted: true };
}

/** 0, and the lock is held in this mode; or the errno of the try. The block that is stored with it stays as it is. */
function takeOver(
  state: LockspaceState,
  handle: LockspaceHandlePointer,
  name: string,
  mode: HeldMode,
): number {
  const { client } = state.tools;
  const ticket = client.ticket();
  const errno = adopt(client, handle, ticket, name, mode);
  if (errno === 0) state.held.set(name, { lkid: ticket.lkid(), mode, block: UNWRITTEN });
  return errno;
}

function adopt(
  client: DlmClient,
  handle: LockspaceHandlePointer,
  ticket: Ticket,
  name: string,
  mode: HeldMode,
): number {
  return client.adopt(handle, ticket, { name, mode: dlmMode(mode), flags: LKF.PERSISTENT | LKF.ORPHAN });
}

/**
 * The lock that lvmlockd holds in this mode; null when there is none, a refusal when that can't be seen now. After the death of a
 * worker its locks are orphans, and each is taken over when something is to be done with it.
 */
export async function heldLock(
  state: LockspaceState,
  handle: LockspaceHandlePointer,
  { name }: ResourceRef,
  from: HeldMode,
): Promise<HeldLock | Refused | null> {
  const held = state.held.get(name);
  if (held !== undefined && held.mode !== "nl") return held;
  if (!state.inherited) return null;
  const stopped = await waitUntilRunning(state);
  if (stopped !== null) return stopped;
  for (const mode of modesOf(from)) if (takeOver(state, handle, name, mode) !== ERRNO.EAGAIN) break;
  const found = state.held.get(name);
  return found === undefined || found.mode === "nl" ? null : found;
}

/** The modes that the orphan may have: a worker that died during a conversion did not tell whether that was done. */
function modesOf(from: HeldMode): readonly HeldMode[] {
  return [from, from === "ex" ? "sh" : "ex"];
}

/** Takes an orphan over in whichever of its modes it has. */
function adoptEither(
  client: DlmClient,
  handle: LockspaceHandlePointer,
  ticket: Ticket,
  name: string,
  from: HeldMode,
): number {
  let errno = 0;
  for (const mode of modesOf(from)) {
    errno = adopt(client, handle, ticket, name, mode);
    if (errno !== ERRNO.EAGAIN) break;
  }
  return errno;
}

/** A release of the orphan that lvmlockd holds, if there is one: it is taken over and released as soon as the lockspace goes on. */
export function lateOrphanRelease(
  state: LockspaceState,
  handle: LockspaceHandlePointer,
  resource: ResourceRef,
  from: HeldMode,
  block: ValueBlock | null,
): Late {
  const { client } = state.tools;
  const found = client.ticket();
  const release = lateRelease(state, handle, resource, () => found.lkid(), block);
  // Where only the release is to be sent again, the lock is no orphan any more.
  let errno: number = ERRNO.EAGAIN;
  return {
    ...release,
    send() {
      if (errno !== 0) errno = adoptEither(client, handle, found, resource.name, from);
      return errno === 0 ? (release.send?.() ?? 0) : errno;
    },
  };
}

/** Is it an orphan of this host that is in the way? It is asked for in a mode that none has, so that it is only looked for. */
export async function isOwnOrphan(
  state: LockspaceState,
  handle: LockspaceHandlePointer,
  name: string,
): Promise<boolean> {
  if (!state.inherited || (await waitUntilRunning(state)) !== null) return false;
  const { client } = state.tools;
  const flags = LKF.PERSISTENT | LKF.ORPHAN;
  return client.adopt(handle, client.ticket(), { name, mode: LKM.NL, flags }) === ERRNO.EAGAIN;
}

/**
 * The commands that had the GL and VG locks of an earlier lvmlockd have failed when its connections ended, so that their orphans
 * protect nothing: they are taken over and released. The orphans of LVs are asked for one by one by those who know of them. The
 * kernel blocks both calls while the lockspace is stopped.
 */
export function dropCommandLocks(state: LockspaceState, handle: LockspaceHandlePointer): void {
  const { client, kernel } = state.tools;
  if (state.identity.vg_name === "") {
    const nodeid = kernel.localNodeid();
    const errno = nodeid === null ? ERRNO.ENOENT : client.purge(handle, nodeid);
    if (errno !== 0) warn(state, `the orphans of the global lock can't be purged (errno ${errno})`);
    return;
  }
  const release = dropVgLock(state, handle);
  if (release !== null) state.late.set(VG_LOCK, release);
}

/** Takes one orphan of the VG lock over; null when there is none. Of shared ones there may be several, each is released by itself. */
function dropVgLock(state: LockspaceState, handle: LockspaceHandlePointer): Late | null {
  const { client } = state.tools;
  const ticket = client.ticket();
  if (adoptEither(client, handle, ticket, VG_LOCK, "ex") !== 0) return null;
  warn(state, "the VG lock of a command that had it when lvmlockd died is released");
  // The command may have written metadata whose version it could not store any more. A shared lock's release leaves the block alone.
  const release = lateRelease(state, handle, VG_RESOURCE, () => ticket.lkid(), "lost");
  return {
    ...release,
    finish(done) {
      release.finish(done);
      return dropVgLock(state, handle);
    },
  };
}

const VG_LOCK = "VGLK";
const VG_RESOURCE = { kind: "vg", name: VG_LOCK, lv_lock_args: "" } as const;

function warn({ tools, identity }: LockspaceState, text: string): void {
  tools.context.news({ kind: "log", level: "warning", text: `${identity.lockspace_name}: ${text}` });
}

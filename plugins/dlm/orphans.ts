import { type Answer, type LockCall, type LockResults, type Refused, refuse } from "../contract.ts";
import type { LockspaceHandlePointer } from "./client.ts";
import { ERRNO, LKF, LKM } from "./flags.ts";
import type { LockspaceState } from "./lockspace-state.ts";
import { dlmMode } from "./modes.ts";
import { refuseErrno } from "./refusals.ts";
import { lateRelease } from "./release.ts";
import { waitUntilRunning } from "./requests.ts";

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
  const { client } = state.tools;
  const ticket = client.ticket();
  const flags = LKF.PERSISTENT | LKF.ORPHAN;
  const errno = client.adopt(handle, ticket, { name, mode: dlmMode(mode), flags });
  if (errno === ERRNO.ENOENT) return none;
  if (errno === ERRNO.EAGAIN)
    return refuse("EADOPT_RETRY", `the orphan has the other mode, not ${mode}`, { lm_result: -errno });
  if (errno !== 0) return refuseErrno(errno, `the orphan ${name} can't be adopted`);
  state.held.set(name, { lkid: ticket.lkid(), mode, block: null });
  return { kind: "done", lm_result: 0, value_block: null, adopted: true };
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
 * protect nothing: they are taken over and released. The orphans of LVs are asked for one by one by those who know of them.
 */
export function dropCommandLocks(state: LockspaceState, handle: LockspaceHandlePointer): void {
  const { client, kernel } = state.tools;
  if (state.identity.vg_name === "") {
    const nodeid = kernel.localNodeid();
    const errno = nodeid === null ? ERRNO.ENOENT : client.purge(handle, nodeid);
    if (errno !== 0) warn(state, `the orphans of the global lock can't be purged (errno ${errno})`);
    return;
  }
  const ticket = client.ticket();
  const request = { name: VG_LOCK, mode: LKM.EX, flags: LKF.PERSISTENT | LKF.ORPHAN };
  if (client.adopt(handle, ticket, request) !== 0) return;
  const release = lateRelease(state, handle, VG_RESOURCE, ticket.lkid(), null);
  state.late.set(VG_LOCK, release);
  warn(state, "the VG lock of a command that had it when lvmlockd died is released");
}

const VG_LOCK = "VGLK";
const VG_RESOURCE = { kind: "vg", name: VG_LOCK, lv_lock_args: "" } as const;

function warn({ tools, identity }: LockspaceState, text: string): void {
  tools.context.news({ kind: "log", level: "warning", text: `${identity.lockspace_name}: ${text}` });
}

import { type Answer, type LockCall, type LockResults, refuse } from "../contract.ts";
import type { AcquireResult, Lease } from "./client.ts";
import { ACQUIRE, RES } from "./flags.ts";
import { hasValueBlock } from "./geometry.ts";
import { readGlobalLock, writeFlags } from "./global-lock.ts";
import { refuseLock } from "./lock-refusal.ts";
import { type LockspaceState, leaseOf, type Prepared, REMOVED_NAME } from "./lockspace-state.ts";
import { noteConnection } from "./lost.ts";
import { afterEarlierCalls, dropOrphan, refuseUnsettled } from "./orphans.ts";
import { refuseFor } from "./refusals.ts";
import { ERRNO, isLeaseDamaged, SANLK } from "./return-codes.ts";
import { refuseOverStranger } from "./strangers.ts";
import { decodeValueBlock, UNWRITTEN } from "./value-block.ts";

type Locked = Answer<LockResults>;

const GRANTED_LV: Locked = Object.freeze({ kind: "done", lm_result: 0, value_block: null, adopted: false });
const ADOPTED_LV: Locked = Object.freeze({ kind: "done", lm_result: 0, value_block: null, adopted: true });

/** Takes over what an earlier lvmlockd of this host had, as soon as sanlock is through with its last calls. */
export async function adoptOnly(state: LockspaceState, prepared: Prepared, call: LockCall): Promise<Locked> {
  const rvOf = (answer: Locked): number => (answer.kind === "refused" ? answer.lm_result : 0);
  const answer = await afterEarlierCalls(state, () => lock(state, prepared, call), rvOf);
  return refuseUnsettled(state, rvOf(answer)) ?? answer;
}

/** Acquires a lease. */
export function lock(state: LockspaceState, prepared: Prepared, call: LockCall): Locked {
  const found = leaseOf(state, prepared, call.resource);
  if (found.kind === "wrong") return refuse("EARGS", found.problem);
  const lease = found.args;
  if (call.adopt !== "no") {
    const adopted = adopt(state, prepared, call, lease);
    if (adopted !== null) return adopted;
  }
  const stranger = refuseOverStranger(state, prepared, call.mode, lease);
  if (stranger !== null) return stranger;
  let acquired = acquire(state, prepared, call, lease, 0);
  // Nobody adopts the lock of a command; sanlock was not yet through with the one that is dead when the VG was taken up.
  if (acquired.rv === ERRNO.EUCLEAN && call.resource.kind !== "lv") {
    dropOrphan(state, prepared, lease);
    acquired = acquire(state, prepared, call, lease, 0);
  }
  if (isLeaseDamaged(acquired.rv) && call.repair) {
    const rv = state.tools.client.writeResource(lease, writeFlags(state.tools.client, prepared.using_caw));
    if (rv < 0)
      return refuseFor(rv, `the damaged lease of ${lease.name} can't be written anew`, "ELOCKREPAIR");
    acquired = acquire(state, prepared, call, lease, 0);
  }
  if (acquired.rv < 0) return refused(state, prepared, call, lease, acquired);
  return granted(state, prepared, call, lease, false);
}

function acquire(
  { tools }: LockspaceState,
  { sock, geometry }: Prepared,
  { mode, resource }: LockCall,
  lease: Lease,
  adopt_flags: number,
): AcquireResult {
  // Those of commands too: a command does not notice the death of lvmlockd before its next request, and writes on until then.
  const resource_flags = (mode === "sh" ? RES.SHARED : 0) | RES.PERSISTENT;
  // Waiting for a failed owner inside sanlock would block the lockspace for minutes, so it never waits.
  const lvb = resource.kind !== "lv" && hasValueBlock(geometry) ? ACQUIRE.LVB : 0;
  const acquire_flags = ACQUIRE.OWNER_NOWAIT | lvb | adopt_flags;
  return tools.client.acquire(sock, lease, resource_flags, acquire_flags);
}

/** Takes an orphan over. Null when there is none and a new lock will do as well. */
function adopt(state: LockspaceState, prepared: Prepared, call: LockCall, lease: Lease): Locked | null {
  // sanlock 3.8.5 tests ORPHAN_ONLY against the wrong flag: without an orphan it acquires a new lock, unless LVB is set too.
  // Where that is mended LVB does no harm, because an orphan keeps whatever value block it has.
  const acquired = acquire(state, prepared, call, lease, ACQUIRE.ORPHAN_ONLY | ACQUIRE.LVB);
  const { rv } = acquired;
  if (rv >= 0) return granted(state, prepared, call, lease, true);
  if (rv === ERRNO.ENOENT) {
    if (call.adopt === "if-orphan") return null;
    return refuse("EADOPT_NONE", "no orphan of this lock is left", { lm_result: rv });
  }
  if (rv === ERRNO.EUCLEAN)
    return refuse("EADOPT_RETRY", `the orphan has the other mode, not ${call.mode}`, { lm_result: rv });
  return refused(state, prepared, call, lease, acquired);
}

function granted(
  state: LockspaceState,
  prepared: Prepared,
  { resource, mode }: LockCall,
  lease: Lease,
  adopted: boolean,
): Locked {
  state.held.set(lease.name, mode);
  state.owner_cache = null;
  if (resource.kind === "lv") {
    state.shared_refusals.delete(lease.name);
    return adopted ? ADOPTED_LV : GRANTED_LV;
  }
  const { geometry } = prepared;
  const bytes = hasValueBlock(geometry)
    ? state.tools.client.getValueBlock(lease, geometry.sector_size_bytes)
    : ERRNO.ENOENT;
  // The lock is held all the same; its block counts as lost, as in the C daemon.
  if (typeof bytes === "number") {
    state.blocks[resource.kind] = UNWRITTEN;
    return { kind: "done", lm_result: 0, value_block: null, adopted };
  }
  const value_block = decodeValueBlock(bytes);
  state.blocks[resource.kind] = value_block;
  return { kind: "done", lm_result: 0, value_block, adopted };
}

function refused(
  state: LockspaceState,
  prepared: Prepared,
  { resource, mode }: LockCall,
  lease: Lease,
  result: AcquireResult,
): Locked {
  const { rv } = result;
  noteConnection(state, rv);
  if (rv === SANLK.LEADER_RESOURCE && resource.kind !== "lv") {
    const renamed = refuseRenamed(state, prepared, resource.kind, rv);
    if (renamed !== null) return renamed;
  }
  return refuseLock(state, resource.kind, mode, lease, result);
}

/** The lease has another name by now: the global lock was disabled, or vgremove has removed the VG. Null for damage. */
function refuseRenamed(
  state: LockspaceState,
  prepared: Prepared,
  kind: "gl" | "vg",
  rv: number,
): Locked | null {
  const { client } = state.tools;
  if (kind === "gl") {
    const found = readGlobalLock(client, prepared);
    if (found === "enabled") return null;
    return refuse("EUNATCH", `the global lock of VG ${state.identity.vg_name} has been disabled`, {
      lm_result: rv,
    });
  }
  const { name } = client.readResource(prepared.path, prepared.vg_lease.offset_bytes);
  if (name !== REMOVED_NAME) return null;
  return refuse("EREMOVED", `another host has removed VG ${state.identity.vg_name}`, { lm_result: rv });
}

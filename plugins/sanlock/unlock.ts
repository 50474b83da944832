import { type Answer, type ConvertCall, type ResourceRef, refuse, type UnlockCall } from "../contract.ts";
import type { Lease } from "./client.ts";
import { CONVERT, RES } from "./flags.ts";
import { hasValueBlock } from "./geometry.ts";
import { refuseLock } from "./lock-refusal.ts";
import { type LockspaceState, leaseOf, type Prepared, REMOVED_NAME } from "./lockspace-state.ts";
import { noteConnection } from "./lost.ts";
import { refuseFor } from "./refusals.ts";
import { ERRNO, isNoDaemon, returnValueText } from "./return-codes.ts";
import { refuseOverStranger } from "./strangers.ts";
import { encodeValueBlock } from "./value-block.ts";

type Answered = Answer<{ lm_result: number }>;

const DONE: Answered = Object.freeze({ kind: "done", lm_result: 0 });

/** Changes the mode of a lease that is held. */
export function convert(state: LockspaceState, prepared: Prepared, call: ConvertCall): Answered {
  const { resource, from, mode, r_version } = call;
  const found = leaseOf(state, prepared, resource);
  if (found.kind === "wrong") return refuse("EARGS", found.problem);
  const lease = found.args;
  const stranger = refuseOverStranger(state, prepared, mode, lease);
  if (stranger !== null) return stranger;
  if (from === "ex") {
    const rv = writeVersion(state, prepared, resource, lease, r_version);
    if (rv < 0) return refuseFor(rv, `the value block of ${lease.name} can't be set`);
  }
  // The flag must be what the lease was acquired with.
  const resource_flags = (mode === "sh" ? RES.SHARED : 0) | RES.PERSISTENT;
  const rv = state.tools.client.convert(prepared.sock, lease, resource_flags, CONVERT.OWNER_NOWAIT);
  if (rv >= 0 || rv === ERRNO.EALREADY) {
    state.held.set(lease.name, mode);
    state.owner_cache = null;
    return DONE;
  }
  noteConnection(state, rv);
  if (rv === ERRNO.ENOENT)
    return refuse("ENOENT", `sanlock does not hold ${lease.name} for lvmlockd`, { lm_result: rv });
  return refuseLock(state, resource.kind, mode, lease, { rv, owner: null, owner_name: "" });
}

/** Gives a lease back. */
export function unlock(state: LockspaceState, prepared: Prepared, call: UnlockCall): Answered {
  const { resource, from, r_version, free_vg } = call;
  const found = leaseOf(state, prepared, resource);
  if (found.kind === "wrong") return refuse("EARGS", found.problem);
  const lease = found.args;
  const { client, context } = state.tools;
  if (from === "ex") writeVersion(state, prepared, resource, lease, r_version);
  const renames = free_vg && resource.kind !== "lv";
  const rv = renames
    ? client.releaseRenamed(prepared.sock, lease, REMOVED_NAME)
    : client.release(prepared.sock, lease);
  noteConnection(state, rv);
  state.turns.released(resource.kind);
  state.held.delete(lease.name);
  if (rv >= 0) return DONE;
  // Nothing is held any more: the daemon that held it is gone, or the lock was not granted in the first place.
  if (isNoDaemon(rv) || rv === ERRNO.EPERM) return DONE;
  // sanlock has taken the lease from us and goes on with its release when the storage is slow or gone. To keep the lock on the
  // books would be wrong; a new request is refused by sanlock itself until the old release is through.
  const text = `${lease.lockspace_name}:${lease.name} is released late: ${returnValueText(rv)}`;
  context.news({ kind: "log", level: "warning", text });
  return DONE;
}

/** Stores a version in the value block; it goes to the disk with the release or the conversion. */
function writeVersion(
  state: LockspaceState,
  { geometry }: Prepared,
  { kind }: ResourceRef,
  lease: Lease,
  r_version: number,
): number {
  if (kind === "lv" || r_version === 0 || !hasValueBlock(geometry)) return 0;
  const block = encodeValueBlock(state.blocks[kind], r_version, geometry.sector_size_bytes);
  return state.tools.client.setValueBlock(lease, block);
}

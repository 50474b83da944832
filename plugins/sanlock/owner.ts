import type { Owner } from "../contract.ts";
import type { AcquireResult, HostInfo, Lease } from "./client.ts";
import { HOST_STATE, HOST_STATE_MASK, hostStateName } from "./flags.ts";
import type { LockspaceState } from "./lockspace-state.ts";
import { hostDead_s, IO_TIMEOUT_DEFAULT_S, WATCHDOG_S } from "./timing.ts";

/** The owner of the lease that was refused last, so that a request which is tried every few milliseconds asks once a second. */
export interface OwnerCache {
  readonly name: string;
  readonly at_ms: number;
  readonly owner: HostInfo | null;
  readonly owner_name: string;
}

/** How long an answer about an owner holds: finding it out reads the whole lease, a megabyte and more. */
const OWNER_HOLDS_MS = 1000;

/** Who holds a lease that was refused: from the refusal itself where the library tells, else read from the disk. */
export function findOwner(state: LockspaceState, lease: Lease, refused: AcquireResult): OwnerCache {
  const now_ms = performance.now();
  const { owner_cache } = state;
  if (refused.owner === null && owner_cache !== null) {
    const { name, at_ms } = owner_cache;
    if (name === lease.name && now_ms - at_ms < OWNER_HOLDS_MS) return owner_cache;
  }
  const owner = withTimeout(state, refused.owner ?? readOwner(state, lease));
  const found: OwnerCache = { name: lease.name, at_ms: now_ms, owner, owner_name: refused.owner_name };
  state.owner_cache = found;
  return found;
}

/** The owner that acquire2 of 5.1 tells has no I/O timeout; hosts of one lockspace use the same. */
function withTimeout({ prepared }: LockspaceState, owner: HostInfo | null): HostInfo | null {
  if (owner === null || owner.io_timeout_s !== 0) return owner;
  return { ...owner, io_timeout_s: prepared?.io_timeout_s ?? 0 };
}

function readOwner(state: LockspaceState, lease: Lease): HostInfo | null {
  const { client } = state.tools;
  const { lockspace_name, host_id } = state.identity;
  const { owners } = client.readOwners(lease);
  const other = owners.find((owner) => owner.host_id !== host_id);
  if (other === undefined) return null;
  // The lease knows who, the lockspace knows how that host is doing.
  const known = client.hosts(lockspace_name, other.host_id, 0).hosts[0];
  return known === undefined
    ? { ...other, flags: HOST_STATE.UNKNOWN }
    : { ...known, generation: other.generation };
}

export function ownerOf({ owner, owner_name }: OwnerCache): Owner | null {
  if (owner === null) return null;
  const { host_id, generation, timestamp_s, flags } = owner;
  return { host_id, generation, timestamp_s, state: hostStateName(flags), name: owner_name };
}

/** What a silent owner means in a VG with notimeout, where sanlock declares nobody dead by the clock. */
const NO_TIMEOUT =
  "the VG has no timeout, so nobody gets the lock until that host is back, or was fenced (its reservation key removed)";

/** Who holds it and what that means, in words. */
export function ownerSentence({ prepared }: LockspaceState, { owner, owner_name }: OwnerCache): string {
  if (owner === null) return "another host holds it";
  const who = `host_id ${owner.host_id}${owner_name === "" ? "" : ` (${owner_name})`} holds it`;
  const no_timeout = prepared?.no_timeout === true;
  const dead_s = hostDead_s(owner.io_timeout_s || IO_TIMEOUT_DEFAULT_S, prepared?.fire_s ?? WATCHDOG_S);
  switch (owner.flags & HOST_STATE_MASK) {
    case HOST_STATE.LIVE:
      return `${who} and is alive`;
    case HOST_STATE.FAIL:
      return `${who} but has stopped renewing its lease: ${no_timeout ? NO_TIMEOUT : `it counts as dead ${dead_s} s after its last renewal`}`;
    case HOST_STATE.DEAD:
      return `${who} but is dead: the next attempt gets the lock`;
    case HOST_STATE.FREE:
      return `${who} though it has left the VG: the next attempt gets the lock`;
    default:
      return `${who}; whether it is alive ${no_timeout ? "is not known yet" : `will be known within ${dead_s} s`}`;
  }
}

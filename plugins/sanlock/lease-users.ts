import { DEADLINES } from "../../core/deadlines.ts";
import { type Refused, refuse } from "../contract.ts";
import type { SanlockClient } from "./client.ts";
import type { Geometry } from "./geometry.ts";
import { type HostLeaseRecord, readHostLease, readHostLeaseNames, readHostLeases } from "./host-lease.ts";
import type { Tools } from "./lockspace-state.ts";
import { longestTimeout_s } from "./peers.ts";
import { ERRNO } from "./return-codes.ts";

/** Where leases are about to be written, and for which lockspace. */
export interface LeasePlace {
  readonly lockspace_name: string;
  readonly path: string;
  readonly geometry: Geometry;
}

/** A host that lives renews its lease every two I/O timeouts; after three it is not waited for any more, as in a start (peers.ts). */
const SILENT_TIMEOUTS = 3;

/**
 * Refuses to write leases where a host that is alive uses some: it would lose its lease and stop the VG, or go on with locks that others
 * are given as well. Leases of hosts that crashed look the same but stand still, so only then is there anything to wait for.
 * vgcreate itself has cleared the first 4 KiB of the lock LV when it asks, and with them the leases of the host_ids up to 8, or that of
 * host_id 1 with 4096-byte sectors. Such a host finds its lease gone at its next renewal and stops the VG; here it can't be seen.
 */
export async function refuseOverUsers(
  { client, context }: Tools,
  place: LeasePlace,
): Promise<Refused | null> {
  if (isJoinedHere(client, place.lockspace_name)) return refuse("EEXIST", joinedHere(place));
  const { path, geometry } = place;
  const before = readHostLeases(path, geometry);
  // What can't be read can't be written either, and whoever writes is told why.
  if (before === null || before.size === 0) return null;
  const silent_ms = SILENT_TIMEOUTS * 1000 * longestTimeout_s([...before]);
  const wait_ms = Math.min(silent_ms, DEADLINES.sanlock_lease_users_ms);
  const hosts = `${before.size} ${before.size === 1 ? "host stands" : "hosts stand"}`;
  const text = `the lease of ${hosts} on ${path}: for up to ${Math.ceil(wait_ms / 1000)} s it is looked whether one is renewed`;
  context.news({ kind: "log", level: "info", text });
  const host_id = await findRenewing(place, before, wait_ms);
  return host_id === null ? null : refuseFor(place, host_id, "is alive and uses");
}

/** Refuses when a host has joined since this one has written all host leases as free. */
export function refuseOverNewcomer(place: LeasePlace): Refused | null {
  const [host_id] = readHostLeases(place.path, place.geometry)?.keys() ?? [];
  return host_id === undefined ? null : refuseFor(place, host_id, "has begun to use");
}

/** sanlock's list of hosts is there for lockspaces that it has joined, and after a moment (EAGAIN). */
function isJoinedHere(client: SanlockClient, lockspace_name: string): boolean {
  const { rv } = client.hosts(lockspace_name, 0, 0);
  return rv >= 0 || rv === ERRNO.EAGAIN || rv === ERRNO.ENOSPC;
}

function joinedHere({ lockspace_name }: LeasePlace): string {
  return `sanlock on this host has ${lockspace_name} joined still, from an earlier lvmlockd or for a VG of this name that is gone: end it as \`sanlock client status\` shows it (sanlock client rem_lockspace -s ${lockspace_name}:HOST_ID:PATH:0)`;
}

/** The first host that changes its lease; null when all stand still or leave. */
async function findRenewing(
  { path, geometry }: LeasePlace,
  before: ReadonlyMap<number, HostLeaseRecord>,
  wait_ms: number,
): Promise<number | null> {
  const silent = new Map(before);
  const until_ms = performance.now() + wait_ms;
  while (silent.size > 0 && performance.now() < until_ms) {
    await Bun.sleep(DEADLINES.sanlock_renewal_look_ms);
    for (const [host_id, then] of silent) {
      const now = readHostLease(path, geometry, host_id);
      if (now === null) continue;
      if (now.timestamp_s === 0) silent.delete(host_id);
      else if (now.timestamp_s !== then.timestamp_s || now.generation !== then.generation) return host_id;
    }
  }
  return null;
}

/** lvm has words for EEXIST, which fit a lockspace of the same name. */
function refuseFor({ lockspace_name, path, geometry }: LeasePlace, host_id: number, does: string): Refused {
  const names = readHostLeaseNames(path, geometry, host_id);
  const theirs = names?.lockspace_name ?? lockspace_name;
  const who = names === null ? `host_id ${host_id}` : `host_id ${host_id} (${names.host_name})`;
  return refuse(
    theirs === lockspace_name ? "EEXIST" : "EBUSY",
    `${who} ${does} lockspace ${theirs} on ${path}: stop that VG there (vgchange --lockstop, or lvmlockctl --drop when its VG is gone), then make the VG again`,
  );
}

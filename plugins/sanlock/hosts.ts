import { type Answer, type Owner, refuse } from "../contract.ts";
import type { HostInfo } from "./client.ts";
import { GET_HOSTS, HOST_STATE, HOST_STATE_MASK, hostStateName } from "./flags.ts";
import { readHostLease, readHostLeases } from "./host-lease.ts";
import type { LockspaceState, Prepared } from "./lockspace-state.ts";
import { refuseFor } from "./refusals.ts";
import { ERRNO } from "./return-codes.ts";

/**
 * How many other hosts have the VG started. Right after a start sanlock does not know yet; then one is assumed. What sanlock
 * knows is as old as its last look at the host leases, which it takes every two I/O timeouts, so the disk is asked as well: a
 * host that counts as alive but whose lease is free has left since, and one that is free or unheard of but whose lease is in use
 * has joined since (seen with two hosts that started at the same moment; vgremove would have taken the VG from the second).
 */
export function countHosts(
  state: LockspaceState,
  { path, geometry }: Prepared,
): Answer<{ others: number; unknown: boolean }> {
  const { lockspace_name, host_id } = state.identity;
  const { rv, hosts } = state.tools.client.hosts(lockspace_name, 0, 0);
  if (rv === ERRNO.EAGAIN) return { kind: "done", others: 1, unknown: true };
  if (rv < 0) return refuseFor(rv, `the hosts of ${lockspace_name} are unknown`);
  if (!hosts.some((host) => host.host_id === host_id))
    return refuse("ELMERR", `sanlock does not list this host in ${lockspace_name}`);
  const inState = (wanted: number): number =>
    hosts.filter(
      (host) =>
        host.host_id !== host_id &&
        (host.flags & HOST_STATE_MASK) === wanted &&
        readHostLease(path, geometry, host.host_id)?.timestamp_s !== 0,
    ).length;
  const live = inState(HOST_STATE.LIVE) + countNewcomers(state, path, geometry, hosts);
  const unknown = inState(HOST_STATE.UNKNOWN);
  return { kind: "done", others: live + unknown, unknown: unknown > 0 && live === 0 };
}

/** Hosts whose leases are in use though sanlock takes them for free, or has not met them. */
function countNewcomers(
  { identity }: LockspaceState,
  path: string,
  geometry: Prepared["geometry"],
  listed: readonly HostInfo[],
): number {
  const known = new Set([identity.host_id]);
  for (const { host_id, flags } of listed)
    if ((flags & HOST_STATE_MASK) !== HOST_STATE.FREE) known.add(host_id);
  const inUse = readHostLeases(path, geometry)?.keys() ?? [];
  return [...inUse].filter((host_id) => !known.has(host_id)).length;
}

type OwnStatus = Answer<{ lm_result: number; owner: Owner }>;

/** This host as sanlock sees it in the lockspace. */
export function ownStatus(state: LockspaceState, prepared: Prepared): OwnStatus {
  const { lockspace_name, host_id } = state.identity;
  const { client } = state.tools;
  const flags = client.features.read_lockspace_host ? GET_HOSTS.LOCAL : 0;
  const { rv, hosts } = client.hosts(lockspace_name, host_id, flags);
  if (rv === ERRNO.EAGAIN) return statusFromDisk(state, prepared);
  if (rv < 0) return refuseFor(rv, `the state of this host in ${lockspace_name} is unknown`);
  const own = hosts.find((host) => host.host_id === host_id);
  if (own === undefined) return refuse("EINVAL", `sanlock does not list this host in ${lockspace_name}`);
  const { generation, timestamp_s } = own;
  const owner = { host_id, generation, timestamp_s, state: hostStateName(own.flags), name: "" };
  return { kind: "done", lm_result: 0, owner };
}

/** In the first seconds sanlock has not looked at any host, not even at its own; what it has written is on the disk. */
function statusFromDisk({ identity }: LockspaceState, { path, geometry }: Prepared): OwnStatus {
  const { host_id } = identity;
  const { generation = 0, timestamp_s = 0 } = readHostLease(path, geometry, host_id) ?? {};
  const owner = { host_id, generation, timestamp_s, state: hostStateName(HOST_STATE.UNKNOWN), name: "" };
  return { kind: "done", lm_result: 0, owner };
}

/** Marks a fenced host's lease as that of a dead host, so that its locks are given to others without waiting. */
export function setHostDead(
  state: LockspaceState,
  { host_lease, path, geometry }: Prepared,
  { host_id, generation }: { readonly host_id: number; readonly generation: number },
): Answer<object> {
  const { client } = state.tools;
  if (!client.features.set_host)
    return refuse("EPROTONOSUPPORT", "declaring a host dead needs libsanlock 4.2 or later");
  // sanlock 5.1 declares whoever has the host_id now dead, without a look at the generation: a host that was fenced and is back
  // would be cut off (seen). What an older generation held is free by then anyway.
  const now = readHostLease(path, geometry, host_id);
  if (now === null)
    return refuse(
      "ELOCKIO",
      `the lease of host_id ${host_id} can't be read, so nobody knows who has it now: it is not declared dead`,
    );
  if (now.generation !== generation)
    return refuse(
      "EINVAL",
      `host_id ${host_id} has generation ${now.generation} by now, not ${generation}: it is not declared dead`,
    );
  const rv = client.setHostDead(host_lease, host_id, generation);
  return rv < 0 ? refuseFor(rv, `host_id ${host_id} can't be declared dead`) : { kind: "done" };
}

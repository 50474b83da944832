import { type HeldMode, type Refused, refuse } from "../contract.ts";
import type { Lease } from "./client.ts";
import { readHostLeases } from "./host-lease.ts";
import type { LockspaceState, Prepared } from "./lockspace-state.ts";
import { ERRNO } from "./return-codes.ts";
import { IO_TIMEOUT_DEFAULT_S } from "./timing.ts";

/**
 * sanlock gives an exclusive lease over another host's shared one when it takes that host for absent (host_live in resource.c of
 * 3.8.5, and 3.9.5), and it takes a host for absent until it has looked at the host leases after that host has started: every two
 * I/O timeouts, and later when it is short of CPU. A starting host waits for that (peers.ts), which is no proof on a starved
 * machine (seen at a load average of 30). So before it asks for an exclusive lease, this host compares sanlock's list with the
 * leases on the disk: hosts that are on the disk alone are strangers, and what a stranger holds is respected.
 */
export function refuseOverStranger(
  state: LockspaceState,
  prepared: Prepared,
  mode: HeldMode,
  lease: Lease,
): Refused | null {
  if (mode !== "ex") return null;
  const now_ms = performance.now();
  if (now_ms < state.no_strangers_until_ms) return null;
  const strangers = findStrangers(state, prepared);
  // Before its first look (EAGAIN) sanlock takes every host for alive; any other failure, of sanlock or of the disk, the lock call will
  // meet as well. None of them says anything about the time after it.
  if (strangers === null) return null;
  if (strangers.size === 0) {
    // Whoever writes its host lease from now on gets its first lock later than that: sanlock holds it up for two I/O timeouts, and
    // where nodelay leaves that out peers.ts waits for one.
    state.no_strangers_until_ms = now_ms + 1000 * (prepared.io_timeout_s || IO_TIMEOUT_DEFAULT_S);
    return null;
  }
  // A host that is still starting holds nothing yet, and must not keep the others from working.
  const { owners } = state.tools.client.readOwners(lease);
  const owner = owners.find(({ host_id }) => strangers.has(host_id));
  if (owner === undefined) return null;
  const { host_id, generation, timestamp_s } = owner;
  return refuse(
    "EAGAIN",
    `host_id ${host_id} holds it and has just started the VG; sanlock has not met it yet`,
    {
      lm_result: ERRNO.EAGAIN,
      owner: { host_id, generation, timestamp_s, state: "UNKNOWN", name: "" },
      retry: "soon",
    },
  );
}

/** Hosts whose leases on the disk are in use, and newer than what sanlock knows of them; null when sanlock or the disk does not tell. */
function findStrangers(
  { identity, tools }: LockspaceState,
  { path, geometry }: Prepared,
): ReadonlySet<number> | null {
  const { rv, hosts } = tools.client.hosts(identity.lockspace_name, 0, 0);
  if (rv < 0) return null;
  const leases = readHostLeases(path, geometry);
  if (leases === null) return null;
  const strangers = new Set<number>();
  const known = new Map(hosts.map(({ host_id, generation }) => [host_id, generation]));
  for (const [host_id, { generation }] of leases)
    if (host_id !== identity.host_id && (known.get(host_id) ?? 0) < generation) strangers.add(host_id);
  return strangers;
}

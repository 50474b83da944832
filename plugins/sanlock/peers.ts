import { DEADLINES } from "../../core/deadlines.ts";
import { type HostLeaseRecord, readHostLeases } from "./host-lease.ts";
import type { LockspaceState, Prepared } from "./lockspace-state.ts";
import { IO_TIMEOUT_DEFAULT_S } from "./timing.ts";

/** The leases of the hosts that have theirs in use; null when they could not be read, which is not the same as nobody. */
export type HostLeases = ReadonlyMap<number, HostLeaseRecord> | null;

type Others = readonly (readonly [host_id: number, lease: HostLeaseRecord])[];

/** sanlock looks at the end of a join once a second, so that a quick one can take that much longer. */
const QUICK_JOIN_SLACK_MS = 1500;

/**
 * Whether sanlock has written this host's lease right at the beginning of the join: it sleeps two I/O timeouts after it. When it
 * wrote later, because the lease had to be waited for or because the host is short of CPU, then a renewal that another host made
 * since the beginning proves nothing, and only one after the end of the join does (seen at a load average of 30: a host made its
 * shared lock exclusive beside this host's).
 */
export function hasJoinedQuickly({ io_timeout_s }: Prepared, took_ms: number): boolean {
  const timeout_ms = 1000 * (io_timeout_s || IO_TIMEOUT_DEFAULT_S);
  return took_ms < 2 * timeout_ms + Math.max(timeout_ms / 2, QUICK_JOIN_SLACK_MS);
}

export function leasesOf({ path, geometry }: Prepared): HostLeases {
  return readHostLeases(path, geometry);
}

/** The hosts beside this one that have their leases in use. */
export function othersIn(leases: HostLeases, own_host_id: number): Others {
  return [...(leases ?? [])].filter(([host_id]) => host_id !== own_host_id);
}

/** The longest I/O timeout of these hosts, by which the slowest of them renews its lease and looks at those of others; 0 for nobody. */
export function longestTimeout_s(others: Others): number {
  return Math.max(0, ...others.map(([, { io_timeout_s }]) => io_timeout_s || IO_TIMEOUT_DEFAULT_S));
}

/** The other hosts' leases at a time (of performance.now()), and since when this host's lease stands on the disk. */
export interface Since {
  readonly leases: HostLeases;
  readonly at_ms: number;
  readonly written_ms: number;
}

/**
 * Since when the others' renewals count after a join. sanlock writes this host's lease, sleeps two I/O timeouts and looks at it
 * again, so that a quick join may count from before its beginning. With nodelay it does not sleep: then only what is read after
 * the join is sure to come after the write, and of two hosts that start at the same moment at least one finds the other's lease.
 */
export function countFrom(
  prepared: Prepared,
  before: Pick<Since, "leases" | "at_ms">,
  skipped: boolean,
): Since {
  const now_ms = performance.now();
  const slept_ms = skipped ? 0 : 2000 * (prepared.io_timeout_s || IO_TIMEOUT_DEFAULT_S);
  const written_ms = now_ms - slept_ms;
  const counts = before.leases !== null && !skipped && hasJoinedQuickly(prepared, now_ms - before.at_ms);
  return counts ? { ...before, written_ms } : { ...countFromNow(prepared), written_ms };
}

/** Since now, when nobody knows when this host's lease was written. */
export function countFromNow(prepared: Prepared): Since {
  const now_ms = performance.now();
  return { leases: leasesOf(prepared), at_ms: now_ms, written_ms: now_ms };
}

/**
 * Waits until every other host has renewed its lease since `since`. A host learns of others only when it renews, every two
 * I/O timeouts, and until then takes a newcomer for absent: sanlock then gives it an exclusive lease over the newcomer's shared
 * one (host_live in resource.c of 3.8.5, and 3.9.5; seen on a loaded machine). 5.1 tells a newcomer by its generation, but nobody
 * knows which sanlock the other hosts have, so that a newcomer with 5.1 and nodelay waits for them too. The join itself lasts about as long as a
 * renewal's interval, so that there is rarely anything to wait for. A host that does not renew within three I/O timeouts is gone;
 * it keeps its lease until it is back, so that each start waits that long for it; should it come back, its own lvmlockd looks for strangers (strangers.ts).
 * Hosts may have timeouts of their own, each in its lease: the longest one counts.
 */
export async function waitForRenewals(
  { identity }: LockspaceState,
  prepared: Prepared,
  { leases, at_ms, written_ms }: Since,
): Promise<void> {
  const others = othersIn(leases, identity.host_id);
  // Whoever has come during the join has looked at the leases as well, perhaps before this host's was written.
  const newer = othersIn(leasesOf(prepared), identity.host_id);
  if (others.length === 0 && newer.length === 0) return;
  const own_s = prepared.io_timeout_s || IO_TIMEOUT_DEFAULT_S;
  const timeout_ms = 1000 * Math.max(own_s, longestTimeout_s([...others, ...newer]));
  const until_ms = at_ms + 3 * timeout_ms;
  while (performance.now() < until_ms && !haveRenewed(others, leasesOf(prepared)))
    await Bun.sleep(DEADLINES.sanlock_renewal_look_ms);
  // What a host has read at its renewal it looks through in its main loop, which comes round once a second.
  const looks_through_ms = others.length === 0 ? 0 : DEADLINES.sanlock_check_ms;
  // A host that has just seen no stranger does not look again within an I/O timeout; only nodelay, or a host with a longer timeout than
  // this one's, makes that the longer wait.
  const unseen_ms = written_ms + timeout_ms - performance.now();
  await Bun.sleep(Math.max(looks_through_ms, unseen_ms));
}

/** Have all of them written their leases since, or left? A read that fails tells nothing. */
function haveRenewed(others: Others, now: HostLeases): boolean {
  return (
    now !== null && others.every(([host_id, then]) => now.get(host_id)?.timestamp_s !== then.timestamp_s)
  );
}

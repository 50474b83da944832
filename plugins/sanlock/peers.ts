import { DEADLINES } from "../../core/deadlines.ts";
import { readRenewals } from "./host-lease.ts";
import type { LockspaceState, Prepared } from "./lockspace-state.ts";
import { IO_TIMEOUT_DEFAULT_S } from "./timing.ts";

/** When the other hosts renewed their leases last. */
export type Renewals = ReadonlyMap<number, number>;

const NOBODY: Renewals = new Map();

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

export function renewalsOf({ path, geometry }: Prepared): Renewals {
  return readRenewals(path, geometry) ?? NOBODY;
}

/** The hosts beside this one that have their leases in use. */
export function othersIn(renewals: Renewals, own_host_id: number): readonly (readonly [number, number])[] {
  return [...renewals].filter(([host_id]) => host_id !== own_host_id);
}

/** What the other hosts had renewed at a time (of performance.now()), and since when this host's lease stands on the disk. */
export interface Since {
  readonly renewals: Renewals;
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
  before: Pick<Since, "renewals" | "at_ms">,
  skipped: boolean,
): Since {
  const now_ms = performance.now();
  const slept_ms = skipped ? 0 : 2000 * (prepared.io_timeout_s || IO_TIMEOUT_DEFAULT_S);
  const written_ms = now_ms - slept_ms;
  if (!skipped && hasJoinedQuickly(prepared, now_ms - before.at_ms)) return { ...before, written_ms };
  return { renewals: renewalsOf(prepared), at_ms: now_ms, written_ms };
}

/**
 * Waits until every other host has renewed its lease since `since`. A host learns of others only when it renews, every two
 * I/O timeouts, and until then takes a newcomer for absent: sanlock then gives it an exclusive lease over the newcomer's shared
 * one (host_live in resource.c of 3.8.5, and 3.9.5; seen on a loaded machine). 5.1 tells a newcomer by its generation, but nobody
 * knows which sanlock the other hosts have, so that a newcomer with 5.1 and nodelay waits for them too. The join itself lasts about as long as a
 * renewal's interval, so that there is rarely anything to wait for. A host that does not renew within three I/O timeouts is gone;
 * it keeps its lease until it is back, so that each start waits that long for it; should it come back, its own lvmlockd looks for strangers (strangers.ts).
 */
export async function waitForRenewals(
  { identity }: LockspaceState,
  { path, geometry, io_timeout_s }: Prepared,
  { renewals, at_ms, written_ms }: Since,
): Promise<void> {
  const timeout_ms = 1000 * (io_timeout_s || IO_TIMEOUT_DEFAULT_S);
  const until_ms = at_ms + 3 * timeout_ms;
  const others = othersIn(renewals, identity.host_id);
  if (others.length === 0) return;
  while (performance.now() < until_ms) {
    const now = readRenewals(path, geometry) ?? NOBODY;
    if (!others.some(([host_id, at_s]) => now.get(host_id) === at_s)) break;
    await Bun.sleep(DEADLINES.sanlock_renewal_look_ms);
  }
  // What a host has read at its renewal it looks through in its main loop, which comes round once a second.
  // A host that has just seen no stranger does not look again within an I/O timeout; only nodelay could be quicker than that.
  const unseen_ms = written_ms + timeout_ms - performance.now();
  await Bun.sleep(Math.max(DEADLINES.sanlock_check_ms, unseen_ms));
}

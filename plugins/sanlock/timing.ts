/** sanlock's own I/O timeout when nobody sets one. */
export const IO_TIMEOUT_DEFAULT_S = 10;
/** How long after the last renewal wdmd resets a host (WATCHDOG_FIRE_TIMEOUT of sanlock's timeouts.c). */
export const WATCHDOG_S = 60;
/** wdmd looks after its clients every 10 s, and stops renewing the watchdog when one would expire before the next look. */
const WATCHDOG_LOOK_S = 10;

/** How long a start takes, in seconds, as sanlock's timeouts.c computes it. */
export interface StartTimes {
  /** The host's lease is free: this host stopped the VG cleanly, or never had it. */
  readonly free_min: number;
  readonly free_max: number;
  /** The lease was left behind: sanlock waits until whoever wrote it must be dead. */
  readonly held_min: number;
  readonly held_max: number;
}

/** All of sanlock's times are multiples of the I/O timeout T: 2T to 5T for a free lease, 8T+F to 14T+F for one left behind, F being
 * the watchdog's time (60 unless sanlock.conf says otherwise). */
export function startTimes(io_timeout_s: number, fire_s: number): StartTimes {
  const short_delay = 2 * io_timeout_s;
  const host_dead = hostDead_s(io_timeout_s, fire_s);
  return {
    free_min: short_delay,
    free_max: short_delay + 3 * io_timeout_s,
    held_min: host_dead,
    held_max: host_dead + short_delay + 4 * io_timeout_s,
  };
}

/** How long a start takes beyond that, in seconds, until every other host of the VG has seen the newcomer (peers.ts). */
export interface MeetingTimes {
  /** All of them renew their leases as they should. */
  readonly usual: number;
  /** One of them has died without leaving, or the join itself was slow. */
  readonly longest: number;
}

/**
 * A host that renews does so every 2T, and one that has not renewed for 3T is not waited for; then sanlock takes up to `look_s` to
 * look through what it has read. T is the longest one of the hosts. What a join lasts itself, `join_s`, counts: with the same T
 * everywhere all of them have renewed in it.
 */
export function meetingTimes(longest_timeout_s: number, look_s: number, join_s: number): MeetingTimes {
  return {
    usual: look_s + Math.max(0, 2 * longest_timeout_s - join_s),
    longest: 3 * longest_timeout_s + look_s,
  };
}

/** Seconds from the last renewal until a host that is gone counts as dead, so that others get its leases. */
export function hostDead_s(io_timeout_s: number, fire_s: number): number {
  return 8 * io_timeout_s + fire_s;
}

/** Seconds until the watchdog may reset this host, `since_s` after sanlock has begun to run the kill path. */
export function resetIn_s(fire_s: number, since_s: number): number {
  return fire_s - WATCHDOG_LOOK_S - since_s;
}

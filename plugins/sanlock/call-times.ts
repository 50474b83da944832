import type { CallTimes } from "../contract.ts";
import { IO_TIMEOUT_DEFAULT_S, startTimes } from "./timing.ts";

/** What the plugin and a busy host need besides sanlock's own waits. */
const LOCK_ROOM_S = 30;
const QUERY_ROOM_S = 30;
const LEAVE_ROOM_S = 60;
const JOIN_ROOM_S = 60;

/**
 * How long calls take at the most by sanlock's timeouts.c (log_timeouts): 6T for a lock, 14T+F for a join over a lease that was left
 * behind, and then up to 3T until every other host is known. T is the longest I/O timeout that counts for the lockspace: the one that
 * this host sets, and the one in its lease, by which sanlock waits; 0 is sanlock's default. F is the watchdog's time. Of the other
 * hosts' timeouts the longest one, `others_timeout_s`, counts until they are known.
 */
export function callTimes(io_timeout_s: number, fire_s: number, others_timeout_s = 0): CallTimes {
  const timeout_s = io_timeout_s || IO_TIMEOUT_DEFAULT_S;
  const { held_max } = startTimes(timeout_s, fire_s);
  return {
    join_ms: 1000 * (held_max + 3 * Math.max(timeout_s, others_timeout_s) + JOIN_ROOM_S),
    leave_ms: 1000 * (6 * timeout_s + LEAVE_ROOM_S),
    lock_ms: 1000 * (6 * timeout_s + LOCK_ROOM_S),
    query_ms: 1000 * (3 * timeout_s + QUERY_ROOM_S),
  };
}

import { DEADLINES } from "../../core/deadlines.ts";
import { meetingTimes, startTimes } from "./timing.ts";

/** What a start's time depends on, beside sanlock's own timing. */
export interface StartKind {
  /** nodelay, where the library has it: sanlock leaves out the two I/O timeouts after it has written this host's lease. */
  readonly skips: boolean;
  /** Hosts beside this one that have the VG started, or died with it. */
  readonly others: number;
  /** The longest I/O timeout of those hosts, 0 for nobody. */
  readonly others_timeout_s: number;
}

export interface Start extends StartKind {
  readonly io_timeout_s: number;
  readonly fire_s: number;
  /** What this host's lease says: it was left in use. Null when that is unknown. */
  readonly was_held: boolean | null;
}

/** How long a start takes: a sentence for people, and the seconds that it usually takes. */
export function estimateStart(start: Start): { readonly text: string; readonly eta_s: number } {
  const { io_timeout_s, fire_s, was_held, skips, others, others_timeout_s } = start;
  const times = startTimes(io_timeout_s, fire_s);
  const look_s = DEADLINES.sanlock_check_ms / 1000;
  const longest_timeout_s = Math.max(io_timeout_s, others_timeout_s);
  const join_s = skips ? 0 : times.free_min;
  const meeting = others === 0 ? { usual: 0, longest: 0 } : meetingTimes(longest_timeout_s, look_s, join_s);
  // sanlock takes its own lease up again at once when it still has the host name that it wrote it with.
  const unclean = `up to ${Math.ceil(times.held_max + meeting.longest)} s`;
  const usual_s = join_s + meeting.usual;
  const longest_s = (skips ? 0 : times.free_max) + meeting.longest;
  const clean = longest_s === 0 ? "no time" : `${Math.ceil(usual_s)} to ${Math.ceil(longest_s)} s`;
  const took = was_held === true ? unclean : clean;
  const unstopped = "this host did not stop the VG cleanly";
  const because =
    was_held === null ? `, or ${unclean} when ${unstopped}` : was_held ? `, because ${unstopped}` : "";
  const slower = longest_timeout_s > io_timeout_s ? `, of another host ${longest_timeout_s} s` : "";
  return {
    text: `joining takes ${took}${untilSeen(others)}${because} (I/O timeout ${io_timeout_s} s${slower})`,
    eta_s: was_held === true ? times.held_min + meeting.usual : usual_s,
  };
}

function untilSeen(others: number): string {
  if (others === 0) return "";
  return `, until ${others === 1 ? "the other host has" : `${others} other hosts have`} seen this one`;
}

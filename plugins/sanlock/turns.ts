import { DEADLINES } from "../../core/deadlines.ts";
import type { ResourceKind } from "../contract.ts";

/**
 * Hosts that want the same lock all the time. Whoever asks for it again right after its release meets the other host in a
 * ballot, and sanlock lets the loser of a ballot sleep for up to a second: two hosts handed over once a second while the lock
 * was taken hundreds of times by one of them. So a lock that another host had lately is not asked for again at once, which
 * leaves the other host a moment in which it is alone.
 */
export interface Turns {
  /** Another host had the lock. */
  refused(kind: ResourceKind): void;
  released(kind: ResourceKind): void;
  /** How long to wait before the lock is asked for, 0 for not at all. */
  pause_ms(kind: ResourceKind): number;
}

/** `now_ms` and `random` (0 to 1) are the clock and the dice; tests have their own. */
export function createTurns(now_ms = (): number => performance.now(), random = Math.random): Turns {
  const never = Number.NEGATIVE_INFINITY;
  const refused_ms = { gl: never, vg: never };
  const free_ms = { gl: never, vg: never };
  return {
    refused(kind) {
      if (kind !== "lv") refused_ms[kind] = now_ms();
    },
    released(kind) {
      if (kind === "lv" || now_ms() - refused_ms[kind] > DEADLINES.sanlock_contended_ms) return;
      free_ms[kind] = now_ms() + DEADLINES.sanlock_turn_pause_ms * (0.5 + random());
    },
    pause_ms(kind) {
      return kind === "lv" ? 0 : Math.max(0, free_ms[kind] - now_ms());
    },
  };
}

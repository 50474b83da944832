import type { HeldMode } from "../../plugins/contract.ts";

export type Mode = "un" | HeldMode;

/**
 * What may be held after a crash, as those who asked know it: what they were told, or, of a request that was in flight, what
 * was before it or what it asked for.
 */
export interface Beliefs {
  asked(lock: string, mode: Mode): void;
  told(lock: string, result: number): void;
  /** Why `mode` can't be, or null when it can. From then on it is what is believed. */
  contradiction(lock: string, mode: string): string | null;
  mode(lock: string): Mode;
  locks(): Iterable<string>;
}

interface Belief {
  known: Mode;
  inFlight: Mode | null;
}

export function makeBeliefs(locks: readonly string[]): Beliefs {
  const beliefs = new Map<string, Belief>(locks.map((lock) => [lock, { known: "un", inFlight: null }]));
  const of = (lock: string): Belief => {
    const belief = beliefs.get(lock);
    if (belief === undefined) throw new Error(`nobody knows a lock ${lock}`);
    return belief;
  };
  return {
    asked: (lock, mode) => {
      of(lock).inFlight = mode;
    },
    told: (lock, result) => {
      const belief = of(lock);
      if (result === 0 && belief.inFlight !== null) belief.known = belief.inFlight;
      belief.inFlight = null;
    },
    contradiction: (lock, mode) => {
      const belief = of(lock);
      const { known, inFlight } = belief;
      if (mode !== known && mode !== inFlight)
        return `${lock} is ${mode} after the restart; its owner was told ${known}${inFlight === null ? "" : ` and had asked for ${inFlight}`}`;
      beliefs.set(lock, { known: mode as Mode, inFlight: null });
      return null;
    },
    mode: (lock) => of(lock).known,
    locks: () => beliefs.keys(),
  };
}

/**
 * What the clients of one host rely on, because they were told that they hold it: the measure of all safety. Kept from what is
 * sent and answered alone, without a look into the core. A client stops to rely on a lock when it asks for its release, for
 * less, or ends; an LV that is active relies on its persistent lock until its deactivation is asked for, whatever happens to
 * the daemon meanwhile.
 */
import type { HeldMode } from "../../plugins/contract.ts";
import { insist } from "./insist.ts";

interface Belief {
  shared: number;
  exclusive: number;
  persistent: HeldMode | null;
}

export interface Beliefs {
  /** The mode that somebody relies on, or null. */
  needed(key: string): HeldMode | null;
  /** True while an LV is active on this lock. */
  isActive(key: string): boolean;
  addTransient(key: string, mode: HeldMode): void;
  removeTransient(key: string, mode: HeldMode): void;
  setPersistent(key: string, mode: HeldMode | null): void;
  persistentMode(key: string): HeldMode | null;
  /** The daemon died: its clients rely on nothing any more, active LVs still do. */
  forgetTransient(): void;
  /** Forced: every lock under the prefix is given up. */
  forgetAll(prefix: string): void;
  keys(): Iterable<string>;
}

export function createBeliefs(): Beliefs {
  const all = new Map<string, Belief>();

  function of(key: string): Belief {
    let belief = all.get(key);
    if (belief === undefined) {
      belief = { shared: 0, exclusive: 0, persistent: null };
      all.set(key, belief);
    }
    return belief;
  }

  /** No two of this host's clients rely on what excludes each other. */
  function check(key: string, { shared, exclusive, persistent }: Belief): void {
    const ex = exclusive + (persistent === "ex" ? 1 : 0);
    const sh = shared + (persistent === "sh" ? 1 : 0);
    insist(ex === 0 || (ex === 1 && sh === 0), `two holders of ${key} exclude each other`);
  }

  function drop(key: string, belief: Belief): void {
    if (belief.shared === 0 && belief.exclusive === 0 && belief.persistent === null) all.delete(key);
  }

  return {
    needed(key) {
      const belief = all.get(key);
      if (belief === undefined) return null;
      return belief.exclusive > 0 || belief.persistent === "ex" ? "ex" : "sh";
    },
    isActive: (key) => (all.get(key)?.persistent ?? null) !== null,
    addTransient(key, mode) {
      const belief = of(key);
      if (mode === "ex") belief.exclusive++;
      else belief.shared++;
      check(key, belief);
    },
    removeTransient(key, mode) {
      const belief = of(key);
      if (mode === "ex") belief.exclusive--;
      else belief.shared--;
      insist(belief.shared >= 0 && belief.exclusive >= 0, "the simulator's own books are right");
      drop(key, belief);
    },
    setPersistent(key, mode) {
      const belief = of(key);
      belief.persistent = mode;
      check(key, belief);
      drop(key, belief);
    },
    persistentMode: (key) => all.get(key)?.persistent ?? null,
    forgetTransient() {
      for (const [key, belief] of all) {
        belief.shared = 0;
        belief.exclusive = 0;
        drop(key, belief);
      }
    },
    forgetAll(prefix) {
      for (const key of all.keys()) if (key.startsWith(prefix)) all.delete(key);
    },
    keys: () => all.keys(),
  };
}

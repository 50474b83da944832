import { FIRST_LV_SLOT } from "./geometry.ts";

/**
 * Which lease slots of a VG are free, as far as this host knows. The disk is read slot by slot, once, and only as far as the
 * first free one; afterwards a slot is looked at again before it is given out, because other hosts take and free them too.
 * Which slots are in use needs no memory: all below `looked_below` that are not free.
 */
export interface SlotMap {
  /** A slot that may be free and lies below `end`; null when all were looked at. */
  candidate(end: number): number | null;
  /** The slot was found in use, or has been given to an LV. */
  take(slot: number): void;
  free(slot: number): void;
  /** Looks at everything again: other hosts may have freed what was in use. */
  startOver(): void;
}

export function createSlotMap(): SlotMap {
  const free = new Set<number>();
  let looked_below = FIRST_LV_SLOT;
  return {
    candidate(end) {
      for (const slot of free) if (slot < end) return slot;
      return looked_below < end ? looked_below : null;
    },
    take(slot) {
      free.delete(slot);
      if (slot === looked_below) looked_below += 1;
    },
    free(slot) {
      // A slot that was not reached yet is found when its turn comes.
      if (slot < looked_below) free.add(slot);
    },
    startOver() {
      free.clear();
      looked_below = FIRST_LV_SLOT;
    },
  };
}

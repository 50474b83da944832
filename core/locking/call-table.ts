/**
 * The manager calls under way, by number. Nearly every lock request adds one and takes it away again, and a Map that is filled
 * and emptied so often makes its memory anew all the time: with it, more than half of the garbage of a request was the Map's
 * (2 KB for a lock and its unlock, measured with Bun 1.4.5), and what collects that garbage stops everybody.
 */
import { assert } from "../assert.ts";
import type { PendingCall } from "./state.ts";

export interface CallTable {
  /** The number for the next call. Numbers only grow; now and then one is left out. */
  nextId(): number;
  /** `call.id` must come from `nextId`, and nothing else be added in between. */
  add(call: PendingCall): void;
  /** Takes the call away; null when there is none of this number. */
  take(id: number): PendingCall | null;
  size(): number;
  /** All of them, oldest first. */
  list(): PendingCall[];
}

/** A power of two, as all sizes of the table are. */
const FIRST_SLOTS = 64;

/** A number's slot are its last bits; a number whose slot is taken by a call that has lasted long is passed over. */
export function createCallTable(): CallTable {
  let slots: (PendingCall | null)[] = new Array<null>(FIRST_SLOTS).fill(null);
  let mask = FIRST_SLOTS - 1;
  let next_id = 1;
  let size = 0;

  /** Numbers that differ in their last bits differ in more of them too, so nothing has to make way. */
  function grow(): void {
    const grown = new Array<PendingCall | null>(slots.length * 2).fill(null);
    mask = grown.length - 1;
    for (const call of slots) if (call !== null) grown[call.id & mask] = call;
    slots = grown;
  }

  return {
    nextId() {
      if (size * 2 > slots.length) grow();
      while (slots[next_id & mask] !== null) next_id++;
      return next_id;
    },
    add(call) {
      assert(call.id === next_id && slots[next_id & mask] === null, "a call has the number made for it");
      slots[next_id & mask] = call;
      next_id++;
      size++;
    },
    take(id) {
      const call = slots[id & mask] ?? null;
      if (call === null || call.id !== id) return null;
      slots[id & mask] = null;
      size--;
      return call;
    },
    size: () => size,
    list: () => slots.filter((call) => call !== null).sort((a, b) => a.id - b.id),
  };
}

/** Timers as data: a binary heap of (time, what). A timer that no longer applies is ignored when it comes up. */
import type { Fence, Lock, Resource, Waiter } from "./state.ts";

export type Timer =
  | { readonly at_ms: number; readonly kind: "retry"; readonly resource: Resource }
  | { readonly at_ms: number; readonly kind: "fence"; readonly fence: Fence }
  | { readonly at_ms: number; readonly kind: "wait-limit"; readonly waiter: Waiter }
  | { readonly at_ms: number; readonly kind: "unlock-again"; readonly lock: Lock; readonly attempt: number };

export interface TimerHeap {
  push(timer: Timer): void;
  /** Takes the earliest timer that is due, or null. */
  popDue(now_ms: number): Timer | null;
  nextAt_ms(): number;
  size(): number;
}

export function createTimerHeap(): TimerHeap {
  const heap: Timer[] = [];
  const at = (index: number): number => heap[index]?.at_ms ?? Number.POSITIVE_INFINITY;
  const swap = (a: number, b: number): void => {
    const x = heap[a];
    const y = heap[b];
    if (x === undefined || y === undefined) return;
    heap[a] = y;
    heap[b] = x;
  };
  const siftUp = (start: number): void => {
    let index = start;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (at(parent) <= at(index)) return;
      swap(parent, index);
      index = parent;
    }
  };
  const siftDown = (): void => {
    let index = 0;
    while (true) {
      const left = 2 * index + 1;
      const smaller = at(left + 1) < at(left) ? left + 1 : left;
      if (at(smaller) >= at(index)) return;
      swap(smaller, index);
      index = smaller;
    }
  };
  return {
    push(timer) {
      heap.push(timer);
      siftUp(heap.length - 1);
    },
    popDue(now_ms) {
      const first = heap[0];
      if (first === undefined || first.at_ms > now_ms) return null;
      const last = heap.pop();
      if (heap.length > 0 && last !== undefined) {
        heap[0] = last;
        siftDown();
      }
      return first;
    },
    nextAt_ms: () => at(0),
    size: () => heap.length,
  };
}

/** What happens next in simulated time: a binary heap ordered by time, then by the order in which things were planned. */
export interface EventQueue<T> {
  push(at_ms: number, item: T): void;
  /** Takes the earliest item; null when nothing is planned. */
  pop(): { readonly at_ms: number; readonly item: T } | null;
  size(): number;
}

interface Entry<T> {
  readonly at_ms: number;
  readonly order: number;
  readonly item: T;
}

export function createEventQueue<T>(): EventQueue<T> {
  const heap: Entry<T>[] = [];
  let next_order = 0;
  const isBefore = (a: Entry<T>, b: Entry<T>): boolean =>
    a.at_ms < b.at_ms || (a.at_ms === b.at_ms && a.order < b.order);

  function siftUp(entry: Entry<T>): void {
    let index = heap.length;
    heap.push(entry);
    while (index > 0) {
      const parent_index = (index - 1) >> 1;
      const parent = heap[parent_index] as Entry<T>;
      if (!isBefore(entry, parent)) break;
      heap[index] = parent;
      index = parent_index;
    }
    heap[index] = entry;
  }

  function siftDown(entry: Entry<T>): void {
    let index = 0;
    while (true) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Entry<T>, heap[child] as Entry<T>)) child++;
      if (!isBefore(heap[child] as Entry<T>, entry)) break;
      heap[index] = heap[child] as Entry<T>;
      index = child;
    }
    heap[index] = entry;
  }

  return {
    push: (at_ms, item) => siftUp({ at_ms, order: next_order++, item }),
    pop() {
      const first = heap[0];
      if (first === undefined) return null;
      const last = heap.pop() as Entry<T>;
      if (heap.length > 0) siftDown(last);
      return first;
    },
    size: () => heap.length,
  };
}

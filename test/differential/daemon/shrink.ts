import type { Sequence, Step } from "./steps.ts";

/**
 * Leaves out steps as long as the sequence still fails: halves first, then smaller pieces, single steps last. Stops at
 * `deadline_ms` (Date.now) with what it has by then.
 */
export async function shrink(
  sequence: Sequence,
  fails: (candidate: Sequence) => Promise<boolean>,
  deadline_ms: number,
): Promise<Sequence> {
  let steps: readonly Step[] = sequence.steps;
  for (let size = Math.ceil(steps.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let start = 0; start < steps.length; ) {
      if (Date.now() > deadline_ms) return { ...sequence, steps };
      const rest = [...steps.slice(0, start), ...steps.slice(start + size)];
      if (rest.length > 0 && (await fails({ ...sequence, steps: rest }))) steps = rest;
      else start += size;
    }
  }
  return { ...sequence, steps };
}

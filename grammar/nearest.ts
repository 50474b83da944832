/** Longer names are no typing errors of ours; the cut keeps the table of editDistance small. */
const compared_chars_max = 128;

/**
 * The one of `known` that `wrong` most probably was meant to be, or undefined when none is near. A third of the letters
 * may differ; a last path segment that fits alone counts as well, because people put settings into the wrong section.
 */
export function nearestName(wrong: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let best_distance = Math.max(1, Math.floor(Math.min(wrong.length, compared_chars_max) / 3)) + 1;
  const last = wrong.slice(wrong.lastIndexOf("/") + 1);
  for (const name of known) {
    const sameLast = name !== wrong && name.slice(name.lastIndexOf("/") + 1) === last;
    const distance = sameLast ? Math.min(1, editDistance(wrong, name)) : editDistance(wrong, name);
    if (distance < best_distance) {
      best = name;
      best_distance = distance;
    }
  }
  return best;
}

/** How many single letters must be added, removed, changed or swapped with their neighbour to turn one into the other. */
export function editDistance(left: string, right: string): number {
  const from = left.slice(0, compared_chars_max);
  const to = right.slice(0, compared_chars_max);
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const changed = (last[column - 1] ?? 0) + (from[row - 1] === to[column - 1] ? 0 : 1);
      const removed = (last[column] ?? 0) + 1;
      const added = (current[column - 1] ?? 0) + 1;
      const swaps =
        row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      const swapped = swaps ? (beforeLast[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY;
      current.push(Math.min(changed, removed, added, swapped));
    }
    beforeLast = last;
    last = current;
  }
  return last[to.length] ?? 0;
}

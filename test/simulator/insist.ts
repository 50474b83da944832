/** Something happened that must never happen. The world adds when, and what led to it. */
export class Violation extends Error {
  override name = "Violation";
}

export function insist(condition: boolean, rule: string): asserts condition {
  if (!condition) throw new Violation(rule);
}

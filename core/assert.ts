/** An invariant that did not hold: a defect of the daemon itself, never of its input. */
export class InvariantError extends Error {
  override name = "InvariantError";
}

/**
 * Throws InvariantError when `condition` is false. Assertions stay on in production: a lock daemon that goes on with a
 * broken invariant may grant a lock twice, and that destroys data; a crash is adopted from the journal instead.
 */
export function assert(condition: boolean, invariant: string): asserts condition {
  if (!condition) throw new InvariantError(invariant);
}

/** Marks a branch that the type checker proved to be unreachable. */
export function unreachable(value: never): never {
  throw new InvariantError(`unreachable value: ${String(value)}`);
}

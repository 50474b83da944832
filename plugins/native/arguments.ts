/**
 * bun:ffi turns undefined, null and objects into 0 and cuts fractions, silently: a missing fd would become stdin. Every
 * wrapper therefore checks what it was given. Wrong arguments are a caller's defect, so these throw.
 */

/** Checks that `value` is a file descriptor and returns it. */
export function checkFd(value: number): number {
  if (!Number.isInteger(value) || value < 0 || value > 0x7fffffff)
    throw new TypeError(`not a file descriptor: ${String(value)}`);
  return value;
}

/** Checks that `value` is an integer that a C int of 32 bits holds and returns it. */
export function checkInt32(value: number, what: string): number {
  if (!Number.isInteger(value) || value < -0x80000000 || value > 0x7fffffff)
    throw new TypeError(`${what} is not a 32-bit integer: ${String(value)}`);
  return value;
}

/** Checks that `value` is bytes that a native call may read and returns it. */
export function checkBytes(value: Uint8Array, what: string): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new TypeError(`${what} is not a Uint8Array: ${String(value)}`);
  return value;
}

/** Checks that `value` is text without NUL, which would end it early in C, and returns it. */
export function checkText(value: string, what: string): string {
  if (typeof value !== "string" || value.includes("\0"))
    throw new TypeError(`${what} is not text without NUL`);
  return value;
}

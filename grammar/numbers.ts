const int64_min = -(2n ** 63n);
const int64_max = 2n ** 63n - 1n;

/** How C's strtoll with base 0 reads a text: the value, where it stopped, and whether the value fits 64 bits. */
export interface IntegerReading {
  readonly value: bigint;
  /** Offset behind the last character that belonged to the number; the start offset when there was no number. */
  readonly end: number;
  readonly in_range: boolean;
}

/**
 * Reads an integer at `start` as strtoll(text, &end, 0) does: 0x is hexadecimal, a leading 0 octal. It looks past the
 * end of the token that libdm has found, because libdm hands it the rest of the file.
 */
export function readInteger(text: string, start: number): IntegerReading {
  const pattern = /([+-]?)(?:0[xX]([0-9a-fA-F]+)|0([0-7]*)|([1-9][0-9]*))/y;
  pattern.lastIndex = start;
  const match = pattern.exec(text);
  if (match === null) return { value: 0n, end: start, in_range: true };
  const [, sign, hex, octal, decimal] = match;
  const magnitude =
    hex !== undefined
      ? BigInt(`0x${hex}`)
      : decimal !== undefined
        ? BigInt(decimal)
        : BigInt(`0o${octal || "0"}`);
  const value = sign === "-" ? -magnitude : magnitude;
  return { value, end: pattern.lastIndex, in_range: value >= int64_min && value <= int64_max };
}

/** A float as strtod reads it at `start`, exponent included; `in_range` is false where C sets ERANGE. */
export function readFloat(text: string, start: number): { value: number; in_range: boolean } {
  const pattern = /[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?/y;
  pattern.lastIndex = start;
  const match = pattern.exec(text);
  if (match === null) return { value: 0, in_range: true };
  const value = Number(match[0]);
  const mantissaIsZero = !/[1-9]/.test(match[0].replace(/[eE].*/, ""));
  // glibc reports underflow for every decimal that lands on a subnormal or on zero without being zero.
  const smallest_normal = 2.2250738585072014e-308;
  const underflow = !mantissaIsZero && Math.abs(value) < smallest_normal;
  return { value, in_range: Number.isFinite(value) && !underflow };
}

/** A float as libdm prints it: held in 32 bits, printed as "%f", ties to even. */
export function formatFloat(value: number): string {
  const held = Math.fround(value);
  if (!Number.isFinite(held)) return held > 0 ? "inf" : "-inf";
  const sign = held < 0 || Object.is(held, -0) ? "-" : "";
  const magnitude = Math.abs(held);
  if (magnitude >= 2 ** 53) return `${sign}${BigInt(magnitude)}.000000`;
  // Only a multiple of 1/128 can lie exactly between two sixth decimals, since 10^6 = 2^6 * 15625; toFixed rounds such
  // a tie up where C rounds to even.
  if (Number.isInteger(magnitude * 128)) {
    const twice_millionths = BigInt(magnitude * 128) * 15625n;
    const millionths = twice_millionths / 2n + (twice_millionths % 4n === 3n ? 1n : 0n);
    const digits = millionths.toString().padStart(7, "0");
    return `${sign}${digits.slice(0, -6)}.${digits.slice(-6)}`;
  }
  return `${sign}${magnitude.toFixed(6)}`;
}

/**
 * Reads one setting after the other from a message, with everything that libdm's configuration language allows: comments,
 * both kinds of quotes, bare words, arrays, sections. It is the thorough reader; decode.ts reads the plain `key = "value"`
 * lines itself and comes here for the rest. Text is one character per byte (latin1).
 *
 * libdm's tokens depend on what came before: only behind `=`, `[` and `,` do digits and bare words make values.
 */
import { LIMITS } from "../limits.ts";
import * as ascii from "./ascii.ts";

/** A value. "other" is a float or an empty array: no key of the protocol takes one. An array counts as its first element. */
export type ScannedValue =
  | { readonly kind: "string"; readonly text: string }
  | { readonly kind: "integer"; readonly value: bigint }
  | { readonly kind: "other" };

/** Where the scanner is, in bytes[at, end); `problem` and `problem_at` are set when a scan function returned null. */
export interface Cursor {
  readonly bytes: Buffer;
  readonly end: number;
  at: number;
  /** Keys and array elements read so far. They are bounded: 16 MiB of `[1,1,1,...` would stop the daemon for a second. */
  parts: number;
  problem: string;
  problem_at: number;
}

/** A setting under its first path segment; `value` is null for a section and for `a/b = 1`, which make a node `a` without value. */
export interface ScannedSetting {
  readonly key: string;
  readonly value: ScannedValue | null;
}

const OTHER: ScannedValue = Object.freeze({ kind: "other" });
const int64_min = -(2n ** 63n);
const int64_max = 2n ** 63n - 1n;

/** A cursor on bytes[start, end); `parts` is how many of them were read before by other means. */
export function createCursor(bytes: Buffer, start: number, end: number, parts: number): Cursor {
  return { bytes, end, at: start, parts, problem: "", problem_at: start };
}

/** Whether the cursor has read all the keys and array elements that one message may have. */
export function isPartsBoundPassed(cursor: Cursor): boolean {
  return cursor.parts > LIMITS.request_settings;
}

/** Counts a key or array element that begins at the cursor; false when there are too many. */
function countPart(cursor: Cursor): boolean {
  cursor.parts++;
  if (!isPartsBoundPassed(cursor)) return true;
  return (
    refuse(cursor, cursor.at, `more than ${LIMITS.request_settings} settings and array elements`) !== null
  );
}

/** The byte at `at`. NUL behind the last one: for libdm a NUL ends the input, wherever it stands. */
function peek(cursor: Cursor): number {
  return cursor.at < cursor.end ? (cursor.bytes[cursor.at] ?? ascii.NUL) : ascii.NUL;
}

function refuse(cursor: Cursor, at: number, problem: string): null {
  cursor.problem = problem;
  cursor.problem_at = at;
  return null;
}

/** Skips blanks and comments. */
function skipBlank(cursor: Cursor): void {
  for (;;) {
    const code = peek(cursor);
    if (ascii.isBlank(code)) cursor.at++;
    else if (code === ascii.HASH) skipComment(cursor);
    else return;
  }
}

function skipComment(cursor: Cursor): void {
  for (;;) {
    const code = peek(cursor);
    if (code === ascii.NEWLINE || code === ascii.NUL) return;
    cursor.at++;
  }
}

/** Skips to the next setting. False at the end of the message. */
export function skipToSetting(cursor: Cursor): boolean {
  skipBlank(cursor);
  return peek(cursor) !== ascii.NUL;
}

/** Reads a setting or a whole section that begins at `at`; null when the text is not one, see `problem`. */
export function scanSetting(cursor: Cursor): ScannedSetting | null {
  const key = scanKey(cursor);
  if (key === null) return null;
  const path = key.replace(/^\/+/, "");
  const slash = path.indexOf("/");
  const name = slash === -1 ? path : path.slice(0, slash);
  skipBlank(cursor);
  const code = peek(cursor);
  if (code === ascii.OPEN_BRACE) {
    cursor.at++;
    return skipSection(cursor) ? { key: name, value: null } : null;
  }
  if (code !== ascii.EQUALS) return refuse(cursor, cursor.at, "expected = behind the key");
  cursor.at++;
  const value = scanValue(cursor);
  if (value === null) return null;
  return { key: name, value: slash === -1 ? value : null };
}

/** Skips to the brace that closes a section. It counts the braces instead of recursing, so depth costs no stack. */
function skipSection(cursor: Cursor): boolean {
  const start = cursor.at - 1;
  let depth = 1;
  while (depth > 0) {
    skipBlank(cursor);
    const code = peek(cursor);
    if (code === ascii.NUL) return refuse(cursor, start, "the section is never closed") !== null;
    if (code === ascii.CLOSE_BRACE) {
      cursor.at++;
      depth--;
      continue;
    }
    if (scanKey(cursor) === null) return false;
    skipBlank(cursor);
    const next = peek(cursor);
    cursor.at++;
    if (next === ascii.OPEN_BRACE) depth++;
    else if (next !== ascii.EQUALS)
      return refuse(cursor, cursor.at - 1, "expected = or { behind the key") !== null;
    else if (scanValue(cursor) === null) return false;
  }
  return true;
}

function scanKey(cursor: Cursor): string | null {
  if (!countPart(cursor)) return null;
  const start = cursor.at;
  const code = peek(cursor);
  if (code === ascii.DOUBLE_QUOTE || code === ascii.SINGLE_QUOTE) {
    const key = scanQuoted(cursor, code);
    return key === "" ? refuse(cursor, start, "the key is empty") : key;
  }
  return scanWord(cursor) ?? refuse(cursor, start, "expected a key");
}

/** A key or bare value: up to a blank, `#`, `=` or a brace. Brackets and commas end it only where they stand first. */
function scanWord(cursor: Cursor): string | null {
  const start = cursor.at;
  const first = peek(cursor);
  if (first === ascii.COMMA || first === ascii.OPEN_BRACKET || first === ascii.CLOSE_BRACKET) return null;
  while (isWordCharacter(peek(cursor))) cursor.at++;
  return cursor.at === start ? null : textBetween(cursor, start, cursor.at);
}

function isWordCharacter(code: number): boolean {
  return !(
    code === ascii.NUL ||
    code === ascii.HASH ||
    code === ascii.EQUALS ||
    code === ascii.OPEN_BRACE ||
    code === ascii.CLOSE_BRACE ||
    ascii.isBlank(code)
  );
}

function textBetween(cursor: Cursor, start: number, end: number): string {
  return cursor.bytes.toString("latin1", start, end);
}

/**
 * A quoted string; only "..." has escapes. libdm takes a string that is never closed, without its last character; we refuse
 * it, because the name that it would leave is not the one that was meant.
 */
function scanQuoted(cursor: Cursor, quote: number): string | null {
  const start = cursor.at++;
  let escaped = false;
  for (;;) {
    const code = peek(cursor);
    if (code === quote) break;
    if (code === ascii.NUL) return refuse(cursor, start, "the string is never closed");
    if (code === ascii.BACKSLASH && quote === ascii.DOUBLE_QUOTE) {
      escaped = true;
      cursor.at++;
      if (peek(cursor) === ascii.NUL) return refuse(cursor, start, "the string is never closed");
    }
    cursor.at++;
  }
  const body = textBetween(cursor, start + 1, cursor.at++);
  return escaped ? body.replace(/\\(["\\])/g, "$1") : body;
}

/** What stands behind the equals sign. */
function scanValue(cursor: Cursor): ScannedValue | null {
  skipBlank(cursor);
  if (peek(cursor) !== ascii.OPEN_BRACKET) return scanScalar(cursor, true);
  const start = cursor.at++;
  let first: ScannedValue | null = null;
  let behindComma = true;
  for (;;) {
    skipBlank(cursor);
    const code = peek(cursor);
    if (code === ascii.NUL) return refuse(cursor, start, "the array is never closed");
    if (code === ascii.CLOSE_BRACKET) break;
    if (!countPart(cursor)) return null;
    const value = scanScalar(cursor, behindComma);
    if (value === null) return null;
    first ??= value;
    skipBlank(cursor);
    behindComma = peek(cursor) === ascii.COMMA;
    if (behindComma) cursor.at++;
  }
  cursor.at++;
  return first ?? OTHER;
}

/** One value. Without a comma before it (or the `=` or `[`) only a quoted string is one. */
function scanScalar(cursor: Cursor, anyKind: boolean): ScannedValue | null {
  const start = cursor.at;
  const code = peek(cursor);
  if (code === ascii.DOUBLE_QUOTE || code === ascii.SINGLE_QUOTE) {
    const text = scanQuoted(cursor, code);
    return text === null ? null : { kind: "string", text };
  }
  if (!anyKind) return refuse(cursor, start, "expected a comma or ]");
  if (ascii.isDigit(code) || code === ascii.PLUS || code === ascii.MINUS || code === ascii.DOT)
    return scanNumber(cursor);
  const text = scanWord(cursor);
  return text === null ? refuse(cursor, start, "expected a value") : { kind: "string", text };
}

function scanNumber(cursor: Cursor): ScannedValue | null {
  const start = cursor.at;
  let dots = peek(cursor) === ascii.DOT ? 1 : 0;
  cursor.at++;
  for (;;) {
    const code = peek(cursor);
    if (code === ascii.DOT && dots === 0) dots = 1;
    else if (!ascii.isDigit(code)) break;
    cursor.at++;
  }
  return dots === 1 ? OTHER : readInteger(cursor, start);
}

/**
 * The integer token that ends at the cursor, as strtoll with base 0 has it and libdm since 2.03.40 demands it: a leading 0
 * makes it octal, all of the token must be used, and `0x10` fails because the token ends before the x that strtoll takes.
 */
function readInteger(cursor: Cursor, start: number): ScannedValue | null {
  // Bounded before it becomes text and number: no more than 22 digits fit 64 bits, leading zeros aside.
  const token = textBetween(cursor, start, Math.min(cursor.at, start + 64));
  const hexFollows =
    /^[+-]?0$/.test(token) && /^[xX][0-9a-fA-F]/.test(textBetween(cursor, cursor.at, cursor.at + 2));
  const parts = /^([+-]?)(?:(0[0-7]*)|([1-9][0-9]*))$/.exec(token);
  if (parts === null || hexFollows || cursor.at - start > token.length)
    return refuse(cursor, start, "not a decimal or octal integer of 64 bits");
  const [, sign, octal, decimal] = parts;
  const magnitude = BigInt(decimal ?? `0o${octal}`);
  const value = sign === "-" ? -magnitude : magnitude;
  if (value < int64_min || value > int64_max)
    return refuse(cursor, start, "the integer does not fit 64 bits");
  return { kind: "integer", value };
}

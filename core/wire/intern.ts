/**
 * One string for the same bytes, again and again. Names, uuids, args and commands repeat from request to request: a string
 * that exists already costs no memory, keeps no input alive, and has its hash ready for the maps of the locking rules.
 */
import { LIMITS } from "../limits.ts";

/** How bytes above 0x7f become text. "latin1" keeps one character per byte; "utf8" gives null when the bytes are not UTF-8. */
export type TextEncoding = "latin1" | "utf8";

const slots: string[] = new Array<string>(LIMITS.interned_strings).fill("");
const slotMask = LIMITS.interned_strings - 1;
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The next value of a text's hash; the first one is 0. 31 spreads short names well and is one multiplication. */
export function hashNext(hash: number, code: number): number {
  return (Math.imul(hash, 31) + code) | 0;
}

/** Whether bytes[start, end) are exactly the characters of `text`. */
export function equalsBytes(text: string, bytes: Buffer, start: number, end: number): boolean {
  if (text.length !== end - start) return false;
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) !== bytes[start + index]) return false;
  }
  return true;
}

/** The text of bytes[start, end), whose hash (see hashNext) the caller has computed while it looked for the end. */
export function internText(
  bytes: Buffer,
  start: number,
  end: number,
  hash: number,
  encoding: TextEncoding,
): string | null {
  const slot = (hash ^ (hash >>> 15)) & slotMask;
  const known = slots[slot] ?? "";
  if (equalsBytes(known, bytes, start, end)) return known;
  const text = bytes.toString("latin1", start, end);
  // Only ASCII is kept, since it is the same text in both encodings; and only short text, so that the table stays small.
  if (hasHighByte(text)) return encoding === "utf8" ? utf8FromLatin1(text) : text;
  if (text.length <= LIMITS.interned_string_length) slots[slot] = text;
  return text;
}

export function hasHighByte(latin1: string): boolean {
  return /[\x80-\xff]/.test(latin1);
}

/** The text that the bytes in `latin1` (one per character) spell in UTF-8; null when they are not UTF-8. */
export function utf8FromLatin1(latin1: string): string | null {
  if (!hasHighByte(latin1)) return latin1;
  try {
    return strictUtf8.decode(Buffer.from(latin1, "latin1"));
  } catch {
    return null;
  }
}

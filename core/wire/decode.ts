/**
 * Message body -> Request. This is the hot path: every lvm command sends about five requests. Plain lines, which is all that
 * lvm writes, are read here straight from the bytes, and a text that occurred before is not even made again; whatever looks
 * different goes to config-scanner.ts, which knows the rest of libdm's language.
 */
import { assert } from "../assert.ts";
import type { ErrorName } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import * as ascii from "./ascii.ts";
import {
  createCursor,
  isPartsBoundPassed,
  type ScannedValue,
  scanSetting,
  skipToSetting,
} from "./config-scanner.ts";
import { hashNext, internText, utf8FromLatin1 } from "./intern.ts";
import type { Request, RequestName } from "./message.ts";
import {
  fieldOfBytes,
  fieldOfKey,
  newRequestDraft,
  type RequestDraft,
  type RequestField,
} from "./request-fields.ts";

/** Why a body is not a request. Its `name` is null, which tells it from a Request. */
export interface DecodeError {
  readonly name: null;
  readonly kind: "syntax" | "bounds" | "missing-request" | "unknown-request";
  /** What to answer with. */
  readonly error: ErrorName;
  /** One line for a person, with the place: `line 2, column 10, key vg_name: ...`. */
  readonly detail: string;
  /** Counted from 1, in bytes; both 0 when the error has no place. */
  readonly line: number;
  readonly column: number;
  /** The key it is about; "" when it is about none. */
  readonly key: string;
  /** The request's name as far as it was read, so that the answer can have that request's shape. */
  readonly request_name: RequestName | null;
}

/** What went wrong, before its place was counted. */
interface Refusal {
  readonly kind: DecodeError["kind"];
  readonly at: number;
  readonly key: string;
  readonly message: string;
}

const errorOfKind: Readonly<Record<DecodeError["kind"], ErrorName>> = {
  syntax: "EPROTO",
  bounds: "EINVAL",
  "missing-request": "EPROTO",
  "unknown-request": "EOPNOTSUPP",
};

/** The longest decimal that is an exact number without further thought. */
const simple_digits_max = 15;

/**
 * Reads the body bytes[start, end), behind which the terminator or the end of the buffer must be. Never throws on any input;
 * keeps nothing of the buffer.
 */
export function decodeRequest(bytes: Buffer, start: number, end: number): Request | DecodeError {
  // The loops over plain lines need no check for the end, because a newline stops all of them.
  assert(end === bytes.length || bytes[end] === ascii.NEWLINE, "a message body ends before its terminator");
  const draft = newRequestDraft();
  let at = start;
  for (;;) {
    while (at < end && ascii.isBlank(bytes[at] ?? ascii.NUL)) at++;
    if (at >= end) break;
    // The thorough reader is the one that refuses what is too much.
    const plain = draft.parts < LIMITS.request_settings ? readPlainSetting(draft, bytes, at) : 0;
    if (plain > 0) {
      draft.parts++;
      at = plain;
      continue;
    }
    const read = readSetting(draft, bytes, at, end);
    if (typeof read !== "number") return decodeError(bytes, start, draft, read);
    at = read;
  }
  if (draft.name === null) return decodeError(bytes, start, draft, noRequest(draft, start));
  return draft.request;
}

/**
 * Reads `key = "value"` or `key = 123`, with or without spaces round the equals sign, into the draft. Returns the offset
 * behind it, or 0, with nothing changed, when the setting is not that plain or its value not acceptable.
 */
function readPlainSetting(draft: RequestDraft, bytes: Buffer, start: number): number {
  let at = start;
  let code = bytes[at] ?? ascii.NUL;
  while (isKeyLetter(code)) code = bytes[++at] ?? ascii.NUL;
  const key_end = at;
  while (code === ascii.SPACE) code = bytes[++at] ?? ascii.NUL;
  if (code !== ascii.EQUALS || key_end === start) return 0;
  code = bytes[++at] ?? ascii.NUL;
  while (code === ascii.SPACE) code = bytes[++at] ?? ascii.NUL;
  const field = fieldOfBytes(bytes, start, key_end);
  if (code === ascii.DOUBLE_QUOTE) return readPlainText(draft, field, bytes, at + 1);
  return readPlainInteger(draft, field, bytes, at);
}

function isKeyLetter(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || code === 0x5f;
}

/** Whether nothing is to be done with a value: an unknown key, or one that was there before. */
function isIgnored(draft: RequestDraft, field: RequestField | undefined): boolean {
  return field === undefined || (draft.seen & field.bit) !== 0;
}

function readPlainText(
  draft: RequestDraft,
  field: RequestField | undefined,
  bytes: Buffer,
  start: number,
): number {
  let at = start;
  let hash = 0;
  let code = bytes[at] ?? ascii.NUL;
  while (code !== ascii.DOUBLE_QUOTE) {
    // Escapes, and control characters with the newline and the end among them, are for the thorough reader.
    if (code < ascii.SPACE || code === ascii.BACKSLASH) return 0;
    hash = hashNext(hash, code);
    code = bytes[++at] ?? ascii.NUL;
  }
  if (field === undefined || isIgnored(draft, field)) return at + 1;
  if (field.kind === "text") {
    if (at - start > field.length_max) return 0;
    const text = internText(bytes, start, at, hash, field.encoding);
    if (text === null) return 0;
    field.set(draft, text);
  }
  draft.seen |= field.bit;
  return at + 1;
}

function readPlainInteger(
  draft: RequestDraft,
  field: RequestField | undefined,
  bytes: Buffer,
  start: number,
): number {
  let at = start;
  let value = 0;
  let code = bytes[at] ?? ascii.NUL;
  // A leading 0 makes an octal number, unless it is all of it.
  if (code === ascii.DIGIT_0 && bytes[start + 1] !== ascii.NEWLINE) return 0;
  while (ascii.isDigit(code)) {
    value = value * 10 + (code - ascii.DIGIT_0);
    code = bytes[++at] ?? ascii.NUL;
  }
  if (code !== ascii.NEWLINE || at === start || at - start > simple_digits_max) return 0;
  if (field === undefined || isIgnored(draft, field)) return at;
  if (field.kind === "integer") {
    if (value < field.min || value > field.max) return 0;
    field.set(draft, value);
  }
  draft.seen |= field.bit;
  return at;
}

/** Reads a setting of any form into the draft. Returns the offset behind it; `end` when there was none any more. */
function readSetting(draft: RequestDraft, bytes: Buffer, start: number, end: number): number | Refusal {
  const cursor = createCursor(bytes, start, end, draft.parts);
  if (!skipToSetting(cursor)) return end;
  const key_at = cursor.at;
  const setting = scanSetting(cursor);
  if (setting === null) {
    const kind = isPartsBoundPassed(cursor) ? "bounds" : "syntax";
    return { kind, at: cursor.problem_at, key: "", message: cursor.problem };
  }
  draft.parts = cursor.parts;
  const field = fieldOfKey(setting.key);
  if (field === undefined || isIgnored(draft, field)) return cursor.at;
  draft.seen |= field.bit;
  // Like libdm, a section or a value of the wrong type counts as if the key were not there.
  const problem = setting.value === null ? null : setScanned(draft, field, setting.value);
  if (problem !== null) return { kind: "bounds", at: key_at, key: field.key, message: problem };
  return cursor.at;
}

/** Puts a value into the draft; returns what is wrong with it, or null. */
function setScanned(draft: RequestDraft, field: RequestField, value: ScannedValue): string | null {
  if (field.kind === "integer") {
    if (value.kind !== "integer") return null;
    const number = Number(value.value);
    if (number < field.min || number > field.max) {
      return `${value.value} is not between ${field.min} and ${field.max}`;
    }
    field.set(draft, number);
    return null;
  }
  if (value.kind !== "string") return null;
  const { length_max } = field;
  const cut = field.excess === "cut";
  if (value.text.length > length_max && !cut) {
    return `${value.text.length} characters, and ${length_max} are the most that is taken`;
  }
  const raw = value.text.slice(0, length_max);
  const text = field.encoding === "utf8" ? (utf8FromLatin1(raw) ?? (cut ? raw : null)) : raw;
  if (text === null) return "this is not UTF-8";
  field.set(draft, text);
  return null;
}

function noRequest(draft: RequestDraft, start: number): Refusal {
  // Nothing but what is harmless on a terminal and in a log: the name is the client's.
  const shown = draft.name_text?.replace(/[^ -~]/g, "?") ?? "";
  return shown === ""
    ? { kind: "missing-request", at: start, key: "request", message: "there is no such key" }
    : { kind: "unknown-request", at: start, key: "request", message: `"${shown}" is not known` };
}

function decodeError(bytes: Buffer, start: number, draft: RequestDraft, refusal: Refusal): DecodeError {
  const { kind, at, key, message } = refusal;
  const placed = kind === "syntax" || kind === "bounds";
  let line = 1;
  let line_start = start;
  for (let index = start; index < at; index++) {
    if (bytes[index] !== ascii.NEWLINE) continue;
    line++;
    line_start = index + 1;
  }
  const column = at - line_start + 1;
  const place = [placed ? `line ${line}, column ${column}` : "", key === "" ? "" : `key ${key}`];
  return {
    name: null,
    kind,
    error: errorOfKind[kind],
    detail: `${place.filter((part) => part !== "").join(", ")}: ${message}`,
    line: placed ? line : 0,
    column: placed ? column : 0,
    key,
    request_name: draft.name,
  };
}

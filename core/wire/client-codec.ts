/** The client's side of the protocol, for lvmlockctl, tests and tools. Nothing here is on the daemon's hot path. */
import { assert } from "../assert.ts";
import { createCursor, type ScannedValue, scanSetting, skipToSetting } from "./config-scanner.ts";
import { TERMINATOR } from "./frame.ts";
import { utf8FromLatin1 } from "./intern.ts";
import { quoteText } from "./quote.ts";

/**
 * Where info and dump texts arrive: the client binds this abstract datagram address before it asks. The NUL in front makes
 * it abstract and there is none behind, so one client at a time can have it in a network namespace.
 */
export const DUMP_DATAGRAM_ADDRESS = "\0lvmlockd-dump.sock";

/**
 * The two spellings of a request: "lvm" as liblvm builds it from a tree (`request="lock_vg"`, then `mode ="sh"`), and
 * "simple" as daemon_send_simple prints it (`request = "hello"`). Daemons take both.
 */
export type RequestSpelling = "lvm" | "simple";

/** The keys of a request in the order in which they are sent, without `request` itself. */
export type RequestKeys = Readonly<Record<string, string | number>>;

/** A whole request message, terminator included. Throws InvariantError on a number that is not an integer. */
export function encodeRequest(
  name: string,
  keys: RequestKeys,
  options: { readonly spelling: RequestSpelling },
): Uint8Array {
  const [firstEquals, equals] = options.spelling === "lvm" ? ["=", " ="] : [" = ", " = "];
  let body = `request${firstEquals}${quoteText(name)}\n`;
  for (const [key, value] of Object.entries(keys)) {
    if (typeof value === "number") assert(Number.isSafeInteger(value), `a request's ${key} is an integer`);
    body += `${key}${equals}${typeof value === "number" ? value : quoteText(value)}\n`;
  }
  return Buffer.from(body + TERMINATOR, "utf8");
}

/** A reply's keys; an array gives its first element. Text is UTF-8, or latin1 where it is not. */
export type DecodedReply =
  | { readonly ok: true; readonly keys: ReadonlyMap<string, string | number> }
  | { readonly ok: false; readonly detail: string };

/**
 * Reads a reply's body bytes[start, end). Of equal keys the first counts; sections, floats and empty arrays are left out.
 * Never throws. Integers beyond 2^53 lose their last digits, which none of the protocol's has.
 */
export function decodeReply(bytes: Buffer, start: number, end: number): DecodedReply {
  const keys = new Map<string, string | number>();
  const cursor = createCursor(bytes, start, end, 0);
  while (skipToSetting(cursor)) {
    const setting = scanSetting(cursor);
    if (setting === null)
      return { ok: false, detail: `byte ${cursor.problem_at - start}: ${cursor.problem}` };
    const value = setting.value === null ? null : plainValue(setting.value);
    if (value !== null && !keys.has(setting.key)) keys.set(setting.key, value);
  }
  return { ok: true, keys };
}

function plainValue(value: ScannedValue): string | number | null {
  switch (value.kind) {
    case "string":
      return utf8FromLatin1(value.text) ?? value.text;
    case "integer":
      return Number(value.value);
    case "other":
      return null;
  }
}

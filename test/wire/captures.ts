/** The recorded traffic between lvm's own commands and the C daemon: test/wire/captures, one message per line. */
import { readFileSync } from "node:fs";
import type { ReplyDialect } from "../../core/wire/encode.ts";

export interface CapturedMessage {
  readonly dialect: ReplyDialect;
  readonly direction: "request" | "reply";
  /** The bytes on the wire, terminator included. */
  readonly wire: Buffer;
}

const FILES: readonly (readonly [string, ReplyDialect])[] = [
  ["lvm-2.03.40-dlm.txt", "2.03.40"],
  ["lvm-2.03.40-sanlock.txt", "2.03.40"],
  ["lvm-2.03.16-dlm.txt", "2.03.16"],
];

function readCapture(file: string, dialect: ReplyDialect): CapturedMessage[] {
  const text = readFileSync(new URL(`captures/${file}`, import.meta.url), "latin1");
  const messages: CapturedMessage[] = [];
  for (const line of text.split("\n")) {
    const direction = line.startsWith("-> ") ? "request" : line.startsWith("<- ") ? "reply" : null;
    if (direction === null) continue;
    // Newlines are the only characters that the recorder escaped.
    messages.push({ dialect, direction, wire: Buffer.from(line.slice(3).replaceAll("\\n", "\n"), "latin1") });
  }
  return messages;
}

export const CAPTURED: readonly CapturedMessage[] = FILES.flatMap(([file, dialect]) =>
  readCapture(file, dialect),
);

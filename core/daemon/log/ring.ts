/**
 * The last log entries, for `lvmlockctl --dump`. What happens on every request is stored as numbers and references to strings
 * that exist anyway, in columns made once, and becomes text only when somebody reads it.
 */
import { LIMITS } from "../../limits.ts";
import type { LogLevel } from "../../locking/api.ts";
import type { Request } from "../../wire/message.ts";

/** What an entry is: a text, a request that came in, or a reply that went out. */
const TEXT = 0;
const RECEIVED = 1;
const SENT = 2;

/**
 * A line of the dump is at most this long with its line end. The C daemon cuts at 255, which would take the end of sentences that
 * name several devices, where it says what to do; every lvmlockctl prints the lines as they come.
 */
const LINE_SIZE_BYTES = 1000;

export interface LogRing {
  text(at_ms: number, level: LogLevel, text: string): void;
  received(at_ms: number, client_id: number, pid: number, request: Request): void;
  sent(at_ms: number, client_id: number, op: number, result: number): void;
  /** The entries, oldest first, as `<epoch seconds> message\n`. `epoch_ms` is what has to be added to an entry's time. */
  lines(epoch_ms: number): Iterable<string>;
  /** The last entry as a line without time, for the debugging output. */
  latest(): string;
}

export function createLogRing(capacity: number = LIMITS.log_ring_entries): LogRing {
  const what = new Uint8Array(capacity);
  const at = new Float64Array(capacity);
  const client = new Float64Array(capacity);
  const number = new Int32Array(capacity);
  const other = new Int32Array(capacity);
  const word = new Array<string>(capacity).fill("");
  const vg = new Array<string>(capacity).fill("");
  const lv = new Array<string>(capacity).fill("");
  const mode = new Array<string>(capacity).fill("");
  let next = 0;
  let filled = 0;

  function step(): number {
    const slot = next;
    next = slot + 1 === capacity ? 0 : slot + 1;
    if (filled < capacity) filled++;
    return slot;
  }

  function text(at_ms: number, level: LogLevel, line: string): void {
    const slot = step();
    what[slot] = TEXT;
    at[slot] = at_ms;
    word[slot] = line;
    // Old references would keep their strings alive, and the level's name costs nothing.
    vg[slot] = level;
    lv[slot] = "";
  }

  function received(at_ms: number, client_id: number, pid: number, request: Request): void {
    const slot = step();
    what[slot] = RECEIVED;
    at[slot] = at_ms;
    client[slot] = client_id;
    number[slot] = pid;
    word[slot] = request.name;
    vg[slot] = request.vg_name;
    lv[slot] = request.lv_uuid;
    mode[slot] = request.mode;
  }

  function sent(at_ms: number, client_id: number, op: number, result: number): void {
    const slot = step();
    what[slot] = SENT;
    at[slot] = at_ms;
    client[slot] = client_id;
    number[slot] = op;
    other[slot] = result;
  }

  function message(slot: number): string {
    switch (what[slot]) {
      case RECEIVED: {
        const subject = lv[slot] === "" ? (vg[slot] ?? "") : `${vg[slot]}/${lv[slot]}`;
        const wanted = mode[slot] === "iv" ? "" : ` ${mode[slot]}`;
        return `client ${client[slot]} pid ${number[slot]} asks ${word[slot]} ${subject}${wanted}`;
      }
      case SENT:
        return `client ${client[slot]} is told op ${number[slot]} result ${other[slot]}`;
      default:
        return vg[slot] === "debug" || vg[slot] === "info" ? `${word[slot]}` : `${vg[slot]}: ${word[slot]}`;
    }
  }

  function* lines(epoch_ms: number): Iterable<string> {
    const oldest = filled < capacity ? 0 : next;
    for (let i = 0; i < filled; i++) {
      const slot = (oldest + i) % capacity;
      const seconds = Math.floor(((at[slot] ?? 0) + epoch_ms) / 1000);
      yield cutLine(`${seconds} ${message(slot)}`);
    }
  }

  const latest = () => (filled === 0 ? "" : message((next + capacity - 1) % capacity));
  return { text, received, sent, lines, latest };
}

/** Cut by bytes, not in the middle of a character; line ends inside would make two entries of one. */
function cutLine(text: string): string {
  const line = text.replace(/[\r\n]+/g, " ");
  if (line.length * 3 < LINE_SIZE_BYTES) return `${line}\n`;
  const bytes = Buffer.from(line);
  if (bytes.length < LINE_SIZE_BYTES) return `${line}\n`;
  let end = LINE_SIZE_BYTES - 1;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return `${bytes.toString("utf8", 0, end)}\n`;
}

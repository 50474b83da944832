/**
 * Cuts the bytes of one connection into message bodies. A body ends before the four bytes `\n##\n`.
 *
 * The C daemon calls a message complete when the last four bytes of what it has read so far are the terminator, wherever
 * reading happened to stop. Here the terminator ends a body wherever it stands, so requests sent in one go are answered one
 * by one. Inside a quoted string it ends the body as well: libdm has no escape for a newline, so not even the C side can
 * carry such a string safely, and no name, uuid, path or args that lvm sends contains a newline.
 */
import { LIMITS } from "../limits.ts";

export const TERMINATOR = "\n##\n";

const terminatorBytes = Buffer.from(TERMINATOR, "latin1");
const terminator_size_bytes = terminatorBytes.length;
const NOTHING = Buffer.alloc(0);

/** "too-large": the body passed its bound. The connection can't be understood any more: answer, then close it. */
export type FrameOutcome = "ok" | "too-large";

/** Takes the body bytes[start, end). The memory is only valid during the call: copy what is kept. */
export type FrameHandler = (bytes: Buffer, start: number, end: number) => void;

export interface FrameAssembler {
  /** Takes what the socket delivered and hands every complete body to the handler, in order, before it returns. */
  push(chunk: Buffer): FrameOutcome;
  /** Memory taken by the request that is not complete yet; 0 between requests. The caller sums this over its clients. */
  unfinishedSizeBytes(): number;
  /** Forgets everything; bodies behind the current one are not handed on. The handler itself may call it. */
  close(): void;
}

export interface FrameLimits {
  readonly request_size_bytes: number;
  readonly idle_frame_buffer_size_bytes: number;
}

/** An assembler for one connection. It calls `onFrame` from inside `push` only. */
export function createFrameAssembler(onFrame: FrameHandler, limits: FrameLimits = LIMITS): FrameAssembler {
  let state: "open" | "closed" | "too-large" = "open";
  let held = NOTHING;
  let used = 0;

  function refuse(): FrameOutcome {
    state = "too-large";
    held = NOTHING;
    used = 0;
    return state;
  }

  /** Hands on the bodies in bytes[start, end), of which the first `searched` bytes hold no terminator. Returns where the rest begins. */
  function handOn(bytes: Buffer, start: number, searched: number): number {
    let bodyStart = start;
    let bodyEnd = bytes.indexOf(terminatorBytes, searched);
    while (bodyEnd !== -1) {
      if (bodyEnd - bodyStart > limits.request_size_bytes) {
        state = "too-large";
        return bodyStart;
      }
      onFrame(bytes, bodyStart, bodyEnd);
      bodyStart = bodyEnd + terminator_size_bytes;
      // Most chunks are exactly one message: the second search is saved for them.
      if (state !== "open" || bodyStart === bytes.length) return bodyStart;
      bodyEnd = bytes.indexOf(terminatorBytes, bodyStart);
    }
    return bodyStart;
  }

  /** Makes room for `size_bytes`. Doubling keeps a sender of single bytes linear, the cap keeps it near the bound. */
  function reserve(size_bytes: number): void {
    if (size_bytes <= held.length) return;
    const cap_bytes = limits.request_size_bytes + terminator_size_bytes;
    const doubled_bytes = Math.min(Math.max(held.length * 2, limits.idle_frame_buffer_size_bytes), cap_bytes);
    const grown = Buffer.alloc(Math.max(size_bytes, doubled_bytes));
    held.copy(grown, 0, 0, used);
    held = grown;
  }

  function hold(chunk: Buffer, start: number): void {
    reserve(used + chunk.length - start);
    chunk.copy(held, used, start);
    used += chunk.length - start;
  }

  /** Keeps held[rest, used) for the next push, and gives memory back that a large request has taken. */
  function keepRest(rest: number): void {
    const kept = held.subarray(rest, used);
    used = kept.length;
    if (held.length > limits.idle_frame_buffer_size_bytes && used <= limits.idle_frame_buffer_size_bytes) {
      held = NOTHING;
      reserve(used);
    }
    if (rest > 0) kept.copy(held, 0);
  }

  function pushHeld(chunk: Buffer): FrameOutcome {
    // The terminator may have begun in the bytes that are held already.
    const searched = Math.max(0, used - (terminator_size_bytes - 1));
    hold(chunk, 0);
    const rest = handOn(held.subarray(0, used), 0, searched);
    if (state === "too-large") return refuse();
    if (state === "open" && rest > 0) keepRest(rest);
    return boundHeld();
  }

  /** The last three bytes may belong to a terminator that is still under way, so they do not count as body yet. */
  function boundHeld(): FrameOutcome {
    return used - (terminator_size_bytes - 1) > limits.request_size_bytes ? refuse() : "ok";
  }

  return {
    push(chunk) {
      if (state !== "open") return state === "too-large" ? state : "ok";
      if (used > 0) return pushHeld(chunk);
      const rest = handOn(chunk, 0, 0);
      if (rest === chunk.length) return "ok";
      if (state !== "open") return state === "too-large" ? refuse() : "ok";
      if (chunk.length - rest - (terminator_size_bytes - 1) > limits.request_size_bytes) return refuse();
      hold(chunk, rest);
      return "ok";
    },
    unfinishedSizeBytes: () => (used > 0 ? held.length : 0),
    close() {
      state = "closed";
      held = NOTHING;
      used = 0;
    },
  };
}

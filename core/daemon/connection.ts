/**
 * What the daemon keeps of one client's connection: bytes that are no request yet, requests that wait for their turn, and the
 * reply that the client has not taken yet. Only data and how it moves on; who may move when is clients.ts.
 */
import type { Socket } from "bun";
import { LIMITS } from "../limits.ts";
import { type DecodeError, decodeRequest } from "../wire/decode.ts";
import { createFrameAssembler, type FrameAssembler } from "../wire/frame.ts";
import type { Request } from "../wire/message.ts";

/** A socket that was refused has no connection. */
export type ClientSocket = Socket<Connection | null>;

export interface Connection {
  readonly client_id: number;
  /** The kernel's word (SO_PEERCRED), not the client's. */
  readonly pid: number;
  readonly socket: ClientSocket;
  /** "asking": a request is under way; "ending": the last answer is given and nothing more is read. */
  state: "idle" | "asking" | "ending" | "closed";
  /** The operation that the request under way is answered with. */
  op: number;
  readonly frames: FrameAssembler;
  /** Cut and decoded, but not handed on; the first `taken` of them are done. */
  readonly requests: Incoming[];
  taken: number;
  /** Chunks that are not cut yet, because requests in front of them are not answered; `ahead_at` bytes of the first are. */
  readonly ahead: Buffer[];
  ahead_at: number;
  ahead_size_bytes: number;
  /** What the kernel did not take of the latest reply. No further request is served before it has gone. */
  unsent: Uint8Array | null;
  /** It waits for a turn of its own, see requests_per_turn. */
  scheduled: boolean;
  paused: boolean;
  /** Its share of unfinished_requests_size_bytes, as it was counted last. */
  counted_size_bytes: number;
}

/** What a client sent: a request, or why it is none. */
export type Incoming = Request | DecodeError;

/** The answer to a request beyond the bound; the connection can't be understood behind it. */
export const TOO_LARGE: DecodeError = Object.freeze({
  name: null,
  kind: "bounds",
  error: "EPROTO",
  detail: `a request is longer than ${LIMITS.request_size_bytes} bytes`,
  line: 0,
  column: 0,
  key: "",
  request_name: null,
});

export function createConnection(socket: ClientSocket, client_id: number, pid: number): Connection {
  const requests: Incoming[] = [];
  return {
    client_id,
    pid,
    socket,
    state: "idle",
    op: 0,
    frames: createFrameAssembler((bytes, start, end) => {
      requests.push(decodeRequest(bytes, start, end));
    }),
    requests,
    taken: 0,
    ahead: [],
    ahead_at: 0,
    ahead_size_bytes: 0,
    unsent: null,
    scheduled: false,
    paused: false,
    counted_size_bytes: 0,
  };
}

/** Takes a chunk from the socket. An ordinary one is one request and is cut at once; what was sent ahead stays as it came. */
export function receive(connection: Connection, chunk: Buffer): void {
  const { ahead, requests, taken } = connection;
  if (ahead.length === 0 && taken === requests.length && chunk.length <= LIMITS.requests_cut_size_bytes) {
    cut(connection, chunk);
    return;
  }
  ahead.push(chunk);
  connection.ahead_size_bytes += chunk.length;
}

function cut(connection: Connection, bytes: Buffer): void {
  const { frames, requests } = connection;
  if (connection.taken === requests.length) {
    requests.length = 0;
    connection.taken = 0;
  }
  if (requests.at(-1) === TOO_LARGE) return;
  if (frames.push(bytes) === "too-large") requests.push(TOO_LARGE);
}

/** The next thing that the client sent, in order; null when there is nothing complete. */
export function takeNext(connection: Connection): Incoming | null {
  const { requests } = connection;
  while (connection.taken === requests.length) {
    if (connection.ahead.length === 0) return null;
    cutAhead(connection);
  }
  return requests[connection.taken++] ?? null;
}

/** True when the client has sent more than what is under way, complete or not. */
export function hasMore(connection: Connection): boolean {
  return connection.taken < connection.requests.length || connection.ahead.length > 0;
}

function cutAhead(connection: Connection): void {
  const { ahead, ahead_at } = connection;
  const first = ahead[0];
  if (first === undefined) return;
  const end = Math.min(ahead_at + LIMITS.requests_cut_size_bytes, first.length);
  cut(connection, first.subarray(ahead_at, end));
  connection.ahead_size_bytes -= end - ahead_at;
  connection.ahead_at = end;
  if (end < first.length) return;
  ahead.shift();
  connection.ahead_at = 0;
}

/** Bytes that are kept for this client. A chunk is charged a little more than it has, or single bytes would be free. */
export function keptSizeBytes(connection: Connection): number {
  const { ahead, ahead_size_bytes, frames, unsent } = connection;
  return (
    frames.unfinishedSizeBytes() +
    ahead_size_bytes +
    ahead.length * LIMITS.chunk_overhead_size_bytes +
    (unsent === null ? 0 : unsent.length)
  );
}

/** Forgets what was read and not answered, at the connection's end. */
export function forgetInput(connection: Connection): void {
  connection.frames.close();
  connection.requests.length = 0;
  connection.taken = 0;
  connection.ahead.length = 0;
  connection.ahead_at = 0;
  connection.ahead_size_bytes = 0;
}

/** The descriptor, which Bun's types do not show. */
export function fdOf(socket: ClientSocket): number {
  return (socket as unknown as { readonly fd: number }).fd;
}

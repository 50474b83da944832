/**
 * The clients: accepting them, handing their requests on one at a time, getting replies back to them. Whatever one client does,
 * half requests, floods, replies it does not read, costs only itself.
 */
import type { SocketHandler } from "bun";
import { assert } from "../assert.ts";
import { wireResult } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { DecodeError } from "../wire/decode.ts";
import type { ReplyEncoder } from "../wire/encode.ts";
import { NO_FLAGS, OP_NUMBER, type Reply, type Request } from "../wire/message.ts";
import { type AdmissionOptions, admit } from "./admission.ts";
import {
  type ClientSocket,
  type Connection,
  createConnection,
  fdOf,
  forgetInput,
  hasMore,
  keptSizeBytes,
  receive,
  TOO_LARGE,
  takeNext,
} from "./connection.ts";
import { createHangupWatch } from "./hangup-watch.ts";
import type { Log } from "./log/log.ts";
import { createTurnedAway } from "./turned-away.ts";

/** What the clients tell the rest of the daemon. */
export interface ClientEvents {
  opened(client_id: number, pid: number): void;
  /** Has to lead to exactly one `reply`, now or later. */
  request(connection: Connection, request: Request): void;
  /** `delivered` is false when the reply to the latest request did not reach the client. */
  closed(client_id: number, delivered: boolean): void;
}

export interface ClientsOptions {
  readonly events: ClientEvents;
  readonly encode: ReplyEncoder;
  readonly log: Log;
  readonly now_ms: () => number;
  readonly admission: AdmissionOptions;
  /** Takes what the daemon's own code threw. */
  readonly defect: (error: unknown) => void;
}

export interface Clients {
  readonly handler: SocketHandler<Connection | null>;
  /** Answers the request that is under way. A client that has gone is passed over. */
  reply(client_id: number, reply: Reply): void;
  readonly connections: ReadonlyMap<number, Connection>;
  closeAll(): void;
}

export function createClients(options: ClientsOptions): Clients {
  const { events, encode, log, now_ms } = options;
  const connections = new Map<number, Connection>();
  const turned_away = createTurnedAway();
  const hangups = createHangupWatch((connection) => unpause(connection));
  let next_client_id = 1;
  let kept_size_bytes = 0;
  let is_full = false;
  let serving: Connection | null = null;
  let ready: Connection[] = [];

  function open(socket: ClientSocket): void {
    socket.data = null;
    const admission = admit(fdOf(socket), connections.size, options.admission);
    if (admission.kind === "refused") {
      // One entry for a series of them: the log must not be flooded by what the daemon defends itself against.
      log.write(admission.full && is_full ? "debug" : "error", admission.why);
      is_full ||= admission.full;
      turned_away.add(socket, encode(refusal(0, admission.full ? "ENOMEM" : "EPERM", admission.why)));
      return;
    }
    const connection = createConnection(socket, next_client_id++, admission.pid);
    socket.data = connection;
    connections.set(connection.client_id, connection);
    events.opened(connection.client_id, admission.pid);
  }

  function data(socket: ClientSocket, chunk: Buffer): void {
    const connection = socket.data;
    if (connection === null) turned_away.finish(socket);
    if (connection === null || connection.state === "ending") return;
    receive(connection, chunk);
    if (!connection.scheduled) serve(connection);
    settle(connection);
  }

  /** Hands requests on until one has to wait, or the client's turn is over. */
  function serve(connection: Connection): void {
    serving = connection;
    let left = LIMITS.requests_per_turn;
    while (connection.state === "idle" && connection.unsent === null) {
      if (left-- === 0) {
        if (hasMore(connection)) schedule(connection);
        break;
      }
      const incoming = takeNext(connection);
      if (incoming === null) break;
      if (incoming.name === null) answerError(connection, incoming);
      else {
        connection.state = "asking";
        connection.op = OP_NUMBER[incoming.name];
        log.received(now_ms(), connection.client_id, connection.pid, incoming);
        events.request(connection, incoming);
      }
    }
    serving = null;
  }

  function answerError(connection: Connection, error: DecodeError): void {
    log.warning(`client ${connection.client_id} pid ${connection.pid}: ${error.detail}`);
    const op = error.request_name === null ? 0 : OP_NUMBER[error.request_name];
    const bytes = encode(refusal(op, error.error, error.detail));
    if (error !== TOO_LARGE) {
      send(connection, bytes);
      return;
    }
    connection.state = "ending";
    forgetInput(connection);
    connection.socket.end(bytes);
  }

  function schedule(connection: Connection): void {
    if (connection.scheduled) return;
    connection.scheduled = true;
    if (ready.length === 0) setImmediate(serveReady);
    ready.push(connection);
  }

  function serveReady(): void {
    const batch = ready;
    ready = [];
    for (const connection of batch) {
      connection.scheduled = false;
      serve(connection);
      settle(connection);
    }
  }

  function reply(client_id: number, answer: Reply): void {
    const connection = connections.get(client_id);
    if (connection === undefined) return;
    assert(connection.state === "asking", "a client gets one reply for each request");
    connection.state = "idle";
    log.sent(now_ms(), client_id, connection.op, "result" in answer ? answer.result : 0);
    send(connection, encode(answer));
    // Inside its own turn the loop in `serve` goes on by itself.
    if (serving !== connection && hasMore(connection)) schedule(connection);
  }

  function send(connection: Connection, bytes: Uint8Array): void {
    const written = connection.socket.write(bytes);
    if (written === bytes.length) return;
    connection.unsent = written > 0 ? bytes.subarray(written) : bytes;
  }

  function drain(socket: ClientSocket): void {
    const connection = socket.data;
    if (connection === null || connection.unsent === null) return;
    const bytes = connection.unsent;
    connection.unsent = null;
    send(connection, bytes);
    if (connection.unsent === null && !connection.scheduled) serve(connection);
    settle(connection);
  }

  /** Counts what is kept for a client, and stops reading from one that is far ahead. */
  function settle(connection: Connection): void {
    if (connection.state === "closed") return;
    const size_bytes = keptSizeBytes(connection);
    const is_ahead = size_bytes > LIMITS.requests_ahead_size_bytes && connection.ahead.length > 0;
    if (is_ahead && !connection.paused) pause(connection);
    else if (connection.paused && connection.ahead.length === 0) unpause(connection);
    if (size_bytes === connection.counted_size_bytes) return;
    kept_size_bytes += size_bytes - connection.counted_size_bytes;
    connection.counted_size_bytes = size_bytes;
    if (kept_size_bytes > LIMITS.unfinished_requests_size_bytes) closeBiggest();
  }

  function pause(connection: Connection): void {
    connection.paused = true;
    connection.socket.pause();
    hangups.watch(connection);
  }

  function unpause(connection: Connection): void {
    connection.paused = false;
    hangups.forget(connection);
    connection.socket.resume();
  }

  function closeBiggest(): void {
    let biggest: Connection | null = null;
    for (const connection of connections.values()) {
      if (biggest === null || connection.counted_size_bytes > biggest.counted_size_bytes)
        biggest = connection;
    }
    if (biggest === null) return;
    const { client_id, pid, counted_size_bytes } = biggest;
    log.error(
      `client ${client_id} pid ${pid} is closed: it keeps ${counted_size_bytes} bytes of memory busy`,
    );
    biggest.socket.terminate();
  }

  function close(socket: ClientSocket, error?: Error): void {
    const connection = socket.data;
    if (connection === null) turned_away.finish(socket);
    if (connection === null || connection.state === "closed") return;
    // The kernel says ECONNRESET when the client went with our reply unread in its socket.
    const unread = error !== undefined && "code" in error && error.code === "ECONNRESET";
    const delivered = connection.state === "asking" || (connection.unsent === null && !unread);
    connection.state = "closed";
    hangups.forget(connection);
    forgetInput(connection);
    kept_size_bytes -= connection.counted_size_bytes;
    connections.delete(connection.client_id);
    is_full = false;
    events.closed(connection.client_id, delivered);
  }

  function closeAll(): void {
    for (const connection of [...connections.values()]) connection.socket.end();
  }

  /** Bun also reports here what a handler of ours threw: a defect, which must end the daemon like any other. */
  function error(_socket: ClientSocket, problem: Error): void {
    if ("syscall" in problem || "code" in problem) log.debug(`a client's socket: ${problem.message}`);
    else options.defect(problem);
  }

  return { handler: { open, data, drain, close, error }, reply, connections, closeAll };
}

function refusal(op: number, error: DecodeError["error"], detail: string): Reply {
  return {
    shape: "normal",
    op,
    lock_type: "none",
    result: wireResult(error),
    lm_result: 0,
    flags: NO_FLAGS,
    ls_generation: 0,
    owner: null,
    detail,
  };
}

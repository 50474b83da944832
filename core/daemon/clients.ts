/**
 * The clients: handing their requests on one at a time, and getting the replies back to them. Whatever one client does, half
 * requests, floods, replies it does not read, costs only itself.
 */
import type { SocketHandler } from "bun";
import { assert } from "../assert.ts";
import { errorName } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { DecodeError } from "../wire/decode.ts";
import type { ReplyEncoder } from "../wire/encode.ts";
import { OP_NUMBER, type Reply, type Request } from "../wire/message.ts";
import type { AdmissionOptions } from "./admission.ts";
import {
  type ClientSocket,
  type Connection,
  createConnection,
  forgetInput,
  hasMore,
  receive,
  TOO_LARGE,
  takeNext,
} from "./connection.ts";
import { createDoor } from "./door.ts";
import { errorReply } from "./error-reply.ts";
import type { Log } from "./log/log.ts";
import { createMemoryBound } from "./memory-bound.ts";
import { createTurns } from "./turns.ts";

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
  const door = createDoor(options);
  const memory = createMemoryBound(connections, log);
  const turns = createTurns(serve);
  let next_client_id = 1;
  let serving: Connection | null = null;

  function open(socket: ClientSocket): void {
    socket.data = null;
    const pid = door.enter(socket, connections.size);
    if (pid === null) return;
    const connection = createConnection(socket, next_client_id++, pid);
    socket.data = connection;
    connections.set(connection.client_id, connection);
    events.opened(connection.client_id, pid);
  }

  function data(socket: ClientSocket, chunk: Buffer): void {
    const connection = socket.data;
    if (connection === null) door.finish(socket);
    if (connection === null || connection.state === "ending") return;
    receive(connection, chunk);
    if (connection.scheduled) memory.settle(connection);
    else serve(connection);
  }

  /** Hands requests on until one has to wait, or the client's turn is over. */
  function serve(connection: Connection): void {
    serving = connection;
    for (let left = LIMITS.requests_per_turn; left > 0 && isServable(connection); left--) {
      const incoming = takeNext(connection);
      if (incoming === null) break;
      if (incoming.name === null) answerError(connection, incoming);
      else ask(connection, incoming);
    }
    serving = null;
    if (isServable(connection) && hasMore(connection)) turns.schedule(connection);
    memory.settle(connection);
  }

  function ask(connection: Connection, request: Request): void {
    connection.state = "asking";
    connection.op = OP_NUMBER[request.name];
    log.received(now_ms(), connection.client_id, connection.pid, request);
    events.request(connection, request);
  }

  function answerError(connection: Connection, error: DecodeError): void {
    log.warning(`client ${connection.client_id} pid ${connection.pid}: ${error.detail}`);
    const op = error.request_name === null ? 0 : OP_NUMBER[error.request_name];
    const bytes = encode(errorReply(op, error.error, error.detail));
    if (error !== TOO_LARGE) {
      send(connection, bytes);
      return;
    }
    connection.state = "ending";
    forgetInput(connection);
    connection.socket.end(bytes);
  }

  function reply(client_id: number, answer: Reply): void {
    const connection = connections.get(client_id);
    if (connection === undefined) return;
    assert(connection.state === "asking", "a client gets one reply for each request");
    connection.state = "idle";
    log.sent(now_ms(), client_id, connection.op, "result" in answer ? answer.result : 0);
    if ("detail" in answer && answer.detail !== "" && answer.result < 0)
      log.info(refusalText(client_id, connection.pid, answer.result, answer.detail));
    send(connection, encode(answer));
    // Inside its own turn the loop in `serve` sees to the rest.
    if (serving === connection) return;
    if (hasMore(connection)) turns.schedule(connection);
    memory.settle(connection);
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
    if (connection.scheduled) memory.settle(connection);
    else serve(connection);
  }

  function close(socket: ClientSocket, error?: Error): void {
    const connection = socket.data;
    if (connection === null) door.finish(socket);
    if (connection === null || connection.state === "closed") return;
    // The kernel says ECONNRESET when the client went with our reply unread in its socket.
    const unread = error !== undefined && "code" in error && error.code === "ECONNRESET";
    const delivered = connection.state === "asking" || (connection.unsent === null && !unread);
    connection.state = "closed";
    memory.forget(connection);
    forgetInput(connection);
    connections.delete(connection.client_id);
    events.closed(connection.client_id, delivered);
  }

  function error(_socket: ClientSocket, problem: Error): void {
    log.debug(`a client's socket: ${problem.message}`);
  }

  /**
   * What a handler of ours throws is a defect, and must end the daemon like any other. Bun would report it to `error`, where
   * a failed system call of ours looks like one of the socket's.
   */
  function guarded<Extra>(handle: (socket: ClientSocket, extra: Extra) => void) {
    return (socket: ClientSocket, extra: Extra): void => {
      try {
        handle(socket, extra);
      } catch (problem) {
        options.defect(problem);
      }
    };
  }

  function closeAll(): void {
    for (const connection of [...connections.values()]) connection.socket.end();
  }

  const handler = {
    open: guarded<void>(open),
    data: guarded(data),
    drain: guarded<void>(drain),
    close: guarded(close),
    error,
  };
  return { handler, reply, connections, closeAll };
}

/** The reason of a refusal for the log: lvm shows the number alone. */
function refusalText(client_id: number, pid: number, result: number, detail: string): string {
  return `client ${client_id} (pid ${pid}) is refused with ${errorName(result) ?? result}: ${detail}`;
}

/** The next request is handed on only after the reply to the one before has gone out. */
function isServable(connection: Connection): boolean {
  return connection.state === "idle" && connection.unsent === null;
}

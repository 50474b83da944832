/** The requests that the shell answers from what it sees of the core: info, dump, who, info_json, dump_text. */
import { wireResult } from "../../errors.ts";
import type { Locking } from "../../locking/api.ts";
import { OP_NUMBER, type Reply, type Request } from "../../wire/message.ts";
import type { Connection } from "../connection.ts";
import type { Log } from "../log/log.ts";
import type { WireDialect } from "../options.ts";
import { infoDialect, ownsDumpSocket, roomForText_bytes } from "./asker.ts";
import { createDumpSocket } from "./dump-socket.ts";
import { keepFirst, keepLast } from "./fit.ts";
import { infoJson } from "./json.ts";
import type { DaemonRow } from "./report.ts";
import { makeInSlices } from "./slices.ts";
import { infoText } from "./text.ts";

export interface InfoRequestsOptions {
  readonly locking: Locking;
  readonly connections: ReadonlyMap<number, Connection>;
  readonly log: Log;
  readonly dialect: WireDialect;
  readonly now_ms: () => number;
  /** Grows with every request that is served. */
  readonly served: () => number;
  readonly daemonRow: () => DaemonRow;
  readonly reply: (client_id: number, reply: Reply) => void;
}

export interface InfoRequests {
  /** Answers when the text is made; false for a request that is none of these. */
  handle(connection: Connection, request: Request): boolean;
}

export function createInfoRequests(options: InfoRequestsOptions): InfoRequests {
  const { locking, connections, log, dialect, now_ms, served, daemonRow, reply } = options;
  const dump_socket = createDumpSocket();
  const slicing = { served, now_ms };

  /** Answers with the length and sends the text behind it. */
  function sendText(connection: Connection, chunks: readonly Buffer[], result: number): void {
    const { client_id, pid } = connection;
    const owner = ownsDumpSocket(pid);
    if (owner === "no") {
      log.warning(
        `pid ${pid} asks for a text, but its dump socket is not bound by that process: nothing is sent`,
      );
      reply(client_id, { shape: "dump", result: wireResult("EPERM"), dump_len: 0 });
      return;
    }
    const dump_len = chunks.reduce((size_bytes, chunk) => size_bytes + chunk.length, 0);
    reply(client_id, { shape: "dump", result, dump_len });
    dump_socket.send(chunks, (reason) => log.warning(`a text for pid ${pid} was not sent: ${reason}`));
  }

  /** The beginning counts: what does not fit is cut off at a line's end, and the result says so. */
  function info(connection: Connection): void {
    const room_bytes = roomForText_bytes(connection.pid);
    const spelling = infoDialect(connection.pid, dialect);
    makeInSlices(infoText({ locking, connections, dialect: spelling }), slicing, (chunks) => {
      const kept = keepFirst(chunks, room_bytes);
      sendText(connection, kept, kept.length < chunks.length ? wireResult("ENOSPC") : 0);
    });
  }

  /** The end counts: it is a ring of the latest entries anyway. */
  function dump(connection: Connection): void {
    const room_bytes = roomForText_bytes(connection.pid);
    makeInSlices(log.lines()[Symbol.iterator]() as Iterator<string, void>, slicing, (chunks) =>
      sendText(connection, keepLast(chunks, room_bytes), 0),
    );
  }

  function answerText(connection: Connection, request: Request, pieces: Iterator<string, void>): void {
    const op = OP_NUMBER[request.name];
    makeInSlices(pieces, slicing, (chunks) => {
      const text = Buffer.concat(chunks).toString();
      reply(connection.client_id, { shape: "text", op, result: 0, text });
    });
  }

  function who(connection: Connection, request: Request): void {
    const { vg_name, lv_name, lv_uuid } = request;
    const lockspaces = [...locking.lockspaces()];
    if (vg_name !== "" && !lockspaces.some((view) => view.vg_name === vg_name)) {
      const result = wireResult("ENOLS");
      reply(connection.client_id, { shape: "text", op: OP_NUMBER.who, result, text: "" });
      return;
    }
    const wants = {
      lockspace: (view: { readonly vg_name: string }) => vg_name === "" || view.vg_name === vg_name,
      resource: (view: { readonly lv_name: string; readonly name: string }) =>
        (lv_name === "" || view.lv_name === lv_name) && (lv_uuid === "" || view.name === lv_uuid),
    };
    answerText(connection, request, infoJson({ locking, now_ms: now_ms(), daemon: null, wants }));
  }

  function everything(connection: Connection, request: Request): void {
    const wants = { lockspace: () => true, resource: () => true };
    answerText(connection, request, infoJson({ locking, now_ms: now_ms(), daemon: daemonRow(), wants }));
  }

  return {
    handle(connection, request) {
      switch (request.name) {
        case "info":
          info(connection);
          return true;
        case "dump":
          dump(connection);
          return true;
        case "who":
          who(connection, request);
          return true;
        case "info_json":
          everything(connection, request);
          return true;
        case "dump_text":
          answerText(connection, request, log.lines()[Symbol.iterator]() as Iterator<string, void>);
          return true;
        default:
          return false;
      }
    },
  };
}

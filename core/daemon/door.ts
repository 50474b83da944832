/**
 * The door: who is let in, and how the others are told. One that is closed at once would kill an lvm command with SIGPIPE before
 * it has read the reason, so the socket stays open until it sends something; few may linger, and not for long.
 */
import { DEADLINES } from "../deadlines.ts";
import { LIMITS } from "../limits.ts";
import type { ReplyEncoder } from "../wire/encode.ts";
import { type AdmissionOptions, admit } from "./admission.ts";
import { type ClientSocket, fdOf } from "./connection.ts";
import { errorReply } from "./error-reply.ts";
import type { Log } from "./log/log.ts";

export interface DoorOptions {
  readonly admission: AdmissionOptions;
  readonly encode: ReplyEncoder;
  readonly log: Log;
  readonly now_ms: () => number;
}

export interface Door {
  /** The client's pid, or null when it was turned away. */
  enter(socket: ClientSocket, connected: number): number | null;
  /** A client that was turned away sent something or has gone. */
  finish(socket: ClientSocket): void;
}

export function createDoor({ admission, encode, log, now_ms }: DoorOptions): Door {
  const lingering = new Map<ClientSocket, Timer>();
  let next_report_ms = Number.NEGATIVE_INFINITY;

  function enter(socket: ClientSocket, connected: number): number | null {
    const answer = admit(fdOf(socket), connected, admission);
    if (answer.kind === "admitted") return answer.pid;
    report(answer.why, answer.full);
    turnAway(socket, encode(errorReply(0, answer.full ? "ENOMEM" : "EPERM", answer.why)));
    return null;
  }

  /** What the daemon defends itself against must not flood the log: a full house is reported once in a while. */
  function report(why: string, full: boolean): void {
    const at_ms = now_ms();
    log.write(full && at_ms < next_report_ms ? "debug" : "error", why);
    if (full && at_ms >= next_report_ms) next_report_ms = at_ms + DEADLINES.full_report_ms;
  }

  function turnAway(socket: ClientSocket, reason: Uint8Array): void {
    if (lingering.size >= LIMITS.lingering_sockets) {
      socket.end(reason);
      return;
    }
    socket.write(reason);
    const timer = setTimeout(() => finish(socket), DEADLINES.turned_away_linger_ms);
    lingering.set(socket, timer);
  }

  function finish(socket: ClientSocket): void {
    const timer = lingering.get(socket);
    if (timer === undefined) return;
    clearTimeout(timer);
    lingering.delete(socket);
    socket.end();
  }

  return { enter, finish };
}

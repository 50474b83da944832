/**
 * Clients that are not let in. Each is told why, and the socket stays open until it sends something: one that was closed at once
 * would kill an lvm command with SIGPIPE before it has read the reason. Few may linger, and not for long.
 */
import { DEADLINES } from "../deadlines.ts";
import { LIMITS } from "../limits.ts";
import type { ClientSocket } from "./connection.ts";

export interface TurnedAway {
  /** Sends the reason and keeps the socket for a moment. */
  add(socket: ClientSocket, reason: Uint8Array): void;
  /** It sent something or has gone. */
  finish(socket: ClientSocket): void;
}

export function createTurnedAway(): TurnedAway {
  const lingering = new Map<ClientSocket, Timer>();

  function finish(socket: ClientSocket): void {
    const timer = lingering.get(socket);
    if (timer === undefined) return;
    clearTimeout(timer);
    lingering.delete(socket);
    socket.end();
  }

  return {
    add(socket, reason) {
      if (lingering.size >= LIMITS.lingering_sockets) {
        socket.end(reason);
        return;
      }
      socket.write(reason);
      lingering.set(
        socket,
        setTimeout(() => finish(socket), DEADLINES.turned_away_linger_ms),
      );
    },
    finish,
  };
}

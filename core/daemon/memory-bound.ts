/** How much the daemon keeps for its clients: none may run far ahead of its answers, and all together stay below a bound. */
import { LIMITS } from "../limits.ts";
import { type Connection, keptSizeBytes } from "./connection.ts";
import { createHangupWatch } from "./hangup-watch.ts";
import type { Log } from "./log/log.ts";

export interface MemoryBound {
  /** Counts what is kept for a client by now, and stops or resumes reading from it. Cheap when nothing is kept. */
  settle(connection: Connection): void;
  /** The client has gone. */
  forget(connection: Connection): void;
}

export function createMemoryBound(connections: ReadonlyMap<number, Connection>, log: Log): MemoryBound {
  const hangups = createHangupWatch(unpause);
  let kept_size_bytes = 0;

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

  return {
    settle,
    forget(connection) {
      hangups.forget(connection);
      kept_size_bytes -= connection.counted_size_bytes;
      connection.counted_size_bytes = 0;
    },
  };
}

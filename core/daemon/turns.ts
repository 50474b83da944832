/** Turns for clients that have sent more than one turn's requests: one batch of them per turn of the event loop. */
import type { Connection } from "./connection.ts";

export interface Turns {
  /** Gives the connection a turn of its own, soon. It has at most one coming. */
  schedule(connection: Connection): void;
}

export function createTurns(serve: (connection: Connection) => void): Turns {
  let ready: Connection[] = [];

  function serveReady(): void {
    const batch = ready;
    ready = [];
    for (const connection of batch) {
      connection.scheduled = false;
      serve(connection);
    }
  }

  return {
    schedule(connection) {
      if (connection.scheduled) return;
      connection.scheduled = true;
      if (ready.length === 0) setImmediate(serveReady);
      ready.push(connection);
    },
  };
}

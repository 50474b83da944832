/**
 * Bun tells nothing about a paused socket, not even that the peer has gone (measured with Bun 1.4.5: no close event until it
 * resumes). A client that we read no more from may still hold locks, so paused sockets are asked by poll(2) on a timer.
 */
import { POLLFD } from "../../plugins/native/layouts.ts";
import { libc } from "../../plugins/native/libc.ts";
import { DEADLINES } from "../deadlines.ts";
import { type Connection, fdOf } from "./connection.ts";

const POLLERR = 0x008;
const POLLHUP = 0x010;
const POLLRDHUP = 0x2000;

export interface HangupWatch {
  watch(connection: Connection): void;
  forget(connection: Connection): void;
}

/** Calls `gone` for a watched connection whose peer has hung up. The timer runs only while something is watched. */
export function createHangupWatch(gone: (connection: Connection) => void): HangupWatch {
  const watched = new Set<Connection>();
  let timer: Timer | null = null;

  function look(): void {
    for (const connection of [...watched]) {
      if (hasHungUp(connection)) gone(connection);
    }
  }

  return {
    watch(connection) {
      watched.add(connection);
      timer ??= setInterval(look, DEADLINES.hangup_check_ms);
    },
    forget(connection) {
      watched.delete(connection);
      if (watched.size > 0 || timer === null) return;
      clearInterval(timer);
      timer = null;
    },
  };
}

function hasHungUp(connection: Connection): boolean {
  const fd = fdOf(connection.socket);
  if (fd < 0) return true;
  const entry = POLLFD.allocate();
  entry.set("fd", fd);
  entry.set("events", POLLRDHUP);
  return libc().poll(entry.bytes, 1, 0) > 0 && (entry.get("revents") & (POLLERR | POLLHUP | POLLRDHUP)) !== 0;
}

import { DEADLINES } from "../../core/deadlines.ts";
import { isTerminal } from "../../plugins/native/terminal.ts";
import { STDERR_FD, writeAll } from "../streams.ts";

/** A line about how far a run is, which keeps changing. */
export interface RunProgress {
  show(doing: string, done: number, total: number): void;
  /** Takes the line away, so that something else can be printed. */
  clear(): void;
}

/** On a terminal, for several devices, when the run lasts; in a pipe or a log nothing. */
export function runProgress(): RunProgress {
  const began_ms = performance.now();
  const isSeen = isTerminal(STDERR_FD);
  let isShown = false;
  return {
    show(doing, done, total) {
      if (!isSeen || total < 2) return;
      if (performance.now() - began_ms < DEADLINES.persist_progress_after_ms) return;
      isShown = true;
      writeAll(STDERR_FD, `\r\u001b[2K${doing}: ${done} of ${total} devices`);
    },
    clear() {
      if (isShown) writeAll(STDERR_FD, "\r\u001b[2K");
      isShown = false;
    },
  };
}

import { DEADLINES } from "../../core/deadlines.ts";

/** A line about how far a run is, which keeps changing. */
export interface RunProgress {
  show(doing: string, done: number, total: number): void;
  /** Takes the line away, so that something else can be printed. */
  clear(): void;
}

/** On a terminal, for several devices, when the run lasts; in a pipe or a log nothing. */
export function runProgress(): RunProgress {
  const began_ms = performance.now();
  let isShown = false;
  return {
    show(doing, done, total) {
      const isLong = performance.now() - began_ms >= DEADLINES.persist_progress_after_ms;
      if (!process.stderr.isTTY || total < 2 || !isLong) return;
      isShown = true;
      process.stderr.write(`\r\u001b[2K${doing}: ${done} of ${total} devices`);
    },
    clear() {
      if (isShown) process.stderr.write("\r\u001b[2K");
      isShown = false;
    },
  };
}

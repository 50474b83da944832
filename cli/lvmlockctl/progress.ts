/** What is said while something takes long: a line that keeps changing on a terminal, one plain line elsewhere. */
import { EXIT } from "../../core/errors.ts";
import { sayError } from "../streams.ts";
import { printable } from "../table.ts";

const first_shown_after_ms = 2000;
const shown_every_ms = 1000;

export interface Progress {
  /** Takes the line away again. */
  end(): void;
}

/**
 * Shows after two seconds what is being done and for how long, in one line that is written over and over. `reason` is asked
 * each time for what is in the way; "" when it does not know. Without a terminal the first reason is said once, so that a log
 * shows what a command that waits without limit waits for.
 */
export function showProgress(doing: string, reason: () => Promise<string>): Progress {
  if (!process.stderr.isTTY) return sayOnce(doing, reason);
  const began_ms = performance.now();
  let state: "asking" | "idle" | "ended" = "idle";
  let isShown = false;
  const show = async (): Promise<void> => {
    const elapsed_ms = performance.now() - began_ms;
    if (elapsed_ms < first_shown_after_ms || state !== "idle") return;
    state = "asking";
    const why = await reason();
    // The answer that everybody waits for may have come in the meantime, and its line is already printed.
    if (isEnded()) return;
    state = "idle";
    isShown = true;
    const text = `${doing}, for ${Math.round(elapsed_ms / 1000)} s${why === "" ? "" : `: ${why}`}`;
    process.stderr.write(`\r\u001b[2K${printable(text).slice(0, (process.stderr.columns ?? 80) - 1)}`);
  };
  const isEnded = (): boolean => state === "ended";
  const timer = setInterval(() => void show(), shown_every_ms);
  return {
    end() {
      clearInterval(timer);
      state = "ended";
      // Erase the whole line: what follows may be shorter.
      if (isShown) process.stderr.write("\r\u001b[2K");
    },
  };
}

function sayOnce(doing: string, reason: () => Promise<string>): Progress {
  let isEnded = false;
  const tell = async (): Promise<void> => {
    const why = await reason();
    if (isEnded || why === "") return;
    sayError(`lvmlockctl: ${doing} takes a while: ${printable(why)}`, EXIT.ok);
  };
  const timer = setTimeout(() => void tell(), first_shown_after_ms);
  return {
    end() {
      clearTimeout(timer);
      isEnded = true;
    },
  };
}

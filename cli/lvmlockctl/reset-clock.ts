/** How long this host has until its watchdog resets it, for the messages of --kill. */
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { resetIn_s } from "../../plugins/sanlock/timing.ts";
import { programTakesFireTimeout, readWatchdog } from "../../plugins/sanlock/watchdog.ts";

/** sanlock's program has a quarter of a megabyte; what is behind this is not looked at. */
const PROGRAM_SIZE_MAX_BYTES = 4 * 1024 * 1024;

/**
 * Counted from the start of this process, because sanlock starts it in the moment in which it stops renewing the watchdog. Null
 * when somebody else has started it, since nothing is known of the lease's last renewal then, and where sanlock uses no watchdog.
 */
export function secondsToReset(): number | null {
  if (!callerName().startsWith("sanlock")) return null;
  const takes = callerTakesFireTimeout();
  // Where that is unknown the shorter time is told.
  const possible = takes === null ? [readWatchdog(true), readWatchdog(false)] : [readWatchdog(takes)];
  const fires_s = possible.filter((fire_s) => fire_s !== null);
  return fires_s.length === 0 ? null : resetIn_s(Math.min(...fires_s), performance.now() / 1000);
}

/** Null when its program can't be read. It is not asked for its version: an answer that does not come would hold up the alarm. */
function callerTakesFireTimeout(): boolean | null {
  try {
    const fd = openSync(`/proc/${process.ppid}/exe`, "r");
    const program = new Uint8Array(PROGRAM_SIZE_MAX_BYTES);
    const size_bytes = readSync(fd, program, 0, program.length, 0);
    closeSync(fd);
    return programTakesFireTimeout(program.subarray(0, size_bytes));
  } catch {
    return null;
  }
}

/** sanlock runs its kill path from a helper process of the same name. */
function callerName(): string {
  try {
    return readFileSync(`/proc/${process.ppid}/comm`, "utf8").trim();
  } catch {
    // The caller is gone; then it was nobody who waits for us.
    return "";
  }
}

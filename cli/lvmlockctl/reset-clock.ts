/** How long this host has until its watchdog resets it, for the messages of --kill. */
import { readFileSync } from "node:fs";
import { resetIn_s } from "../../plugins/sanlock/timing.ts";
import { readWatchdog } from "../../plugins/sanlock/watchdog.ts";

/**
 * Counted from the start of this process, because sanlock starts it in the moment in which it stops renewing the watchdog. Null
 * when somebody else has started it, since nothing is known of the lease's last renewal then, and where sanlock uses no watchdog.
 */
export function secondsToReset(): number | null {
  if (!callerName().startsWith("sanlock")) return null;
  const fire_s = readWatchdog();
  return fire_s === null ? null : resetIn_s(fire_s, performance.now() / 1000);
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

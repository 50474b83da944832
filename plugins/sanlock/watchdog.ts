import { readFileSync } from "node:fs";
import { WATCHDOG_S } from "./timing.ts";

const SANLOCK_CONF = "/etc/sanlock/sanlock.conf";
/** Larger ones are no watchdog's; the file is root's, but a typing error shall not become a promise of hours. */
const WATCHDOG_MAX_S = 3600;

/**
 * After how many seconds the watchdog resets a host that does not renew it any more, as sanlock.conf says (3.9.5 and later), else
 * sanlock's own 60; null when sanlock is told to use none.
 */
export function readWatchdog(path = SANLOCK_CONF): number | null {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    // sanlock runs without a configuration file as well.
    return WATCHDOG_S;
  }
  const number = (key: string): number | null => {
    const found = new RegExp(`^\\s*${key}\\s*=\\s*(\\d+)`, "m").exec(text)?.[1];
    return found === undefined ? null : Number(found);
  };
  if (number("use_watchdog") === 0) return null;
  const fire_s = number("watchdog_fire_timeout");
  return fire_s === null || fire_s === 0 || fire_s > WATCHDOG_MAX_S ? WATCHDOG_S : fire_s;
}

import { readFileSync } from "node:fs";
import { WATCHDOG_S } from "./timing.ts";

const SANLOCK_CONF = "/etc/sanlock/sanlock.conf";
/** Larger ones are no watchdog's; the file is root's, but a typing error shall not become a promise of hours. */
const WATCHDOG_MAX_S = 3600;

interface WatchdogConf {
  readonly used: boolean;
  readonly fire_s: number;
}

function readConf(path: string): WatchdogConf {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    // sanlock runs without a configuration file as well.
    return { used: true, fire_s: WATCHDOG_S };
  }
  const number = (key: string): number | null => {
    const found = new RegExp(`^\\s*${key}\\s*=\\s*(\\d+)`, "m").exec(text)?.[1];
    return found === undefined ? null : Number(found);
  };
  const fire_s = number("watchdog_fire_timeout");
  const isSet = fire_s !== null && fire_s !== 0 && fire_s <= WATCHDOG_MAX_S;
  return { used: number("use_watchdog") !== 0, fire_s: isSet ? fire_s : WATCHDOG_S };
}

/**
 * After how many seconds the watchdog resets a host that does not renew it any more, as sanlock.conf says (3.9.5 and later), else
 * sanlock's own 60; null when sanlock is told to use none.
 */
export function readWatchdog(path = SANLOCK_CONF): number | null {
  const { used, fire_s } = readConf(path);
  return used ? fire_s : null;
}

/**
 * The seconds that sanlock adds for the watchdog until a silent host counts as dead. It does so also where it uses none (measured:
 * 8 I/O timeouts + watchdog_fire_timeout), and takes this host's setting for all hosts.
 */
export function readFireTimeout(path = SANLOCK_CONF): number {
  return readConf(path).fire_s;
}

import { readFileSync } from "node:fs";
import { WATCHDOG_S } from "./timing.ts";

const SANLOCK_CONF = "/etc/sanlock/sanlock.conf";
/** The key of sanlock.conf for the watchdog's time, and the version of sanlock's daemon (0xMMmmpp00) that came with it. */
const FIRE_TIMEOUT_KEY = "watchdog_fire_timeout";
const FIRE_TIMEOUT_SINCE = 0x03090000;
/** Larger ones are no watchdog's; the file is root's, but a typing error shall not become a promise of hours. */
const WATCHDOG_MAX_S = 3600;

/** Whether a daemon of this version takes the watchdog's time from sanlock.conf: 3.8.5 passes over the key and keeps its 60 s. */
export function takesFireTimeout(version: number): boolean {
  return version >= FIRE_TIMEOUT_SINCE;
}

/**
 * The same for a daemon that can't be asked, because it is busy with storage that fails: a program that takes the key has its
 * name in it.
 */
export function programTakesFireTimeout(program: Uint8Array): boolean {
  return Buffer.from(program.buffer, program.byteOffset, program.byteLength).includes(FIRE_TIMEOUT_KEY);
}

/**
 * After how many seconds the watchdog resets a host that does not renew it any more: as sanlock.conf says where sanlock takes it
 * from there, else sanlock's own 60; null when sanlock is told to use none.
 */
export function readWatchdog(takes_fire_timeout: boolean, path = SANLOCK_CONF): number | null {
  const text = readConf(path);
  return numberOf(text, "use_watchdog") === 0 ? null : fireTimeout(takes_fire_timeout, text);
}

/**
 * The seconds that sanlock adds for the watchdog until a silent host counts as dead. It does so also where it uses none (measured:
 * 8 I/O timeouts + watchdog_fire_timeout), and takes this host's setting for all hosts.
 */
export function readFireTimeout(takes_fire_timeout: boolean, path = SANLOCK_CONF): number {
  return fireTimeout(takes_fire_timeout, readConf(path));
}

function readConf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // sanlock runs without a configuration file as well.
    return "";
  }
}

/** As sanlock reads it: keys begin their line, and the last line of a key counts. */
function numberOf(text: string, key: string): number | null {
  const last = [...text.matchAll(new RegExp(`^${key}[ \\t]*=[ \\t]*(\\d+)`, "gm"))].at(-1)?.[1];
  return last === undefined ? null : Number(last);
}

function fireTimeout(takes_fire_timeout: boolean, text: string): number {
  const fire_s = takes_fire_timeout ? (numberOf(text, FIRE_TIMEOUT_KEY) ?? 0) : 0;
  return fire_s > 0 && fire_s <= WATCHDOG_MAX_S ? fire_s : WATCHDOG_S;
}

/** How far the clock of a host is ahead of the lab's, and how wrong that may be. */
import type { Host } from "../../lab/host.ts";

export interface Clock {
  readonly ahead_s: number;
  readonly error_s: number;
}

/** The host's clock was ahead by something between these two. */
export interface Reading {
  readonly low_s: number;
  readonly high_s: number;
}

/** The agent takes 0.05 s for one, more when the host or the machine is busy. */
const ROUND_TRIPS = 5;
/** As often again while the machine is so busy that they say too little. */
const ATTEMPTS = 5;
/** Two hosts that have a lock at the same time have it for a second and more, so that this still shows it. */
const error_s_max = 0.4;

async function roundTrip(host: Host): Promise<Reading> {
  const sent_s = Date.now() / 1000;
  const { stdout } = await host.must("echo $EPOCHREALTIME");
  const back_s = Date.now() / 1000;
  return { low_s: Number(stdout) - back_s, high_s: Number(stdout) - sent_s };
}

/** What all readings of one moment allow: less than the shortest round trip does alone. */
export function agreed(readings: readonly Reading[]): Reading {
  return {
    low_s: Math.max(...readings.map(({ low_s }) => low_s)),
    high_s: Math.min(...readings.map(({ high_s }) => high_s)),
  };
}

export async function readClock(host: Host): Promise<Reading> {
  const readings: Reading[] = [];
  for (let trip = 0; trip < ROUND_TRIPS * ATTEMPTS; trip++) {
    const { low_s, high_s } = agreed(readings);
    if (trip >= ROUND_TRIPS && high_s - low_s < error_s_max) break;
    readings.push(await roundTrip(host));
  }
  return agreed(readings);
}

/**
 * One clock for all of a life: somewhere between all that was read, because it may run at another speed than the lab's. One that can't
 * be compared well enough, or that was set meanwhile, would excuse everything; so it fails.
 */
export function clockOf(host: string, readings: readonly Reading[]): Clock {
  const low_s = Math.min(...readings.map((reading) => reading.low_s));
  const high_s = Math.max(...readings.map((reading) => reading.high_s));
  const sound = readings.length > 0 && readings.every((reading) => reading.low_s <= reading.high_s);
  const clock = { ahead_s: (low_s + high_s) / 2, error_s: (high_s - low_s) / 2 };
  if (!sound || clock.error_s > error_s_max)
    throw new Error(
      `the clock of ${host} can't be compared: it may be wrong by ${clock.error_s.toFixed(3)} s`,
    );
  return clock;
}

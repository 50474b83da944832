/**
 * When a lock that another host holds is asked for again. The C daemon sleeps one second per retry and gives up after
 * max_retries + 1 of them; we keep that total, but begin after milliseconds and back off with jitter, so that a lock which is
 * held for the length of one command is had soon, and two hosts that collide do not collide again in step.
 */
import { DEADLINES } from "../deadlines.ts";
import { LIMITS } from "../limits.ts";

/** How long a request may go on asking after the first refusal; below zero when it must not ask again at all. */
export function retryBudget_ms(max_retries: number): number {
  if (max_retries < 0) return -1;
  return (Math.min(max_retries, LIMITS.max_retries) + 1) * DEADLINES.retry_total_per_retry_ms;
}

/** The pause after `previous_ms` (0 for the first one), before jitter. */
export function nextDelay_ms(previous_ms: number): number {
  return previous_ms === 0 ? DEADLINES.retry_first_ms : Math.min(previous_ms * 2, DEADLINES.retry_max_ms);
}

/** The next number of a xorshift32 sequence; never zero when it did not start at zero. */
export function nextRandom(seed: number): number {
  let x = seed | 0;
  x ^= x << 13;
  x ^= x >>> 17;
  x ^= x << 5;
  return x === 0 ? 0x9e3779b9 | 0 : x;
}

/** `delay_ms` spread over 50 to 150 percent, at least one millisecond. */
export function withJitter_ms(delay_ms: number, random: number): number {
  const unit = (random >>> 0) / 0x1_0000_0000;
  return Math.max(1, Math.round(delay_ms * (0.5 + unit)));
}

/** Waking the core when it wants to be woken. */

export interface WakeupOptions {
  /** When, in the daemon's clock; Infinity for never. */
  readonly wanted_ms: () => number;
  readonly now_ms: () => number;
  readonly wake: () => void;
}

export interface Wakeup {
  /** To be called whenever the wanted time may have changed. Cheap when it is not earlier than before. */
  arm(): void;
  close(): void;
}

/**
 * One timer, set again only for an earlier time: one that fires too early is harmless, and a deadline that moves with every
 * request would cost a timer each.
 */
export function createWakeup({ wanted_ms, now_ms, wake }: WakeupOptions): Wakeup {
  let armed_ms = Number.POSITIVE_INFINITY;
  let timer: Timer | null = null;

  function arm(): void {
    const at_ms = wanted_ms();
    if (at_ms >= armed_ms) return;
    if (timer !== null) clearTimeout(timer);
    armed_ms = at_ms;
    timer = setTimeout(fire, Math.max(0, Math.ceil(at_ms - now_ms())));
  }

  function fire(): void {
    timer = null;
    armed_ms = Number.POSITIVE_INFINITY;
    if (wanted_ms() <= now_ms()) wake();
    else arm();
  }

  function close(): void {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    // Nothing is earlier than this, so a late `arm` does nothing.
    armed_ms = Number.NEGATIVE_INFINITY;
  }

  return { arm, close };
}

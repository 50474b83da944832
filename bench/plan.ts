/** How long and how often things are measured, and by whom. */
import type { RivalName } from "./rivals.ts";

export interface Plan {
  readonly rivals: readonly RivalName[];
  readonly rounds: number;
  /** How long one load is measured in one round. */
  readonly seconds: number;
  /**
   * The scenario's own load, unmeasured, on each daemon before the first round. The first 40 000 requests or so share their
   * CPU with the JIT compiler; a line of its own shows a cold daemon.
   */
  readonly warmup_ms: number;
  /** The same load, unmeasured, before each measurement. */
  readonly lead_seconds: number;
  readonly startup_rounds: number;
  /** How long a daemon is left alone before its resident memory is read. */
  readonly settle_ms: number;
  /** One in how many of the LVs of the big scenarios are taken: 1 for a measurement. */
  readonly lv_divisor: number;
  /** Runs the scenario or measurement only when it passes. */
  readonly wants: (name: string) => boolean;
  readonly quick: boolean;
  /** Tells the person at the terminal what is being done. */
  readonly say: (message: string) => void;
}

export const FULL = {
  rounds: 5,
  seconds: 0.5,
  warmup_ms: 1500,
  lead_seconds: 0.05,
  startup_rounds: 15,
  settle_ms: 2000,
  lv_divisor: 1,
  quick: false,
} as const;

/** Enough to see that every scenario works against every rival, in half a minute. */
export const QUICK = {
  rounds: 1,
  seconds: 0.05,
  warmup_ms: 20,
  lead_seconds: 0,
  startup_rounds: 1,
  settle_ms: 50,
  lv_divisor: 50,
  quick: true,
} as const;

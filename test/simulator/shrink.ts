/** Looks for a smaller world with the same failure: fewer hosts, VGs, LVs and clients, then fewer events. */

import type { WorldSize } from "./weather.ts";
import { runWorld, type WorldResult } from "./world.ts";

const SIZES: readonly WorldSize[] = [
  { hosts: 1, vgs: 1, lvs_per_vg: 1, clients_per_host: 2 },
  { hosts: 1, vgs: 1, lvs_per_vg: 2, clients_per_host: 3 },
  { hosts: 2, vgs: 1, lvs_per_vg: 1, clients_per_host: 2 },
  { hosts: 1, vgs: 2, lvs_per_vg: 2, clients_per_host: 6 },
];
/** Seeds beside the failing one that are tried for each size: their weather may bring the failure sooner. */
const SEEDS = 12;

export interface Smaller {
  readonly seed: number;
  readonly result: WorldResult;
  readonly size: WorldSize;
}

export function shrink(seed: number, failed: WorldResult, trace_lines: number): Smaller | null {
  let best: Smaller | null = null;
  const rule = failed.failure?.error.message.replace(/\S*\/\S*/g, "…");
  for (const size of SIZES) {
    for (let i = 0; i < SEEDS; i++) {
      const limit = best === null ? failed.events : best.result.events - 1;
      const result = runWorld({ seed: seed + i, events: limit, size, trace_lines });
      if (result.failure === null || result.failure.error.message.replace(/\S*\/\S*/g, "…") !== rule)
        continue;
      if (result.events > limit) continue;
      best = { seed: seed + i, result, size };
    }
  }
  return best;
}

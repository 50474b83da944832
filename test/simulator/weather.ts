/** What one simulated world is like, all of it drawn from its seed: its size, and how often things go wrong in it. */
import type { LockType } from "../../plugins/contract.ts";
import type { Random } from "../rig/random.ts";

export interface WorldSize {
  readonly hosts: number;
  readonly vgs: number;
  readonly lvs_per_vg: number;
  /** Clients that a host has at the same time. */
  readonly clients_per_host: number;
}

export interface Weather {
  readonly lock_type: LockType;
  /** One call at a time in a lockspace, as with sanlock; otherwise only those of one resource are in order. */
  readonly serial_calls: boolean;
  readonly wait_limit_ms: number;
  /** How many of 10 000 calls, replies and effects go wrong in the given way. */
  readonly refusals: number;
  /** Locks refused for a conflict that passes, as sanlock's shared locks have them. */
  readonly passing_conflicts: number;
  readonly late_calls: number;
  readonly undelivered: number;
  readonly crashes: number;
  readonly client_deaths: number;
  readonly forced_stops: number;
  /** Machines fail, and their locks are recovered by removing their reservation keys; how often that goes wrong. */
  readonly machine_failures: boolean;
  readonly fence_failures: number;
  /** A PREEMPT AND ABORT whose answer does not come, of 10 000. */
  readonly lost_aborts: number;
  /** Most calls take up to this long. */
  readonly call_ms: number;
  readonly think_ms: number;
}

const WORLDS: readonly WorldSize[] = [
  { hosts: 1, vgs: 1, lvs_per_vg: 2, clients_per_host: 4 },
  { hosts: 2, vgs: 1, lvs_per_vg: 3, clients_per_host: 6 },
  { hosts: 2, vgs: 2, lvs_per_vg: 10, clients_per_host: 20 },
  { hosts: 3, vgs: 4, lvs_per_vg: 40, clients_per_host: 60 },
  { hosts: 4, vgs: 6, lvs_per_vg: 60, clients_per_host: 100 },
  { hosts: 1, vgs: 8, lvs_per_vg: 60, clients_per_host: 300 },
];

export function drawSize(random: Random): WorldSize {
  return random.weighted([
    [2, WORLDS[0] as WorldSize],
    [3, WORLDS[1] as WorldSize],
    [4, WORLDS[2] as WorldSize],
    [4, WORLDS[3] as WorldSize],
    [2, WORLDS[4] as WorldSize],
    [2, WORLDS[5] as WorldSize],
  ]);
}

export function drawWeather(random: Random): Weather {
  const lock_type = random.chance(60) ? "dlm" : "sanlock";
  return {
    lock_type,
    serial_calls: random.chance(50),
    wait_limit_ms: random.chance(20) ? 1000 + random.below(20_000) : 0,
    refusals: random.pick([0, 50, 300]),
    passing_conflicts: random.pick([0, 300, 6000]),
    late_calls: random.pick([0, 10, 60]),
    undelivered: random.pick([0, 50, 300]),
    crashes: random.pick([0, 10, 60]),
    client_deaths: random.pick([50, 500, 3000]),
    forced_stops: random.pick([0, 20, 200]),
    call_ms: random.pick([2, 20, 200]),
    think_ms: random.pick([5, 50, 500]),
    machine_failures: lock_type === "sanlock" && random.chance(60),
    fence_failures: random.pick([0, 500, 5000]),
    lost_aborts: random.pick([0, 500, 5000]),
  };
}

/**
 * Runs simulated worlds: `bun run test/simulator/run.ts [--seed N] [--events M] [--world-events W] [--size H,V,L,C]
 * [--trace N]`. A failing world is told
 * with the command that replays it exactly, and with the smallest world in which the same kind of failure was found.
 */
import { chooseSeed } from "../rig/random.ts";
import { shrink } from "./shrink.ts";
import type { WorldSize } from "./weather.ts";
import { runWorld, type WorldResult } from "./world.ts";

const numberOf = (name: string, otherwise: number): number => {
  const index = process.argv.indexOf(`--${name}`);
  if (index < 0) return otherwise;
  const value = Number(process.argv[index + 1]);
  if (!Number.isInteger(value) || value < 0) throw new Error(`--${name} needs a whole number`);
  return value;
};

/** --size hosts,vgs,lvs_per_vg,clients_per_host: instead of the size that the seed draws. */
function sizeNamed(): WorldSize | null {
  const index = process.argv.indexOf("--size");
  if (index < 0) return null;
  const numbers = (process.argv[index + 1] ?? "").split(",").map(Number);
  const [hosts, vgs, lvs_per_vg, clients_per_host] = numbers;
  if (numbers.length !== 4 || numbers.some((n) => !Number.isInteger(n) || n < 1)) {
    throw new Error("--size needs four numbers: hosts,vgs,lvs_per_vg,clients_per_host");
  }
  return { hosts, vgs, lvs_per_vg, clients_per_host } as WorldSize;
}

function tell(seed: number, { failure, events, size }: WorldResult): void {
  if (failure === null) return;
  console.error(failure.trace.join("\n"));
  console.error(failure.error.stack ?? String(failure.error));
  const replay = failure.replay_events;
  console.error(`world ${seed} failed at event ${events}: ${JSON.stringify(size)}`);
  console.error(
    `replay: bun run test/simulator/run.ts --seed ${seed} --events ${replay} --world-events ${replay}`,
  );
}

const seed = chooseSeed();
const events = numberOf("events", 100_000);
const world_events = numberOf("world-events", 60_000);
const trace_lines = numberOf("trace", 60);
const size = sizeNamed();
const begin_ms = performance.now();
let done = 0;
let worlds = 0;
console.log(`simulator: seed ${seed}, ${events} events`);
while (done < events) {
  const world_seed = (seed + worlds) >>> 0;
  const result = runWorld({
    seed: world_seed,
    events: Math.min(world_events, events - done),
    size,
    trace_lines,
  });
  done += result.events;
  worlds++;
  if (result.failure === null) continue;
  tell(world_seed, result);
  const small = shrink(world_seed, result, trace_lines);
  if (small !== null) {
    console.error("\nthe smallest world with this failure:");
    tell(small.seed, small.result);
  }
  process.exit(1);
}
const seconds = (performance.now() - begin_ms) / 1000;
console.log(`simulator: ${done} events in ${worlds} worlds, ${seconds.toFixed(1)} s, all invariants held`);

/**
 * A short run of simulated worlds with fixed seeds; the long one is `bun run test/simulator/run.ts`. A world of each size is
 * among them, and the simulator itself is held to what it promises: the same seed is the same world.
 */
import { describe, expect, test } from "bun:test";
import { runWorld, type WorldResult } from "./world.ts";

const world = (seed: number, events: number): WorldResult =>
  runWorld({ seed, events, size: null, trace_lines: 60 });

describe("simulated worlds", () => {
  test("of many seeds keep every invariant, and everybody is answered in the end", () => {
    for (let seed = 1; seed <= 12; seed++) {
      const { failure } = world(seed, 6000);
      if (failure !== null) console.error(failure.trace.join("\n"));
      expect([seed, failure?.error ?? null]).toEqual([seed, null]);
    }
  });

  test("with hundreds of clients on one host keep them too", () => {
    const size = { hosts: 1, vgs: 8, lvs_per_vg: 60, clients_per_host: 300 };
    const { failure } = runWorld({ seed: 5, events: 12_000, size, trace_lines: 60 });
    expect(failure?.error ?? null).toBeNull();
  });

  test("are the same for the same seed, event by event", () => {
    expect(world(7, 3000).digest).toBe(world(7, 3000).digest);
    expect(world(7, 3000).digest).not.toBe(world(8, 3000).digest);
  });
});

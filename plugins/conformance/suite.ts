/**
 * The suite that every lock manager passes, ours and other people's: `conformance(name, harness)` in a file that `bun test`
 * runs. It uses nothing but the contract; what a manager can't do is left out by its capability flags.
 */
import { describe, setDefaultTimeout } from "bun:test";
import { globalLockTests } from "./global-lock-tests.ts";
import type { ConformanceHarness } from "./harness.ts";
import { adoptionTests, conflictTests, lockTests } from "./lock-tests.ts";
import { lockspaceTests } from "./lockspace-tests.ts";
import { managerTests } from "./manager-tests.ts";
import { must, openCluster } from "./member.ts";
import { oneHostTests } from "./one-host-tests.ts";
import { valueBlockTests } from "./value-block-tests.ts";
import type { InCluster, InWorld } from "./worlds.ts";

export type { ConformanceHarness, ConformanceWorld } from "./harness.ts";

/** Declares the tests. `name` is how the manager is called in the results. */
export function conformance(name: string, harness: ConformanceHarness): void {
  const inWorld: InWorld = async (run) => {
    const world = await harness.open();
    try {
      must(world.hosts.length === harness.host_count, "the harness opened another number of hosts");
      await run(world);
    } finally {
      await world.close();
    }
  };
  const inCluster: InCluster = (run) =>
    inWorld(async (world) => await run(await openCluster(harness, world, world.hosts.length)));
  const { neighbours_join = "always" } = harness;
  const withHere: InCluster = (run) =>
    neighbours_join === "always"
      ? inCluster(run)
      : inWorld(async (world) => await run(await openCluster(harness, world, 1)));

  if (harness.test_timeout_ms !== undefined) setDefaultTimeout(harness.test_timeout_ms);
  describe(`lock manager ${name}:`, () => {
    managerTests(harness, inWorld);
    lockspaceTests(harness, inWorld, inCluster);
    lockTests(harness, withHere);
    globalLockTests(harness, withHere);
    valueBlockTests(harness, inCluster, withHere);
    conflictTests(harness, inCluster);
    oneHostTests(harness, inCluster);
    adoptionTests(harness, inCluster);
  });
}

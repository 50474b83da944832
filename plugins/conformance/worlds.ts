import { describe, test } from "bun:test";
import type { ConformanceWorld } from "./harness.ts";
import type { Cluster } from "./member.ts";

/** Runs a test in a world of its own. */
export type InWorld = (run: (world: ConformanceWorld) => Promise<void>) => Promise<void>;
/** The same, with a VG that every host has joined. */
export type InCluster = (run: (cluster: Cluster) => Promise<void>) => Promise<void>;

/** Declares a test of something that the manager can do; what it can't do is no skipped test but none. */
export function testWhen(applies: boolean, name: string, run: () => Promise<void>): void {
  if (applies) test(name, run);
}

/** The same for a group of tests. */
export function describeWhen(applies: boolean, name: string, declare: () => void): void {
  if (applies) describe(name, declare);
}

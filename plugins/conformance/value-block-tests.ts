import { test } from "bun:test";
import { type LockResults, VALUE_BLOCK_LAYOUT } from "../contract.ts";
import type { ConformanceHarness } from "./harness.ts";
import { checkedDefinition, GL, good, lockGood, must, VG } from "./member.ts";
import { describeWhen, type InCluster, testWhen } from "./worlds.ts";

function version(results: LockResults): number {
  return results.value_block?.r_version ?? 0;
}

/** What the value block of the VG and the global lock promises: hosts see the version that the last holder of ex stored. */
export function valueBlockTests(
  harness: ConformanceHarness,
  inCluster: InCluster,
  withHere: InCluster,
): void {
  const { value_block, shared_locks, global_lock } = checkedDefinition(harness).capabilities;
  const resources = global_lock === "own" ? [VG, GL] : [VG];

  describeWhen(value_block, "the value block", () => {
    test("is empty until somebody stores a version", () =>
      withHere(async ({ here }) => {
        for (const resource of resources)
          must(version(await lockGood(harness, here, resource, "sh")) === 0, "a version that nobody stored");
      }));

    test("carries each version from the release of ex to the next lock, on every host", () =>
      inCluster(async ({ members }) => {
        for (const resource of resources) {
          for (let stored = 1; stored <= 6; stored++) {
            const writer = members[stored % members.length];
            const reader = members[(stored + 1) % members.length];
            must(writer !== undefined && reader !== undefined, "members");
            const before = await lockGood(harness, writer, resource, "ex");
            must(version(before) === stored - 1, `version ${version(before)}, not ${stored - 1}`);
            good(await writer.unlock(resource, "ex", stored));
            const after = await lockGood(harness, reader, resource, shared_locks ? "sh" : "ex");
            must(version(after) === stored, `version ${version(after)}, not ${stored}`);
            must(after.value_block?.layout === VALUE_BLOCK_LAYOUT, "the block has no layout number");
            good(await reader.unlock(resource, shared_locks ? "sh" : "ex"));
          }
        }
      }));

    test("stays as it is when ex is released without a version", () =>
      withHere(async ({ here }) => {
        await lockGood(harness, here, VG, "ex");
        good(await here.unlock(VG, "ex", 41));
        await lockGood(harness, here, VG, "ex");
        good(await here.unlock(VG, "ex", 0));
        must(version(await lockGood(harness, here, VG, "ex")) === 41, "the version is gone");
      }));

    testWhen(shared_locks, "is not changed by a holder of sh", () =>
      withHere(async ({ here }) => {
        await lockGood(harness, here, VG, "sh");
        good(await here.unlock(VG, "sh", 5));
        must(version(await lockGood(harness, here, VG, "ex")) === 0, "a version from a shared lock");
      }),
    );

    testWhen(
      shared_locks && harness.convert_stores_version !== false,
      "takes the version when ex is converted to sh",
      () =>
        inCluster(async ({ here, members }) => {
          await lockGood(harness, here, VG, "ex");
          good(await here.convert(VG, "ex", "sh", 9));
          const reader = members[1] ?? here;
          if (reader === here) good(await here.unlock(VG, "sh"));
          must(version(await lockGood(harness, reader, VG, "sh")) === 9, "the version did not arrive");
        }),
    );

    test("of one resource does not leak into another", () =>
      withHere(async ({ here, lv }) => {
        await lockGood(harness, here, VG, "ex");
        good(await here.unlock(VG, "ex", 3));
        await lockGood(harness, here, await lv("one"), "ex");
        if (global_lock === "own")
          must(version(await lockGood(harness, here, GL, "ex")) === 0, "the VG's version in the global lock");
      }));
  });
}

import { test } from "bun:test";
import type { ConformanceHarness } from "./harness.ts";
import { checkedDefinition, GL, good, lockGood, must, refused } from "./member.ts";
import { describeWhen, type InCluster, testWhen } from "./worlds.ts";

/** What the global lock promises: a lockspace of its own, or a copy in a VG that is enabled and disabled. */
export function globalLockTests(harness: ConformanceHarness, withHere: InCluster): void {
  const in_vg = checkedDefinition(harness).capabilities.global_lock === "in-vg";

  describeWhen(in_vg, "the global lock in a VG", () => {
    test("is there in the first VG, and is locked like any other lock", () =>
      withHere(async ({ here }) => {
        must(good(await here.ask("hasGlobalLock")).enabled === true, "the first VG has no global lock");
        await lockGood(harness, here, GL, "ex");
        good(await here.unlock(GL, "ex"));
      }));

    testWhen(harness.keeps_global_lock_disabled !== false, "is disabled and enabled", () =>
      withHere(async ({ here }) => {
        good(await here.ask("setGlobalLock", { enabled: false, ex_disable: false }));
        must(good(await here.ask("hasGlobalLock")).enabled === false, "it is enabled after it was disabled");
        good(await here.ask("setGlobalLock", { enabled: true, ex_disable: false }));
        must(good(await here.ask("hasGlobalLock")).enabled === true, "it is disabled after it was enabled");
        await lockGood(harness, here, GL, "ex");
      }),
    );
  });

  describeWhen(!in_vg, "the global lock of its own", () => {
    test("can't be switched off in a VG", () =>
      withHere(async ({ here }) => {
        refused(await here.ask("setGlobalLock", { enabled: false, ex_disable: false }), "switching it off");
        must(good(await here.ask("hasGlobalLock")).enabled === false, "a VG says that it has it");
      }));
  });
}

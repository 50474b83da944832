import { describe, test } from "bun:test";
import type { HeldMode } from "../contract.ts";
import type { ConformanceHarness } from "./harness.ts";
import { checkedDefinition, good, lockGood, must, openMember, refused, VG } from "./member.ts";
import { describeWhen, type InCluster, testWhen } from "./worlds.ts";

/** How many resources are locked beside each other. */
const MANY = 50;
/** How long a lock may wait that nobody releases, and one that somebody does. */
const SHORT_MS = 200;
const LONG_MS = 10_000;
/** By then a request that waits is where it waits. */
const QUEUED_MS = 1000;

/** What locks promise on one host. */
export function lockTests(harness: ConformanceHarness, withHere: InCluster): void {
  const { shared_locks } = checkedDefinition(harness).capabilities;
  const modes: readonly HeldMode[] = shared_locks ? ["ex", "sh"] : ["ex"];

  describe("a lock", () => {
    for (const mode of modes) {
      test(`is granted in mode ${mode} and released, again and again`, () =>
        withHere(async ({ here, lv }) => {
          for (const resource of [VG, await lv("one")]) {
            for (let round = 0; round < 3; round++) {
              const results = await lockGood(harness, here, resource, mode);
              must(!results.adopted, "a lock that nobody had left behind says that it was adopted");
              good(await here.unlock(resource, mode));
            }
          }
        }));
    }

    testWhen(shared_locks, "is converted both ways while nobody else has it", () =>
      withHere(async ({ here, lv }) => {
        for (const resource of [VG, await lv("one")]) {
          await lockGood(harness, here, resource, "sh");
          good(await here.convert(resource, "sh", "ex"));
          good(await here.convert(resource, "ex", "sh"));
          good(await here.unlock(resource, "sh"));
        }
      }),
    );

    test("that is not held is released without complaint, but can't be converted", () =>
      withHere(async ({ here, lv }) => {
        const resource = await lv("one");
        good(await here.unlock(resource, "ex"));
        good(await here.unlock(VG, "ex"));
        refused(await here.convert(resource, "sh", "ex"), "the conversion of a lock that is not held");
        await lockGood(harness, here, resource, "ex");
      }));

    test("of an LV has no value block", () =>
      withHere(async ({ here, lv }) => {
        const results = await lockGood(harness, here, await lv("one"), "ex");
        must(results.value_block === null, "there is one");
      }));

    test(`is independent of ${MANY} others that are locked at the same time`, () =>
      withHere(async ({ here, lv }) => {
        const resources = [];
        for (let number = 0; number < MANY; number++) resources.push(await lv(`m${number}`));
        const names = new Set(resources.map((resource) => resource.lv_lock_args));
        must(names.size === MANY || names.has(""), "two LVs were given the same lease");
        // The host makes the calls on one lockspace one at a time, and so does this.
        for (const resource of resources) await lockGood(harness, here, resource, "ex");
        await lockGood(harness, here, VG, "ex");
        for (const resource of resources) good(await here.unlock(resource, "ex"));
        for (const resource of resources) await lockGood(harness, here, resource, modes[1] ?? "ex");
      }));
  });
}

/** What locks promise between hosts. */
export function conflictTests(harness: ConformanceHarness, inCluster: InCluster): void {
  const { shared_locks, owner_info, one_host, queueing } = checkedDefinition(harness).capabilities;

  describeWhen(harness.host_count > 1 && one_host !== true, "between hosts", () => {
    const conflicts: readonly (readonly [HeldMode, HeldMode])[] = shared_locks
      ? [
          ["ex", "ex"],
          ["ex", "sh"],
          ["sh", "ex"],
        ]
      : [["ex", "ex"]];
    for (const [held, wanted] of conflicts) {
      test(`a lock held ${held} is refused ${wanted} elsewhere, and granted when it is released`, () =>
        inCluster(async ({ here, members, lv }) => {
          const [, there] = members;
          must(there !== undefined, "a second host");
          for (const resource of [VG, await lv("one")]) {
            await lockGood(harness, here, resource, held);
            const refusal = refused(await there.lock(resource, wanted), "a conflicting lock");
            // An LV stays active for hours, so that a manager may answer its conflicts at once and for good.
            if (resource.kind !== "lv")
              must(refusal.retry !== "never", "the refusal does not say that trying again can help");
            if (owner_info)
              must(refusal.owner?.host_id === here.identity.host_id, "the refusal does not name the owner");
            // A refusal changes nothing: the holder still has the lock and nobody else does.
            refused(await there.lock(resource, wanted), "the conflicting lock's second try");
            good(await here.unlock(resource, held));
            await lockGood(harness, there, resource, wanted);
          }
        }));
    }

    testWhen(
      queueing,
      "a lock that may wait is had when the other host releases it, and refused when it does not",
      () =>
        inCluster(async ({ here, members }) => {
          const [, there] = members;
          must(there !== undefined, "a second host");
          await lockGood(harness, here, VG, "ex");
          const impatient = refused(
            await there.lock(VG, "ex", "no", SHORT_MS),
            "a lock that was not released",
          );
          must(impatient.retry !== "never", "the refusal does not say that trying again can help");
          const waiting = there.lock(VG, "ex", "no", LONG_MS);
          await Bun.sleep(QUEUED_MS);
          good(await here.unlock(VG, "ex"));
          good(await waiting);
          refused(await here.lock(VG, "sh"), "a lock that has gone to the other host");
          good(await there.unlock(VG, "ex"));
          await lockGood(harness, here, VG, "ex");
        }),
    );

    testWhen(
      queueing && shared_locks && harness.host_count > 2,
      "a lock that waits to be exclusive is not overtaken by a shared one that is asked for later",
      () =>
        inCluster(async ({ here, members }) => {
          const [, writer, reader] = members;
          must(writer !== undefined && reader !== undefined, "a third host");
          // A manager may treat a lock that the host has had before in another way than its first one.
          for (const member of members) {
            await lockGood(harness, member, VG, "sh");
            good(await member.unlock(VG, "sh"));
          }
          await lockGood(harness, here, VG, "sh");
          const waiting = writer.lock(VG, "ex", "no", LONG_MS);
          await Bun.sleep(QUEUED_MS);
          refused(await reader.lock(VG, "sh", "no", SHORT_MS), "a lock behind one that waits");
          good(await here.unlock(VG, "sh"));
          good(await waiting);
          good(await writer.unlock(VG, "ex"));
          await lockGood(harness, reader, VG, "sh");
        }),
    );

    testWhen(shared_locks, "a shared lock is held by all, and none of them can make it exclusive", () =>
      inCluster(async ({ members }) => {
        for (const member of members) await lockGood(harness, member, VG, "sh");
        for (const member of members)
          refused(await member.convert(VG, "sh", "ex"), "a conversion beside another holder");
        for (const member of members.slice(1)) good(await member.unlock(VG, "sh"));
        const [here] = members;
        must(here !== undefined, "a host");
        good(await here.convert(VG, "sh", "ex"));
      }),
    );
  });
}

/** What becomes of the locks of a daemon that was killed. */
export function adoptionTests(harness: ConformanceHarness, inCluster: InCluster): void {
  const { adoption } = checkedDefinition(harness).capabilities;

  describeWhen(adoption, "after the daemon was killed", () => {
    test("its locks are adopted by name, and others can have them after that", () =>
      inCluster(async ({ world, here, members, lv }) => {
        if (world.restart === undefined) {
          console.error(`NOT TESTED: the harness of ${harness.definition.name} can't restart a host`);
          return;
        }
        const resource = await lv("orphan");
        await lockGood(harness, here, resource, "ex");
        const again = openMember(harness, await world.restart(0), here.identity, 0);
        good(await again.prepare());
        good(await again.join("if-orphan"));
        const [, there] = members;
        if (there !== undefined) refused(await there.lock(resource, "ex"), "a lock of a killed daemon");
        const adopted = good(await again.lock(resource, "ex", "only-orphan"));
        must(adopted.adopted, "the grant does not say that the lock was adopted");
        good(await again.unlock(resource, "ex"));
        if (there !== undefined) await lockGood(harness, there, resource, "ex");
        else await lockGood(harness, again, resource, "ex");
      }));
  });
}

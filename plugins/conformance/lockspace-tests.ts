import { describe, test } from "bun:test";
import { type ConformanceHarness, identityOf } from "./harness.ts";
import { checkedDefinition, good, initVg, lockGood, must, openMember, refused, start, VG } from "./member.ts";
import { type InCluster, type InWorld, testWhen } from "./worlds.ts";

/** What a lockspace promises: joining, leaving, who else is there, and that names do not run into each other. */
export function lockspaceTests(harness: ConformanceHarness, inWorld: InWorld, inCluster: InCluster): void {
  const { lock_type, host_count } = harness;

  describe("a lockspace", () => {
    test("can be left and joined again", () =>
      inCluster(async ({ here }) => {
        await lockGood(harness, here, VG, "ex");
        good(await here.unlock(VG, "ex"));
        good(await here.leave());
        await start(here);
        await lockGood(harness, here, VG, "ex");
      }));

    test("refuses to be joined twice, and stays joined", () =>
      inCluster(async ({ here }) => {
        const refusal = refused(await here.join(), "the second join");
        must(refusal.code === "EEXIST", `the code is ${refusal.code}, not EEXIST`);
        await lockGood(harness, here, VG, "sh");
      }));

    test("that is left with locks does not keep this host from taking them later", () =>
      inCluster(async ({ here, lv }) => {
        const resource = await lv("kept");
        await lockGood(harness, here, resource, "ex");
        good(await here.unlock(resource, "ex"));
        await lockGood(harness, here, VG, "ex");
        good(await here.leave());
        await start(here);
        await lockGood(harness, here, VG, "ex");
        await lockGood(harness, here, resource, "ex");
      }));

    test("knows how many other hosts have it", () =>
      inCluster(async ({ here, members }) => {
        const all = good(await here.ask("hosts", { notify: false }));
        const others = members.length - 1;
        must(
          all.unknown === true || all.others === others,
          `it says ${all.others} others, there are ${others}`,
        );
        for (const member of members.slice(1)) good(await member.leave());
        const alone = good(await here.ask("hosts", { notify: false }));
        must(alone.unknown === true || alone.others === 0, `it says ${alone.others} others, there are none`);
      }));

    test("has its own state to tell, or none", () =>
      inCluster(async ({ here }) => {
        const status = good(await here.ask("status"));
        must(typeof status.owner === "object", "status has no owner");
      }));

    test("with a name of the greatest length is another one than its neighbour with a different last letter", () =>
      inWorld(async ({ hosts }) => {
        const [first] = hosts;
        must(first !== undefined, "a host");
        const { lockspace_name_max } = checkedDefinition(harness).capabilities;
        const long = `lvm_${"n".repeat(lockspace_name_max - 5)}`;
        for (const letter of ["a", "b"]) {
          const name = `${long}${letter}`;
          const args = await initVg(harness, first, name.slice(4), name);
          const member = openMember(harness, first, identityOf(name.slice(4), args, lock_type, 0, name), 0);
          await start(member);
          await lockGood(harness, member, VG, "ex");
        }
      }));

    const { one_host } = checkedDefinition(harness).capabilities;
    testWhen(
      host_count > 1 && one_host !== true,
      "that one host leaves stays with the others, and its locks go on",
      () =>
        inCluster(async ({ here, members }) => {
          const [, there] = members;
          must(there !== undefined, "a second host");
          await lockGood(harness, here, VG, "ex");
          good(await there.leave());
          await start(there);
          refused(await there.lock(VG, "ex"), "a lock that another host holds");
          good(await here.unlock(VG, "ex"));
          await lockGood(harness, there, VG, "ex");
        }),
    );
  });
}

import { test } from "bun:test";
import type { ConformanceHarness } from "./harness.ts";
import { identityOf } from "./harness.ts";
import {
  type Cluster,
  checkedDefinition,
  good,
  lockGood,
  type Member,
  must,
  openMember,
  refused,
  start,
  VG,
} from "./member.ts";
import { describeWhen, type InCluster, testWhen } from "./worlds.ts";

/** What a manager promises whose VGs belong to one host at a time: they are refused to others, handed over, taken over. */
export function oneHostTests(harness: ConformanceHarness, inCluster: InCluster): void {
  const { one_host, take_over, owner_info, adoption } = checkedDefinition(harness).capabilities;

  /** The second host, which has not joined. */
  const second = ({ world, here }: Cluster): Member => {
    const [, manager] = world.hosts;
    must(manager !== undefined, "a second host");
    const { vg_name, vg_lock_args } = here.identity;
    return openMember(harness, manager, identityOf(vg_name, vg_lock_args, harness.lock_type, 1), 1);
  };
  /** The refusal of a start, wherever in it it comes. */
  const refusedStart = async (member: Member, args: object = {}) => {
    const prepared = await member.ask("prepare", { repair: false, ...args });
    if (prepared.kind === "refused") return prepared;
    const joined = await member.ask("join", { adopt: "no", nodelay: false, repair: false, ...args });
    return refused(joined, "the start of a VG that another host has");
  };

  describeWhen(one_host === true && harness.host_count > 1, "a VG that one host at a time can have", () => {
    test("is refused to the other host, which changes nothing", () =>
      inCluster(async (cluster) => {
        const { here } = cluster;
        const there = second(cluster);
        for (let round = 0; round < 2; round++) {
          const { detail, owner } = await refusedStart(there);
          must(detail !== "", "the refusal has no detail for a person");
          if (owner_info)
            must(owner?.host_id === here.identity.host_id, `the owner is ${owner?.host_id}, not this host`);
          await lockGood(harness, here, VG, "ex");
          good(await here.unlock(VG, "ex"));
        }
      }));

    test("is handed over by leaving it, and back", () =>
      inCluster(async (cluster) => {
        const { here } = cluster;
        const there = second(cluster);
        for (const [from, to] of [
          [here, there],
          [there, here],
        ] as const) {
          good(await from.leave());
          await start(to);
          await lockGood(harness, to, VG, "ex");
          refused(await from.lock(VG, "ex"), "a lock of a VG that was left");
          good(await to.unlock(VG, "ex"));
        }
      }));

    testWhen(adoption, "stays refused while its host's daemon is dead, and is that host's again", () =>
      inCluster(async (cluster) => {
        const { world, here } = cluster;
        if (world.restart === undefined) {
          console.error(`NOT TESTED: the harness of ${harness.definition.name} can't restart a host`);
          return;
        }
        const manager = await world.restart(0);
        const there = second(cluster);
        await refusedStart(there);
        const again = openMember(harness, manager, here.identity, 0);
        await start(again, "if-orphan");
        await lockGood(harness, again, VG, "ex");
        await refusedStart(there);
      }),
    );

    testWhen(
      take_over === true,
      "is taken over with its host's key and no other, and then lost to that host",
      () =>
        inCluster(async (cluster) => {
          const { here } = cluster;
          const there = second(cluster);
          const { take_over_key } = harness;
          must(take_over_key !== undefined, "a harness for take-overs has take_over_key");
          await refusedStart(there, { take_over: { remove_key: take_over_key(2) } });
          await lockGood(harness, here, VG, "ex");
          good(await here.unlock(VG, "ex"));
          const order = { take_over: { remove_key: take_over_key(0) } };
          good(await there.ask("prepare", { repair: false, ...order }));
          good(await there.ask("join", { adopt: "no", nodelay: false, repair: false, ...order }));
          await lockGood(harness, there, VG, "ex");
          good(await here.leave());
          await refusedStart(here);
          await lockGood(harness, there, { kind: "lv", name: "LVone", lv_lock_args: "" }, "ex");
        }),
    );
  });
}

import { describe, test } from "bun:test";
import { type ConformanceHarness, identityOf } from "./harness.ts";
import {
  checkedDefinition,
  checkedManager,
  good,
  initVg,
  must,
  openMember,
  refused,
  start,
} from "./member.ts";
import { type InWorld, testWhen } from "./worlds.ts";

/** LVM's metadata keeps lock args in 64 characters. */
const LOCK_ARGS_LENGTH_MAX = 64;
const FOREIGN = "1.0.0:surely-somebody-else";

/** What the manager itself promises: its definition, and the lock args that it writes and takes. */
export function managerTests(harness: ConformanceHarness, inWorld: InWorld): void {
  const { lock_type } = harness;

  describe("the manager", () => {
    test("has a definition that the host takes, and capabilities that do not change", () => {
      const { capabilities } = checkedDefinition(harness);
      must(
        JSON.stringify(capabilities) === JSON.stringify(checkedDefinition(harness).capabilities),
        "two questions for the capabilities got different answers",
      );
    });

    test("says that it runs", () =>
      inWorld(async ({ hosts }) => {
        for (const host of hosts) {
          const answer = good(await checkedManager(harness, host).ask("isRunning"));
          must(answer.running === true, "isRunning says no while the harness has it open");
        }
      }));

    test("gives a new VG lock args that fit into metadata and that every host can start", () =>
      inWorld(async ({ hosts }) => {
        const [first] = hosts;
        must(first !== undefined, "a host");
        const args = await initVg(harness, first, "fresh");
        must(/^\d+\.\d+\.\d+:./.test(args), `lock args "${args}" do not begin with a version and a colon`);
        // lvm refuses metadata with others, and further colons in version 1.
        must(/^[\w.+:-]+$/.test(args), `lock args "${args}" have characters that lvm does not take`);
        must(
          !args.startsWith("1.") || args.indexOf(":") === args.lastIndexOf(":"),
          `lock args "${args}" of version 1 have more than one colon`,
        );
        must(
          args.length <= LOCK_ARGS_LENGTH_MAX,
          `lock args "${args}" are longer than ${LOCK_ARGS_LENGTH_MAX}`,
        );
        for (const [index, host] of hosts.entries()) {
          good(await openMember(harness, host, identityOf("fresh", args, lock_type, index), index).prepare());
        }
      }));

    const foreign = harness.foreign_vg_lock_args === undefined ? FOREIGN : harness.foreign_vg_lock_args;
    testWhen(
      foreign !== null,
      "refuses to start a VG whose lock args are somebody else's, with a reason",
      () =>
        inWorld(async ({ hosts }) => {
          const [first] = hosts;
          must(first !== undefined, "a host");
          const member = openMember(harness, first, identityOf("theirs", foreign ?? "", lock_type, 0), 0);
          const refusal = refused(await member.prepare(), "a VG of another manager");
          must(refusal.code === "EARGS", `the code is ${refusal.code}, not EARGS`);
          must(refusal.detail !== "", "the refusal has no detail for a person");
        }),
    );

    test("keeps the lock args of a renamed VG usable", () =>
      inWorld(async ({ hosts }) => {
        const [first] = hosts;
        must(first !== undefined, "a host");
        const before = await initVg(harness, first, "older");
        const rename = { vg_name: "newer", lockspace_name: "lvm_newer", vg_lock_args: before };
        const answer = good(await checkedManager(harness, first).ask("renameVg", rename));
        const args = String(answer.vg_lock_args);
        await start(openMember(harness, first, identityOf("newer", args, lock_type, 0), 0));
      }));
  });
}

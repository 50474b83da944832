import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import type { PrRefusal, ReservationType } from "../../../plugins/scsi-pr/reservable.ts";
import { RESERVATION_TYPES } from "../../../plugins/scsi-pr/reservable.ts";
import { act, type Planner, remove, start, takeOver } from "./action-rig.ts";
import { type FakeDisk, fakeDisk } from "./fake-device.ts";

/** What hosts have done to a disk before the run. Host a's key is 1 (or 9 from an earlier life), b's 2, c's 3. */
interface Past {
  readonly registered: readonly string[];
  readonly holder: { readonly nexus: string; readonly type: ReservationType } | null;
}

const KEYS: Readonly<Record<string, bigint>> = { a: 1n, b: 2n, c: 3n };

const past: fc.Arbitrary<Past> = fc.record({
  registered: fc.uniqueArray(fc.constantFrom("a", "b", "c")),
  holder: fc.option(
    fc.record({ nexus: fc.constantFrom("a", "b", "c"), type: fc.constantFrom(...RESERVATION_TYPES) }),
  ),
});

function diskWith({ registered, holder }: Past, earlier_key_of_a: boolean): FakeDisk {
  const disk = fakeDisk();
  const keyOf = (nexus: string): bigint => (nexus === "a" && earlier_key_of_a ? 9n : (KEYS[nexus] ?? 0n));
  for (const nexus of registered) {
    disk.device("", [nexus]).register({ from: 0n, to: keyOf(nexus), aptpl: false });
  }
  if (holder !== null) {
    disk.device("", [holder.nexus]).reserve({ key: keyOf(holder.nexus), type: holder.type });
  }
  return disk;
}

const wanted = fc.constantFrom<"ex" | "sh">("ex", "sh");
const planner: fc.Arbitrary<{ plan: Planner; removes_b: boolean }> = fc.oneof(
  wanted.map((access) => ({ plan: start(1n, access), removes_b: false })),
  wanted.map((access) => ({ plan: takeOver(1n, 2n, access), removes_b: true })),
  fc.constant({ plan: remove(1n, 2n), removes_b: true }),
);
const refusal: fc.Arbitrary<PrRefusal> = fc
  .constantFrom("conflict" as const, "gone" as const, "failed" as const)
  .map((kind) => ({ kind, detail: "made up" }));

/** One command of a run is refused, or its answer is lost; `nth` counts the commands that reach the disk. */
const fault = fc.record({
  disk: fc.nat({ max: 2 }),
  nth: fc.nat({ max: 14 }),
  loses_answer: fc.boolean(),
  refusal,
});
type OneFault = typeof fault extends fc.Arbitrary<infer Value> ? Value : never;

function inject(disks: readonly FakeDisk[], one: OneFault): void {
  const disk = disks[one.disk % disks.length];
  if (disk === undefined) return;
  let seen = 0;
  disk.fault = () => {
    if (seen++ !== one.nth) return null;
    return { kind: one.loses_answer ? "lose-answer" : "refuse", refusal: one.refusal };
  };
}

const world = fc.record({
  pasts: fc.array(past, { minLength: 1, maxLength: 3 }),
  earlier_key_of_a: fc.boolean(),
});

describe("whatever was on the disks and whichever command fails once", () => {
  test("a start that is not done has set back all that it changed, unless it says what stays", async () => {
    await fc.assert(
      fc.asyncProperty(world, wanted, fault, async ({ pasts, earlier_key_of_a }, access, one) => {
        const disks = pasts.map((each) => diskWith(each, earlier_key_of_a));
        const before = disks.map((disk) => disk.print());
        inject(disks, one);
        const report = await act(disks, { name: "a" }, start(1n, access));
        for (const [index, { result }] of report.devices.entries()) {
          if (result === "left" || result === "done") continue;
          assert.equal(disks[index]?.print(), before[index], `${result} device ${index}`);
        }
        if (report.result === "done") {
          for (const disk of disks) assert.ok(disk.mayWrite("a"), disk.print());
        } else {
          assert.ok(report.devices.every(({ result }) => result !== "done"));
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("what is called done is so on every disk, and other hosts' keys are touched only where that was asked for", async () => {
    await fc.assert(
      fc.asyncProperty(
        world,
        planner,
        fault,
        async ({ pasts, earlier_key_of_a }, { plan, removes_b }, one) => {
          const disks = pasts.map((each) => diskWith(each, earlier_key_of_a));
          const hadC = disks.map((disk) => disk.print().includes("c:0x3"));
          inject(disks, one);
          const report = await act(disks, { name: "a" }, plan);
          for (const [index, disk] of disks.entries()) {
            assert.equal(disk.print().includes("c:0x3"), hadC[index], "another host's registration");
          }
          const isCut = report.plan.cuts_off;
          if (report.result !== "done" || !isCut) return;
          for (const disk of disks) {
            assert.ok(!removes_b || !disk.print().includes("b:"), disk.print());
            assert.ok(!disk.mayWrite("b"), disk.print());
            assert.ok(disk.mayWrite("a"), disk.print());
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  test("a second start without faults brings every interrupted one to its end, where no other host is in the way", async () => {
    await fc.assert(
      fc.asyncProperty(wanted, fc.nat({ max: 3 }), fault, async (access, at, one) => {
        const disks = [fakeDisk(), fakeDisk()];
        inject(disks, one);
        let asked = 0;
        const interrupted = (): string | null => (asked++ === at ? "killed" : null);
        await act(disks, { name: "a", watch: { interrupted } }, start(1n, access));
        for (const disk of disks) disk.fault = () => null;
        const again = await act(disks, { name: "a" }, start(1n, access));
        assert.equal(again.result, "done");
        const held = access === "ex" ? "WE a" : "WEAR all";
        for (const disk of disks) assert.equal(disk.print(), `a:0x1 | ${held}`);
      }),
      { numRuns: 500 },
    );
  });
});

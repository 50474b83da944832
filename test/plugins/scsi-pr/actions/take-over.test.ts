import { describe, expect, test } from "bun:test";
import {
  A,
  act,
  B,
  C,
  CONFLICT,
  disksOf,
  GONE,
  KEY_A,
  KEY_B,
  KEY_C,
  prints,
  refuseAt,
  results,
  start,
  takeOver,
} from "../action-rig.ts";
import type { FakeDisk } from "../fake-device.ts";

describe("start --removekey", () => {
  test("takes WE over from another host, which can't write from then on", async () => {
    const disks = disksOf(2);
    await act(disks, B, start(2n));
    const report = await act(disks, A, takeOver(1n, 2n));
    expect(report.result).toBe("done");
    expect(report.plan.cuts_off).toBe(true);
    expect(prints(disks)).toEqual(["a:0x1 | WE a", "a:0x1 | WE a"]);
    expect(disks[0]?.mayWrite("b")).toBe(false);
  });

  test("again brings a take-over to its end that was stopped in the middle", async () => {
    const disks = disksOf(3);
    await act(disks, B, start(2n));
    await act(disks.slice(0, 1), A, takeOver(1n, 2n));
    disks[1]?.device("", ["a"]).register({ from: 0n, to: 1n, aptpl: false });
    expect((await act(disks, A, takeOver(1n, 2n))).result).toBe("done");
    expect(prints(disks)).toEqual(Array(3).fill("a:0x1 | WE a"));
    expect((await act(disks, A, takeOver(1n, 2n))).result).toBe("done");
  });

  test("reserves a device where the removed key was only registered", async () => {
    const disks = disksOf(1);
    disks[0]?.device("", ["b"]).register({ from: 0n, to: 2n, aptpl: false });
    expect((await act(disks, A, takeOver(1n, 2n))).result).toBe("done");
    expect(prints(disks)).toEqual(["a:0x1 | WE a"]);
  });

  test("of a key that is nowhere changes nothing", async () => {
    const disks = disksOf(2);
    expect((await act(disks, A, takeOver(1n, 0xdeadn))).result).toBe("not-found");
    expect(prints(disks)).toEqual([" | none", " | none"]);
  });

  test("warns of a third host that was registered and is shut out as well", async () => {
    const disks = disksOf(1);
    for (const [name, key] of [["b", KEY_B] as const, ["c", KEY_C] as const])
      disks[0]?.device("", [name]).register({ from: 0n, to: key, aptpl: false });
    const { warnings } = (await act(disks, A, takeOver(1n, KEY_B))).plan;
    expect(warnings).toHaveLength(2);
    expect(warnings[1]).toContain("host_id 3");
    expect(warnings[1]).not.toContain("host_id 2");
  });

  test.each(["WERO", "EARO"] as const)(
    "warns of a third host that can write under the other host's reservation %s and is shut out by ours",
    async (type) => {
      const disks = disksOf(1);
      await act(disks, B, start(KEY_B, type));
      await act(disks, C, start(KEY_C, type));
      const { result, plan } = await act(disks, A, takeOver(KEY_A, KEY_B));
      expect([result, disks[0]?.mayWrite("c")]).toEqual(["done", false]);
      expect(plan.cuts_off).toBe(true);
      expect(plan.warnings.slice(1)).toEqual([
        "registered hosts can no longer write once this reservation is taken: 0x1000000000010003 (host_id 3, generation 1)",
      ]);
    },
  );

  test("without --ptpl warns when that ends the persistence of hosts that stay", async () => {
    const warningsOf = async (hosts: readonly [{ name: string }, bigint][]): Promise<readonly string[]> => {
      const disks = disksOf(1);
      for (const [host, key] of hosts) await act(disks, host, start(key, "sh", true));
      const { plan } = await act(disks, A, takeOver(KEY_A, KEY_B, "sh"));
      expect(disks[0]?.aptpl).toBe(false);
      return plan.warnings.slice(1);
    };
    expect(
      await warningsOf([
        [B, KEY_B],
        [C, KEY_C],
      ]),
    ).toEqual([
      "other hosts' registrations outlive a loss of power now; this start, without --ptpl, ends that",
    ]);
    expect(await warningsOf([[B, KEY_B]])).toEqual([]);
  });

  test("refuses devices that a third host holds", async () => {
    const disks = disksOf(2);
    await act(disks.slice(0, 1), B, start(2n));
    await act(disks.slice(1), C, start(3n));
    const before = prints(disks);
    expect((await act(disks, A, takeOver(1n, 2n))).result).toBe("conflict");
    expect(prints(disks)).toEqual(before);
  });

  test("that fails on one device keeps what it took, and unregisters from the rest", async () => {
    const disks = disksOf(2);
    await act(disks, B, start(2n));
    refuseAt(disks[1] as FakeDisk, "preempt", { kind: "failed", detail: "aborted command" });
    const report = await act(disks, A, takeOver(1n, 2n));
    expect(report.result).toBe("partial");
    expect(results(report)).toEqual(["left", "failed"]);
    expect(prints(disks)).toEqual(["a:0x1 | WE a", "b:0x2 | WE b"]);
  });
});

describe("a take-over whose abort was not answered with success", () => {
  test("goes on to reserve, and says that the other host's commands may not have ended", async () => {
    const disks = disksOf(2);
    for (const disk of disks) disk.device("", ["b"]).register({ from: 0n, to: KEY_B, aptpl: false });
    refuseAt(disks[1] as FakeDisk, "preempt", GONE, { loses_answer: true });
    const report = await act(disks, A, takeOver(KEY_A, KEY_B));
    expect(prints(disks)).toEqual(Array(2).fill("a:0x1000000000010001 | WE a"));
    expect(results(report)).toEqual(["done", "left"]);
    expect(report.devices[1]?.problem?.kind).toBe("unproven");
    expect(report.result).toBe("partial");
  });

  test("says so also where another device fails afterwards", async () => {
    const disks = disksOf(2);
    for (const disk of disks) disk.device("", ["b"]).register({ from: 0n, to: KEY_B, aptpl: false });
    refuseAt(disks[0] as FakeDisk, "preempt", GONE, { loses_answer: true });
    refuseAt(disks[1] as FakeDisk, "reserve", CONFLICT);
    const report = await act(disks, A, takeOver(KEY_A, KEY_B));
    expect(results(report)).toEqual(["left", "left"]);
    expect(report.devices[0]?.problem?.kind).toBe("unproven");
  });
});

import { describe, expect, test } from "bun:test";
import {
  A,
  act,
  B,
  CONFLICT,
  clear,
  disksOf,
  GONE,
  prints,
  refuseAt,
  results,
  start,
  stop,
} from "../action-rig.ts";
import type { FakeDisk } from "../fake-device.ts";

describe("stop", () => {
  test("unregisters, and the reservation goes with the last registration", async () => {
    const disks = disksOf(2);
    await act(disks, A, start(1n, "sh"));
    await act(disks, B, start(2n, "sh"));
    expect((await act(disks, A, stop(1n))).result).toBe("done");
    expect(prints(disks)).toEqual(["b:0x2 | WEAR all", "b:0x2 | WEAR all"]);
    await act(disks, B, stop(2n));
    expect(prints(disks)).toEqual([" | none", " | none"]);
  });

  test("of what is not started is no failure", async () => {
    expect((await act(disksOf(2), A, stop(1n))).result).toBe("nothing");
  });

  test("goes on with the other devices when one does not answer", async () => {
    const disks = disksOf(3);
    await act(disks, A, start(1n));
    refuseAt(disks[0] as FakeDisk, "any", GONE, { stays: true });
    const report = await act(disks, A, stop(1n));
    expect(report.result).toBe("partial");
    expect(results(report)).toEqual(["failed", "done", "done"]);
  });

  test("of a key that another nexus registered is a conflict, not a success", async () => {
    const disks = disksOf(1);
    await act(disks, B, start(1n));
    const report = await act(disks, A, stop(1n));
    expect(report.result).toBe("conflict");
    expect(prints(disks)).toEqual(["b:0x1 | WE b"]);
  });
});

describe("clear", () => {
  test("takes everything off, whoever holds it", async () => {
    const disks = disksOf(2);
    await act(disks, B, start(2n));
    const report = await act(disks, A, clear(1n));
    expect(report.result).toBe("done");
    expect(report.plan.cuts_off).toBe(true);
    expect(prints(disks)).toEqual([" | none", " | none"]);
  });

  test("takes its own registration off again where it could not clear", async () => {
    const disks = disksOf(2);
    await act(disks, B, start(2n));
    refuseAt(disks[1] as FakeDisk, "clear", CONFLICT);
    const report = await act(disks, A, clear(1n));
    expect(report.result).toBe("partial");
    expect(results(report)).toEqual(["done", "failed"]);
    expect(prints(disks)).toEqual([" | none", "b:0x2 | WE b"]);
  });

  test("passes over devices without persistent reservations beside others, with a word about each, and over clean ones", async () => {
    const disks = disksOf(2);
    await act(disks.slice(1), A, start(1n));
    refuseAt(disks[0] as FakeDisk, "any", { kind: "unsupported", detail: "no PR" }, { stays: true });
    const report = await act(disks, A, clear(1n));
    expect(results(report)).toEqual(["nothing", "done"]);
    expect(report.result).toBe("done");
    expect(report.plan.warnings).toEqual(["not cleared: no PR"]);
    expect((await act(disksOf(1), A, clear(1n))).result).toBe("nothing");
  });

  test("refuses devices of which none has persistent reservations, instead of calling them clear", async () => {
    const disks = disksOf(2);
    for (const disk of disks)
      refuseAt(disk, "any", { kind: "unsupported", detail: "a partition" }, { stays: true });
    const report = await act(disks, A, clear(1n));
    expect(report.result).toBe("unsupported");
    expect(report.devices.map(({ problem }) => problem?.detail)).toEqual(["a partition", "a partition"]);
  });
});

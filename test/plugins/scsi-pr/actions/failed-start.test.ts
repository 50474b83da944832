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
  KEY_B2,
  KEY_C,
  prints,
  refuseAt,
  results,
  start,
} from "../action-rig.ts";
import type { FakeDisk } from "../fake-device.ts";

describe("a start that fails in the middle", () => {
  test("reports a reservation that another host took meanwhile, although only keys were read back", async () => {
    const disks = disksOf(2);
    const [first, second] = disks as [FakeDisk, FakeDisk];
    first.device("", ["a"]).register({ from: 0n, to: 1n, aptpl: false });
    second.fault = ({ nexus, command }) => {
      if (nexus !== "a" || command !== "registerAndIgnore") return null;
      const other = first.device("", ["b"]);
      other.register({ from: 0n, to: 2n, aptpl: false });
      other.reserve({ key: 2n, type: "WERO" });
      return { kind: "refuse", refusal: CONFLICT };
    };
    const report = await act(disks, A, start(1n));
    expect(results(report)).toEqual(["untouched", "failed"]);
    expect(report.devices[0]?.state?.reservation).toEqual({ type: "WERO", key: 2n });
  });

  test("sets back what it did on the other devices", async () => {
    const disks = disksOf(3);
    refuseAt(disks[2] as FakeDisk, "reserve", CONFLICT);
    const report = await act(disks, A, start(1n));
    expect(report.result).toBe("conflict");
    expect(results(report)).toEqual(["undone", "undone", "failed"]);
    expect(prints(disks)).toEqual(Array(3).fill(" | none"));
  });

  test("leaves the registration of a host that was started before the run", async () => {
    const disks = disksOf(3);
    await act(disks.slice(0, 2), A, start(1n));
    refuseAt(disks[2] as FakeDisk, "reserve", CONFLICT);
    await act(disks, A, start(1n));
    expect(prints(disks)).toEqual(["a:0x1 | WE a", "a:0x1 | WE a", " | none"]);
  });

  test("gives a device its former key back", async () => {
    const disks = disksOf(2);
    await act(disks, A, start(KEY_B, "sh"));
    await act(disks, C, start(KEY_C, "sh"));
    refuseAt(disks[1] as FakeDisk, "registerAndIgnore", GONE);
    expect((await act(disks, A, start(KEY_B2, "sh"))).result).toBe("gone");
    expect(disks[0]?.print()).toBe("a:0x1000000000010002 c:0x1000000000010003 | WEAR all");
  });

  test("gives all paths of a multipath device their former key back", async () => {
    const disks = disksOf(2);
    const host = { name: "a", paths: 2 };
    await act(disks, host, start(KEY_B));
    const before = prints(disks);
    refuseAt(disks[1] as FakeDisk, "registerAndIgnore", GONE);
    await act(disks, host, start(KEY_B2));
    expect(prints(disks)).toEqual(before);
  });

  test("does not take another host's key for its own former one when that host left meanwhile", async () => {
    const disks = disksOf(2);
    const [first, second] = disks as [FakeDisk, FakeDisk];
    await act(disks, B, start(2n, "sh"));
    refuseAt(second, "reserve", CONFLICT);
    refuseAt(second, "registerAndIgnore", CONFLICT);
    first.fault = ({ nexus, command }) => {
      if (nexus === "a" && command === "registerAndIgnore") {
        first.fault = () => null;
        first.device("", ["b"]).register({ from: 2n, to: 0n, aptpl: false });
      }
      return null;
    };
    const report = await act(disks, A, start(1n, "sh"));
    expect(report.result).toBe("partial");
    expect(report.devices[0]?.detail).toContain("not known");
    expect(first.print()).not.toContain("0x2");
  });

  test("keeps an all-registrants reservation that others rely on by now", async () => {
    const disks = disksOf(2);
    const [first, second] = disks as [FakeDisk, FakeDisk];
    for (const disk of disks) disk.device("", ["b"]).register({ from: 0n, to: 2n, aptpl: false });
    refuseAt(second, "reserve", GONE, { stays: true });
    const report = await act(disks, A, start(1n, "sh"));
    expect(first.print()).toBe("b:0x2 | WEAR all");
    expect(report.devices[0]).toMatchObject({ result: "left" });
    expect(report.result).toBe("partial");
  });

  test("is undone on a device whose answer was lost", async () => {
    const disks = disksOf(2);
    refuseAt(disks[1] as FakeDisk, "reserve", GONE, { loses_answer: true });
    const report = await act(disks, A, start(1n));
    expect(report.result).toBe("gone");
    expect(prints(disks)).toEqual([" | none", " | none"]);
  });

  test("says that a device which went away stays as it is", async () => {
    const disks = disksOf(2);
    const lost = disks[1] as FakeDisk;
    lost.fault = (arrival) => {
      if (arrival.command !== "reserve") return null;
      lost.fault = () => ({ kind: "refuse", refusal: GONE });
      return { kind: "refuse", refusal: GONE };
    };
    const report = await act(disks, A, start(1n));
    expect(report.result).toBe("partial");
    expect(results(report)).toEqual(["undone", "left"]);
    expect(disks[0]?.print()).toBe(" | none");
  });

  test("because another nexus holds the device with the same key is undone, and says so", async () => {
    const disks = disksOf(1);
    await act(disks, { name: "earlier boot" }, start(1n));
    const report = await act(disks, A, start(1n));
    expect(report.result).toBe("conflict");
    expect(report.devices[0]?.problem?.detail).toContain("another nexus has it");
    expect(prints(disks)).toEqual(["earlier boot:0x1 | WE earlier boot"]);
  });

  test("is undone when it is interrupted between two steps", async () => {
    const disks = disksOf(2);
    let asked = 0;
    const watch = { interrupted: () => (asked++ === 1 ? "ended by SIGTERM" : null) };
    const report = await act(disks, { name: "a", watch }, start(1n));
    expect(report.result).toBe("interrupted");
    expect(prints(disks)).toEqual([" | none", " | none"]);
  });
});

describe("a failed start that turned the persistence through a loss of power off", () => {
  test("turns it on again where our key was registered before and stays", async () => {
    const disks = disksOf(2);
    await act(disks, A, start(KEY_A, "sh", true));
    const before = prints(disks);
    refuseAt(disks[1] as FakeDisk, "registerAndIgnore", CONFLICT);
    const report = await act(disks, A, start(KEY_A, "sh"));
    expect(results(report)).toEqual(["undone", "failed"]);
    expect(disks.map(({ aptpl }) => aptpl)).toEqual([true, true]);
    expect(prints(disks)).toEqual(before);
    // The device that refused was not changed, so nothing is sent to it for setting back.
    expect(disks[1]?.arrivals.some(({ command }) => command === "register")).toBe(false);
  });

  test("turns it on again where our key leaves and another host's stays", async () => {
    const disks = disksOf(2);
    await act(disks, B, start(KEY_B, "sh", true));
    const before = prints(disks);
    refuseAt(disks[1] as FakeDisk, "registerAndIgnore", CONFLICT);
    expect(results(await act(disks, A, start(KEY_A, "sh")))).toEqual(["undone", "failed"]);
    expect(disks.map(({ aptpl }) => aptpl)).toEqual([true, true]);
    expect(prints(disks)).toEqual(before);
  });

  test("says that it could not be set back when the device refuses that too", async () => {
    const disks = disksOf(2);
    await act(disks, A, start(KEY_A, "sh", true));
    refuseAt(disks[0] as FakeDisk, "register", GONE);
    refuseAt(disks[1] as FakeDisk, "registerAndIgnore", CONFLICT);
    const report = await act(disks, A, start(KEY_A, "sh"));
    expect(results(report)).toEqual(["left", "failed"]);
    expect(report.devices[0]?.detail).toContain("setting it back failed");
  });
});

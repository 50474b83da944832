import { describe, expect, test } from "bun:test";
import type { PrRefusal } from "../../../plugins/scsi-pr/reservable.ts";
import { act, clear, refuseAt, remove, start, stop, type TestHost, takeOver } from "./action-rig.ts";
import { type FakeDisk, fakeDisk } from "./fake-device.ts";

const A = { name: "a" };
const B = { name: "b" };
const C = { name: "c" };
/** Keys of lvm's making: host_id 1 to 3, generation 1, and host 2's next generation. */
const KEY_A = 0x1000000000010001n;
const KEY_B = 0x1000000000010002n;
const KEY_B2 = 0x1000000000020002n;
const KEY_C = 0x1000000000010003n;
const GONE: PrRefusal = { kind: "gone", detail: "the device does not answer" };
const CONFLICT: PrRefusal = { kind: "conflict", detail: "reservation conflict" };

const disksOf = (count: number): FakeDisk[] => Array.from({ length: count }, () => fakeDisk());
const prints = (disks: readonly FakeDisk[]): string[] => disks.map((disk) => disk.print());
const results = (report: { devices: readonly { result: string }[] }): string[] =>
  report.devices.map(({ result }) => result);

describe("start", () => {
  test("registers and reserves every device", async () => {
    const disks = disksOf(3);
    expect((await act(disks, A, start(1n))).result).toBe("done");
    expect(prints(disks)).toEqual(Array(3).fill("a:0x1 | WE a"));
  });

  test("again is no harm, and it heals a run that was ended between register and reserve", async () => {
    const disks = disksOf(2);
    await act(disks, A, start(1n));
    disks.push(fakeDisk(), fakeDisk());
    disks[3]?.device("", ["a"]).register({ from: 0n, to: 1n, aptpl: false });
    expect((await act(disks, A, start(1n))).result).toBe("done");
    expect(prints(disks)).toEqual(Array(4).fill("a:0x1 | WE a"));
  });

  /** Host b, with the reservation of this type, unregisters in the moment before host a is registered. */
  const leftAtOnce = async (type: "WEAR" | "WERO", is_nvme = false): Promise<FakeDisk> => {
    const disk = fakeDisk({ is_nvme });
    await act([disk], B, start(KEY_B, type));
    disk.fault = ({ nexus, command }) => {
      if (nexus !== "a" || command !== "registerAndIgnore") return null;
      disk.fault = () => null;
      disk.device("", ["b"]).register({ from: KEY_B, to: 0n, aptpl: false });
      return null;
    };
    return disk;
  };

  test("reserves anew when the reservation that it was to join ends before it is registered", async () => {
    for (const type of ["WEAR", "WERO"] as const) {
      for (const is_nvme of [false, true]) {
        const disk = await leftAtOnce(type, is_nvme);
        expect((await act([disk], A, start(KEY_A, type))).result).toBe("done");
        expect(disk.print()).toBe(`a:0x1000000000010001 | ${type} ${type === "WEAR" ? "all" : "a"}`);
      }
    }
  });

  test("is not done when the reservation that it was to join has ended and can't be made anew", async () => {
    const disk = await leftAtOnce("WEAR");
    const leaves = disk.fault;
    disk.fault = (arrival) => {
      leaves(arrival);
      if (arrival.command === "registerAndIgnore")
        refuseAt(disk, "reserve", { kind: "failed", detail: "no room" }, { stays: true });
      return null;
    };
    const report = await act([disk], A, start(KEY_A, "WEAR"));
    expect(report.devices[0]).toMatchObject({
      result: "left",
      problem: { kind: "failed", detail: "no room; it shows 1 key, no reservation" },
    });
  });

  test("with --removekey reserves anew, too, on a device that the removed host does not have", async () => {
    const [left, other] = [await leftAtOnce("WEAR"), fakeDisk()];
    await act([other], C, start(KEY_C, "sh"));
    expect((await act([left, other], A, takeOver(KEY_A, KEY_C, "sh"))).result).toBe("done");
    expect(prints([left, other])).toEqual(Array(2).fill("a:0x1000000000010001 | WEAR all"));
  });

  test("of a second host joins a shared VG, and a reservation is not taken twice on NVMe", async () => {
    const disks = [fakeDisk(), fakeDisk({ is_nvme: true })];
    await act(disks, A, start(KEY_A, "sh"));
    expect((await act(disks, B, start(KEY_B, "sh"))).result).toBe("done");
    for (const disk of disks) expect(disk.mayWrite("b")).toBe(true);
  });

  test("of a second host joins WERO and EARO, whose one holder lets registrants write", async () => {
    for (const type of ["WERO", "EARO"] as const) {
      const disks = disksOf(1);
      await act(disks, A, start(1n, type));
      expect((await act(disks, B, start(2n, type))).result).toBe("done");
      expect(prints(disks)).toEqual([`a:0x1 b:0x2 | ${type} a`]);
    }
  });

  test("changes nothing anywhere when one device is reserved by another host, and names its key", async () => {
    const disks = disksOf(3);
    await act(disks.slice(1, 2), B, start(KEY_B));
    const before = prints(disks);
    const report = await act(disks, A, start(KEY_A));
    expect(report.result).toBe("conflict");
    expect(results(report)).toEqual(["untouched", "failed", "untouched"]);
    expect(report.devices[1]?.problem?.detail).toContain(
      "WE by 0x1000000000010002 (host_id 2, generation 1)",
    );
    expect(prints(disks)).toEqual(before);
  });

  test("refuses a type that a device does not have before anything is changed", async () => {
    const disks = [fakeDisk(), fakeDisk({ types: ["WE", "EA"] })];
    expect((await act(disks, A, start(1n, "sh"))).result).toBe("unsupported");
    expect(prints(disks)).toEqual([" | none", " | none"]);
  });

  test("refuses --ptpl where the device can't, and sets it where it can", async () => {
    const disks = [fakeDisk({ ptpl_capable: false })];
    expect((await act(disks, A, start(1n, "ex", true))).result).toBe("unsupported");
    const [able] = [fakeDisk()];
    await act([able], A, start(1n, "ex", true));
    expect(able.aptpl).toBe(true);
  });

  test("takes an all-registrants type for one host on multipath, and refuses WE there", async () => {
    const disks = disksOf(1);
    expect((await act(disks, { name: "a", paths: 2 }, start(1n, "WE"))).result).toBe("unsupported");
    expect((await act(disks, { name: "a", paths: 2 }, start(1n))).result).toBe("done");
    expect(prints(disks)).toEqual(["a:0x1 a.1:0x1 | WEAR all"]);
  });

  test("warns of registered hosts that a new WE reservation shuts out, and has that agreed to", async () => {
    const disks = disksOf(1);
    disks[0]?.device("", ["b"]).register({ from: 0n, to: KEY_B, aptpl: false });
    const { plan } = await act(disks, A, start(KEY_A));
    expect(plan.warnings.join()).toContain("host_id 2");
    expect(plan.cuts_off).toBe(true);
    expect((await act(disksOf(1), A, start(KEY_A))).plan.cuts_off).toBe(false);
  });
});

describe("what a start sends to a disk", () => {
  const LOOK = ["readCapabilities", "readKeys", "readReservation"];
  const RESERVE = ["reserve", "readKeys", "readReservation"];
  const commandsOf = (disk: FakeDisk | undefined): string[] =>
    (disk?.arrivals ?? []).map(({ command }) => command);

  test("is nine commands: the reservation is not read around a registration that a RESERVE follows", async () => {
    const disks = disksOf(1);
    await act(disks, A, start(1n));
    expect(commandsOf(disks[0])).toEqual([...LOOK, "readKeys", "registerAndIgnore", "readKeys", ...RESERVE]);
  });

  test("reads the reservation as well where registering is the last step", async () => {
    const disks = disksOf(1);
    await act(disks, A, start(KEY_A, "sh"));
    disks[0]?.arrivals.splice(0);
    const report = await act(disks, B, start(KEY_B, "sh"));
    expect(commandsOf(disks[0])).toEqual([
      ...LOOK,
      "readKeys",
      "registerAndIgnore",
      "readKeys",
      "readReservation",
    ]);
    expect(report.devices[0]?.state?.reservation).toEqual({ type: "WEAR", key: 0n });
  });

  test("reads it as well where the registration did not do what it was sent for, and tells both", async () => {
    const disks = disksOf(1);
    const [disk] = disks as [FakeDisk];
    disk.fault = ({ nexus, command }) => {
      if (nexus !== "a" || command !== "registerAndIgnore") return null;
      disk.fault = () => null;
      const other = disk.device("", ["b"]);
      other.register({ from: 0n, to: 1n, aptpl: false });
      other.reserve({ key: 1n, type: "EA" });
      return { kind: "refuse", refusal: CONFLICT };
    };
    const report = await act(disks, A, start(1n));
    expect(report.devices[0]?.problem?.detail).toContain("it shows 1 key, reserved EA by 0x1");
  });
});

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

describe("remove", () => {
  const shared = async (): Promise<FakeDisk[]> => {
    const disks = disksOf(2);
    await act(disks, A, start(KEY_A, "sh"));
    await act(disks, B, start(KEY_B, "sh"));
    return disks;
  };

  test("takes another host's key off all devices and says before what that does", async () => {
    const disks = await shared();
    const report = await act(disks, A, remove(KEY_A, KEY_B));
    expect(report.result).toBe("done");
    expect(report.plan.warnings.join()).toContain("its writes fail");
    for (const disk of disks) expect([disk.mayWrite("a"), disk.mayWrite("b")]).toEqual([true, false]);
  });

  test("of a key that was never there is not found, and nothing is said to be removed", async () => {
    const disks = await shared();
    const report = await act(disks, A, remove(KEY_A, 0xdeadn));
    expect(report.result).toBe("not-found");
    expect(report.devices[0]?.problem?.detail).toContain("registered: 0x1000000000010001");
  });

  test("of a host that another survivor has removed already succeeds", async () => {
    const disks = await shared();
    await act(disks, A, remove(KEY_A, KEY_B));
    expect((await act(disks, A, remove(KEY_A, KEY_B))).result).toBe("nothing");
  });

  test("of an old generation is not found while the same host writes with its next key", async () => {
    const disks = await shared();
    await act(disks, B, start(KEY_B2, "sh"));
    expect((await act(disks, A, remove(KEY_A, KEY_B))).result).toBe("not-found");
  });

  test("goes on where only some devices still have the key", async () => {
    const disks = await shared();
    await act(disks.slice(0, 1), A, remove(KEY_A, KEY_B));
    const report = await act(disks, A, remove(KEY_A, KEY_B));
    expect(results(report)).toEqual(["nothing", "done"]);
    expect(report.result).toBe("done");
  });

  test("does not claim an end of the other host's commands when another survivor removes the key in the same moment", async () => {
    const disks = await shared();
    const [first] = disks as [FakeDisk];
    await act(disks, C, start(KEY_C, "sh"));
    first.fault = ({ nexus, command }) => {
      if (nexus !== "a" || command !== "preempt") return null;
      first.fault = () => null;
      first.device("", ["c"]).preempt({ key: KEY_C, remove: KEY_B, type: "WEAR", abort: true });
      return null;
    };
    const report = await act(disks, A, remove(KEY_A, KEY_B));
    expect(results(report)).toEqual(["left", "done"]);
    expect(report.devices[0]?.problem).toEqual({
      kind: "unproven",
      detail:
        "/dev/disk0: reservation conflict; the key 0x1000000000010002 (host_id 2, generation 1) is gone, and it is not known whether its host's commands under way have ended",
    });
    expect(report.result).toBe("partial");
  });

  test("is left on a device that shows the key as gone and did not answer the abort with success", async () => {
    for (const refusal of [GONE, CONFLICT, { kind: "failed", detail: "aborted command" } as const]) {
      const disks = await shared();
      refuseAt(disks[1] as FakeDisk, "preempt", refusal, { loses_answer: true });
      const report = await act(disks, A, remove(KEY_A, KEY_B));
      expect(disks[1]?.print()).not.toContain("b:");
      expect(results(report)).toEqual(["done", "left"]);
      expect(report.devices[1]?.problem).toMatchObject({
        kind: "unproven",
        detail: expect.stringContaining("not known whether its host's commands under way have ended"),
      });
    }
  });

  const PR_KEY = 0xabcn;

  test("of a key that the host has replaced by one of no host_id is not-found, and names that key and what to do", async () => {
    const disks = await shared();
    await act(disks, B, start(PR_KEY, "sh"));
    const report = await act(disks, A, remove(KEY_A, KEY_B));
    expect(report.result).toBe("not-found");
    expect(report.devices[0]?.problem?.detail).toContain(
      "0xabc is registered, made from no host_id, so that the host may write on with it; where no other host needs it: " +
        "lvmpersist remove --ourkey 0x1000000000010001 --removekey 0xabc",
    );
  });

  test("is left on devices where a key of no host_id stays, whether the named key was there or not", async () => {
    const disks = [...(await shared()), fakeDisk(), fakeDisk()];
    await act(disks, A, start(KEY_A, "sh"));
    await act(disks.slice(1, 3), { name: "b-second-port" }, start(PR_KEY, "sh"));
    const report = await act(disks, A, remove(KEY_A, KEY_B));
    expect(results(report)).toEqual(["done", "left", "left", "nothing"]);
    expect(report.devices[2]?.problem).toMatchObject({
      kind: "unproven",
      detail: expect.stringContaining("0xabc is registered, made from no host_id"),
    });
    expect(report.result).toBe("partial");
    expect(report.plan.warnings.join()).toContain("made from no host_id stay on 2 of 4 devices");
    expect(disks.map((disk) => disk.mayWrite("b"))).toEqual(Array(4).fill(false));
  });

  test("is left on devices where the host has a key of another generation, whether the named key was there or not", async () => {
    const disks = [...(await shared()), fakeDisk(), fakeDisk()];
    await act(disks, A, start(KEY_A, "sh"));
    await act(disks.slice(1, 3), { name: "b-second-port" }, start(KEY_B2, "sh"));
    const report = await act(disks, A, remove(KEY_A, KEY_B));
    expect(results(report)).toEqual(["done", "left", "left", "nothing"]);
    expect(report.devices[1]?.problem).toEqual({
      kind: "unproven",
      detail:
        "0x1000000000020002 (host_id 2, generation 2) is registered, of the same host_id in another generation, so that the host may write on; " +
        "where it is to be cut off: lvmpersist remove --ourkey 0x1000000000010001 --removekey 0x1000000000020002",
    });
    expect(report.result).toBe("partial");
    expect(report.plan.warnings.join()).toContain("that host in other generations stay on 2 of 4 devices");
    const again = await act(disks, A, remove(KEY_A, KEY_B2));
    expect([results(again), again.result]).toEqual([["nothing", "done", "done", "nothing"], "done"]);
  });

  test("of an earlier key of our own host_id is done, whose later key is the one that removes it", async () => {
    const disks = disksOf(1);
    await act(disks, B, start(KEY_B2, "sh"));
    await act(disks, { name: "b-second-port" }, start(KEY_B, "sh"));
    expect((await act(disks, B, remove(KEY_B2, KEY_B))).result).toBe("done");
    expect(prints(disks)).toEqual(["b:0x1000000000020002 | WEAR all"]);
  });

  test("changes nothing, and leaves nothing, where another device is refused", async () => {
    const disks = [...(await shared()), fakeDisk()];
    await act(disks.slice(0, 1), { name: "b-second-port" }, start(PR_KEY, "sh"));
    const report = await act(disks, A, remove(KEY_A, KEY_B));
    expect([results(report), report.result]).toEqual([["untouched", "untouched", "failed"], "not-started"]);
  });

  test("among hosts that all have keys of their own making asks for nothing more than the key that is named", async () => {
    const disks = disksOf(2);
    for (const [host, key] of [
      [A, 1n],
      [B, 2n],
      [C, 3n],
    ] as const)
      await act(disks, host, start(key, "sh"));
    expect((await act(disks, A, remove(1n, 2n))).result).toBe("done");
  });

  test("touches nothing unless we are started on every device", async () => {
    const disks = await shared();
    await act(disks.slice(1), A, stop(KEY_A));
    const before = prints(disks);
    expect((await act(disks, A, remove(KEY_A, KEY_B))).result).toBe("not-started");
    expect(prints(disks)).toEqual(before);
  });

  test("refuses a device without a reservation, on which a host without a key could go on writing", async () => {
    const disks = disksOf(1);
    for (const [name, key] of [["a", KEY_A] as const, ["b", KEY_B] as const]) {
      disks[0]?.device("", [name]).register({ from: 0n, to: key, aptpl: false });
    }
    expect((await act(disks, A, remove(KEY_A, KEY_B))).result).toBe("not-started");
  });

  test("is partial when one device goes away in the middle", async () => {
    const disks = await shared();
    refuseAt(disks[1] as FakeDisk, "preempt", GONE, { stays: true });
    const report = await act(disks, A, remove(KEY_A, KEY_B));
    expect(report.result).toBe("partial");
    expect(results(report)).toEqual(["done", "failed"]);
  });

  test("says that it is not known whether a device that can't be read any more has lost the key", async () => {
    const disks = await shared();
    const [, second] = disks as [FakeDisk, FakeDisk];
    let isGone = false;
    second.fault = (arrival) => {
      isGone ||= arrival.command === "preempt";
      return isGone ? { kind: "refuse", refusal: GONE } : null;
    };
    const report = await act(disks, A, remove(KEY_A, KEY_B));
    expect(results(report)).toEqual(["done", "left"]);
    expect(report.devices[1]?.detail).toContain("not known whether the other host's key was removed");
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

describe("a device that is not as it was before", () => {
  test("is left, not failed, when a stop took our registration and an earlier session's has the same key", async () => {
    const disks = disksOf(1);
    await act(disks, { name: "earlier session" }, start(KEY_A, "sh"));
    await act(disks, A, start(KEY_A, "sh"));
    const report = await act(disks, A, stop(KEY_A));
    expect([report.result, results(report)]).toEqual(["partial", ["left"]]);
    expect(report.devices[0]?.detail).toBe(
      "0x1000000000010001 (host_id 1, generation 1) had 2 registrations before this run and has 1 registration now",
    );
  });

  test("is left when another host registers right after a clear", async () => {
    const disks = disksOf(1);
    const [disk] = disks as [FakeDisk];
    await act(disks, B, start(KEY_B, "sh"));
    let isCleared = false;
    disk.fault = ({ nexus, command }) => {
      isCleared ||= command === "clear";
      if (!isCleared || nexus !== "a" || command !== "readKeys") return null;
      disk.fault = () => null;
      disk.device("", ["b"]).registerAndIgnore({ to: KEY_B, aptpl: false });
      return null;
    };
    const report = await act(disks, A, clear(KEY_A));
    expect([report.result, results(report)]).toEqual(["partial", ["left"]]);
    expect(report.devices[0]?.detail).toBe("it is not reserved any more");
  });

  test("is left when a path of a map that was started before was registered by a run that failed", async () => {
    const disks = disksOf(2);
    await act(disks.slice(0, 1), A, start(KEY_A, "sh"));
    refuseAt(disks[1] as FakeDisk, "reserve", CONFLICT);
    const report = await act(disks, { name: "a", paths: 2 }, start(KEY_A, "sh"));
    expect([report.result, results(report)]).toEqual(["partial", ["left", "failed"]]);
    expect(report.devices[0]?.detail).toContain(
      "had 1 registration before this run and has 2 registrations now",
    );
  });

  test("is no matter of this run where another host came meanwhile", async () => {
    const disks = disksOf(2);
    const [first] = disks as [FakeDisk];
    refuseAt(disks[1] as FakeDisk, "reserve", GONE);
    first.fault = ({ command }) => {
      if (command === "reserve") first.device("", ["b"]).registerAndIgnore({ to: KEY_B, aptpl: false });
      return null;
    };
    const report = await act(disks, A, start(KEY_A));
    expect(first.print()).toBe("b:0x1000000000010002 | none");
    expect(results(report)).toEqual(["undone", "failed"]);
  });
});

describe("a command whose thread died", () => {
  const losing = (op: string, { stays }: { stays: boolean }): TestHost => {
    let isDead = false;
    const disturb: TestHost["disturb"] = ({ device, job }, answer) => {
      if (device !== 1) return answer;
      const isIt = job.kind === "command" && job.command.op === op;
      const isRefused = isDead && stays;
      isDead ||= isIt;
      if (isRefused) return { kind: "failed", detail: "the thread ended" };
      return isIt ? { kind: "lost", detail: "the thread ended" } : answer;
    };
    return { name: "a", disturb };
  };

  test("is looked at again, and what it did is set back", async () => {
    for (const op of ["registerAndIgnore", "reserve"]) {
      const disks = disksOf(2);
      const report = await act(disks, losing(op, { stays: false }), start(KEY_A));
      expect([report.result, results(report)]).toEqual(["failed", ["undone", "failed"]]);
      expect(prints(disks)).toEqual([" | none", " | none"]);
    }
  });

  test("has left something unknown when its device can't be looked at", async () => {
    const disks = disksOf(2);
    const report = await act(disks, losing("registerAndIgnore", { stays: true }), start(KEY_A));
    expect([report.result, results(report)]).toEqual(["partial", ["undone", "left"]]);
    expect(report.devices[1]).toMatchObject({ problem: { detail: "the thread ended" }, state: null });
    expect(report.devices[1]?.detail).toContain("not known what it did");
  });
});

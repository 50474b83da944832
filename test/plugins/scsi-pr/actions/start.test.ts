import { describe, expect, test } from "bun:test";
import {
  A,
  act,
  B,
  C,
  CONFLICT,
  disksOf,
  KEY_A,
  KEY_B,
  KEY_C,
  prints,
  refuseAt,
  results,
  start,
  takeOver,
} from "../action-rig.ts";
import { type FakeDisk, fakeDisk } from "../fake-device.ts";

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

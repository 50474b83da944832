/** Access for one host on multipath maps, where every registered host could write. */
import { describe, expect, test } from "bun:test";
import { act, start, takeOver } from "./action-rig.ts";
import { fakeDisk } from "./fake-device.ts";

const KEY_A = 0x1000000000000001n;
const KEY_A2 = 0x1000000000010001n;
const KEY_B = 0x1000000000000002n;
const KEY_C = 0x1000000000000003n;
const [A, B, C] = ["a", "b", "c"].map((name) => ({ name, paths: 2 })) as [
  { name: string; paths: number },
  { name: string; paths: number },
  { name: string; paths: number },
];

describe("a start for one host on a map", () => {
  test("is a conflict while another host is registered there, which it names, and changes nothing", async () => {
    for (const access of ["ex", "sh"] as const) {
      const disks = [fakeDisk()];
      await act(disks, A, start(KEY_A, access));
      const before = disks[0]?.print();
      const report = await act(disks, B, start(KEY_B, "ex"));
      expect(report.result).toBe("conflict");
      expect(report.devices[0]?.problem?.detail).toContain("registered is: 0x1000000000000001 (host_id 1)");
      expect([disks[0]?.print(), disks[0]?.mayWrite("b")]).toEqual([before, false]);
    }
  });

  test("is one also where nothing is reserved yet", async () => {
    const disks = [fakeDisk()];
    disks[0]?.device("", ["a"]).register({ from: 0n, to: KEY_A, aptpl: false });
    expect((await act(disks, B, start(KEY_B, "ex"))).result).toBe("conflict");
  });

  test("can be done again, and with a later key of the same host", async () => {
    const disks = [fakeDisk()];
    for (const key of [KEY_A, KEY_A, KEY_A2])
      expect((await act(disks, A, start(key, "ex"))).result).toBe("done");
    expect(disks[0]?.print()).toBe("a:0x1000000000010001 a.1:0x1000000000010001 | WEAR all");
  });

  test("is not done when another host registers in the same moment, and gives its registration back", async () => {
    const disks = [fakeDisk()];
    const [disk] = disks;
    if (disk !== undefined)
      disk.fault = ({ nexus, command }) => {
        if (nexus === "a" && command === "registerAndIgnore")
          disk.device("", ["b"]).register({ from: 0n, to: KEY_B, aptpl: false });
        return null;
      };
    expect((await act(disks, A, start(KEY_A, "ex"))).result).not.toBe("done");
    expect(disk?.print()).toBe("b:0x1000000000000002 | none");
  });

  test("leaves shared access as it was: every host joins by registering", async () => {
    const disks = [fakeDisk()];
    await act(disks, A, start(KEY_A, "sh"));
    expect((await act(disks, B, start(KEY_B, "sh"))).result).toBe("done");
  });
});

describe("a take-over for one host on a map", () => {
  test("is a conflict where a third host is registered, which could write still", async () => {
    const disks = [fakeDisk()];
    await act(disks, B, start(KEY_B, "sh"));
    await act(disks, C, start(KEY_C, "sh"));
    const report = await act(disks, A, takeOver(KEY_A, KEY_B, "ex"));
    expect(report.result).toBe("conflict");
    expect(report.devices[0]?.problem?.detail).toContain("registered is: 0x1000000000000003 (host_id 3)");
    expect([disks[0]?.mayWrite("b"), disks[0]?.mayWrite("c")]).toEqual([true, true]);
  });

  test("leaves this host alone there", async () => {
    const disks = [fakeDisk(), fakeDisk()];
    await act(disks.slice(0, 1), B, start(KEY_B, "ex"));
    expect((await act(disks, A, takeOver(KEY_A, KEY_B, "ex"))).result).toBe("done");
    for (const disk of disks)
      expect(disk.print()).toBe("a:0x1000000000000001 a.1:0x1000000000000001 | WEAR all");
  });
});

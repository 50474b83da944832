/** lvmpersist on disks that have reservations and no REPORT CAPABILITIES, which came with SPC-3. */
import { describe, expect, test } from "bun:test";
import { readCommand } from "../../cli/lvmpersist/command.ts";
import { runCommand } from "../../cli/lvmpersist/run-command.ts";
import { readLines } from "../../cli/lvmpersist/text.ts";
import type { RunReport } from "../../plugins/scsi-pr/actions/report.ts";
import { inlineTeam } from "../../plugins/scsi-pr/actions/team.ts";
import type { PrRefusal } from "../../plugins/scsi-pr/reservable.ts";
import { type FakeDisk, fakeDisk } from "../plugins/scsi-pr/fake-device.ts";

const UNSUPPORTED: PrRefusal = { kind: "unsupported", detail: "invalid command operation code (5/20/00)" };

/** One command on disks /dev/disk0 and so on, through the nexus "us". */
async function lvmpersist(line: string, disks: readonly FakeDisk[]): Promise<RunReport> {
  const paths = disks.map((_, index) => `/dev/disk${index}`);
  const reading = readCommand([...line.split(" "), ...paths.flatMap((path) => ["--device", path])]);
  if (reading.kind !== "invocation") throw new Error(`${line} is no command`);
  const report = await runCommand(reading.invocation.command, {
    devices: paths.map((path) => ({ path, problem: null })),
    dry_run: false,
    asks_paths: true,
    trace: null,
    agree: async () => true,
    watch: { progress: () => {}, interrupted: () => null },
    teamFor: async () =>
      inlineTeam(paths, (path) => {
        const disk = disks[paths.indexOf(path)];
        return disk === undefined
          ? { kind: "gone", detail: path }
          : { kind: "done", device: disk.device(path, ["us"]) };
      }),
  });
  if (report === null) throw new Error("everything is agreed to");
  return report;
}

const oldDisk = (): FakeDisk => {
  const disk = fakeDisk({ has_capabilities: false });
  disk.device("", ["them"]).register({ from: 0n, to: 0x2n, aptpl: false });
  disk.device("", ["them"]).reserve({ key: 0x2n, type: "WE" });
  return disk;
};

describe("a disk without REPORT CAPABILITIES", () => {
  test("can be read", async () => {
    for (const command of ["read", "read-keys", "read-reservation"] as const) {
      const report = await lvmpersist(command, [oldDisk()]);
      expect(report.result).toBe("nothing");
      const lines = [
        "Device /dev/disk0: registered keys: 0x2",
        "Device /dev/disk0: reservation: WE holder 0x2",
      ];
      const wanted = { read: lines, "read-keys": lines.slice(0, 1), "read-reservation": lines.slice(1) };
      expect(readLines(command, report)).toEqual(wanted[command]);
    }
  });

  test("is cleared like the others beside it, and not passed over", async () => {
    const disks = [fakeDisk(), oldDisk()];
    expect((await lvmpersist("clear --ourkey 0x1", disks)).result).toBe("done");
    expect(disks[1]?.print()).toBe(" | none");
  });

  test("can be started, but not with a promise that it may not keep", async () => {
    const disks = [fakeDisk({ has_capabilities: false })];
    expect((await lvmpersist("start --ourkey 0x1 --ptpl", disks)).devices[0]?.problem).toMatchObject({
      kind: "unsupported",
      detail: expect.stringContaining("does not tell whether it keeps registrations"),
    });
    expect((await lvmpersist("start --ourkey 0x1", disks)).result).toBe("done");
    expect(disks[0]?.print()).toBe("us:0x1 | WE us");
  });

  test("is not said to have a reservation type", async () => {
    expect((await lvmpersist("devtest", [oldDisk()])).result).toBe("unsupported");
  });
});

test("a disk that has no reservations at all is unsupported, in the words of its first refusal", async () => {
  const disk = oldDisk();
  disk.fault = () => ({ kind: "refuse", refusal: UNSUPPORTED });
  const report = await lvmpersist("read", [disk]);
  expect(report.result).toBe("unsupported");
  expect(report.devices[0]?.problem?.detail).toBe("/dev/disk0: no REPORT CAPABILITIES");
});

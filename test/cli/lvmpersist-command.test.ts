import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { type Invocation, readCommand } from "../../cli/lvmpersist/command.ts";
import { devicesOf, findDevices, programProblem } from "../../cli/lvmpersist/devices.ts";
import { PERSIST_EXIT } from "../../cli/lvmpersist/exit.ts";
import { LIMITS } from "../../core/limits.ts";
import { makeScratch } from "../rig/scratch.ts";
import { runProgram } from "./stub-daemon.ts";

function invocationOf(...words: string[]): Invocation {
  const read = readCommand(words);
  if (read.kind !== "invocation") throw new Error(JSON.stringify(read));
  return read.invocation;
}

function messageOf(...words: string[]): string {
  const read = readCommand(words);
  return read.kind === "usage-error" ? read.message : read.kind;
}

const ON_SDA = ["--device", "/dev/sda"];

describe("the command line of lvmpersist", () => {
  test("lvm's own calls are understood", () => {
    const words =
      "start --ourkey 0x1000000000010001 --access sh --vg vg0 --ptpl --device /dev/sda --device /dev/sdb".split(
        " ",
      );
    const invocation = invocationOf(...words);
    expect(invocation).toMatchObject({
      command: { kind: "start", our_key: 0x1000000000010001n, aptpl: true },
      devices: ["/dev/sda", "/dev/sdb"],
      vg_name: "vg0",
    });
    // lvm adds --access to remove as well.
    const remove = "remove --ourkey 0x1 --removekey 0x2 --access sh --vg vg0 --device /dev/sda".split(" ");
    expect(invocationOf(...remove).command).toEqual({ kind: "remove", our_key: 1n, remove_key: 2n });
  });

  test("the call of vgchange --persist read, whose first device lvm has overwritten, is taken for the whole VG", () => {
    const words = ["read", "--vg", "vg0", "--device", "", "--device", "/dev/sdb"];
    expect(invocationOf(...words)).toMatchObject({ devices: [], vg_name: "vg0" });
    expect(messageOf("read", "--device", "", "--device", "/dev/sdb")).toContain("needs a path");
    expect(messageOf("stop", "--ourkey", "0x1", ...words.slice(1))).toContain("needs a path");
  });

  test("start with --removekey is a take-over", () => {
    const { command } = invocationOf("start", "--ourkey", "0x1", "--removekey", "0x2", ...ON_SDA);
    expect(command).toMatchObject({ kind: "take-over", our_key: 1n, remove_key: 2n });
  });

  test("access and type choose the reservation by the kind of device", () => {
    const typeOf = (...words: string[]) => {
      const { command } = invocationOf("devtest", ...words, ...ON_SDA);
      return command.kind === "devtest" ? [command.typeOf("scsi"), command.typeOf("multipath")] : [];
    };
    expect(typeOf()).toEqual(["WE", "WEAR"]);
    expect(typeOf("--access", "sh")).toEqual(["WEAR", "WEAR"]);
    expect(typeOf("--prtype", "EARO")).toEqual(["EARO", "EARO"]);
  });

  test("decimal keys are taken and shown in hex", () => {
    expect(invocationOf("stop", "--ourkey", "255", ...ON_SDA).decimal_keys).toEqual([["ourkey", 255n]]);
  });

  test.each([
    [["start", ...ON_SDA], "--ourkey"],
    [["start", "--ourkey", "0x0", ...ON_SDA], "zero"],
    [["start", "--ourkey", "0x12345678901234567", ...ON_SDA], "more than 16"],
    [["start", "--ourkey", "0x1g", ...ON_SDA], "hex digits"],
    [["start", "--ourkey", "0x1"], "--device or --vg"],
    [["start", "--ourkey", "0x1", "--device", ""], "needs a path"],
    [["start", "--ourkey", "0x1", "--removekey", "0x1", ...ON_SDA], "our own key"],
    [["stop", "--ourkey", "0x1", "--removekey", "0x2", ...ON_SDA], "no option --removekey"],
    [["read", "--key", "0x1", ...ON_SDA], "no option --key"],
    [["check-key", ...ON_SDA], "--key"],
    [["read", "--ptpl", ...ON_SDA], "read has no option --ptpl; it belongs to start"],
    [["read", "--yes", ...ON_SDA], "no option --yes"],
    [["read", "--access", "sh", ...ON_SDA], "no option --access"],
    [["stop", "--ourkey", "0x1", "--prtype", "WE", ...ON_SDA], "no option --prtype"],
    [["stop", "--ourkey", "0x1", "--ptpl", ...ON_SDA], "no option --ptpl"],
    [["remove", "--ourkey", "0x1", "--removekey", "0x2", "--prtype", "WE", ...ON_SDA], "no option --prtype"],
    [["clear", "--ourkey", "0x1", "--ptpl", ...ON_SDA], "no option --ptpl"],
    [["start", "--ourkey", "0x1", "--access", "ex", "--prtype", "WE", ...ON_SDA], "together"],
    [["start", "--ourkey", "0x1", "--access", "rw", ...ON_SDA], "ex or sh"],
    [["start", "--ourkey", "0x1", "--prtype", "XX", ...ON_SDA], "WE, EA, WERO"],
    [["start", "--ourkey", "0x1", "--vg", "a b"], "no VG name"],
    [["read", "/dev/sda"], "--device"],
    [["read", "--reportformat", "xml", ...ON_SDA], "json_std"],
    [["strat", ...ON_SDA], "start"],
    [["start", "--ourky", "0x1", ...ON_SDA], "--ourkey"],
  ])("%p is refused", (words, part) => {
    expect(messageOf(...words)).toContain(part);
  });

  test("help is for no arguments, the command and both options", () => {
    for (const words of [[], ["help"], ["-h"], ["start", "--help"]]) expect(messageOf(...words)).toBe("help");
  });
});

describe("the devices of a run", () => {
  test("a PV that is missing is a device that can't be reached, and is not left out", () => {
    const rows = [
      { vg_uuid: "u", pv_uuid: "p1", pv_name: "/dev/sda" },
      { vg_uuid: "u", pv_uuid: "p2", pv_name: "[unknown]" },
    ];
    const found = devicesOf("vg0", rows);
    expect(found).toMatchObject({
      devices: [
        { path: "/dev/sda", problem: null },
        { path: "p2", problem: "PV p2 of VG vg0 is missing on this host" },
      ],
    });
  });

  test("two VGs of one name and a VG without PVs are refused", () => {
    const row = (vg_uuid: string) => ({ vg_uuid, pv_uuid: "p", pv_name: "/dev/sda" });
    expect(devicesOf("vg0", [row("u1"), row("u2")])).toMatchObject({ kind: "refused" });
    expect(devicesOf("vg0", [])).toMatchObject({ exit_status: PERSIST_EXIT.not_found });
  });

  test("a device that is named twice is worked on once, and more than the bound is refused", async () => {
    const found = await findDevices(["/dev/nope", "/dev/nope"], "vg0", undefined);
    expect(found).toMatchObject({ devices: [{ path: "/dev/nope" }], notes: ["/dev/nope is named twice"] });
    const many = Array.from({ length: LIMITS.persist_devices + 1 }, (_, index) => `/dev/nope${index}`);
    expect((await findDevices(many, null, undefined)).kind).toBe("refused");
  });

  test("LVM_BINARY is run only where nobody but root can change it", async () => {
    const scratch = makeScratch("lvm-binary");
    try {
      mkdirSync(scratch.file("open"));
      const program = scratch.file("open/lvm");
      writeFileSync(program, "#!/bin/sh\n", { mode: 0o755 });
      chmodSync(scratch.file("open"), 0o777);
      symlinkSync(program, scratch.file("link"));
      expect(programProblem("lvm")).toContain("absolute");
      expect(programProblem("/usr/../bin/env")).toContain("absolute");
      expect(programProblem("/etc/passwd")).toContain("not a program");
      expect(programProblem(program)).toContain("others than root may write");
      expect(programProblem(scratch.file("link"))).toContain("others than root may write");
      expect(programProblem("/usr/bin/env")).toBeNull();
      expect(await findDevices([], "vg0", "./lvm")).toMatchObject({ exit_status: PERSIST_EXIT.config });
    } finally {
      scratch.remove();
    }
  });
});

describe("lvmpersist as a program", () => {
  const { usage, unsupported, device, config } = PERSIST_EXIT;
  const start = (key: string, ...words: string[]) => ["start", "--ourkey", key, ...words];
  test.each([
    [start("0x0", ...ON_SDA), usage, "zero means that there is no key"],
    [start("0x01", ...ON_SDA), usage, "leave out the zeros after 0x"],
    [start("0x12345678901234567", ...ON_SDA), usage, "17 hex digits are more than 16"],
    [start("0xkey", ...ON_SDA), usage, "write 0x and 1 to 16 hex digits, or a decimal number"],
    [start("18446744073709551616", ...ON_SDA), usage, "it does not fit into 64 bits"],
    [start("0x1", "--removekey", "0", ...ON_SDA), usage, "--removekey: "],
    [["check-key", "--key", "", ...ON_SDA], usage, "--key: "],
    [start("0x1"), usage, "start needs --device or --vg"],
    [["frobnicate", ...ON_SDA], usage, 'there is no command "frobnicate"'],
    [start("0x1", "--device", "/tmp"), unsupported, "/tmp is a directory, not a disk"],
    [
      start("0x1", "--device", "/dev/null"),
      unsupported,
      "is a character device; name the disk's block device",
    ],
    [start("0x1", "--device", "/etc/passwd"), unsupported, "/etc/passwd is a regular file, not a disk"],
    [start("0x1", "--device", "/dev/nope"), device, "/dev/nope does not exist"],
    [start("0x1", "--device", "/dev/nope", "--device", "/tmp"), device, "/tmp is a directory, not a disk"],
  ])("%p is refused with its status and sentence", async (words, exit_status, sentence) => {
    const run = await runProgram("lvmpersist", words);
    expect(run.exit_status).toBe(exit_status);
    expect(run.stderr).toContain(sentence);
    expect(run.stdout).toBe("");
  });

  test("answers in JSON also where it found no devices to look at", async () => {
    const words = start("0x1", "--vg", "vg0", "--reportformat", "json_std");
    const run = await runProgram("lvmpersist", words, { LVM_BINARY: "./lvm" });
    expect(run.exit_status).toBe(config);
    const [{ run: runs, device: devices }] = JSON.parse(run.stdout).report;
    expect(devices).toEqual([]);
    expect(runs).toMatchObject([{ command: "start", group: "vg0", result: "refused", exit_status: config }]);
    expect(runs[0].detail).toContain("it is not an absolute path");
  });

  test("says what is wrong with each device that it can't use, and ends with the status for it", async () => {
    const directory = await runProgram("lvmpersist", ["start", "--ourkey", "0x1", "--device", "/tmp"]);
    expect(directory.exit_status).toBe(PERSIST_EXIT.unsupported);
    expect(directory.stderr).toContain("/tmp is a directory");
    const devices = ["--device", "/dev/null", "--device", "/nope"];
    const two = await runProgram("lvmpersist", ["read", ...devices]);
    expect(two.exit_status).toBe(PERSIST_EXIT.device);
    expect(two.stdout).toContain("Device /dev/null: does not support PR");
    expect(two.stdout).toContain("Device /nope: can't be read");
  });

  test("prints a row for every device in JSON", async () => {
    const words = ["read", "--device", "/dev/null", "--device", "/nope", "--reportformat", "json_std"];
    const { stdout } = await runProgram("lvmpersist", words);
    const [{ run, device }] = JSON.parse(stdout).report;
    expect(run[0]).toMatchObject({ command: "read", result: "gone", exit_status: PERSIST_EXIT.device });
    expect(device).toMatchObject([
      { device: "/dev/null", status: "unsupported", keys: null },
      { device: "/nope", status: "gone", keys: null },
    ]);
  });
});

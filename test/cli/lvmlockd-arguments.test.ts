import { describe, expect, test } from "bun:test";
import { readDaemonRequest } from "../../cli/lvmlockd/arguments.ts";
import { type DaemonOptions, DEFAULT_OPTIONS } from "../../core/daemon/options.ts";
import { EXIT } from "../../core/errors.ts";
import { runProgram } from "./stub-daemon.ts";

function optionsOf(...words: string[]): DaemonOptions {
  const request = readDaemonRequest(words, "/somewhere");
  if (request.kind !== "run") throw new Error(JSON.stringify(request));
  return request.options;
}

function messageOf(...words: string[]): string {
  const request = readDaemonRequest(words, "/somewhere");
  return request.kind === "usage-error" ? request.message : request.kind;
}

describe("options of the daemon", () => {
  test("an empty command line means the defaults", () => {
    expect(optionsOf()).toEqual(DEFAULT_OPTIONS);
  });

  test("every short option of lvmlockd(8) is understood", () => {
    expect(
      optionsOf("-TfD", "-p", "/p", "-s/s", "-S", "debug", "-gsanlock", "-i", "7", "-o30", "-A0"),
    ).toEqual({
      ...DEFAULT_OPTIONS,
      test_mode: true,
      foreground: true,
      daemon_debug: true,
      pid_file: "/p",
      socket_path: "/s",
      syslog_priority: "debug",
      gl_type: "sanlock",
      host_id: 7,
      sanlock_timeout_s: 30,
      adopt: false,
    });
    expect(optionsOf("-F", "/id").host_id_file).toBe("/id");
  });

  test("relative paths are made absolute, because the daemon leaves its directory", () => {
    expect(optionsOf("-s", "run/socket", "--adopt-file", "a").socket_path).toBe("/somewhere/run/socket");
  });

  test("a lock manager is a name, a package or an absolute path, never something from here", () => {
    for (const good of ["local", "@me/lock-manager", "/opt/manager.ts"]) {
      expect(optionsOf("--lock-manager", good).lock_manager).toBe(good);
    }
    for (const bad of ["./manager.ts", "../m", "a/b", ""]) {
      expect(messageOf("--lock-manager", bad)).toContain("--lock-manager");
    }
  });

  test("numbers out of bounds and unknown words are refused, not guessed", () => {
    expect(messageOf("-i", "0")).toContain("1 to 2000");
    expect(messageOf("-i", "2001")).toContain("1 to 2000");
    expect(messageOf("-i", "7x")).toContain("1 to 2000");
    // sanlock has one byte of a lease for it.
    expect(optionsOf("-o", "255").sanlock_timeout_s).toBe(255);
    expect(messageOf("-o", "256")).toContain("0 to 255");
    expect(messageOf("-A", "yes")).toContain("0 to 1");
    expect(messageOf("-S", "loud")).toContain("one of emerg");
    expect(messageOf("-g", "clvm")).toContain("one of sanlock, dlm, idm");
    expect(messageOf("-i", "1", "-F", "/id")).toContain("can't be given together");
    expect(messageOf("--wire-dialect", "3")).toContain("2.03.16");
  });

  test("--help and --version win over everything else", () => {
    expect(messageOf("-h", "-i", "0")).toBe("help");
    expect(messageOf("-V", "x")).toBe("version");
  });
});

describe("lvmlockd as a program", () => {
  test("an unknown option goes to standard error with the nearest one, and the status is 2", async () => {
    const run = await runProgram("lvmlockd", ["--foregroud"]);
    expect(run).toMatchObject({ stdout: "", exit_status: EXIT.usage });
    expect(run.stderr).toContain("--foreground");
  });

  test("--version names the version and the protocol", async () => {
    const run = await runProgram("lvmlockd", ["--version"]);
    expect(run.stdout).toMatch(/^lvmlockd \d+\.\d+\.\d+ .*protocol 1/);
    expect(run.exit_status).toBe(EXIT.ok);
  });
});

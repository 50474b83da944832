import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { killCommand } from "../../cli/lvmlockctl/kill-command.ts";
import { EXIT } from "../../core/errors.ts";
import { resultReply, runProgram, type StubDaemon, startStub } from "./stub-daemon.ts";

describe("the words of lvmlockctl_kill_command", () => {
  const wordsOf = (setting: string): readonly string[] | string => {
    const command = killCommand(setting, "vg0");
    return command.kind === "command" ? command.words : command.reason;
  };

  test("are separated by blanks, and the VG comes last", () => {
    expect(wordsOf("/sbin/offline  --now\t-f ")).toEqual(["/sbin/offline", "--now", "-f", "vg0"]);
  });

  test("take a blank or a backslash behind a backslash literally", () => {
    expect(wordsOf("/sbin/off\\ line a\\\\b")).toEqual(["/sbin/off line", "a\\b", "vg0"]);
  });

  test("treat quotes and everything that a shell would act on as letters", () => {
    expect(wordsOf("/sbin/off '$(reboot)' \"a;b\" *|&>x")).toEqual([
      "/sbin/off",
      "'$(reboot)'",
      '"a;b"',
      "*|&>x",
      "vg0",
    ]);
  });

  test("are refused where they can't be meant", () => {
    expect(wordsOf("")).toContain("not set");
    expect(wordsOf("  ")).toContain("not set");
    expect(wordsOf("offline")).toContain("absolute path");
    expect(wordsOf("/sbin/off\\n")).toContain("backslash");
    expect(wordsOf("/sbin/off\\")).toContain("backslash");
    expect(wordsOf("/sbin/öff")).toContain("printable");
    expect(wordsOf(`/sbin/off ${"x ".repeat(31)}`)).toContain("more than 31 words");
    expect(wordsOf(`/sbin/${"x".repeat(1100)}`)).toContain("1023 characters");
  });

  test("never lose or add a word, whatever stands in the setting", () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[!-[\]-~]{1,12}$/), { maxLength: 20 }), (words) => {
        expect(wordsOf(["/x", ...words].join(" "))).toEqual(["/x", ...words, "vg0"]);
      }),
    );
  });
});

describe("lvmlockctl --kill", () => {
  let daemon: StubDaemon;
  let killResult = 0;
  let dropResult = 0;

  beforeEach(() => {
    killResult = 0;
    dropResult = 0;
    daemon = startStub((request) => {
      if (request.get("request") === "kill_vg") return resultReply(killResult);
      return request.get("request") === "drop_vg" ? resultReply(dropResult) : null;
    });
  });
  afterEach(() => daemon.stop());

  function configure(setting: string): void {
    writeFileSync(daemon.scratch.file("lvm.conf"), `global { lvmlockctl_kill_command = "${setting}" }\n`);
  }

  /** A kill command that writes down its words and how far the daemon was, and exits as told. */
  function script(exit_status: number): string {
    const path = daemon.scratch.file("offline");
    const log = daemon.scratch.file("log");
    writeFileSync(
      path,
      `#!/bin/sh\necho "$#:$*:$BUN_OPTIONS" > ${log}\necho from the command\nexit ${exit_status}\n`,
    );
    chmodSync(path, 0o755);
    return path;
  }

  const log = (): string => readFileSync(daemon.scratch.file("log"), "utf8");
  const names = (): unknown[] => daemon.requests.map((request) => request.get("request"));
  const kill = async (socket = daemon.socket_path) =>
    runProgram(
      "lvmlockctl",
      ["--kill", "vg0", "-e", "--socket", socket, "--config-dir", daemon.scratch.path],
      {
        BUN_OPTIONS: "--smol",
      },
    );

  test("tells the daemon, runs the command with the VG as last word, then drops the locks", async () => {
    configure(`${script(0)} -f`);
    const run = await kill();
    expect(run.exit_status).toBe(EXIT.ok);
    expect(log()).toBe("2:-f vg0:\n");
    expect(names()).toEqual(["hello", "kill_vg", "hello", "drop_vg"]);
    expect(run.stderr).toContain("VG vg0 has lost its lock storage");
    expect(run.stderr).toContain("from the command");
    expect(run.stderr).toContain("The locks of VG vg0 are dropped");
  });

  test("does not drop the locks when the command fails, and says what to do by hand", async () => {
    configure(script(7));
    const run = await kill();
    expect(run.exit_status).toBe(EXIT.failure);
    expect(names()).toEqual(["hello", "kill_vg"]);
    expect(run.stderr).toContain("exited with status 7");
    expect(run.stderr).toContain("Deactivate the LVs of VG vg0 now");
    expect(run.stderr).toContain("lvmlockctl --drop vg0");
  });

  test("does not take success from a command that was ended by a signal", async () => {
    const path = script(0);
    writeFileSync(path, "#!/bin/sh\nkill -9 $$\n");
    configure(path);
    const run = await kill();
    expect(run.exit_status).toBe(EXIT.failure);
    expect(run.stderr).toContain("SIGKILL");
    expect(names()).not.toContain("drop_vg");
  });

  test("says so when the command does not exist", async () => {
    configure("/nonexistent/offline");
    const run = await kill();
    expect(run.exit_status).toBe(EXIT.failure);
    expect(run.stderr).toContain("could not be started");
  });

  test("without a command still tells the daemon, and fails with what to do by hand", async () => {
    writeFileSync(daemon.scratch.file("lvm.conf"), "");
    const run = await kill();
    expect(run.exit_status).toBe(EXIT.config);
    expect(names()).toEqual(["hello", "kill_vg"]);
    expect(run.stderr).toContain("Deactivate the LVs of VG vg0 now");
  });

  test("runs the command also when no daemon answers, because the watchdog does not wait", async () => {
    configure(script(0));
    const run = await kill("/nonexistent/lvmlockd.socket");
    expect(existsSync(daemon.scratch.file("log"))).toBe(true);
    expect(run.exit_status).toBe(EXIT.failure);
    expect(run.stderr).toContain("its locks were not dropped");
  });

  test("goes on when the daemon refuses kill_vg", async () => {
    killResult = -210;
    configure(script(0));
    const run = await kill();
    expect(run.exit_status).toBe(EXIT.ok);
    expect(run.stderr).toContain("was not told that VG vg0 is lost");
  });

  test("fails when the locks can't be dropped", async () => {
    dropResult = -210;
    configure(script(0));
    const run = await kill();
    expect(run.exit_status).toBe(EXIT.failure);
    expect(run.stderr).toContain("lvmlockctl --drop vg0");
    expect(run.stderr).not.toContain("are dropped");
  });

  test("runs the command although another setting of lvm.conf is wrong", async () => {
    const path = script(0);
    writeFileSync(
      daemon.scratch.file("lvm.conf"),
      `global { use_lvmlockd = "maybe" lvmlockctl_kill_command = "${path}" }\n`,
    );
    expect((await kill()).exit_status).toBe(EXIT.ok);
  });
});

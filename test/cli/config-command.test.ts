import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { EXIT } from "../../core/errors.ts";
import { makeScratch, type Scratch } from "../rig/scratch.ts";
import { runProgram } from "./stub-daemon.ts";

const LVM_CONF = `# ours
global {
\tuse_lvmlockd = 0   # for now
\tlvmlockd_lock_retries=3
}
`;

let scratch: Scratch;

beforeEach(() => {
  scratch = makeScratch("config");
  writeFileSync(scratch.file("lvm.conf"), LVM_CONF);
});
afterEach(() => scratch.remove());

const ctl = async (...words: string[]) =>
  runProgram("lvmlockctl", ["--config-dir", scratch.path, "config", ...words]);
const check = async (...words: string[]) =>
  runProgram("lvmlockd", ["--check-config", "--config-dir", scratch.path, ...words]);
const conf = (): string => readFileSync(scratch.file("lvm.conf"), "utf8");

describe("config get", () => {
  test("shows the value and the line that it comes from", async () => {
    const run = await ctl("get", "global/use_lvmlockd");
    expect(run.stdout).toBe(`global/use_lvmlockd = 0\n${scratch.file("lvm.conf")}:3\n`);
    expect(run.exit_status).toBe(EXIT.ok);
  });

  test("shows a default as such", async () => {
    expect((await ctl("get", "global/sanlock_lv_extend")).stdout).toBe(
      "global/sanlock_lv_extend = 256\ndefault\n",
    );
  });

  test("names the nearest setting for an unknown one", async () => {
    const run = await ctl("get", "global/use_lvmlock");
    expect(run.exit_status).toBe(EXIT.not_found);
    expect(run.stderr).toContain("global/use_lvmlockd");
  });

  test("has a JSON twin", async () => {
    const run = await ctl("get", "global/use_lvmlockd", "--reportformat", "json_std");
    expect(JSON.parse(run.stdout).report[0].setting[0]).toMatchObject({
      name: "global/use_lvmlockd",
      line: 3,
    });
  });
});

describe("config list", () => {
  test("shows what the files set, and with --all everything", async () => {
    const set = await ctl("list");
    const all = await ctl("list", "--all");
    expect(set.stdout).toContain("global/lvmlockd_lock_retries");
    expect(set.stdout).not.toContain("daemon/socket_path");
    expect(all.stdout).toContain("daemon/socket_path");
  });
});

describe("config edit", () => {
  test("changes the token of the value and no other byte", async () => {
    const run = await ctl("edit", "global/use_lvmlockd", "1");
    expect(run.exit_status).toBe(EXIT.ok);
    expect(conf()).toBe(LVM_CONF.replace("use_lvmlockd = 0", "use_lvmlockd = 1"));
  });

  test("takes KEY=VALUE in one word as well", async () => {
    await ctl("edit", "global/lvmlockd_lock_retries=5");
    expect(conf()).toContain("lvmlockd_lock_retries=5\n");
  });

  test("says reload for what a running daemon takes over, and restart for everything else", async () => {
    expect((await ctl("edit", "daemon/wait_limit_s", "5")).stdout).toContain("systemctl reload lvmlockd");
    expect((await ctl("edit", "lock_managers/dlm", "local")).stdout).toContain("systemctl restart lvmlockd");
  });

  test("names no way to edit an unknown setting, because there is none", async () => {
    const run = await ctl("edit", "foo", "bar");
    expect(run.exit_status).toBe(EXIT.config);
    expect(run.stderr).toBe('lvmlockctl: "foo" is not a setting of lvmlockd\n');
  });

  test("says what to do when the directory is missing", async () => {
    const nowhere = scratch.file("nowhere");
    const run = await runProgram("lvmlockctl", [
      ...["--config-dir", nowhere, "config", "edit", "daemon/wait_limit_s", "5"],
    ]);
    expect(run.exit_status).toBe(EXIT.failure);
    expect(run.stderr).toContain(`there is no directory ${nowhere}. Make it first.`);
  });

  test("says what to do when the file may not be changed", async () => {
    // Nobody can make a file in /sys, root neither; in a container it may be mounted read-only.
    const run = await runProgram("lvmlockctl", [
      ...["--config-dir", "/sys", "config", "edit", "daemon/wait_limit_s", "5"],
    ]);
    expect(run.exit_status).toBe(EXIT.failure);
    expect(run.stderr).toMatch(
      /^lvmlockctl: \/sys\/lvmlockd.conf (may not be changed by this user. Run it as root.|.* read-only.)\n$/,
    );
  });

  test("refuses a wrong value and says what it expects, without touching the file", async () => {
    const run = await ctl("edit", "global/lvmlockd_lock_retries", "often");
    expect(run.exit_status).toBe(EXIT.config);
    expect(run.stderr).toContain("expected");
    expect(conf()).toBe(LVM_CONF);
  });

  test("refuses to edit a file with an error, and shows the place", async () => {
    writeFileSync(scratch.file("lvm.conf"), "global {\n  use_lvmlockd = \n}\n");
    const run = await ctl("edit", "global/use_lvmlockd", "1");
    expect(run.exit_status).toBe(EXIT.config);
    expect(run.stderr).not.toBe("");
  });
});

describe("lvmlockd --check-config", () => {
  test("accepts good files with status 0", async () => {
    const run = await check();
    expect(run.exit_status).toBe(EXIT.ok);
    expect(run.stdout).toContain("The configuration is valid");
  });

  test("shows a wrong value with its place and a caret, and exits with 6", async () => {
    writeFileSync(scratch.file("lvm.conf"), 'global {\n  lvmlockd_lock_retries = "often"\n}\n');
    const run = await check();
    expect(run.exit_status).toBe(EXIT.config);
    expect(run.stdout).toContain(`${scratch.file("lvm.conf")}:2:27: error`);
    expect(run.stdout).toMatch(/\n +\| +\^+\n/);
  });

  test("refuses a plugin whose file is missing, with its place", async () => {
    const missing = scratch.file("missing.ts");
    writeFileSync(scratch.file("lvmlockd.conf"), `lock_managers {\n  dlm = "${missing}"\n}\n`);
    const run = await check();
    expect(run.exit_status).toBe(EXIT.config);
    expect(run.stdout).toContain(`${scratch.file("lvmlockd.conf")}:2:9: error`);
    expect(run.stdout).toContain(`${missing} does not exist`);
    writeFileSync(missing, "export default {};\n");
    expect((await check()).exit_status).toBe(EXIT.ok);
  });

  test("refuses a directory that was named and is not there, or is none", async () => {
    for (const path of [scratch.file("nowhere"), scratch.file("lvm.conf")]) {
      const run = await runProgram("lvmlockd", ["--check-config", "--config-dir", path]);
      expect(run.exit_status).toBe(EXIT.config);
      expect(run.stdout).toContain(`${path}: error: `);
    }
  });

  test("has a JSON twin", async () => {
    writeFileSync(scratch.file("lvmlockd.conf"), "daemon { wait_limit = 3 }\n");
    const run = await check("--reportformat", "json_std");
    expect(run.exit_status).toBe(EXIT.config);
    expect(JSON.parse(run.stdout).report[0].diagnostic[0]).toMatchObject({ severity: "error", line: 1 });
  });
});

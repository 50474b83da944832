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

  test("has a JSON twin", async () => {
    writeFileSync(scratch.file("lvmlockd.conf"), "daemon { wait_limit = 3 }\n");
    const run = await check("--reportformat", "json_std");
    expect(run.exit_status).toBe(EXIT.config);
    expect(JSON.parse(run.stdout).report[0].diagnostic[0]).toMatchObject({ severity: "error", line: 1 });
  });
});

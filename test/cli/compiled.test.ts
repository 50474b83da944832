import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connectAndGreet } from "../rig/connection.ts";
import { makeScratch, type Scratch } from "../rig/scratch.ts";

/*
 * The executable as it is installed, and the programs as they run from the package, in a directory whose owner wants to be
 * root: its bunfig.toml preloads code and its .env sets variables.
 */

const root = join(import.meta.dir, "../..");
const BUILD_MS = 60_000;

let scratch: Scratch;
let dist: string;
let hostile: string;

beforeAll(() => {
  scratch = makeScratch("build");
  dist = scratch.file("dist");
  hostile = scratch.file("hostile");
  mkdirSync(hostile);
  writeFileSync(join(hostile, "preload.ts"), 'require("node:fs").writeFileSync("loaded", "");\n');
  writeFileSync(
    join(hostile, "bunfig.toml"),
    'preload = ["./preload.ts"]\n[run]\npreload = ["./preload.ts"]\n',
  );
  writeFileSync(join(hostile, ".env"), "LVM_LVMLOCKD_SOCKET=/from/the/hostile/env\n");
  const build = Bun.spawnSync([process.execPath, "run", join(root, "scripts/build.ts"), dist]);
  if (build.exitCode !== 0) throw new Error(`the build failed: ${build.stderr}`);
}, BUILD_MS);

afterAll(() => scratch.remove());

function runHere(words: readonly string[]): { readonly text: string; readonly status: number } {
  const run = Bun.spawnSync([...words], { cwd: hostile, stdin: "ignore" });
  return { text: run.stdout.toString() + run.stderr.toString(), status: run.exitCode };
}

/** Tries a command that would tell the socket of the .env, and looks for the trace of the preload. */
function expectUntouched(words: readonly string[]): void {
  const { text, status } = runHere(words);
  expect(text).toContain("/run/lvm/lvmlockd.socket");
  expect(text).not.toContain("/from/the/hostile/env");
  expect(status).toBe(0);
  expect(existsSync(join(hostile, "loaded"))).toBe(false);
}

const askSocket = ["config", "get", "daemon/socket_path", "--config-dir", "/nonexistent"];

describe("in a hostile current directory", () => {
  test("a plain bun run would load both files, so the trap works", () => {
    const trace = join(hostile, "loaded");
    runHere([process.execPath, "run", join(root, "cli/main.ts"), "lvmlockctl", "--version"]);
    expect(existsSync(trace)).toBe(true);
    Bun.spawnSync(["rm", trace]);
  });

  test("the executable loads neither, under each of its names", () => {
    for (const name of ["lvmlockd", "lvmlockctl", "lvmpersist"]) {
      expect(runHere([join(dist, name), "--version"]).text).toStartWith(`${name} `);
    }
    expect(existsSync(join(hostile, "loaded"))).toBe(false);
    expectUntouched([join(dist, "lvmlockctl"), ...askSocket]);
    expect(runHere([join(dist, "lvmlockctl"), "--quit"]).text).not.toContain("/from/the/hostile/env");
  });

  test("lvmpersist finds the worker that has several devices open", () => {
    const words = ["read", "--device", "/dev/null", "--device", "/nope"];
    const { text, status } = runHere([join(dist, "lvmpersist"), ...words]);
    expect(text).toContain("Device /dev/null: does not support PR");
    expect(text).toContain("/nope does not exist");
    expect(status).toBe(7);
  });

  test("the package's scripts have the flags with which bun loads neither", () => {
    const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    for (const name of ["lvmlockd", "lvmlockctl", "lvmpersist"]) {
      const words = String(scripts[name]).split(" ");
      expect(words[0]).toBe("bun");
      const [, ...flags] = words.map((word) => (word === "cli/main.ts" ? join(root, word) : word));
      expect(runHere([process.execPath, ...flags, "--version"]).text).toStartWith(`${name} `);
    }
    expect(existsSync(join(hostile, "loaded"))).toBe(false);
  });

  test("a daemon that goes to the background starts its second process with these flags as well", () => {
    const [socket, pid_file] = [scratch.file("background"), scratch.file("background.pid")];
    const flags = ["--config=/dev/null", "--no-env-file", join(root, "cli/main.ts")];
    const options = [
      "--lock-manager",
      "local",
      "-s",
      socket,
      "-p",
      pid_file,
      "--adopt-file",
      scratch.file("a"),
    ];
    expect(runHere([process.execPath, ...flags, "lvmlockd", ...options])).toEqual({ text: "", status: 0 });
    expect(runHere([process.execPath, ...flags, "lvmlockctl", "--socket", socket, "--quit"]).status).toBe(0);
    expect(existsSync(join(hostile, "loaded"))).toBe(false);
  });

  test("the wrapper for node loads neither, and takes BUN_OPTIONS away", () => {
    const run = Bun.spawnSync(
      ["node", join(root, "scripts/with-bun.mjs"), join(root, "cli/main.ts"), "lvmlockctl", "--version"],
      { cwd: hostile, env: { ...process.env, BUN_OPTIONS: "--preload=./preload.ts" } },
    );
    expect(run.stdout.toString()).toStartWith("lvmlockctl ");
    expect(existsSync(join(hostile, "loaded"))).toBe(false);
  });
});

describe("the executable", () => {
  test("runs the daemon, under the name that cluster agents look for, and its control", async () => {
    const socket = scratch.file("socket");
    const child = Bun.spawn(
      [
        join(dist, "lvmlockd"),
        ...["-f", "--lock-manager", "local", "-s", socket, "-p", scratch.file("pid")],
        ...["--adopt-file", scratch.file("adopt")],
      ],
      { cwd: hostile, stdin: "ignore", stdout: "ignore", stderr: "ignore" },
    );
    for (let tries = 0; tries < 500 && !existsSync(socket); tries++) await Bun.sleep(10);
    (await connectAndGreet(socket)).close();
    expect((await Bun.file(`/proc/${child.pid}/comm`).text()).trim()).toBe("lvmlockd");
    const info = runHere([join(dist, "lvmlockctl"), "--socket", socket, "--info", "--reportformat", "basic"]);
    expect(info.text).toContain(`pid ${child.pid}`);
    expect(runHere([join(dist, "lvmlockctl"), "--socket", socket, "--quit"]).status).toBe(0);
    expect(await child.exited).toBe(0);
    expect(existsSync(join(hostile, "loaded"))).toBe(false);
  });
});

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeScratch, type Scratch } from "../rig/scratch.ts";

/* scripts/with-bun.mjs, which node runs: in a package of its own with a Bun that is a shell script. */

const root = join(import.meta.dir, "../..");
let scratch: Scratch;

beforeEach(() => {
  scratch = makeScratch("wrapper");
  mkdirSync(scratch.file("scripts"));
  cpSync(join(root, "scripts/with-bun.mjs"), scratch.file("scripts/with-bun.mjs"));
});
afterEach(() => scratch.remove());

/** A package whose Bun is there, or is put there by install.js. The script is padded, as the wrapper goes by size. */
function fakeBun(script: string, state: "installed" | "stub" | "broken"): void {
  const bin = scratch.file("node_modules/bun/bin");
  mkdirSync(bin, { recursive: true });
  const content = `#!/bin/sh\n${script}\nexit\n${"#".repeat(2 * 1024 * 1024)}\n`;
  writeFileSync(scratch.file("content"), content, { mode: 0o755 });
  const install = `require("node:fs").copyFileSync(${JSON.stringify(scratch.file("content"))}, "bin/bun.exe");`;
  writeFileSync(scratch.file("node_modules/bun/install.js"), state === "broken" ? "" : install);
  writeFileSync(join(bin, "bun.exe"), state === "installed" ? content : "echo a stub\n", { mode: 0o755 });
}

const command = (): string[] => ["node", scratch.file("scripts/with-bun.mjs")];

function run(words: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = Bun.spawnSync([...command(), ...words], { env: { ...process.env, ...env } });
  return { stdout: child.stdout.toString(), stderr: child.stderr.toString(), status: child.exitCode };
}

describe("with-bun.mjs", () => {
  test("passes words and exit status on, behind the flags that keep foreign files out", () => {
    fakeBun('echo "$@"; exit 7', "installed");
    const { stdout, status } = run(["run", "a b", "--flag"]);
    expect(stdout).toBe("--config=/dev/null --no-env-file run a b --flag\n");
    expect(status).toBe(7);
  });

  test("puts the binary into place when npm did not run its install script", () => {
    fakeBun("echo real", "stub");
    const { stdout, stderr, status } = run(["x"]);
    expect(stdout).toBe("real\n");
    expect(stderr).toContain("Putting Bun's binary into place");
    expect(status).toBe(0);
  });

  test("says what to type when that does not help, and when there is no Bun at all", () => {
    fakeBun("echo real", "broken");
    expect(run(["x"])).toMatchObject({ status: 1, stdout: "" });
    expect(run(["x"]).stderr).toContain("node install.js");
    Bun.spawnSync(["rm", "-r", scratch.file("node_modules")]);
    expect(run(["x"]).stderr).toContain("npm install");
  });

  test("takes the variables away that make Bun run other code", () => {
    fakeBun('echo "[$BUN_OPTIONS$BUN_BE_BUN$BUN_INSPECT$BUN_JSC_useJIT]"', "installed");
    const env = { BUN_OPTIONS: "1", BUN_BE_BUN: "2", BUN_INSPECT: "3", BUN_JSC_useJIT: "4" };
    expect(run(["x"], env).stdout).toBe("[]\n");
  });

  for (const [sent, received] of [
    ["SIGTERM", "TERM"],
    ["SIGINT", "INT"],
    ["SIGHUP", "TERM"],
  ] as const) {
    test(`passes ${sent} on as SIG${received}, waits for the end and tells its status`, async () => {
      const trap = (name: string): string =>
        `trap 'echo ${name} >> ${scratch.file("got")}; exit 5' ${name}\n`;
      const ready = scratch.file("ready");
      fakeBun(
        `${trap("TERM")}${trap("INT")}${trap("HUP")}touch ${ready}; while :; do sleep 0.01; done`,
        "installed",
      );
      const child = Bun.spawn([...command(), "x"], { stdin: "ignore" });
      while (!existsSync(ready)) await Bun.sleep(5);
      child.kill(sent);
      expect(await child.exited).toBe(5);
      expect(readFileSync(scratch.file("got"), "utf8")).toBe(`${received}\n`);
    });
  }
});

describe("npm start", () => {
  test("serves in the foreground with a word of welcome, and ends cleanly when npm is told to end", async () => {
    const paths = ["-s", scratch.file("s"), "-p", scratch.file("p"), "--adopt-file", scratch.file("a")];
    const child = Bun.spawn(["npm", "start", "--silent", "--", ...paths], {
      cwd: root,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const said: string[] = [];
    for await (const chunk of child.stdout) {
      said.push(Buffer.from(chunk).toString());
      if (said.join("").includes("lvmlockctl --info")) break;
    }
    expect(said.join("")).toContain(scratch.file("s"));
    const pid = Number(readFileSync(scratch.file("p"), "utf8"));
    child.kill("SIGTERM");
    await child.exited;
    while (existsSync(`/proc/${pid}`)) await Bun.sleep(5);
    expect(existsSync(scratch.file("s"))).toBe(false);
  });
});

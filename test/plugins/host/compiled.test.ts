import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fixture } from "./asking.ts";

const scratch = mkdtempSync(join(tmpdir(), "host-compiled-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const root = join(import.meta.dir, "..", "..", "..");

describe("a compiled executable", () => {
  test("runs a plugin that lies outside of it, in a worker, from any directory", () => {
    const binary = join(scratch, "compiled-main");
    const built = Bun.spawnSync(
      [
        process.execPath,
        "build",
        "--compile",
        "--bytecode",
        "--format=esm",
        "--no-compile-autoload-dotenv",
        "--no-compile-autoload-bunfig",
        `--root=${root}`,
        `--outfile=${binary}`,
        join(import.meta.dir, "compiled-main.ts"),
        join(root, "plugins/host/worker.ts"),
      ],
      { cwd: root },
    );
    expect(built.stderr.toString()).toBe("");
    const run = Bun.spawnSync([binary, fixture("scripted-worker")], { cwd: "/" });
    expect(run.stderr.toString()).toBe("");
    expect(JSON.parse(run.stdout.toString())).toEqual({ kind: "done", running: true });
  }, 30_000);
});

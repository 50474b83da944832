/**
 * npm test: brings the Debian packages that the real tests need, runs every *.test.ts and the suite against the real lvm, and
 * ends with one plain line. The heavy suites are programs with scripts of their own (test:differential, test:simulator).
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";
import { bringPackages } from "./debian-packages.ts";

const root = join(import.meta.dir, "..");
const real_suite = join(root, "test/real/main.ts");
/** CI gives this script ten minutes; one that hangs shall say so itself. */
const time_limit_ms = 9.5 * 60 * 1000;

/** One test may take this long: some start daemons or run thousands of generated cases, and machines can be busy. */
const test_limit_ms = 60_000;

interface Count {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Passes everything on as it comes and keeps the end of it, where bun test counts. */
async function passOn(from: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let tail = "";
  for await (const chunk of from) {
    process.stderr.write(chunk);
    tail = (tail + decoder.decode(chunk, { stream: true })).slice(-4096);
  }
  return tail;
}

/** bun test ends with lines such as " 12 pass" and " 0 fail". */
function countOf(tail: string, word: string): number {
  const found = [...tail.matchAll(new RegExp(`^ *(\\d+) ${word}$`, "gm"))].at(-1);
  return found === undefined ? 0 : Number(found[1]);
}

/** Runs Bun with these words and counts its tests; a run that crashes or counts nothing has one failure at least. */
async function countTests(words: readonly string[]): Promise<Count> {
  const child = Bun.spawn([process.execPath, ...words], {
    cwd: root,
    stdin: "ignore",
    stdout: "inherit",
    stderr: "pipe",
  });
  const stop = (signal: NodeJS.Signals): void => child.kill(signal);
  const timer = setTimeout(() => {
    console.error(`The tests did not end within ${time_limit_ms / 60_000} minutes and are stopped.`);
    stop("SIGKILL");
  }, time_limit_ms - performance.now());
  process.once("SIGINT", stop).once("SIGTERM", stop);
  const tail = await passOn(child.stderr);
  const exit_status = await child.exited;
  clearTimeout(timer);
  process.off("SIGINT", stop).off("SIGTERM", stop);
  const passed = countOf(tail, "pass");
  const failed = countOf(tail, "fail");
  const isBroken = failed === 0 && (exit_status !== 0 || passed === 0);
  return { passed, failed: isBroken ? 1 : failed, skipped: countOf(tail, "skip") };
}

/** Why the real lvm can't be run here; null when it can. Mount and network namespaces keep the host's own lvm out of it. */
function realSuiteObstacle(): string | null {
  if (!existsSync(real_suite)) return "there is no such suite";
  if (process.geteuid?.() !== 0) return "it needs root";
  if (!existsSync("/usr/sbin/lvm")) return "lvm2 is missing";
  if (!existsSync("/dev/loop-control")) return "there are no loop devices here";
  const namespaces = Bun.spawnSync(["unshare", "--mount", "--net", "true"], { stderr: "ignore" });
  return namespaces.exitCode === 0 ? null : "namespaces of its own are not allowed here";
}

const packages = bringPackages();
if (packages.kind === "installed") console.error(`Installed ${packages.names.join(", ")} for the tests.`);
if (packages.kind === "missing") console.error(`NOTE: ${packages.message}`);

const chosen = process.argv.slice(2);
const files = [...new Glob("test/**/*.test.ts").scanSync({ cwd: root })].sort().map((file) => `./${file}`);
const counts = [
  await countTests(["test", "--timeout", test_limit_ms.toString(), ...(chosen.length > 0 ? chosen : files)]),
];
if (chosen.length === 0) {
  const obstacle = realSuiteObstacle();
  if (obstacle === null) counts.push(await countTests(["run", real_suite]));
  else console.error(`NOTE: the suite against the real lvm was SKIPPED: ${obstacle}.`);
}

const sum = (pick: (count: Count) => number): number =>
  counts.reduce((total, count) => total + pick(count), 0);
const failed = sum((count) => count.failed);
const skipped = sum((count) => count.skipped);
console.log(
  `${sum((count) => count.passed)} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`,
);
process.exit(failed === 0 ? 0 : 1);

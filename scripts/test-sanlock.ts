/**
 * npm run test:sanlock: the sanlock plugin and lvmlockd over real sanlock daemons, each host with its own, on lease files in
 * memory. Brings Debian's packages itself, and those of newer releases into directories of their own. The suites wait for
 * sanlock's clocks most of the time, so they run beside each other.
 *
 *   bun run test:sanlock [WORD...]                 the suites whose names contain one of the words, with this system's sanlock
 *   bun run test:sanlock --suite trixie [WORD...]  with the sanlock and the library of that Debian release
 *
 * Without words and releases: everything with this system's sanlock, and what depends on its version with each release's.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Glob } from "bun";
import { buildShim, SHIM_VARIABLE } from "../test/sanlock/shim.ts";
import { bringPackages } from "./debian-packages.ts";
import {
  RELEASES,
  REPOSITORY_INSIDE,
  type Release,
  type UnpackedRelease,
  unpackRelease,
} from "./debian-release.ts";

const root = join(import.meta.dir, "..");
const PACKAGES = ["sanlock", "libsanlock-dev", "gcc", "libc6-dev"] as const;
const RELEASE_PACKAGES = ["sanlock", "libsanlock-client1", "libsanlock-dev"] as const;
/** What brings them here: a minimal Debian has not even mount. */
const UNPACKING_PACKAGES = ["mmdebstrap", "mount"] as const;
const HEADERS_VARIABLE = "TEST_SANLOCK_HEADERS";

/** What is run with each release when nothing else is asked for. */
const DEPENDS_ON_VERSION = /conformance|versions|locks|leases/;

/** The conformance tests have a cluster each and wait most of the time; this many at once leave a small machine half idle. */
const AT_ONCE: readonly (readonly [RegExp, string])[] = [[/conformance/, "4"]];

interface Job {
  readonly suite: string;
  readonly release: UnpackedRelease | null;
}

interface Outcome {
  readonly name: string;
  readonly failed: boolean;
  readonly passed: number;
}

async function runJob({ suite, release }: Job, shim: string): Promise<Outcome> {
  const name = release === null ? suite : `${suite} with the sanlock of ${release.release}`;
  const at_once = AT_ONCE.find(([suites]) => suites.test(suite))?.[1];
  const words = ["test", ...(at_once === undefined ? [] : ["--concurrent", `--max-concurrency=${at_once}`])];
  const outside = [process.execPath, ...words, `./${suite}`];
  const bun = `${REPOSITORY_INSIDE}/node_modules/bun/bin/bun.exe`;
  const inside = [bun, `--cwd=${REPOSITORY_INSIDE}`, ...words, `./${suite}`];
  const child = Bun.spawn(release === null ? outside : [...release.enter, ...inside], {
    cwd: root,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, [SHIM_VARIABLE]: shim },
  });
  const [output, report] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  process.stderr.write(`${name}\n${output}${report}`);
  const passed = Number(/^ *(\d+) pass$/m.exec(report)?.[1] ?? 0);
  // A suite that crashed before it counted anything has failed as well.
  return { name, passed, failed: child.exitCode !== 0 || passed === 0 };
}

/** The struct layouts against the headers of a release, compiled by this system's compiler. */
async function compareLayouts(release: UnpackedRelease): Promise<Outcome> {
  const child = Bun.spawn([process.execPath, "test", "./test/plugins/sanlock/layouts.test.ts"], {
    cwd: root,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
    env: { ...process.env, [HEADERS_VARIABLE]: join(release.root, "usr", "include") },
  });
  const report = await child.stderr.text();
  const passed = Number(/^ *(\d+) pass$/m.exec(report)?.[1] ?? 0);
  const name = `struct layouts in the headers of ${release.release}`;
  process.stderr.write(`${name}\n${report}`);
  return { name, passed, failed: (await child.exited) !== 0 || passed === 0 };
}

/** Jobs at the same time. More would crowd sanlock's clocks, which count seconds. */
const BESIDE_EACH_OTHER = 4;
/** Those that take longest come first. */
const LONGEST = [/failures/, /conformance/, /versions/];

function inOrder(jobs: readonly Job[]): Job[] {
  const rank = ({ suite }: Job): number => {
    const found = LONGEST.findIndex((one) => one.test(suite));
    return found === -1 ? LONGEST.length : found;
  };
  return [...jobs].sort((left, right) => rank(left) - rank(right));
}

async function runJobs(jobs: readonly Job[], shim: string): Promise<Outcome[]> {
  const waiting = inOrder(jobs);
  const outcomes: Outcome[] = [];
  const runner = async (): Promise<void> => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift())
      outcomes.push(await runJob(job, shim));
  };
  await Promise.all(Array.from({ length: BESIDE_EACH_OTHER }, runner));
  return outcomes;
}

/** The packages enable their services, and a sanlock of the machine's own is not wanted for tests. */
function disableServices(): void {
  if (Bun.which("systemctl") === null) return;
  Bun.spawnSync(["systemctl", "disable", "--now", "sanlock.service", "wdmd.service"], {
    stdout: "ignore",
    stderr: "ignore",
  });
}

/** Ends with a sentence when they can't be had. */
function bring(names: readonly string[]): void {
  const packages = bringPackages(names);
  if (packages.kind === "missing") fail(packages.message);
  if (packages.kind !== "installed") return;
  console.error(`Installed ${packages.names.join(", ")} for the tests.`);
  if (packages.names.includes("sanlock")) disableServices();
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}

function unpack(release: Release): UnpackedRelease {
  const unpacked = unpackRelease(release, RELEASE_PACKAGES, root);
  if (unpacked.kind === "missing") fail(unpacked.message);
  process.on("exit", unpacked.remove);
  return unpacked;
}

const { values, positionals } = parseArgs({
  args: process.argv.slice(2),
  options: { suite: { type: "string", multiple: true, default: [] } },
  allowPositionals: true,
});
const unknown = values.suite.filter((name) => !RELEASES.some((release) => release === name));
if (unknown.length > 0) fail(`--suite takes ${RELEASES.join(" or ")}, not ${unknown.join(", ")}`);
const everything = values.suite.length === 0 && positionals.length === 0;
const wantedReleases = RELEASES.filter((release) => everything || values.suite.includes(release));

bring(wantedReleases.length > 0 ? [...PACKAGES, ...UNPACKING_PACKAGES] : PACKAGES);
const scratch = mkdtempSync("/dev/shm/sanlock-shim-");
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));
const shim = buildShim(scratch);
const releases = wantedReleases.map(unpack);
const suites = [...new Glob("test/sanlock/*.suite.ts").scanSync({ cwd: root })].sort();
const chosen = suites.filter(
  (suite) => positionals.length === 0 || positionals.some((word) => suite.includes(word)),
);
const here: Job[] = values.suite.length > 0 ? [] : chosen.map((suite) => ({ suite, release: null }));
const elsewhere: Job[] = releases.flatMap((release) =>
  chosen
    .filter((suite) => positionals.length > 0 || DEPENDS_ON_VERSION.test(suite))
    .map((suite) => ({ suite, release })),
);
const jobs = [...here, ...elsewhere];
const outcomes = await runJobs(jobs, shim);
for (const release of releases) outcomes.push(await compareLayouts(release));
const failed = outcomes.filter((outcome) => outcome.failed);
const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);
for (const { name } of failed) console.error(`FAILED: ${name}`);
console.log(`sanlock: ${passed} passed, ${failed.length} of ${outcomes.length} suites failed`);
process.exit(failed.length === 0 && jobs.length > 0 ? 0 : 1);

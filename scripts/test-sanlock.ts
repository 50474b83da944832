/**
 * npm run test:sanlock: the sanlock plugin and lvmlockd over real sanlock daemons, each host with its own, on lease files in
 * memory. Brings Debian's packages itself. The suites wait for sanlock's clocks most of the time, so they run beside each other.
 */
import { join } from "node:path";
import { Glob } from "bun";
import { bringPackages } from "./debian-packages.ts";

const root = join(import.meta.dir, "..");
const PACKAGES = ["sanlock", "libsanlock-dev", "gcc", "libc6-dev"] as const;

interface Outcome {
  readonly suite: string;
  readonly failed: boolean;
  readonly passed: number;
}

async function runSuite(suite: string): Promise<Outcome> {
  const child = Bun.spawn([process.execPath, "test", `./${suite}`], {
    cwd: root,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [output, report] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  process.stderr.write(`${suite}\n${output}${report}`);
  const passed = Number(/^ *(\d+) pass$/m.exec(report)?.[1] ?? 0);
  // A suite that crashed before it counted anything has failed as well.
  return { suite, passed, failed: child.exitCode !== 0 || passed === 0 };
}

/** Suites at the same time: two take three minutes of waiting, and the others fit beside them without crowding sanlock's clocks. */
const BESIDE_EACH_OTHER = 3;
const LONGEST = /conformance|failures/;

async function runSuites(suites: readonly string[]): Promise<Outcome[]> {
  const waiting = [
    ...suites.filter((suite) => LONGEST.test(suite)),
    ...suites.filter((suite) => !LONGEST.test(suite)),
  ];
  const outcomes: Outcome[] = [];
  const runner = async (): Promise<void> => {
    for (let suite = waiting.shift(); suite !== undefined; suite = waiting.shift())
      outcomes.push(await runSuite(suite));
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

const packages = bringPackages(PACKAGES);
if (packages.kind === "missing") {
  console.error(packages.message);
  process.exit(1);
}
if (packages.kind === "installed") {
  console.error(`Installed ${packages.names.join(", ")} for the tests.`);
  if (packages.names.includes("sanlock")) disableServices();
}

const chosen = process.argv.slice(2);
const suites = [...new Glob("test/sanlock/*.suite.ts").scanSync({ cwd: root })].sort();
const wanted = suites.filter((suite) => chosen.length === 0 || chosen.some((word) => suite.includes(word)));
const outcomes = await runSuites(wanted);
const failed = outcomes.filter((outcome) => outcome.failed);
const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);
for (const { suite } of failed) console.error(`FAILED: ${suite}`);
console.log(`sanlock: ${passed} passed, ${failed.length} of ${wanted.length} suites failed`);
process.exit(failed.length === 0 && wanted.length > 0 ? 0 : 1);

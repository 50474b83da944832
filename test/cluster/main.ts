/**
 * bun run test:cluster: real hosts in QEMU, the real lvm, and our lvmlockd in the place of the C one. See docs/cluster-lab.md.
 */
import { availableParallelism, freemem } from "node:os";
import { join } from "node:path";
import { Glob } from "bun";
import { parseArguments, type RunnerOptions, USAGE } from "./runner/arguments.ts";
import { mostTime_ms, type Outcome, runScenario } from "./runner/run-scenario.ts";
import { runJobs } from "./runner/schedule.ts";
import type { Scenario } from "./scenario.ts";

const scenarios_directory = join(import.meta.dirname, "scenarios");
const megabyte_bytes = 1024 * 1024;

/** Every file's default export is a scenario or a list of them. */
async function findScenarios(): Promise<Scenario[]> {
  const files = [...new Glob("*.ts").scanSync({ cwd: scenarios_directory })].sort();
  const found: Scenario[] = [];
  for (const file of files) {
    const module = (await import(join(scenarios_directory, file))) as {
      readonly default?: Scenario | readonly Scenario[];
    };
    if (module.default !== undefined) found.push(...[module.default].flat());
  }
  return found;
}

function choose(scenarios: readonly Scenario[], names: readonly string[]): Scenario[] {
  if (names.length === 0) return scenarios.filter((scenario) => scenario.only_by_name !== true);
  const exact = scenarios.filter((scenario) => names.includes(scenario.name));
  // A whole name means that scenario alone, though others may begin with it.
  const loose = names.filter((name) => !exact.some((scenario) => scenario.name === name));
  const partly = scenarios.filter(
    (scenario) => !exact.includes(scenario) && loose.some((name) => scenario.name.includes(name)),
  );
  return [...exact, ...partly];
}

function report(outcomes: readonly Outcome[], elapsed_ms: number): void {
  console.log("");
  for (const { name, elapsed_ms: own_ms, cpu_ms, steps, failure, unstable } of outcomes) {
    const time = `${(own_ms / 1000).toFixed(0)} s`.padStart(6);
    const cpu = `${(cpu_ms / 1000).toFixed(0)} s`.padStart(6);
    const verdict = failure === null ? (unstable ? "UNSTABLE, passed when tried again" : "pass") : "FAIL";
    console.log(`${verdict} ${time}, CPU ${cpu}  ${String(steps).padStart(3)} steps  ${name}`);
  }
  const failed = outcomes.filter((outcome) => outcome.failure !== null).length;
  const passed = outcomes.length - failed;
  console.log(`cluster: ${passed} passed, ${failed} failed in ${(elapsed_ms / 1000).toFixed(0)} s`);
}

/**
 * Emulated guests on a busy machine can miss a time that has nothing to do with what is tested. With --second-try such a scenario
 * runs once more, alone; the first failure stays in the output, and the summary calls the scenario unstable. What was granted and
 * should have been refused, and what was found wrong, is not forgiven.
 */
async function tryAgain(
  chosen: readonly Scenario[],
  outcomes: readonly Outcome[],
  options: RunnerOptions,
): Promise<Outcome[]> {
  const settled: Outcome[] = [];
  for (const [index, outcome] of outcomes.entries()) {
    const scenario = chosen[index];
    if (outcome.failure === null || !outcome.forgivable || scenario === undefined) settled.push(outcome);
    else {
      console.log(`${scenario.name}: UNSTABLE: it failed and is tried a second time, alone`);
      settled.push({ ...(await runScenario(scenario, options, 2)), unstable: true });
    }
  }
  return settled;
}

async function runAll(chosen: readonly Scenario[], options: RunnerOptions): Promise<number> {
  const start_ms = performance.now();
  const jobs = chosen.map((scenario) => ({
    guests: scenario.guests,
    run: () => runScenario(scenario, options, 1),
  }));
  const first = await runJobs(jobs, options.guests);
  const outcomes = options.second_try ? await tryAgain(chosen, first, options) : first;
  report(outcomes, performance.now() - start_ms);
  return outcomes.length > 0 && outcomes.every((outcome) => outcome.failure === null) ? 0 : 1;
}

const options = parseArguments(
  process.argv.slice(2),
  availableParallelism(),
  Math.floor(freemem() / megabyte_bytes),
);
if (typeof options === "string") {
  console.error(options);
  process.exit(2);
}
const all = await findScenarios();
// The large ones first, and of these the long ones: the others fill what is left beside them, and none of them is left for the end, alone.
const chosen = choose(all, options.names).toSorted(
  (one, other) => other.guests - one.guests || mostTime_ms(other) - mostTime_ms(one),
);
if (options.list) {
  for (const { name, about, guests, only_by_name } of all)
    console.log(`${name} (${guests} guests${only_by_name === true ? ", only by name" : ""}): ${about}`);
  process.exit(0);
}
if (chosen.length === 0) {
  console.error(`No scenario has that name.\n${USAGE}`);
  process.exit(1);
}
process.exit(await runAll(chosen, options));

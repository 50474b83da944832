/** Runs one scenario: its clusters, its steps with their times, and what is kept when it fails. */
import { type Cluster, cluster } from "../lab/cluster.ts";
import type { Scenario, Steps } from "../scenario.ts";
import type { RunnerOptions } from "./arguments.ts";
import { keepEvidence, lastLines } from "./evidence.ts";

export interface Outcome {
  readonly name: string;
  readonly elapsed_ms: number;
  readonly steps: number;
  readonly failure: string | null;
  /** It failed before, and this is what came of trying it again. */
  readonly unstable: boolean;
}

/** A scenario that waits for ever must not take the others with it. */
const scenario_ms_max = 15 * 60_000;

const seconds = (elapsed_ms: number): string => `${(elapsed_ms / 1000).toFixed(1)} s`;

interface Tally {
  passed: number;
  /** With --go-on: the sentences that did not hold. */
  readonly failed: string[];
}

function stepsOf(scenario: Scenario, options: RunnerOptions, clusters: Cluster[], tally: Tally): Steps {
  const say = (text: string): void => console.log(`${scenario.name}: ${text}`);
  return {
    say,
    step: async (sentence, action) => {
      const start_ms = performance.now();
      for (const each of clusters) each.transcript.note("step", sentence);
      try {
        await action();
        tally.passed++;
        say(`ok ${sentence} (${seconds(performance.now() - start_ms)})`);
      } catch (error) {
        say(`FAILED ${sentence} (${seconds(performance.now() - start_ms)})`);
        if (!options.go_on) throw error;
        tally.failed.push(sentence);
        console.log(error instanceof Error ? error.message : error);
      }
    },
    together: async (steps) => {
      const settled = await Promise.allSettled(steps.map((step) => step()));
      for (const result of settled) if (result.status === "rejected") throw result.reason;
    },
    cluster: async (spec) => {
      const start_ms = performance.now();
      const started = await cluster({ broken_by: options.broken_by, ...spec });
      if (options.verbose)
        started.transcript.follow((text) => process.stdout.write(`${scenario.name} ${text}`));
      clusters.push(started);
      say(`${spec.hosts} hosts are up (${seconds(performance.now() - start_ms)})`);
      return started;
    },
  };
}

function withDeadline(scenario: Scenario, work: Promise<void>): Promise<void> {
  const timeout_ms = scenario.timeout_ms ?? scenario_ms_max;
  const { promise, reject } = Promise.withResolvers<void>();
  const late = setTimeout(() => reject(new Error(`not done after ${seconds(timeout_ms)}`)), timeout_ms);
  return Promise.race([work, promise]).finally(() => clearTimeout(late));
}

async function waitForPerson(clusters: readonly Cluster[]): Promise<void> {
  for (const each of clusters) console.log(`The hosts are still there: ${each.file("")}`);
  console.log("Ctrl-C ends them.");
  await new Promise(() => setInterval(() => undefined, 1 << 30));
}

export async function runScenario(scenario: Scenario, options: RunnerOptions): Promise<Outcome> {
  const start_ms = performance.now();
  const clusters: Cluster[] = [];
  const tally: Tally = { passed: 0, failed: [] };
  let failure: string | null = null;
  try {
    await withDeadline(scenario, scenario.run(stepsOf(scenario, options, clusters, tally)));
    if (tally.failed.length > 0) throw new Error(`${tally.failed.length} steps: ${tally.failed.join("; ")}`);
    if (tally.passed === 0) throw new Error("It has no step.");
  } catch (error) {
    const directory = await keepEvidence(scenario.name, clusters, error);
    for (const each of clusters) console.log(lastLines(each));
    failure = error instanceof Error ? error.message : String(error);
    console.log(`${scenario.name}: FAILED: ${failure}\nEverything that happened is in ${directory}`);
    if (options.keep_on_failure) await waitForPerson(clusters);
  }
  await Promise.all(clusters.map((each) => each.close()));
  const elapsed_ms = performance.now() - start_ms;
  return { name: scenario.name, elapsed_ms, steps: tally.passed, failure, unstable: false };
}

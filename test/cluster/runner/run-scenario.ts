/** Runs one scenario: its clusters, its steps with their times, and what is kept when it fails. */
import { AssertionError } from "node:assert/strict";
import { findImage } from "../image/build.ts";
import { type Cluster, cluster } from "../lab/cluster.ts";
import { type Ending, openEnding } from "../lab/ending.ts";
import { NotRefused } from "../lab/failures.ts";
import type { Scenario, Steps } from "../scenario.ts";
import type { RunnerOptions } from "./arguments.ts";
import { keepEvidence, lastLines } from "./evidence.ts";

export interface Outcome {
  readonly name: string;
  readonly elapsed_ms: number;
  /** What its hosts used of the machine's processors: what the others beside it had to wait for. */
  readonly cpu_ms: number;
  readonly steps: number;
  readonly failure: string | null;
  /** Whether the failure may be a time that a busy machine has missed. */
  readonly forgivable: boolean;
  /** It failed before, and this is what came of trying it again. */
  readonly unstable: boolean;
}

/** A scenario that waits for ever must not take the others with it. */
const scenario_ms_max = 15 * 60_000;
/** An image takes a minute; with a mirror that is slow beyond this, or stuck, the scenario fails. */
const image_ms_max = 30 * 60_000;
/** How often a scenario that is late because its image is being built is looked at again. */
const image_look_ms = 5000;

const seconds = (elapsed_ms: number): string => `${(elapsed_ms / 1000).toFixed(1)} s`;

interface Tally {
  passed: number;
  /** With --go-on: the sentences that did not hold. */
  readonly failed: string[];
  /** What is under way, for the one who asks why it takes so long. */
  current: string;
  /** What the building of images took of its time: as long as the mirror and the machine need, which is not the scenario's doing. */
  image_ms: number;
  building_image: boolean;
  /** Over when the scenario has its outcome: whatever of it still runs stops at the next thing that it wants. */
  readonly ending: Ending;
}

/** The first use on a machine builds the image; later ones have it at once. */
async function countImageOut(tally: Tally, find: () => Promise<unknown>): Promise<void> {
  const start_ms = performance.now();
  tally.current = "getting the image";
  tally.building_image = true;
  try {
    await find();
  } finally {
    tally.building_image = false;
    tally.image_ms += performance.now() - start_ms;
  }
}

function stepsOf(scenario: Scenario, options: RunnerOptions, clusters: Cluster[], tally: Tally): Steps {
  const { ending } = tally;
  const cpu_ms = (): number => clusters.reduce((sum_ms, each) => sum_ms + each.cpu_ms(), 0);
  const say = (text: string): void => {
    if (!ending.over()) console.log(`${scenario.name}: ${text}`);
  };
  const step: Steps["step"] = async (sentence, action) => {
    const start_ms = performance.now();
    const start_cpu_ms = cpu_ms();
    const times = (): string =>
      `(${seconds(performance.now() - start_ms)}, CPU ${seconds(cpu_ms() - start_cpu_ms)})`;
    tally.current = sentence;
    for (const each of clusters) each.transcript.note("step", sentence);
    try {
      await ending.hold(async () => action());
      tally.passed++;
      say(`ok ${sentence} ${times()}`);
    } catch (error) {
      say(`FAILED ${sentence} ${times()}`);
      if (!options.go_on) throw error;
      tally.failed.push(sentence);
      console.log(error instanceof Error ? error.message : error);
    }
  };
  const startCluster: Steps["cluster"] = async (spec) => {
    const start_ms = performance.now();
    await countImageOut(tally, () => findImage(spec.image ?? "trixie"));
    tally.current = "starting hosts";
    const daemon = options.control ? "c" : "ours";
    const started = await cluster({ broken_by: options.broken_by, daemon, ...spec });
    // Nobody waits for it any more, and nobody else would end it.
    if (ending.over()) await started.close();
    if (options.verbose)
      started.transcript.follow((text) => process.stdout.write(`${scenario.name} ${text}`));
    clusters.push(started);
    say(`${spec.hosts} hosts are up (${seconds(performance.now() - start_ms)})`);
    return started;
  };
  return {
    say,
    step: (sentence, action) => ending.hold(() => step(sentence, action)),
    together: async (steps) => {
      const settled = await Promise.allSettled(steps.map((each) => each()));
      const reasons = settled.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
      if (reasons.length > 0) throw reasons.find(isWrong) ?? reasons[0];
    },
    cluster: (spec) => ending.hold(() => startCluster(spec)),
  };
}

/** What was done and should have been refused, and what was found and should not be so, is never a busy machine's doing. */
function isWrong(error: unknown): boolean {
  return error instanceof NotRefused || error instanceof AssertionError;
}

export function mostTime_ms({ timeout_ms = scenario_ms_max }: Scenario): number {
  return timeout_ms;
}

/** A promise can't be ended; what the scenario wants after this is never given to it. */
function withDeadline(scenario: Scenario, work: Promise<void>, tally: Tally): Promise<void> {
  const timeout_ms = mostTime_ms(scenario);
  const start_ms = performance.now();
  const { promise, reject } = Promise.withResolvers<void>();
  const look = (): void => {
    const now_ms = performance.now();
    const left_ms = start_ms + timeout_ms + tally.image_ms - now_ms;
    const building = tally.building_image && now_ms - start_ms < timeout_ms + image_ms_max;
    if (left_ms > 0 || building) late = setTimeout(look, Math.max(left_ms, image_look_ms));
    else reject(new Error(`not done after ${seconds(timeout_ms)}, in: ${tally.current}`));
  };
  let late = setTimeout(look, timeout_ms);
  return Promise.race([work, promise]).finally(() => {
    clearTimeout(late);
    tally.ending.end();
  });
}

async function waitForPerson(clusters: readonly Cluster[]): Promise<void> {
  for (const each of clusters) console.log(`The hosts are still there: ${each.file("")}`);
  console.log("Ctrl-C ends them.");
  await new Promise(() => setInterval(() => undefined, 1 << 30));
}

/** @param attempt 1 for the first; a later one keeps its evidence beside the first one's. */
export async function runScenario(
  scenario: Scenario,
  options: RunnerOptions,
  attempt: number,
): Promise<Outcome> {
  const start_ms = performance.now();
  const clusters: Cluster[] = [];
  const tally: Tally = {
    passed: 0,
    failed: [],
    current: "nothing yet",
    image_ms: 0,
    building_image: false,
    ending: openEnding(),
  };
  let failure: string | null = null;
  let forgivable = false;
  try {
    const work = scenario.run(stepsOf(scenario, options, clusters, tally));
    await withDeadline(scenario, work, tally).finally(() => {
      for (const each of clusters) each.abandon();
    });
    if (tally.failed.length > 0) throw new Error(`${tally.failed.length} steps: ${tally.failed.join("; ")}`);
    if (tally.passed === 0) throw new Error("It has no step.");
  } catch (error) {
    const name = attempt === 1 ? scenario.name : `${scenario.name}-again`;
    const directory = await keepEvidence(name, clusters, error);
    for (const each of clusters) console.log(lastLines(each));
    failure = error instanceof Error ? error.message : String(error);
    const wrong = isWrong(error) || clusters.some(({ transcript }) => transcript.isWrong());
    forgivable = scenario.unforgiving !== true && !wrong && tally.failed.length === 0;
    console.log(`${scenario.name}: FAILED: ${failure}\nEverything that happened is in ${directory}`);
    if (options.keep_on_failure) await waitForPerson(clusters);
  }
  await Promise.all(clusters.map((each) => each.close()));
  const elapsed_ms = performance.now() - start_ms;
  const cpu_ms = clusters.reduce((sum_ms, each) => sum_ms + each.cpu_ms(), 0);
  const { name } = scenario;
  return { name, elapsed_ms, cpu_ms, steps: tally.passed, failure, forgivable, unstable: false };
}

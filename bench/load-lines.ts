/** Measures the load scenarios: the rivals run side by side, and in every round one after the other is loaded. */
import { DaemonFailure, type LoadResult, prepare, runLoad } from "./generator.ts";
import { type Line, makeFigure, type Samples } from "./line.ts";
import type { Plan } from "./plan.ts";
import { isOurs, type RivalName, type RunningRival, startRival, withRivals } from "./rivals.ts";
import { type Load, SCENARIOS, type Scenario } from "./scenarios.ts";

/** The results of one load, one for each round. */
type Results = Partial<Record<RivalName, LoadResult[]>>;
type ResultsByLoad = ReadonlyMap<Load, Results>;

export async function measureLoads(plan: Plan): Promise<Line[]> {
  const lines: Line[] = [];
  for (const scenario of SCENARIOS) {
    const { loads, cold } = scenario;
    if (!loads.some((load) => plan.wants(load.name))) continue;
    plan.say(loads.map((load) => load.title).join(", "));
    const measure = async (): Promise<ResultsByLoad> => {
      const results: ResultsByLoad = new Map(loads.map((load) => [load, {}]));
      await (cold ? measureCold(scenario, plan, results) : measureWarm(scenario, plan, results));
      return results;
    };
    const results = await measure().catch((error: unknown) => {
      if (!(error instanceof DaemonFailure) || isOurs(error.rival)) throw error;
      plan.say(`${error.message}\nnone of ours: measured once more`);
      return measure();
    });
    for (const [load, of_load] of results) lines.push(...toLines(load, of_load));
  }
  return lines;
}

/**
 * A daemon runs for months, so what is asked of it is asked of a warm one. The rivals that are not under load sleep, and wait
 * for their turn on the same CPU.
 */
async function measureWarm(scenario: Scenario, plan: Plan, results: ResultsByLoad): Promise<void> {
  await withRivals(plan.rivals, scenario.cpus, async (daemons) => {
    for (const [, daemon] of daemons) {
      await prepareDaemon(scenario, daemon, plan);
      await warmUp(scenario, daemon, plan);
    }
    for (let round = 0; round < plan.rounds; round++) {
      for (const [rival, daemon] of daemons) await runRound(scenario, rival, daemon, plan, results);
    }
  });
}

async function warmUp(scenario: Scenario, daemon: RunningRival, plan: Plan): Promise<void> {
  const end_ms = performance.now() + plan.warmup_ms;
  do {
    for (const load of scenario.loads) await runOnce(scenario, load, daemon, plan);
  } while (performance.now() < end_ms);
}

async function measureCold(scenario: Scenario, plan: Plan, results: ResultsByLoad): Promise<void> {
  for (let round = 0; round < plan.rounds; round++) {
    for (const rival of plan.rivals) {
      const daemon = await startRival(rival, scenario.cpus);
      try {
        await prepareDaemon(scenario, daemon, plan);
        await runRound(scenario, rival, daemon, plan, results);
      } finally {
        await daemon.stop();
      }
    }
  }
}

async function prepareDaemon(scenario: Scenario, daemon: RunningRival, plan: Plan): Promise<void> {
  const { cpus, lockspaces, held_lvs } = scenario;
  const lvs = String(held_lvs / plan.lv_divisor);
  await prepare({ daemon, cpus, args: ["--vgs", String(lockspaces), "--lvs", lvs] });
}

async function runRound(
  scenario: Scenario,
  rival: RivalName,
  daemon: RunningRival,
  plan: Plan,
  results: ResultsByLoad,
): Promise<void> {
  for (const [load, of_load] of results) {
    const result = await runOnce(scenario, load, daemon, plan);
    of_load[rival] = [...(of_load[rival] ?? []), result];
  }
}

function runOnce(scenario: Scenario, load: Load, daemon: RunningRival, plan: Plan): Promise<LoadResult> {
  const { cpus, cold, times_longer } = scenario;
  const seconds = ["--seconds", String(plan.seconds * times_longer)];
  // Caches and clock frequency come back within the first milliseconds behind the others' turns.
  const lead = cold ? [] : ["--warmup", String(plan.lead_seconds)];
  const args = ["--daemon-pid", String(daemon.pid), ...scaled(load.load_args, plan), ...seconds, ...lead];
  return runLoad(load.load, { daemon, cpus, args });
}

function scaled(args: readonly string[], plan: Plan): string[] {
  return args.map((arg, index) =>
    args[index - 1] === "--lvs" ? String(Number(arg) / plan.lv_divisor) : arg,
  );
}

function toLines(load: Load, results: Results): Line[] {
  return load.figures.map((figure, index) => ({
    name: figure.suffix === "" ? load.name : `${load.name}-${figure.suffix}`,
    title: figure.suffix === "" ? load.title : `${load.title}: ${figure.suffix}`,
    figure: makeFigure(figure.unit, pick(results, figure.pick), figure.target),
    cpu:
      index === 0
        ? makeFigure(
            "us",
            pick(results, (result) => result.cpu_per_request_us),
            load.cpu_target,
          )
        : null,
  }));
}

function pick(results: Results, of: (result: LoadResult) => number): Samples {
  return Object.fromEntries(Object.entries(results).map(([rival, list]) => [rival, list.map(of)]));
}

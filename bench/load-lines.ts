/** Measures the load scenarios: every round runs every rival, one after the other, each started fresh. */
import { type LoadResult, prepare, runLoad } from "./generator.ts";
import { type Line, makeFigure, type Samples } from "./line.ts";
import type { Plan } from "./plan.ts";
import { type RivalName, startRival } from "./rivals.ts";
import { SCENARIOS, type Scenario } from "./scenarios.ts";

type Results = Partial<Record<RivalName, LoadResult[]>>;

export async function measureLoads(plan: Plan): Promise<Line[]> {
  const lines: Line[] = [];
  for (const scenario of SCENARIOS) {
    if (!plan.wants(scenario.name)) continue;
    plan.say(scenario.title);
    lines.push(...toLines(scenario, await measure(scenario, plan)));
  }
  return lines;
}

async function measure(scenario: Scenario, plan: Plan): Promise<Results> {
  const results: Results = {};
  for (let round = 0; round < plan.rounds; round++) {
    for (const rival of plan.rivals) {
      const soFar = results[rival] ?? [];
      soFar.push(await runOnce(scenario, rival, plan));
      results[rival] = soFar;
    }
  }
  return results;
}

async function runOnce(scenario: Scenario, rival: RivalName, plan: Plan): Promise<LoadResult> {
  const daemon = await startRival(rival, scenario.cpus);
  const { socket_path } = daemon;
  const { cpus } = scenario;
  try {
    const heldLvs = String(scenario.held_lvs / plan.lv_divisor);
    await prepare({ socket_path, cpus, args: ["--vgs", String(scenario.lockspaces), "--lvs", heldLvs] });
    const times = ["--seconds", String(plan.seconds), "--warmup", String(plan.warmup_seconds)];
    const args = ["--daemon-pid", String(daemon.pid), ...scaled(scenario.load_args, plan), ...times];
    return await runLoad(scenario.load, { socket_path, cpus, args });
  } finally {
    await daemon.stop();
  }
}

function scaled(args: readonly string[], plan: Plan): string[] {
  return args.map((arg, index) =>
    args[index - 1] === "--lvs" ? String(Number(arg) / plan.lv_divisor) : arg,
  );
}

function toLines(scenario: Scenario, results: Results): Line[] {
  return scenario.figures.map((figure, index) => ({
    name: figure.suffix === "" ? scenario.name : `${scenario.name}-${figure.suffix}`,
    title: figure.suffix === "" ? scenario.title : `${scenario.title}: ${figure.suffix}`,
    figure: makeFigure(figure.unit, pick(results, figure.pick), figure.target),
    cpu:
      index === 0
        ? makeFigure(
            "us",
            pick(results, (result) => result.cpu_per_request_us),
            scenario.cpu_target,
          )
        : null,
  }));
}

function pick(results: Results, of: (result: LoadResult) => number): Samples {
  return Object.fromEntries(Object.entries(results).map(([rival, list]) => [rival, list.map(of)]));
}

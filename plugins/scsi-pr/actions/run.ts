/** Carries a plan out: all devices at the same time, step by step, each step read back, and set back when it has to be. */
import { assert } from "../../../core/assert.ts";
import { reportOf } from "./device-report.ts";
import type { InspectionScope } from "./job.ts";
import { type Running, type RunWatch, runPhase } from "./phase.ts";
import type { Inspections, Plan } from "./plan.ts";
import { type RunReport, runResult } from "./report.ts";
import { undoAll } from "./set-back.ts";
import type { DeviceTeam } from "./team.ts";

/** Reads every device. */
export async function inspectAll(
  team: DeviceTeam,
  scope: InspectionScope,
  watch: RunWatch,
): Promise<Inspections> {
  const tasks = team.paths.map((_, device) => ({ device, job: { kind: "inspect", ...scope } as const }));
  let done = 0;
  const answers = await team.run(tasks, () => watch.progress("reading", ++done, tasks.length));
  return answers.map((answer) => {
    assert(answer.kind !== "commanded", "an inspection is answered by one");
    return answer.kind === "lost" ? { kind: "failed", detail: answer.detail } : answer;
  });
}

/** Carries out a plan that was made from these inspections. */
export async function carryOut(
  team: DeviceTeam,
  { plan, inspections, watch }: { plan: Plan; inspections: Inspections; watch: RunWatch },
): Promise<RunReport> {
  const isBlocked = plan.gate === "all" && plan.devices.some(({ kind }) => kind === "refused");
  const running = isBlocked ? [] : begin(plan, inspections);
  const phases = Math.max(0, ...running.map(({ steps }) => steps.length));
  let interruption: string | null = null;
  for (let phase = 0; phase < phases; phase++) {
    interruption = watch.interrupted();
    const hasFailed = running.some(({ problem }) => problem !== null);
    if (interruption !== null || (hasFailed && plan.on_failure === "undo")) break;
    await runPhase(team, running, phase, watch);
  }
  const ended = running.some(({ problem }) => problem !== null) || interruption !== null;
  // Where the others go on, a device that failed is still set back by itself: clear may have registered us there.
  const setBack =
    plan.on_failure === "undo"
      ? running
      : running.filter(({ problem, is_through }) => problem !== null || !is_through);
  const undone = ended ? await undoAll(team, { running: setBack, inspections, watch }) : null;
  const devices = plan.devices.map((_, device) =>
    reportOf({ path: team.paths[device] ?? "", device, plan, inspections, running, undone, interruption }),
  );
  return { result: runResult(devices), devices };
}

/** What carrying the plan out would do, without doing it. */
export function dryRun(paths: readonly string[], plan: Plan, inspections: Inspections): RunReport {
  const devices = plan.devices.map((_, device) => {
    const path = paths[device] ?? "";
    const report = reportOf({
      path,
      device,
      plan,
      inspections,
      running: [],
      undone: null,
      interruption: null,
    });
    const isBlocked = plan.gate === "all" && plan.devices.some(({ kind }) => kind === "refused");
    return report.result === "untouched" && !isBlocked ? { ...report, result: "planned" as const } : report;
  });
  return { result: runResult(devices), devices };
}

function begin(plan: Plan, inspections: Inspections): Running[] {
  return plan.devices.flatMap((devicePlan, device) => {
    const inspection = inspections[device];
    if (devicePlan.kind !== "go" || inspection?.kind !== "inspected") return [];
    const { steps } = devicePlan;
    return [
      {
        device,
        steps,
        attempts: [],
        state: inspection.state,
        is_reservation_old: false,
        problem: null,
        unproven: null,
        is_through: false,
        is_unknown: false,
      } as Running,
    ];
  });
}

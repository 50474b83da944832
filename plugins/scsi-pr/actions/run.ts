/** Carries a plan out: all devices at the same time, step by step, each step read back, and set back when it has to be. */
import { assert } from "../../../core/assert.ts";
import type { Commanded, DeviceState, Inspection, InspectionScope, JobAnswer } from "./job.ts";
import { type Inspections, nameReservation, type Plan, type Problem, type Step } from "./plan.ts";
import { type DeviceReport, type DeviceResult, type RunReport, runResult } from "./report.ts";
import type { DeviceTeam } from "./team.ts";
import { type Attempt, planUndo } from "./undo.ts";

/** What a run tells while it goes on, and asks. */
export interface RunWatch {
  /** `done` of `total` devices have answered in what is being done now. */
  readonly progress: (doing: string, done: number, total: number) => void;
  /** Why the run is to end, as a sentence; null while it may go on. Asked between steps. */
  readonly interrupted: () => string | null;
}

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
    return answer;
  });
}

/** A device in the middle of a run. */
interface Running {
  readonly device: number;
  readonly steps: readonly Step[];
  readonly attempts: Attempt[];
  state: DeviceState;
  problem: Problem | null;
  /** True when all of its steps were gone through, sent or found not to be needed. */
  is_through: boolean;
  /** True when the device could not be read after a command, so that it is not known what it did. */
  is_unknown: boolean;
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
  const undone =
    ended && plan.on_failure === "undo" ? await undoAll(team, { running, inspections, watch }) : null;
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
        problem: null,
        is_through: false,
        is_unknown: false,
      } as Running,
    ];
  });
}

/** Sends the step of this phase to every device that has one and has not failed, and waits for the last answer. */
async function runPhase(
  team: DeviceTeam,
  running: readonly Running[],
  phase: number,
  watch: RunWatch,
): Promise<void> {
  const due = running.flatMap((one) => {
    const step = one.steps[phase];
    if (step === undefined || one.problem !== null) return [];
    return step.only_if_needed === true && step.reached(one.state) ? [] : [{ one, step }];
  });
  const tasks = due.map(({ one, step }) => ({
    device: one.device,
    job: { kind: "command", command: step.command } as const,
  }));
  let done = 0;
  const answers = await team.run(tasks, (task) =>
    watch.progress(DOING[task.job.kind === "command" ? task.job.command.op : "clear"], ++done, tasks.length),
  );
  for (const [index, { one, step }] of due.entries()) take(one, step, answers[index]);
  for (const one of running) one.is_through = one.problem === null && phase + 1 >= one.steps.length;
}

const DOING = {
  register: "unregistering",
  registerAndIgnore: "registering",
  reserve: "reserving",
  release: "releasing",
  clear: "clearing",
  preempt: "preempting",
} as const satisfies Record<Step["command"]["op"], string>;

/** Takes the answer to a step: what was read back decides, and then the command's own status where it has to be good. */
function take(one: Running, step: Step, answer: JobAnswer | undefined): void {
  assert(answer !== undefined && answer.kind !== "inspected", "a command is answered by what came of it");
  if (answer.kind !== "commanded") {
    // The device could not even be read before the command, which was not sent then.
    one.problem = answer;
    return;
  }
  const after = answer.after.kind === "state" ? answer.after.state : null;
  one.attempts.push({ step, before: answer.before, after });
  if (answer.after.kind !== "state") {
    one.problem = answer.answer.kind === "done" ? answer.after : answer.answer;
    one.is_unknown = true;
    return;
  }
  one.state = answer.after.state;
  one.problem = judge(step, answer, one.state);
}

function judge(step: Step, { answer }: Commanded, state: DeviceState): Problem | null {
  const isReached = step.reached(state);
  if (answer.kind === "done") {
    if (isReached) return null;
    const detail = `the device took the command ${step.command.op}, but reading back shows ${describe(state)}`;
    return { kind: "failed", detail };
  }
  if (isReached && !step.must_succeed) return null;
  return { kind: answer.kind, detail: `${answer.detail}; it shows ${describe(state)}` };
}

/** "2 keys, reserved WE by 0x1". */
function describe({ keys, reservation }: DeviceState): string {
  const count = keys.length === 1 ? "1 key" : `${keys.length || "no"} keys`;
  return `${count}, ${reservation === null ? "no reservation" : `reserved ${nameReservation(reservation)}`}`;
}

/** A device that could not be read after its last command may be readable again; what it shows then is what there is to undo. */
async function readAgain(team: DeviceTeam, running: readonly Running[]): Promise<void> {
  const unknown = running.filter((one) => one.is_unknown);
  const job = { kind: "inspect", capabilities: false, full_status: false } as const;
  const answers = await team.run(unknown.map(({ device }) => ({ device, job })));
  for (const [index, one] of unknown.entries()) {
    const answer = answers[index];
    const last = one.attempts.pop();
    assert(last !== undefined, "a device is unknown after an attempt");
    const state = answer?.kind === "inspected" ? answer.state : null;
    one.attempts.push({ ...last, after: state });
    if (state === null) continue;
    one.state = state;
    one.is_unknown = false;
  }
}

/** What undoing came to on a device: `stays` is a clause about what could not be set back, "" when all was. */
interface Undone {
  readonly changed: boolean;
  readonly stays: string;
}

async function undoAll(
  team: DeviceTeam,
  { running, inspections, watch }: { running: readonly Running[]; inspections: Inspections; watch: RunWatch },
): Promise<ReadonlyMap<number, Undone>> {
  await readAgain(team, running);
  const results = new Map<number, Undone>();
  const undoing: Running[] = [];
  for (const one of running) {
    const inspection = inspections[one.device];
    assert(inspection?.kind === "inspected", "a device that runs has been inspected");
    const aptpl = inspection.capabilities?.persist_through_power_loss.active ?? false;
    const undo = planUndo(one.attempts, { first: inspection.state, aptpl });
    results.set(one.device, {
      changed: undo.steps.length > 0 || undo.stays !== "",
      stays: undo.stays,
    });
    if (undo.steps.length > 0) undoing.push({ ...one, steps: undo.steps, attempts: [], problem: null });
  }
  const phases = Math.max(0, ...undoing.map(({ steps }) => steps.length));
  for (let phase = 0; phase < phases; phase++) await runPhase(team, undoing, phase, watch);
  for (const { device, problem, state } of undoing) {
    const one = running.find((other) => other.device === device);
    if (one !== undefined) one.state = state;
    const known = results.get(device)?.stays ?? "";
    const failed = problem === null ? "" : `setting it back failed: ${problem.detail}`;
    results.set(device, { changed: true, stays: [known, failed].filter((text) => text !== "").join("; ") });
  }
  return results;
}

interface ReportSource {
  readonly path: string;
  readonly device: number;
  readonly plan: Plan;
  readonly inspections: Inspections;
  readonly running: readonly Running[];
  readonly undone: ReadonlyMap<number, Undone> | null;
  readonly interruption: string | null;
}

function reportOf(source: ReportSource): DeviceReport {
  const { path, device, plan, inspections } = source;
  const inspection = inspections[device];
  const seen: Inspection | null = inspection?.kind === "inspected" ? inspection : null;
  const one = source.running.find((candidate) => candidate.device === device);
  const planned = plan.devices[device];
  assert(planned !== undefined, "every device has a plan");
  const facts = {
    path,
    transport: seen?.transport ?? null,
    state: one?.is_unknown === true ? null : (one?.state ?? seen?.state ?? null),
    capabilities: seen?.capabilities ?? null,
    registrations: seen?.registrations ?? null,
  };
  if (planned.kind === "refused") {
    return { ...facts, result: "failed", problem: planned.problem, detail: "" };
  }
  if (planned.kind === "nothing") {
    return { ...facts, result: "nothing", problem: null, detail: planned.detail };
  }
  const { result, problem, detail } =
    one === undefined ? NEVER_BEGUN(source.interruption) : resultOf(one, source);
  return { ...facts, result, problem, detail: detail === "" ? planned.detail : detail };
}

type Verdict = Pick<DeviceReport, "problem" | "detail"> & { readonly result: DeviceResult };

const NEVER_BEGUN = (interruption: string | null): Verdict => ({
  result: "untouched",
  problem: interruption === null ? null : { kind: "interrupted", detail: interruption },
  detail: "",
});

function resultOf(one: Running, { undone, interruption }: ReportSource): Verdict {
  const stopped: Problem | null =
    interruption === null ? null : { kind: "interrupted", detail: interruption };
  const problem = one.problem ?? (one.is_through ? null : stopped);
  if (undone === null) {
    if (problem === null) return { result: "done", problem: null, detail: "" };
    return { result: one.is_unknown ? "left" : "failed", problem, detail: "" };
  }
  const { changed, stays } = undone.get(one.device) ?? { changed: false, stays: "" };
  if (stays !== "") return { result: "left", problem, detail: stays };
  if (one.problem !== null) return { result: "failed", problem, detail: "" };
  return { result: changed ? "undone" : "untouched", problem, detail: "" };
}

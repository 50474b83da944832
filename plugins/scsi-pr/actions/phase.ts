/** One step on every device that has it, at the same time, and what came of it. */
import { assert } from "../../../core/assert.ts";
import type { PrAnswer } from "../reservable.ts";
import type { Commanded, DeviceState, JobAnswer } from "./job.ts";
import { nameReservation, type Problem, type Step } from "./plan.ts";
import type { DeviceTeam } from "./team.ts";
import type { Attempt } from "./undo.ts";

/** What a run tells while it goes on, and asks. */
export interface RunWatch {
  /** `done` of `total` devices have answered in what is being done now. */
  readonly progress: (doing: string, done: number, total: number) => void;
  /** Why the run is to end, as a sentence; null while it may go on. Asked between steps. */
  readonly interrupted: () => string | null;
}

/** A device in the middle of a run. */
export interface Running {
  readonly device: number;
  readonly steps: readonly Step[];
  readonly attempts: Attempt[];
  state: DeviceState;
  /** True when only keys were read since the last registration, so that the reservation in `state` is an older one. */
  is_reservation_old: boolean;
  problem: Problem | null;
  /** The step that may leave something unknown, and what the device answered to its command. */
  unproven: { readonly step: Step; readonly answer: PrAnswer<object> } | null;
  /** True when all of its steps were gone through, sent or found not to be needed. */
  is_through: boolean;
  /** True when the device could not be read after a command, so that it is not known what it did. */
  is_unknown: boolean;
}

/** Sends the step of this phase to every device that has one and has not failed, and waits for the last answer. */
export async function runPhase(
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
    job: { kind: "command", command: step.command, read_back: step.read_back ?? "all" } as const,
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
  if (answer.kind === "lost") {
    one.attempts.push({ step, before: null, after: null });
    one.problem = { kind: "failed", detail: answer.detail };
    one.is_unknown = true;
    return;
  }
  if (answer.kind !== "commanded") {
    // The device could not even be read before the command, which was not sent then.
    one.problem = answer;
    return;
  }
  if (step.unproven !== undefined) one.unproven = { step, answer: answer.answer };
  const { after } = answer;
  if (after.kind !== "state" && after.kind !== "keys") {
    one.attempts.push({ step, before: answer.before, after: null });
    one.problem = answer.answer.kind === "done" ? after : answer.answer;
    one.is_unknown = true;
    return;
  }
  one.state = after.kind === "state" ? after.state : { ...one.state, ...after.list };
  one.is_reservation_old = after.kind === "keys";
  one.attempts.push({ step, before: answer.before, after: one.state });
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
  const meaning = step.if_refused === undefined ? "" : `: ${step.if_refused}`;
  return { kind: answer.kind, detail: `${answer.detail}; it shows ${describe(state)}${meaning}` };
}

/** "2 keys, reserved WE by 0x1". */
function describe({ keys, reservation }: DeviceState): string {
  const count = keys.length === 1 ? "1 key" : `${keys.length || "no"} keys`;
  return `${count}, ${reservation === null ? "no reservation" : `reserved ${nameReservation(reservation)}`}`;
}

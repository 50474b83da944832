/** The report of one device, from its plan and what it went through. */
import { assert } from "../../../core/assert.ts";
import type { ReservationKey } from "../reservable.ts";
import type { DeviceState, Inspection, PrCommand } from "./job.ts";
import type { Running } from "./phase.ts";
import { distinctKeys, type Inspections, nameKey, type Plan, type Problem } from "./plan.ts";
import type { DeviceReport, DeviceResult } from "./report.ts";
import type { Undone } from "./set-back.ts";

export interface ReportSource {
  readonly path: string;
  readonly device: number;
  readonly plan: Plan;
  readonly inspections: Inspections;
  readonly running: readonly Running[];
  readonly undone: ReadonlyMap<number, Undone> | null;
  readonly interruption: string | null;
}

export function reportOf(source: ReportSource): DeviceReport {
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
  // Without any device in the run nothing was wanted of this one either.
  if (planned.kind === "nothing" && typeof planned.unproven === "string" && source.running.length > 0) {
    const problem: Problem = { kind: "unproven", detail: planned.unproven };
    return { ...facts, result: "left", problem, detail: planned.detail };
  }
  if (planned.kind === "nothing") {
    return { ...facts, result: "nothing", problem: null, detail: planned.detail };
  }
  const verdict = one === undefined ? neverBegun(source.interruption) : resultOf(one, source);
  const change = one === undefined || seen === null ? "" : changeOf(one, seen.state);
  // Whatever a run was told by a device, and however it was set back, what the device shows in the end decides what is said of it.
  const isLeft = change !== "" && verdict.result !== "done" && verdict.result !== "left";
  const { result, problem, detail } = isLeft
    ? { ...verdict, result: "left" as const, detail: change }
    : verdict;
  return { ...facts, result, problem, detail: detail === "" ? planned.detail : detail };
}

type Verdict = Pick<DeviceReport, "problem" | "detail"> & { readonly result: DeviceResult };

function neverBegun(interruption: string | null): Verdict {
  const problem: Problem | null =
    interruption === null ? null : { kind: "interrupted", detail: interruption };
  return { result: "untouched", problem, detail: "" };
}

function resultOf(one: Running, { undone, interruption }: ReportSource): Verdict {
  const stopped: Problem | null =
    interruption === null ? null : { kind: "interrupted", detail: interruption };
  const doubt = doubtOf(one);
  const problem = one.problem ?? (one.is_through ? null : stopped) ?? doubt;
  const own = undone?.get(one.device);
  if (own === undefined) {
    if (problem === null) return { result: "done", problem, detail: "" };
    return { result: problem === doubt ? "left" : "failed", problem, detail: "" };
  }
  const { changed } = own;
  const told = doubt === null || problem === doubt ? "" : doubt.detail;
  const stays = [own.stays, told].filter((text) => text !== "").join("; ");
  if (stays === "" && one.is_unknown) {
    return { result: "left", problem, detail: "it can't be read, so it is not known what it did" };
  }
  if (stays !== "") return { result: "left", problem, detail: stays };
  if (one.problem !== null) return { result: "failed", problem, detail: "" };
  return { result: changed ? "undone" : "untouched", problem, detail: "" };
}

/** What is not known although the device shows what was wanted. */
function doubtOf({ unproven, is_unknown, state }: Running): Problem | null {
  if (unproven === null || is_unknown) return null;
  const detail = unproven.step.unproven?.(state, unproven.answer) ?? null;
  return detail === null ? null : { kind: "unproven", detail };
}

/**
 * What this run was to change and is not as it was before, as a clause; "" when nothing is. Only the keys of its own commands count,
 * because other hosts come and go meanwhile; CLEAR is a command about all keys.
 */
function changeOf({ attempts, state, is_unknown }: Running, first: DeviceState): string {
  if (is_unknown) return "";
  const commands = attempts.map(({ step }) => step.command);
  const clears = commands.some(({ op }) => op === "clear");
  const keys = clears ? first.keys : commands.flatMap(keysOfCommand);
  const count = (key: ReservationKey, { keys: known }: DeviceState): number =>
    known.filter((other) => other === key).length;
  const changed = distinctKeys(keys).filter((key) => count(key, state) !== count(key, first));
  const times = (number: number): string => `${number} registration${number === 1 ? "" : "s"}`;
  const told = changed.map(
    (key) =>
      `${nameKey(key)} had ${times(count(key, first))} before this run and has ${times(count(key, state))} now`,
  );
  const isFreed = clears && first.reservation !== null && state.reservation === null;
  return [...told, ...(isFreed ? ["it is not reserved any more"] : [])].join("; ");
}

function keysOfCommand(command: PrCommand): ReservationKey[] {
  switch (command.op) {
    case "register":
      return [command.from, command.to].filter((key) => key !== 0n);
    case "registerAndIgnore":
      return [command.to];
    case "preempt":
      return [command.key, command.remove];
    default:
      return [command.key];
  }
}

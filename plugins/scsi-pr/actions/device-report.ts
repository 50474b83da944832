/** The report of one device, from its plan and what it went through. */
import { assert } from "../../../core/assert.ts";
import type { Inspection } from "./job.ts";
import type { Running } from "./phase.ts";
import type { Inspections, Plan, Problem } from "./plan.ts";
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
  const { result, problem, detail } =
    one === undefined ? neverBegun(source.interruption) : resultOf(one, source);
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

/** After a failure: what each device shows is read, and what this run changed is set back. */
import { assert } from "../../../core/assert.ts";
import { type Running, type RunWatch, runPhase } from "./phase.ts";
import type { Inspections } from "./plan.ts";
import type { DeviceTeam } from "./team.ts";
import { planUndo } from "./undo.ts";

/**
 * A device that could not be read after its last command may be readable again; what it shows then is what there is to undo. Of
 * one whose keys alone were read, the reservation is read for the report.
 */
async function readAgain(team: DeviceTeam, running: readonly Running[]): Promise<void> {
  const unknown = running.filter((one) => one.is_unknown || one.is_reservation_old);
  const job = { kind: "inspect", capabilities: false, full_status: false } as const;
  const answers = await team.run(unknown.map(({ device }) => ({ device, job })));
  for (const [index, one] of unknown.entries()) {
    const answer = answers[index];
    const state = answer?.kind === "inspected" ? answer.state : null;
    if (one.is_unknown) {
      const last = one.attempts.pop();
      assert(last !== undefined, "a device is unknown after an attempt");
      one.attempts.push({ ...last, after: state });
    }
    if (state === null) continue;
    one.state = state;
    one.is_unknown = false;
    one.is_reservation_old = false;
  }
}

/** What undoing came to on a device: `stays` is a clause about what could not be set back, "" when all was. */
export interface Undone {
  readonly changed: boolean;
  readonly stays: string;
}

export async function undoAll(
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
    const undo = planUndo(one.attempts, {
      first: inspection.state,
      aptpl,
      has_paths: inspection.transport === "multipath",
    });
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

/**
 * What is going to happen to each device, decided from what all of them said before the first one is changed. Planning is pure:
 * it sends nothing, so --dry-run is a plan that nobody carries out.
 */
import { hostOfKey, printKey } from "../keys.ts";
import type { PrAnswer, PrRefusal, Reservation, ReservationKey, ReservationType } from "../reservable.ts";
import { heldByAllRegistrants, heldByOneNexusAlone } from "../reservation-type.ts";
import type { DeviceState, Inspection, PrCommand, ReadBack } from "./job.ts";

/**
 * Why a device is in the way. Besides a device's own refusals: `not-started`, our key or a reservation that has to be there is
 * missing; `not-found`, the key to be removed is registered nowhere; `unproven`, the device shows what was wanted, and yet it is not
 * known whether the other host can do harm no more; `interrupted`, a person or the system ended the run.
 */
export interface Problem {
  readonly kind: PrRefusal["kind"] | "not-started" | "not-found" | "unproven" | "interrupted";
  /** A sentence; the device's name is in front of it wherever it is shown. */
  readonly detail: string;
}

/** One command on one device, and how to tell that it reached what it was for. */
export interface Step {
  readonly command: PrCommand;
  /** What the device has to say when it is read back. */
  readonly reached: (state: DeviceState) => boolean;
  /**
   * False when the state alone counts: another host may have reserved or removed what we were going to, a moment before us, and
   * then the refusal of our command is no failure.
   */
  readonly must_succeed: boolean;
  /** What is read back; all where nothing is said. */
  readonly read_back?: ReadBack;
  /** True when the command is not even sent where the step before left what this one is for. */
  readonly only_if_needed?: boolean;
  /** What a refusal of this command means here, and what to do, as a clause. */
  readonly if_refused?: string;
  /** What is not known although the device shows what was wanted, as a clause, or null. The run goes on, and the device is left. */
  readonly unproven?: (after: DeviceState, answer: PrAnswer<object>) => string | null;
}

export type DevicePlan =
  | { readonly kind: "go"; readonly steps: readonly Step[]; readonly detail: string }
  /** All is as it is wanted already, but for what is not known, as a clause. */
  | { readonly kind: "nothing"; readonly detail: string; readonly unproven?: string | null }
  | { readonly kind: "refused"; readonly problem: Problem };

export interface Plan {
  /** By the index of the device. */
  readonly devices: readonly DevicePlan[];
  /** "all": one refused device keeps the others from being touched. "each": the others go on without it. */
  readonly gate: "all" | "each";
  /** What a failure in the middle leads to: setting back what was changed, or going on with the other devices. */
  readonly on_failure: "undo" | "go-on";
  /** Sentences to be read before anything happens. */
  readonly warnings: readonly string[];
  /** True when another host loses access or protection by this: a person at a terminal is asked first. */
  readonly cuts_off: boolean;
}

/** What each device said when it was looked at, in the order of the devices. */
export type Inspections = readonly (Inspection | PrRefusal)[];

/** Plans each device that could be inspected; one that could not is refused with its own words. */
export function planEach(
  inspections: Inspections,
  plan: (inspection: Inspection, device: number) => DevicePlan,
): DevicePlan[] {
  return inspections.map((inspection, device) =>
    inspection.kind === "inspected" ? plan(inspection, device) : { kind: "refused", problem: inspection },
  );
}

export function refused(kind: Problem["kind"], detail: string): DevicePlan {
  return { kind: "refused", problem: { kind, detail } };
}

/** In these types others that are registered have access as well, so that a second host joins by registering. */
export function admitsRegistrants(type: ReservationType): boolean {
  return !heldByOneNexusAlone(type);
}

/** A key with what it stands for: "0x1000000000010002 (host_id 2, generation 1)". */
export function nameKey(key: ReservationKey): string {
  const owner = hostOfKey(key);
  if (owner === null) return printKey(key);
  const generation = owner.generation === 0 ? "" : `, generation ${owner.generation}`;
  return `${printKey(key)} (host_id ${owner.host_id}${generation})`;
}

/**
 * What is not known when a key is gone and our PREEMPT AND ABORT was not answered as done: the answer may have been lost while the
 * device still ends the host's commands, or another host's command was faster, whose end we don't see.
 */
export function abortUnproven(
  remove: ReservationKey,
  { keys }: DeviceState,
  answer: PrAnswer<object>,
): string | null {
  if (answer.kind === "done" || keys.includes(remove)) return null;
  return `${answer.detail}; the key ${nameKey(remove)} is gone, and it is not known whether its host's commands under way have ended`;
}

/** "WE by 0x1", or "WEAR", where all registrants hold it. */
export function nameReservation({ type, key }: Reservation): string {
  return heldByAllRegistrants(type) ? type : `${type} by ${nameKey(key)}`;
}

/** The different keys of a list, in their order. */
export function distinctKeys(keys: readonly ReservationKey[]): ReservationKey[] {
  return [...new Set(keys)];
}

/** "0x1, 0x2", each with what it stands for; "none". */
export function nameKeys(keys: readonly ReservationKey[]): string {
  const names = distinctKeys(keys).map(nameKey);
  return names.length === 0 ? "none" : names.join(", ");
}

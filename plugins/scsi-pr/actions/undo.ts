/** Setting back what a run changed on a device, and only that: what was there before the run stays. */
import { assert } from "../../../core/assert.ts";
import type { ReservationKey } from "../reservable.ts";
import { heldByAllRegistrants } from "../reservation-type.ts";
import type { DeviceState, KeyList, PrCommand } from "./job.ts";
import { nameKeys, type Step } from "./plan.ts";

/** A step that was sent, and what the device said before (where it was read) and after; null where it could not be read. */
export interface Attempt {
  readonly step: Step;
  readonly before: KeyList | null;
  readonly after: DeviceState | null;
}

export interface Undo {
  readonly steps: readonly Step[];
  /** What stays, and why, as a clause; "" when everything is set back. */
  readonly stays: string;
}

const NOTHING: Undo = { steps: [], stays: "" };

/** What was registered through our nexus before our key was. */
export type FormerKey =
  | { readonly kind: "none" }
  | { readonly kind: "same" }
  | { readonly kind: "other"; readonly key: ReservationKey }
  | { readonly kind: "unknown" };

/**
 * REGISTER AND IGNORE EXISTING KEY does not tell what it replaced; the lists of keys before and after it do. A key that vanished
 * was ours, unless another host left at the same time: the generation counts every registration of everybody, so when it moved
 * on by more than our own, that is not known.
 */
export function formerKey(
  key: ReservationKey,
  before: KeyList,
  after: KeyList,
  has_paths: boolean,
): FormerKey {
  const gained = countOf(key, after) - countOf(key, before);
  const vanished = before.keys.filter((known) => countOf(known, after) < countOf(known, before));
  const [first] = vanished;
  // A map that had some of its paths registered had been started before; taking all of them off would be more than setting back.
  if (first === undefined)
    return gained > 0 && !(has_paths && before.keys.includes(key)) ? { kind: "none" } : { kind: "same" };
  // A multipath map registers each path, and each counts.
  const isOursAlone = after.generation - before.generation === gained;
  const isOneKey = vanished.every((known) => known === first);
  return isOursAlone && isOneKey ? { kind: "other", key: first } : { kind: "unknown" };
}

function countOf(key: ReservationKey, { keys }: KeyList): number {
  return keys.filter((known) => known === key).length;
}

/**
 * Plans the undoing of all attempts on one device. `first` is what it said before the run, `aptpl` its state then; `has_paths` is
 * true for a multipath map, which is registered through several nexus of ours.
 */
export function planUndo(
  attempts: readonly Attempt[],
  { first, aptpl, has_paths }: { first: DeviceState; aptpl: boolean; has_paths: boolean },
): Undo {
  const preempted = attempts.find(({ step }) => step.command.op === "preempt");
  if (preempted !== undefined && mayHavePreempted(preempted)) {
    return {
      steps: [],
      stays:
        preempted.after === null
          ? "it can't be read, so it is not known whether the other host's key was removed"
          : attempts.some(({ step }) => step.command.op === "registerAndIgnore")
            ? "what was removed can't be given back, so our registration stays with it"
            : "what was removed can't be given back",
    };
  }
  const registered = attempts.find(({ step }) => step.command.op === "registerAndIgnore");
  if (registered === undefined) return NOTHING;
  const { command } = registered.step;
  assert(command.op === "registerAndIgnore", "the attempt that was looked for");
  const key = command.to;
  const before = registered.before ?? first;
  const last = attempts.at(-1);
  if (last === undefined || last.after === null || registered.after === null) {
    return { steps: [], stays: "it can't be read, so it is not known what it did, and nothing is set back" };
  }
  const former = formerKey(key, before, registered.after, has_paths);
  if (former.kind === "unknown") {
    return { steps: [], stays: "which key we had here before is not known, so our new one stays" };
  }
  const release = planRelease(attempts, { key, first, will_leave: former.kind === "none" });
  return {
    steps: [
      ...release.steps,
      ...planPersistence(registered, former, { before, aptpl }),
      ...planRegistration(key, former, { before, aptpl }),
    ],
    stays: release.stays,
  };
}

function mayHavePreempted({ step, after }: Attempt): boolean {
  const { command } = step;
  assert(command.op === "preempt", "a preemption is asked about");
  return after === null || !after.keys.includes(command.remove);
}

/**
 * APTPL of our registration is the device's state for all hosts, and where our key stays or leaves nothing else sets it back:
 * REGISTER from the key to itself does. A generation that did not move tells that the device did not take our registration.
 */
function planPersistence(
  { step: { command }, after }: Attempt,
  former: FormerKey,
  { before, aptpl }: { before: KeyList; aptpl: boolean },
): Step[] {
  assert(command.op === "registerAndIgnore", "the attempt that registered");
  const key = command.to;
  if (former.kind !== "same" && former.kind !== "none") return [];
  if (command.aptpl === aptpl || after === null || after.generation === before.generation) return [];
  if (!after.keys.includes(key)) return [];
  return [
    {
      command: { op: "register", from: key, to: key, aptpl },
      reached: (state) => former.kind === "none" || state.keys.includes(key),
      // No state shows APTPL, so the status has to. Where our key is to go as well, a refusal must not keep it here.
      must_succeed: former.kind === "same",
    },
  ];
}

function planRegistration(
  key: ReservationKey,
  former: FormerKey,
  { before, aptpl }: { before: KeyList; aptpl: boolean },
): Step[] {
  if (former.kind !== "none" && former.kind !== "other") return [];
  const to = former.kind === "other" ? former.key : 0n;
  return [
    {
      // This run registered paths that answer; what else has the key was there before.
      command: { op: "register", from: key, to, aptpl, lost_paths: "keep" },
      // Another nexus may have the same key; its registration is not ours to end.
      reached: (state) =>
        countOf(key, state) <= countOf(key, before) && (to === 0n || state.keys.includes(to)),
      must_succeed: false,
    },
  ];
}

/** A reservation that this run made goes again, unless other registrants rely on it by now. */
function planRelease(
  attempts: readonly Attempt[],
  { key, first, will_leave }: { key: ReservationKey; first: DeviceState; will_leave: boolean },
): Undo {
  const reserved = attempts.find(({ step }) => step.command.op === "reserve");
  if (reserved === undefined || first.reservation !== null) return NOTHING;
  const { command } = reserved.step;
  assert(command.op === "reserve", "the attempt that was looked for");
  const { type } = command;
  const now = reserved.after ?? first;
  const isMade = now.reservation?.type === type;
  const isAnothers = now.reservation !== null && !heldByAllRegistrants(type) && now.reservation.key !== key;
  if (!isMade || isAnothers) return NOTHING;
  const others = now.keys.filter((known) => known !== key);
  if (heldByAllRegistrants(type) && others.length > 0) {
    return {
      steps: [],
      stays: `the reservation ${type} stays, since others are registered: ${nameKeys(others)}`,
    };
  }
  // Unregistering the holder, or the last registrant, ends the reservation in the same moment.
  if (will_leave) return NOTHING;
  const release: PrCommand = { op: "release", key, type };
  return {
    steps: [{ command: release, reached: (state) => state.reservation === null, must_succeed: false }],
    stays: "",
  };
}

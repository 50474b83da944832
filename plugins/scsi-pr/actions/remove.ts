/** remove: another host's key is taken off every device by PREEMPT AND ABORT, so that the host can write no longer. */
import { hostOfKey, keysOfNoHost, printKey } from "../keys.ts";
import type { PrAnswer, ReservationKey } from "../reservable.ts";
import { heldByAllRegistrants } from "../reservation-type.ts";
import type { DeviceState, Inspection } from "./job.ts";
import {
  abortUnproven,
  type DevicePlan,
  distinctKeys,
  type Inspections,
  nameKey,
  nameKeys,
  type Plan,
  planEach,
  refused,
} from "./plan.ts";

export interface RemoveRequest {
  readonly our_key: ReservationKey;
  /** Never our own key: whoever calls has to refuse that before. */
  readonly remove_key: ReservationKey;
}

export function planRemove(request: RemoveRequest, inspections: Inspections): Plan {
  const devices = planEach(inspections, (inspection) => planDevice(request, inspection));
  const found = devices.filter((plan) => plan.kind === "go").length;
  const isRefused = devices.some((plan) => plan.kind === "refused");
  const isLost = found === 0 && !isRefused && !isProvenGone(request, inspections);
  return {
    devices: isLost ? planEach(inspections, ({ state }) => notFound(request, inspections, state)) : devices,
    // A removal can't be taken back, so nothing is begun that can't be brought to its end; once begun it is carried through.
    gate: "all",
    on_failure: "go-on",
    warnings:
      found === 0
        ? []
        : [
            `the host with key ${nameKey(request.remove_key)} loses ${found} of ${inspections.length} devices: ` +
              "its commands under way are aborted, its writes fail from then on",
            ...leftWarnings(request, inspections),
          ],
    cuts_off: found > 0,
  };
}

function planDevice({ our_key, remove_key }: RemoveRequest, { state }: Inspection): DevicePlan {
  const { keys, reservation } = state;
  if (!keys.includes(our_key)) {
    return refused(
      "not-started",
      `our key ${nameKey(our_key)} is not registered, so it can't remove another`,
    );
  }
  // Without a reservation every host can write, registered or not: removing the key would look like a fence and be none.
  if (reservation === null) {
    return refused(
      "not-started",
      "there is no reservation, so that a host without a key can write as well; run lvmpersist start first",
    );
  }
  if (
    !heldByAllRegistrants(reservation.type) &&
    reservation.key !== our_key &&
    reservation.key !== remove_key
  ) {
    const keepsOut = reservation.type === "WE" || reservation.type === "EA";
    if (keepsOut) {
      return refused("conflict", `it is reserved ${reservation.type} by ${nameKey(reservation.key)}`);
    }
  }
  if (!keys.includes(remove_key)) {
    const unproven = keysLeft({ our_key, remove_key }, state);
    return { kind: "nothing", detail: `${nameKey(remove_key)} is not registered`, unproven };
  }
  const { type } = reservation;
  return {
    kind: "go",
    steps: [
      {
        command: { op: "preempt", key: our_key, remove: remove_key, type, abort: true },
        // The reservation has to be there still: without it nobody is kept out.
        reached: (after) =>
          !after.keys.includes(remove_key) &&
          after.keys.includes(our_key) &&
          after.reservation?.type === type &&
          (heldByAllRegistrants(type) || after.reservation.key !== remove_key),
        must_succeed: false,
        unproven: (after, answer) => unprovenOf({ our_key, remove_key }, after, answer),
      },
    ],
    detail: `preempt and abort ${nameKey(remove_key)} under ${type}`,
  };
}

/** What is not known of a device that shows the key as gone. */
function unprovenOf(request: RemoveRequest, after: DeviceState, answer: PrAnswer<object>): string | null {
  if (after.keys.includes(request.remove_key)) return null;
  const doubts = [abortUnproven(request.remove_key, after, answer), keysLeft(request, after)];
  const told = doubts.filter((doubt) => doubt !== null).join("; ");
  return told === "" ? null : told;
}

/**
 * With what the removed host may write on. Where it is named by its host_id, its keys of other generations are its own as well, and a
 * key that names no host may be: of a pr_key, or of another program on it. Among hosts that all have keys of their own making nothing
 * can be told, and the key that was named is all that is asked for.
 */
function keysLeft(request: RemoveRequest, state: DeviceState): string | null {
  const told = [otherGenerations(request, state), strangersOf(request, state)].filter(
    (text) => text !== null,
  );
  return told.length === 0 ? null : told.join("; ");
}

/** The keys of other generations of the removed host: it has started anew through another path, or not corrected its key everywhere. */
function otherGenerations({ our_key, remove_key }: RemoveRequest, { keys }: DeviceState): string | null {
  const host_id = hostOfKey(remove_key)?.host_id;
  if (host_id === undefined) return null;
  const others = distinctKeys(keys).filter(
    (key) => hostOfKey(key)?.host_id === host_id && key !== remove_key && key !== our_key,
  );
  if (others.length === 0) return null;
  const isOne = others.length === 1;
  return (
    `${nameKeys(others)} ${isOne ? "is" : "are"} registered, of the same host_id in ${isOne ? "another generation" : "other generations"}, so that the host may write on; ` +
    `where it is to be cut off: lvmpersist remove --ourkey ${printKey(our_key)} --removekey ${printKey(others[0] ?? 0n)}`
  );
}

function strangersOf({ our_key, remove_key }: RemoveRequest, { keys }: DeviceState): string | null {
  if (hostOfKey(remove_key) === null) return null;
  const strangers = keysOfNoHost(keys).filter((key) => key !== our_key);
  if (strangers.length === 0) return null;
  const isOne = strangers.length === 1;
  return (
    `${nameKeys(strangers)} ${isOne ? "is" : "are"} registered, made from no host_id, so that the host may write on with ${isOne ? "it" : "one of them"}; ` +
    `where no other host needs it: lvmpersist remove --ourkey ${printKey(our_key)} --removekey ${printKey(strangers[0] ?? 0n)}`
  );
}

function leftWarnings(request: RemoveRequest, inspections: Inspections): string[] {
  const countOf = (leftOn: typeof keysLeft): number =>
    inspections.filter(
      (inspection) => inspection.kind === "inspected" && leftOn(request, inspection.state) !== null,
    ).length;
  const [others, strangers] = [countOf(otherGenerations), countOf(strangersOf)];
  const total = inspections.length;
  return [
    ...(others === 0
      ? []
      : [`keys of that host in other generations stay on ${others} of ${total} devices: it writes on there`]),
    ...(strangers === 0
      ? []
      : [
          `keys that are made from no host_id stay on ${strangers} of ${total} devices: ` +
            "if one of them is that host's, it writes on",
        ]),
  ];
}

/**
 * A key that is registered nowhere may be mistyped or of another generation, and then the host it was meant for goes on writing.
 * When it is a key of lvm's making and its host_id has no key of any generation on any device, nor has any device a key that could
 * be anybody's, that host is shut out, whoever did it: the second of two survivors that fence the same host finds just this.
 */
function isProvenGone(request: RemoveRequest, inspections: Inspections): boolean {
  const host = hostOfKey(request.remove_key);
  if (host === null) return false;
  return inspections.every(
    (inspection) =>
      inspection.kind === "inspected" &&
      strangersOf(request, inspection.state) === null &&
      inspection.state.keys.every((key) => hostOfKey(key)?.host_id !== host.host_id),
  );
}

function notFound(request: RemoveRequest, inspections: Inspections, state: DeviceState): DevicePlan {
  const keys = inspections.flatMap((inspection) =>
    inspection.kind === "inspected" ? inspection.state.keys : [],
  );
  const nowhere = `${nameKey(request.remove_key)} is not registered on any device, so nothing was removed; registered: ${nameKeys(keys)}`;
  const left = keysLeft(request, state);
  return refused("not-found", left === null ? nowhere : `${nowhere}; ${left}`);
}

/** start --removekey: the devices are taken from the host with that key, whose commands under way are aborted. */
import type { PrAnswer, ReservationKey } from "../reservable.ts";
import { heldByAllRegistrants } from "../reservation-type.ts";
import type { Inspection } from "./job.ts";
import { refuseSharing } from "./one-host.ts";
import {
  abortUnproven,
  admitsRegistrants,
  type DevicePlan,
  type Inspections,
  nameKey,
  nameKeys,
  nameReservation,
  type Plan,
  planEach,
  refused,
} from "./plan.ts";
import {
  exclusionWarnings,
  inability,
  isStarted,
  planStart,
  powerLossWarnings,
  registerStep,
  reserveStep,
  type StartRequest,
} from "./start.ts";

export interface TakeOverRequest extends StartRequest {
  readonly remove_key: ReservationKey;
}

export function planTakeOver(request: TakeOverRequest, inspections: Inspections): Plan {
  const devices = planEach(inspections, (inspection, device) =>
    planDevice(request, inspection, () => planStart(request, [inspection]).devices[0] ?? raced(device)),
  );
  const found = inspections.filter((inspection) => hasKey(inspection, request.remove_key)).length;
  const everywhereStarted = inspections.every(
    (inspection) => inspection.kind === "inspected" && isOurs(request, inspection),
  );
  const excluding = exclusionWarnings(request, inspections, request.remove_key);
  return {
    // A key that is nowhere is most likely mistyped, unless an earlier run got through and only its answer was lost.
    devices:
      found > 0 || everywhereStarted
        ? devices
        : planEach(inspections, ({ state }) => notFound(request, state.keys)),
    gate: "all",
    on_failure: "undo",
    warnings: [
      ...(found === 0
        ? []
        : [
            `the host with key ${nameKey(request.remove_key)} loses ${found} of ${inspections.length} devices: ` +
              "its key and reservation are removed, its commands under way are aborted, its writes fail from then on",
          ]),
      ...excluding,
      ...powerLossWarnings(request, inspections, request.remove_key),
    ],
    cuts_off: found > 0 || excluding.length > 0,
  };
}

function hasKey(inspection: Inspections[number], key: ReservationKey): boolean {
  return inspection.kind === "inspected" && inspection.state.keys.includes(key);
}

function isOurs(request: StartRequest, { state, transport }: Inspection): boolean {
  return isStarted(state, request.our_key, request.typeOf(transport));
}

function notFound({ remove_key }: TakeOverRequest, keys: readonly ReservationKey[]): DevicePlan {
  return refused(
    "not-found",
    `the key to take over from, ${nameKey(remove_key)}, is not registered on any device; here is: ${nameKeys(keys)}`,
  );
}

function raced(device: number): DevicePlan {
  return refused("failed", `device ${device} has no plan`);
}

function planDevice(
  request: TakeOverRequest,
  inspection: Inspection,
  startOnly: () => DevicePlan,
): DevicePlan {
  const { our_key, remove_key } = request;
  const { state } = inspection;
  const type = request.typeOf(inspection.transport);
  const unable = inability(request, inspection) ?? refuseSharing(request, inspection, remove_key);
  if (unable !== null) return unable;
  // An earlier run that was ended in the middle has taken this one over already, or that host never had it.
  if (!state.keys.includes(remove_key)) return startOnly();
  const { reservation } = state;
  if (reservation !== null && heldByAllRegistrants(reservation.type) && reservation.type !== type) {
    return refused(
      "conflict",
      `it is reserved ${reservation.type}, and removing one key of several does not make that ${type}; ` +
        `registered: ${nameKeys(state.keys)}`,
    );
  }
  const holder = reservation === null || heldByAllRegistrants(reservation.type) ? null : reservation.key;
  if (holder !== null && holder !== remove_key && holder !== our_key) {
    return refused("conflict", `it is reserved ${nameReservation(reservation ?? { type, key: holder })}`);
  }
  if (holder === our_key && reservation?.type !== type) {
    return refused(
      "conflict",
      `our own key has it reserved ${reservation?.type}, and not ${type} as asked for`,
    );
  }
  const preempt = {
    command: { op: "preempt", key: our_key, remove: remove_key, type, abort: true },
    reached: (after: Inspection["state"]) => !after.keys.includes(remove_key) && after.keys.includes(our_key),
    must_succeed: false,
    unproven: (after: Inspection["state"], answer: PrAnswer<object>) =>
      abortUnproven(remove_key, after, answer),
  } as const;
  const moves = admitsRegistrants(type) || holder === remove_key || inspection.transport === "nvme";
  // PREEMPT moves a reservation that the removed key held. Where that key was only registered, RESERVE is still to be done.
  return {
    kind: "go",
    steps: [
      registerStep(request, inspection.transport, { read_back: "keys", leaving: remove_key }),
      preempt,
      reserveStep(our_key, type, moves),
    ],
    detail: `register ${nameKey(our_key)}, preempt and abort ${nameKey(remove_key)}, and hold ${type}`,
  };
}

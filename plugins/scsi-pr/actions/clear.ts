/** clear: all keys and the reservation are taken off every device, and with them the protection of every host. */
import type { ReservationKey } from "../reservable.ts";
import type { DeviceState, Inspection } from "./job.ts";
import { type DevicePlan, type Inspections, nameKeys, type Plan, type Step } from "./plan.ts";

export interface ClearRequest {
  readonly our_key: ReservationKey;
}

export function planClear(request: ClearRequest, inspections: Inspections): Plan {
  const others = inspections
    .flatMap((inspection) => (inspection.kind === "inspected" ? inspection.state.keys : []))
    .filter((key) => key !== request.our_key);
  const hasReservable = inspections.some(({ kind }) => kind === "inspected");
  return {
    devices: inspections.map((inspection) => planDevice(request, inspection, hasReservable)),
    gate: "each",
    on_failure: "go-on",
    warnings: [
      ...(others.length === 0
        ? []
        : [`these hosts lose their keys, and any host can write from then on: ${nameKeys(others)}`]),
      ...(hasReservable ? inspections.flatMap(passedOver) : []),
    ],
    cuts_off: others.length > 0,
  };
}

function planDevice(
  { our_key }: ClearRequest,
  inspection: Inspections[number],
  hasReservable: boolean,
): DevicePlan {
  // A VG may mix devices without persistent reservations with others, and those are passed over. Where there is no other,
  // the wrong device was named, say a partition of a reserved disk, and calling that clear would leave the disk reserved.
  if (inspection.kind === "unsupported" && hasReservable)
    return { kind: "nothing", detail: inspection.detail };
  if (inspection.kind !== "inspected") return { kind: "refused", problem: inspection };
  return planInspected(our_key, inspection);
}

/** A device that nothing is done to is told of, since "cleared" is said of all. Its refusal names it. */
function passedOver(inspection: Inspections[number]): string[] {
  return inspection.kind === "unsupported" ? [`not cleared: ${inspection.detail}`] : [];
}

function planInspected(our_key: ReservationKey, { state, capabilities }: Inspection): DevicePlan {
  if (isClear(state)) return { kind: "nothing", detail: "no keys and no reservation" };
  const register: Step = {
    command: {
      op: "registerAndIgnore",
      to: our_key,
      // What is going to be cleared keeps its way of lasting until then.
      aptpl: capabilities?.persist_through_power_loss.active ?? false,
    },
    reached: (after) => after.keys.includes(our_key),
    must_succeed: true,
    read_back: "keys",
  };
  const clear: Step = {
    command: { op: "clear", key: our_key },
    reached: isClear,
    must_succeed: false,
  };
  // CLEAR is only taken from a registrant. Our key in the list may be another nexus's, so it is registered in any case.
  return { kind: "go", steps: [register, clear], detail: `clear the keys ${nameKeys(state.keys)}` };
}

function isClear(state: DeviceState): boolean {
  return state.keys.length === 0 && state.reservation === null;
}

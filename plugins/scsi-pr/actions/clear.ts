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
  return {
    devices: inspections.map((inspection) => planDevice(request, inspection)),
    gate: "each",
    on_failure: "go-on",
    warnings:
      others.length === 0
        ? []
        : [`these hosts lose their keys, and any host can write from then on: ${nameKeys(others)}`],
    cuts_off: others.length > 0,
  };
}

function planDevice({ our_key }: ClearRequest, inspection: Inspections[number]): DevicePlan {
  // What has no persistent reservations has nothing to clear; a VG may mix such devices with others.
  if (inspection.kind === "unsupported") return { kind: "nothing", detail: inspection.detail };
  if (inspection.kind !== "inspected") return { kind: "refused", problem: inspection };
  return planInspected(our_key, inspection);
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

/** stop: our key is taken off every device; with the last registration, or the holder's, the reservation goes as well. */
import type { ReservationKey } from "../reservable.ts";
import type { Inspection } from "./job.ts";
import {
  type DevicePlan,
  distinctKeys,
  type Inspections,
  nameKey,
  nameKeys,
  type Plan,
  planEach,
} from "./plan.ts";

export interface StopRequest {
  readonly our_key: ReservationKey;
}

export function planStop(request: StopRequest, inspections: Inspections): Plan {
  return {
    devices: planEach(inspections, (inspection) => planDevice(request, inspection)),
    // A host that goes wants its key off as many devices as possible; putting it back would be the opposite of stopping.
    gate: "each",
    on_failure: "go-on",
    warnings: openWarnings(request, inspections),
    cuts_off: false,
  };
}

function planDevice({ our_key }: StopRequest, { state }: Inspection): DevicePlan {
  if (!state.keys.includes(our_key)) {
    return { kind: "nothing", detail: `${nameKey(our_key)} is not registered` };
  }
  return {
    kind: "go",
    steps: [
      {
        // Unregistering keeps the device's persistence, which is that of the hosts that stay; the flag is not looked at.
        command: { op: "register", from: our_key, to: 0n, aptpl: false },
        reached: (after) => !after.keys.includes(our_key),
        must_succeed: false,
      },
    ],
    detail: `unregister ${nameKey(our_key)}`,
  };
}

/** In the registrants-only types the holder takes the reservation with it, and then everybody can write. */
function openWarnings({ our_key }: StopRequest, inspections: Inspections): string[] {
  const others = new Set<ReservationKey>();
  for (const inspection of inspections) {
    if (inspection.kind !== "inspected") continue;
    const { reservation, keys } = inspection.state;
    const isOurs =
      (reservation?.type === "WERO" || reservation?.type === "EARO") && reservation.key === our_key;
    if (isOurs) for (const key of distinctKeys(keys)) if (key !== our_key) others.add(key);
  }
  return others.size === 0
    ? []
    : [
        `our reservation ends for these registered hosts as well, and any host can write: ${nameKeys([...others])}`,
      ];
}

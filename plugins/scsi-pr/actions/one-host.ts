/** Access for one host on a multipath map, whose reservation is of a type that lets every registered host write: its paths have to. */
import { hostOfKey } from "../keys.ts";
import type { ReservationKey } from "../reservable.ts";
import { heldByAllRegistrants, heldByOneNexusAlone } from "../reservation-type.ts";
import type { DeviceState, Inspection } from "./job.ts";
import { type DevicePlan, distinctKeys, nameKeys, refused } from "./plan.ts";
import type { StartRequest } from "./start.ts";

/** The reservation lets others in that the request wants to keep out. */
function admitsTooMany({ typeOf }: StartRequest, transport: Inspection["transport"]): boolean {
  return heldByOneNexusAlone(typeOf("scsi")) && heldByAllRegistrants(typeOf(transport));
}

/**
 * Refuses a map on which another host is registered; null when it is this host's alone. `leaving` is the key that is going to be removed.
 * An earlier key of the same host_id is one that registering replaces; `isAlone` sees whether it did.
 */
export function refuseSharing(
  request: StartRequest,
  { transport, state }: Inspection,
  leaving: ReservationKey | null = null,
): DevicePlan | null {
  if (!admitsTooMany(request, transport)) return null;
  const host_id = hostOfKey(request.our_key)?.host_id;
  const others = distinctKeys(state.keys).filter(
    (key) =>
      key !== request.our_key &&
      key !== leaving &&
      (host_id === undefined || hostOfKey(key)?.host_id !== host_id),
  );
  if (others.length === 0) return null;
  return refused(
    "conflict",
    `access for one host was asked for, but on a multipath device every registered host can write, and registered is: ${nameKeys(others)}; ` +
      "run lvmpersist stop on that host, or start --access sh",
  );
}

/** Of two hosts that start at once the later one sees the other's key, when it reads back what it has registered. */
export function isAlone(
  request: StartRequest,
  transport: Inspection["transport"],
  leaving: ReservationKey | null = null,
): (state: DeviceState) => boolean {
  if (!admitsTooMany(request, transport)) return () => true;
  return ({ keys }) => keys.every((key) => key === request.our_key || key === leaving);
}

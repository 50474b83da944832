/** start: our key on every device, and the reservation; nobody else loses what it has. */
import type { ReservationKey, ReservationType } from "../reservable.ts";
import { heldByAllRegistrants, heldByOneNexusAlone } from "../reservation-type.ts";
import type { DeviceState, Inspection, ReadBack } from "./job.ts";
import { isAlone, refuseSharing } from "./one-host.ts";
import {
  admitsRegistrants,
  type DevicePlan,
  distinctKeys,
  type Inspections,
  nameKey,
  nameKeys,
  nameReservation,
  type Plan,
  planEach,
  refused,
  type Step,
} from "./plan.ts";

export interface StartRequest {
  readonly our_key: ReservationKey;
  /** Registrations and reservation are to outlive a loss of power. */
  readonly aptpl: boolean;
  readonly typeOf: TypeChoice;
}

/** The reservation type for a kind of device. */
export type TypeChoice = (transport: Inspection["transport"]) => ReservationType;

/**
 * "ex" is for one host, "sh" for all that register. A multipath map needs an all-registrants type even for one host, because
 * each path is a registrant of its own and with WE only the path that reserved could write.
 */
export function typeForAccess(access: "ex" | "sh"): TypeChoice {
  return (transport) => (access === "ex" && transport !== "multipath" ? "WE" : "WEAR");
}

export function planStart(request: StartRequest, inspections: Inspections): Plan {
  const excluding = exclusionWarnings(request, inspections);
  return {
    devices: planEach(inspections, (inspection) => planDevice(request, inspection)),
    gate: "all",
    on_failure: "undo",
    warnings: [...excluding, ...powerLossWarnings(request, inspections)],
    cuts_off: excluding.length > 0,
  };
}

function planDevice(request: StartRequest, inspection: Inspection): DevicePlan {
  const type = request.typeOf(inspection.transport);
  const unable = inability(request, inspection) ?? refuseSharing(request, inspection);
  if (unable !== null) return unable;
  const { our_key } = request;
  const { transport, state } = inspection;
  const { reservation, keys } = state;
  if (reservation === null) {
    const detail = `register ${nameKey(our_key)} and reserve ${type}`;
    const register = registerStep(request, transport, { read_back: "keys" });
    return { kind: "go", steps: [register, reserveStep(our_key, type)], detail };
  }
  const foreign = refuseReservation(request, inspection);
  if (foreign !== null) return foreign;
  const again = keys.includes(our_key) ? "again " : "";
  const detail = `register ${nameKey(our_key)} ${again}under the reservation ${nameReservation(reservation)}`;
  // Registering a key that is there already is no waste: it may be another nexus, say of an earlier boot, that it came through.
  const register = registerStep(request, transport);
  // Where registering alone joins the reservation, that one may have ended with another host's stop before we were registered.
  const reserve = reserveStep(our_key, type, admitsRegistrants(type) || transport === "nvme");
  return { kind: "go", steps: [register, reserve], detail };
}

/** Refuses a device that can't do what is asked of it; null when it can. */
export function inability(request: StartRequest, inspection: Inspection): DevicePlan | null {
  const { capabilities, transport } = inspection;
  const type = request.typeOf(transport);
  if (transport === "multipath" && heldByOneNexusAlone(type)) {
    return refused(
      "unsupported",
      `with ${type} only one path of a multipath device could write; use --access, or --prtype WEAR`,
    );
  }
  if (capabilities !== null && !capabilities.types.includes(type)) {
    const able = capabilities.types.join(", ") || "none";
    return refused("unsupported", `the device does not support reservation type ${type}; it has: ${able}`);
  }
  if (request.aptpl && capabilities === null) {
    return refused(
      "unsupported",
      "the device does not tell whether it keeps registrations through a loss of power; start without --ptpl",
    );
  }
  if (request.aptpl && capabilities !== null && !capabilities.persist_through_power_loss.capable) {
    return refused(
      "unsupported",
      "the device can't keep registrations through a loss of power; start without --ptpl",
    );
  }
  return null;
}

/** Refuses a device whose reservation is not the wanted one, or is another host's alone; null when it can be joined. */
function refuseReservation(request: StartRequest, { transport, state }: Inspection): DevicePlan | null {
  const type = request.typeOf(transport);
  const { reservation } = state;
  if (reservation === null) return null;
  const ours = !heldByAllRegistrants(reservation.type) && reservation.key === request.our_key;
  if (reservation.type === type && (ours || admitsRegistrants(type))) return null;
  const held = `it is reserved ${nameReservation(reservation)}`;
  if (ours) {
    return refused(
      "conflict",
      `${held}, which is our own key, and not ${type} as asked for; run lvmpersist stop first`,
    );
  }
  if (reservation.type !== type && heldByAllRegistrants(reservation.type)) {
    const others = distinctKeys(state.keys).filter((key) => key !== request.our_key);
    return refused(
      "conflict",
      `${held} and not ${type} as asked for; registered: ${nameKeys(others.length > 0 ? others : state.keys)}`,
    );
  }
  return refused("conflict", `${held}; lvmpersist start --removekey takes it from that host`);
}

interface RegisterOptions {
  /** "keys" where another step follows in any case and reads all. */
  readonly read_back?: ReadBack;
  /** The key that is going to be removed. */
  readonly leaving?: ReservationKey;
}

export function registerStep(
  request: StartRequest,
  transport: Inspection["transport"],
  { read_back = "all", leaving }: RegisterOptions = {},
): Step {
  const { our_key, aptpl } = request;
  const alone = isAlone(request, transport, leaving ?? null);
  return {
    command: { op: "registerAndIgnore", to: our_key, aptpl },
    reached: (state) => state.keys.includes(our_key) && alone(state),
    must_succeed: true,
    read_back,
  };
}

const SAME_KEY =
  "where that is our own key, another nexus has it, of an earlier boot or of a host with the same key; lvmpersist clear on another host frees it";

/**
 * RESERVE. Two hosts that start together may both find no reservation; with the types that admit registrants the later one is
 * started all the same, although NVMe refuses its command. `only_if_needed` where the key shows that it is us who hold it: on
 * SCSI another nexus may have the same key, say of an earlier boot, and only RESERVE tells whether this one is the holder.
 */
export function reserveStep(key: ReservationKey, type: ReservationType, only_if_needed = false): Step {
  return {
    command: { op: "reserve", key, type },
    reached: (state) => isStarted(state, key, type),
    // WE and EA show the key, and a key does not show through which nexus it holds; only the command's status tells that.
    must_succeed: !admitsRegistrants(type),
    only_if_needed,
    ...(admitsRegistrants(type) ? {} : { if_refused: SAME_KEY }),
  };
}

/** True when `key` is registered and the reservation of this type lets it write. */
export function isStarted(state: DeviceState, key: ReservationKey, type: ReservationType): boolean {
  const { reservation } = state;
  if (!state.keys.includes(key) || reservation === null || reservation.type !== type) return false;
  return admitsRegistrants(type) || reservation.key === key;
}

/**
 * A new reservation shuts out whoever is not registered, and with WE and EA also those that are: these can be named. So does one
 * that is taken from the host `leaving`, where the others could write under it.
 */
export function exclusionWarnings(
  request: StartRequest,
  inspections: Inspections,
  leaving: ReservationKey | null = null,
): string[] {
  const shut_out = otherKeys(
    request,
    inspections,
    (type, { reservation }) =>
      !admitsRegistrants(type) &&
      (reservation === null || (reservation.key === leaving && admitsRegistrants(reservation.type))),
  ).filter((key) => key !== leaving);
  return shut_out.length === 0
    ? []
    : [`registered hosts can no longer write once this reservation is taken: ${nameKeys(shut_out)}`];
}

/** The keys of others on the devices for which this holds, each once. */
function otherKeys(
  request: StartRequest,
  inspections: Inspections,
  holds: (type: ReservationType, state: DeviceState) => boolean,
): ReservationKey[] {
  const keys = inspections.flatMap((inspection) =>
    inspection.kind === "inspected" && holds(request.typeOf(inspection.transport), inspection.state)
      ? inspection.state.keys
      : [],
  );
  return distinctKeys(keys).filter((key) => key !== request.our_key);
}

/** APTPL of the latest REGISTER is the device's state for all hosts, so a start without it turns off what another host wanted. */
export function powerLossWarnings(
  request: StartRequest,
  inspections: Inspections,
  leaving: ReservationKey | null = null,
): string[] {
  if (request.aptpl) return [];
  const active = inspections.some(
    (inspection) =>
      inspection.kind === "inspected" &&
      inspection.capabilities?.persist_through_power_loss.active === true &&
      inspection.state.keys.some((key) => key !== request.our_key && key !== leaving),
  );
  return active
    ? ["other hosts' registrations outlive a loss of power now; this start, without --ptpl, ends that"]
    : [];
}

/**
 * What one device is asked to do at one time, as plain data, so that the thread that has the device open may be another one than
 * the thread that decides. Every command that changes something is followed by reading back: what the device then says is what
 * counts, not the status of the command.
 */
import type {
  PrAnswer,
  PrCapabilities,
  PrRefusal,
  Registration,
  ReservableDevice,
  Reservation,
  ReservationKey,
  ReservationType,
} from "../reservable.ts";

/** Who is registered and what is reserved. A key that is registered through several nexus is listed as often. */
export interface DeviceState {
  readonly generation: number;
  readonly keys: readonly ReservationKey[];
  readonly reservation: Reservation | null;
}

/** The commands that change something, under their names in ReservableDevice. */
export type PrCommand =
  | {
      readonly op: "register";
      readonly from: ReservationKey;
      readonly to: ReservationKey;
      readonly aptpl: boolean;
    }
  | { readonly op: "registerAndIgnore"; readonly to: ReservationKey; readonly aptpl: boolean }
  | { readonly op: "reserve"; readonly key: ReservationKey; readonly type: ReservationType }
  | { readonly op: "release"; readonly key: ReservationKey; readonly type: ReservationType }
  | { readonly op: "clear"; readonly key: ReservationKey }
  | {
      readonly op: "preempt";
      readonly key: ReservationKey;
      readonly remove: ReservationKey;
      readonly type: ReservationType;
      readonly abort: boolean;
    };

/** What to look at: keys and reservation always; what the device can do; through which nexus each key came. */
export interface InspectionScope {
  readonly capabilities: boolean;
  readonly full_status: boolean;
}

export type Job =
  | ({ readonly kind: "inspect" } & InspectionScope)
  | { readonly kind: "command"; readonly command: PrCommand };

export interface Inspection {
  readonly kind: "inspected";
  readonly transport: ReservableDevice["transport"];
  readonly state: DeviceState;
  readonly capabilities: PrCapabilities | null;
  /** null when it was not asked for, or the device does not tell. */
  readonly registrations: readonly Registration[] | null;
}

/** A command and what the device said before and after it. `before` is read for registrations only: undoing needs it. */
export interface Commanded {
  readonly kind: "commanded";
  readonly before: DeviceState | null;
  readonly answer: PrAnswer<object>;
  readonly after: StateAnswer;
}

export type StateAnswer = ({ readonly kind: "state" } & { readonly state: DeviceState }) | PrRefusal;
export type JobAnswer = Inspection | Commanded | PrRefusal;

/** Does a job on an open device. It blocks for as long as the device takes to answer. */
export function runJob(device: ReservableDevice, job: Job): JobAnswer {
  return job.kind === "inspect" ? inspect(device, job) : command(device, job.command);
}

function inspect(device: ReservableDevice, scope: InspectionScope): Inspection | PrRefusal {
  // Capabilities first: a device without persistent reservations is best known by its refusal of this one.
  const capabilities = scope.capabilities ? device.readCapabilities() : null;
  if (capabilities !== null && capabilities.kind !== "done") return capabilities;
  const read = readState(device);
  if (read.kind !== "state") return read;
  const full = scope.full_status ? device.readFullStatus() : null;
  return {
    kind: "inspected",
    transport: device.transport,
    state: read.state,
    capabilities: capabilities?.capabilities ?? null,
    // Many targets have no READ FULL STATUS; keys and reservation are the answer then.
    registrations: full?.kind === "done" ? full.registrations : null,
  };
}

function command(device: ReservableDevice, wanted: PrCommand): Commanded | PrRefusal {
  const before = wanted.op === "registerAndIgnore" ? readState(device) : null;
  if (before !== null && before.kind !== "state") return before;
  const answer = send(device, wanted);
  return { kind: "commanded", before: before?.state ?? null, answer, after: readState(device) };
}

function readState(device: ReservableDevice): StateAnswer {
  const keys = device.readKeys();
  if (keys.kind !== "done") return keys;
  const reservation = device.readReservation();
  if (reservation.kind !== "done") return reservation;
  return {
    kind: "state",
    state: { generation: keys.generation, keys: keys.keys, reservation: reservation.reservation },
  };
}

function send(device: ReservableDevice, wanted: PrCommand): PrAnswer<object> {
  switch (wanted.op) {
    case "register":
      return device.register(wanted);
    case "registerAndIgnore":
      return device.registerAndIgnore(wanted);
    case "reserve":
      return device.reserve(wanted);
    case "release":
      return device.release(wanted);
    case "clear":
      return device.clear(wanted);
    case "preempt":
      return device.preempt(wanted);
  }
}

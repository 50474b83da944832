/**
 * What one device is asked to do at one time, as plain data, so that the thread that has the device open may be another one than
 * the thread that decides. Every command that changes something is followed by reading back: what the device then says is what
 * counts, not the status of the command.
 */
import type { Script } from "../exchange.ts";
import { runScript } from "../perform.ts";
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
import { commandsOf, type ScriptedCommands } from "../scripted-device.ts";
import { type PathState, pathStates } from "./paths.ts";

/** Who is registered. A key that is registered through several nexus is listed as often. */
export interface KeyList {
  readonly generation: number;
  readonly keys: readonly ReservationKey[];
}

/** Who is registered and what is reserved. */
export interface DeviceState extends KeyList {
  readonly reservation: Reservation | null;
}

/** The commands that change something, under their names in ReservableDevice. */
export type PrCommand =
  | {
      readonly op: "register";
      readonly from: ReservationKey;
      readonly to: ReservationKey;
      readonly aptpl: boolean;
      readonly lost_paths?: "remove" | "keep";
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
  /** The paths of a multipath map, asked for these keys, or for those that are registered. */
  readonly paths_with?: readonly ReservationKey[] | "registered";
}

export type Job =
  | ({ readonly kind: "inspect" } & InspectionScope)
  | { readonly kind: "command"; readonly command: PrCommand; readonly read_back: ReadBack };

/**
 * What is read after a command. "keys" will do for a registration that another step follows, which reads all: it changes nothing
 * but keys. Where it did not do what it was sent for, all is read.
 */
export type ReadBack = "keys" | "all";

export interface Inspection {
  readonly kind: "inspected";
  readonly transport: ReservableDevice["transport"];
  readonly state: DeviceState;
  /** Null where they were not asked for, and where the device does not tell them. */
  readonly capabilities: PrCapabilities | null;
  /** null when it was not asked for, or the device does not tell. */
  readonly registrations: readonly Registration[] | null;
  /** Of a multipath map, when they were asked for. */
  readonly paths?: readonly PathState[];
}

/**
 * A command and what the device said before and after it. `before` is read for registrations only, and only keys: undoing finds
 * out from them what our nexus had.
 */
export interface Commanded {
  readonly kind: "commanded";
  readonly before: KeyList | null;
  readonly answer: PrAnswer<object>;
  readonly after: StateAnswer;
}

export type StateAnswer =
  | { readonly kind: "state"; readonly state: DeviceState }
  | { readonly kind: "keys"; readonly list: KeyList }
  | PrRefusal;

/** The thread that worked on it is gone, so that nobody knows whether the command was sent. */
export interface LostJob {
  readonly kind: "lost";
  readonly detail: string;
}

/** A refusal of a job means that its command was not sent. */
export type JobAnswer = Inspection | Commanded | LostJob | PrRefusal;

/** What a job is done on. */
export interface JobDevice {
  readonly transport: ReservableDevice["transport"];
  readonly commands: ScriptedCommands;
}

/** Does a job on an open device. It blocks for as long as the device takes to answer. */
export function runJob(device: ReservableDevice, job: Job): JobAnswer {
  const commands = commandsOf(device);
  return runScript(jobScript({ transport: device.transport, commands }, job), () => ({ kind: "paused" }));
}

/** A job as a script, so that those of many devices can go on side by side. */
export function jobScript(device: JobDevice, job: Job): Script<JobAnswer> {
  return job.kind === "inspect" ? inspect(device, job) : command(device, job);
}

function* inspect(
  { transport, commands }: JobDevice,
  scope: InspectionScope,
): Script<Inspection | PrRefusal> {
  const capabilities = scope.capabilities ? yield* commands.readCapabilities() : null;
  if (capabilities !== null && capabilities.kind !== "done" && capabilities.kind !== "unsupported")
    return capabilities;
  const read = yield* readState(commands);
  if (read.kind === "keys") throw new Error("an inspection reads the reservation too");
  // Disks older than SPC-3 have reservations without REPORT CAPABILITIES. One that has none is best known by its refusal of that.
  if (read.kind !== "state")
    return capabilities?.kind === "unsupported" && read.kind === "unsupported" ? capabilities : read;
  const full = scope.full_status ? yield* commands.readFullStatus() : null;
  const { paths_with } = scope;
  const keys = paths_with === "registered" ? read.state.keys : paths_with;
  const paths =
    transport === "multipath" && keys !== undefined ? yield* pathStates(commands, keys) : undefined;
  return {
    kind: "inspected",
    ...(paths === undefined ? {} : { paths }),
    transport,
    state: read.state,
    capabilities: capabilities?.kind === "done" ? capabilities.capabilities : null,
    // Many targets have no READ FULL STATUS; keys and reservation are the answer then.
    registrations: full?.kind === "done" ? full.registrations : null,
  };
}

type CommandJob = Extract<Job, { readonly kind: "command" }>;

function* command(
  { commands }: JobDevice,
  { command: wanted, read_back }: CommandJob,
): Script<Commanded | PrRefusal> {
  const before = wanted.op === "registerAndIgnore" ? yield* commands.readKeys() : null;
  if (before !== null && before.kind !== "done") return before;
  const answer = yield* send(commands, wanted);
  const isEnough = (keys: readonly ReservationKey[]): boolean =>
    read_back === "keys" &&
    wanted.op === "registerAndIgnore" &&
    answer.kind === "done" &&
    keys.includes(wanted.to);
  return { kind: "commanded", before, answer, after: yield* readState(commands, isEnough) };
}

/** Reads keys, and the reservation where the keys are not enough. */
function* readState(
  commands: ScriptedCommands,
  areEnough: (keys: readonly ReservationKey[]) => boolean = () => false,
): Script<StateAnswer> {
  const read = yield* commands.readKeys();
  if (read.kind !== "done") return read;
  const { generation, keys } = read;
  if (areEnough(keys)) return { kind: "keys", list: { generation, keys } };
  const reservation = yield* commands.readReservation();
  if (reservation.kind !== "done") return reservation;
  return { kind: "state", state: { generation, keys, reservation: reservation.reservation } };
}

function send(commands: ScriptedCommands, wanted: PrCommand): Script<PrAnswer<object>> {
  switch (wanted.op) {
    case "register":
      return commands.register(wanted);
    case "registerAndIgnore":
      return commands.registerAndIgnore(wanted);
    case "reserve":
      return commands.reserve(wanted);
    case "release":
      return commands.release(wanted);
    case "clear":
      return commands.clear(wanted);
    case "preempt":
      return commands.preempt(wanted);
  }
}

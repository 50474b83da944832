/**
 * A logical unit that keeps SPC-4's rules of persistent reservations in memory, and a nexus to it for each host. It serves unit
 * tests of what decides about reservations; no claim about a real device rests on it.
 */
import type {
  Nexus,
  PrAnswer,
  PrRefusal,
  Registration,
  ReservableDevice,
  Reservation,
  ReservationKey,
  ReservationType,
} from "../../../plugins/scsi-pr/reservable.ts";

export interface FakeDiskOptions {
  readonly path?: string;
  readonly transport?: ReservableDevice["transport"];
  readonly types?: readonly ReservationType[];
  /** PTPL_C: registrations that shall outlive a loss of power are kept then, and refused otherwise. */
  readonly ptpl_capable?: boolean;
}

type Command =
  | "register"
  | "registerAndIgnore"
  | "reserve"
  | "release"
  | "clear"
  | "preempt"
  | "read"
  | "probe";

export interface FakeDisk {
  /** The device as a host sees it through this nexus; any number may be open. */
  open(nexus: string): ReservableDevice;
  /** What a write through this nexus would meet. */
  write(nexus: string): "written" | "conflict";
  /** Answers every command of the nexus ("*": of all) with this, until it is null. */
  breakDown(nexus: string, refusal: PrRefusal["kind"] | null): void;
  /**
   * Calls `hook` before each command; a refusal that it returns is the answer. For failures and races at one point. `probe` is
   * the REGISTER of the key by itself that tells whether a nexus is registered.
   */
  before(hook: ((nexus: string, command: Command) => PrRefusal | undefined) | null): void;
  /** Power is lost and returns: without APTPL nothing is left. */
  losePower(): void;
  readonly registered: ReadonlyMap<string, ReservationKey>;
  readonly reservation: Reservation | null;
  /** Commands that could have changed something, of all nexus: "register host1". */
  readonly changes: readonly string[];
  /** Devices that are open now. */
  readonly open_count: number;
}

const DONE = { kind: "done" } as const;
const ALL_TYPES: readonly ReservationType[] = ["WE", "EA", "WERO", "EARO", "WEAR", "EAAR"];

interface Unit {
  readonly keys: Map<string, ReservationKey>;
  /** The nexus that reserved, or null for a type that all registrants hold. */
  held: { type: ReservationType; nexus: string | null } | null;
  generation: number;
  ptpl: boolean;
}

const heldByAll = (type: ReservationType): boolean => type === "WEAR" || type === "EAAR";

export function createFakeDisk(options: FakeDiskOptions = {}): FakeDisk {
  const { path = "/dev/fake", transport = "scsi", types = ALL_TYPES, ptpl_capable = true } = options;
  const unit: Unit = { keys: new Map(), held: null, generation: 0, ptpl: false };
  const broken = new Map<string, PrRefusal["kind"]>();
  const changes: string[] = [];
  let hook: ((nexus: string, command: Command) => PrRefusal | undefined) | null = null;
  let open_count = 0;

  const guard = (nexus: string, command: Command): PrRefusal | null => {
    const kind = broken.get(nexus) ?? broken.get("*");
    if (kind !== undefined) return { kind, detail: `${path} is broken for the test (${kind})` };
    const refused = hook?.(nexus, command);
    if (refused !== undefined) return refused;
    if (command !== "read" && command !== "probe") changes.push(`${command} ${nexus}`);
    return null;
  };
  const conflict = (command: string): PrRefusal => ({
    kind: "conflict",
    detail: `${path}: ${command} met a reservation conflict`,
  });

  return {
    open(nexus) {
      open_count++;
      let closed = false;
      const device = createDevice({ unit, nexus, path, transport, types, ptpl_capable, guard, conflict });
      return {
        ...device,
        close() {
          if (!closed) open_count--;
          closed = true;
        },
      };
    },
    write(nexus) {
      const { held, keys } = unit;
      if (held === null || held.nexus === nexus) return "written";
      const everyRegistrant = held.type !== "WE" && held.type !== "EA";
      return everyRegistrant && keys.has(nexus) ? "written" : "conflict";
    },
    breakDown(nexus, kind) {
      if (kind === null) broken.delete(nexus);
      else broken.set(nexus, kind);
    },
    before(wanted) {
      hook = wanted;
    },
    losePower() {
      if (unit.ptpl) return;
      unit.keys.clear();
      unit.held = null;
      unit.generation = 0;
    },
    get registered() {
      return unit.keys;
    },
    get reservation() {
      return currentReservation(unit);
    },
    changes,
    get open_count() {
      return open_count;
    },
  };
}

function currentReservation({ held, keys }: Unit): Reservation | null {
  if (held === null) return null;
  return { type: held.type, key: held.nexus === null ? 0n : (keys.get(held.nexus) ?? 0n) };
}

interface Port {
  readonly unit: Unit;
  readonly nexus: string;
  readonly path: string;
  readonly transport: ReservableDevice["transport"];
  readonly types: readonly ReservationType[];
  readonly ptpl_capable: boolean;
  readonly guard: (nexus: string, command: Command) => PrRefusal | null;
  readonly conflict: (command: string) => PrRefusal;
}

function createDevice(port: Port): Omit<ReservableDevice, "close"> {
  const { unit, nexus, path, transport, guard } = port;
  const reading = <Results>(read: () => PrAnswer<Results>): PrAnswer<Results> =>
    guard(nexus, "read") ?? read();
  return {
    path,
    transport,
    readKeys: () =>
      reading(() => ({ kind: "done", generation: unit.generation, keys: [...unit.keys.values()] })),
    readReservation: () =>
      reading(() => ({ kind: "done", generation: unit.generation, reservation: currentReservation(unit) })),
    readCapabilities: () =>
      reading(() => ({
        kind: "done",
        capabilities: {
          persist_through_power_loss: { capable: port.ptpl_capable, active: unit.ptpl },
          types: port.types,
        },
      })),
    readFullStatus: () =>
      reading(() => ({ kind: "done", generation: unit.generation, registrations: fullStatus(unit) })),
    readNexuses: ({ key }) => guard(nexus, "read") ?? { kind: "done", nexuses: nexuses(port, key) },
    repairNexuses: ({ key }) =>
      guard(nexus, "read") ?? { kind: "done", nexuses: nexuses(port, key), repaired: [] },
    register: (call) => guard(nexus, "register") ?? register(port, call),
    registerAndIgnore: ({ to, aptpl }) =>
      guard(nexus, "registerAndIgnore") ?? register(port, { from: unit.keys.get(nexus) ?? 0n, to, aptpl }),
    reserve: (call) => guard(nexus, "reserve") ?? reserve(port, call),
    release: (call) => guard(nexus, "release") ?? release(port, call),
    clear: ({ key }) => guard(nexus, "clear") ?? clear(port, key),
    preempt: (call) => guard(nexus, "preempt") ?? preempt(port, call),
  };
}

function fullStatus(unit: Unit): Registration[] {
  return [...unit.keys].map(([initiator, key]) => {
    const holder = unit.held !== null && (unit.held.nexus === null || unit.held.nexus === initiator);
    return { key, holder, type: holder ? (unit.held?.type ?? null) : null, target_port: 1, initiator };
  });
}

/** What a REGISTER of the key by itself tells and does. */
function nexuses({ unit, nexus, path, guard }: Port, key: ReservationKey): Nexus[] {
  const refused = guard(nexus, "probe");
  if (refused !== null && refused.kind !== "conflict")
    return [{ path, state: refused.kind === "gone" ? "lost" : "unknown", detail: refused.detail }];
  const registered = unit.keys.get(nexus) === key;
  if (registered) unit.generation++;
  return [{ path, state: registered ? "registered" : "unregistered", detail: "" }];
}

function register(
  { unit, nexus, ptpl_capable, conflict, path }: Port,
  { from, to, aptpl }: { from: ReservationKey; to: ReservationKey; aptpl: boolean },
): PrAnswer<object> {
  if ((unit.keys.get(nexus) ?? 0n) !== from) return conflict("REGISTER");
  if (aptpl && !ptpl_capable) return { kind: "failed", detail: `${path}: no APTPL here` };
  unit.generation++;
  // As ReservableDevice has it: unregistering leaves the device's persistence as it is.
  if (to !== 0n) unit.ptpl = aptpl;
  if (to !== 0n) unit.keys.set(nexus, to);
  else if (from !== 0n) unregister(unit, nexus);
  return DONE;
}

/** SPC-4 5.13.11.3: the reservation goes with its holder, and one of all registrants with the last of them. */
function unregister(unit: Unit, nexus: string): void {
  unit.keys.delete(nexus);
  if (unit.held === null) return;
  if (unit.held.nexus === nexus || (unit.held.nexus === null && unit.keys.size === 0)) unit.held = null;
}

function reserve(
  { unit, nexus, types, path, transport, conflict }: Port,
  { key, type }: { key: ReservationKey; type: ReservationType },
): PrAnswer<object> {
  if (!types.includes(type) || (transport === "multipath" && (type === "WE" || type === "EA")))
    return { kind: "unsupported", detail: `${path} does not take ${type}` };
  if (unit.keys.get(nexus) !== key) return conflict("RESERVE");
  const { held } = unit;
  if (held === null) {
    unit.held = { type, nexus: heldByAll(type) ? null : nexus };
    return DONE;
  }
  const isHolder = held.nexus === null || held.nexus === nexus;
  return isHolder && held.type === type ? DONE : conflict("RESERVE");
}

function release(
  { unit, nexus, conflict, path }: Port,
  { key, type }: { key: ReservationKey; type: ReservationType },
): PrAnswer<object> {
  if (unit.keys.get(nexus) !== key) return conflict("RELEASE");
  const { held } = unit;
  if (held === null || (held.nexus !== null && held.nexus !== nexus)) return DONE;
  if (held.type !== type) return { kind: "failed", detail: `${path}: invalid release of reservation` };
  unit.held = null;
  return DONE;
}

function clear({ unit, nexus, conflict }: Port, key: ReservationKey): PrAnswer<object> {
  if (unit.keys.get(nexus) !== key) return conflict("CLEAR");
  unit.keys.clear();
  unit.held = null;
  unit.generation++;
  return DONE;
}

/** SPC-4 5.13.11.4. The victim's registrations go, but not that of the nexus that asks, even under the same key. */
function preempt(
  { unit, nexus, conflict, path }: Port,
  { key, remove, type }: { key: ReservationKey; remove: ReservationKey; type: ReservationType },
): PrAnswer<object> {
  if (unit.keys.get(nexus) !== key) return conflict("PREEMPT");
  const { held } = unit;
  const takesReservation = held !== null && currentReservation(unit)?.key === remove;
  if (remove === 0n && !takesReservation)
    return { kind: "failed", detail: `${path}: invalid field in parameter list` };
  const victims = [...unit.keys].filter(
    ([name, registered]) => name !== nexus && (remove === 0n || registered === remove),
  );
  if (victims.length === 0 && !takesReservation) return conflict("PREEMPT");
  if (takesReservation) unit.held = null;
  for (const [name] of victims) unregister(unit, name);
  if (takesReservation) unit.held = { type, nexus: heldByAll(type) ? null : nexus };
  unit.generation++;
  return DONE;
}

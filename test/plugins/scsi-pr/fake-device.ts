/**
 * A disk with persistent reservations in memory, after SPC-4 clauses 5.13 and 6.15/6.16: registrations by I_T nexus, six types,
 * conflicts, and devices with several nexus to it (multipath). Answers may be refused or lost. It serves unit and property tests
 * of what is decided above the devices; real SCSI is in test/cluster.
 */
import type {
  PrAnswer,
  PrRefusal,
  ReservableDevice,
  ReservationKey,
  ReservationType,
} from "../../../plugins/scsi-pr/reservable.ts";
import { RESERVATION_TYPES } from "../../../plugins/scsi-pr/reservable.ts";
import { heldByAllRegistrants, heldByOneNexusAlone } from "../../../plugins/scsi-pr/reservation-type.ts";

/** One command as it reaches the disk; a test may refuse it, or let it happen and lose the answer. */
export interface Arrival {
  readonly nexus: string;
  readonly command: keyof ReservableDevice;
}
export type Fault =
  | { readonly kind: "refuse"; readonly refusal: PrRefusal }
  | { readonly kind: "lose-answer"; readonly refusal: PrRefusal };

export interface FakeDiskOptions {
  readonly types?: readonly ReservationType[];
  readonly ptpl_capable?: boolean;
  /** NVMe: a second registrant's acquire of an all-registrants reservation is a conflict; in SCSI it is not. */
  readonly is_nvme?: boolean;
  readonly has_full_status?: boolean;
  /** REPORT CAPABILITIES came with SPC-3. */
  readonly has_capabilities?: boolean;
}

export interface FakeDisk {
  /** The disk as a host sees it through these nexus: one, or for a multipath map several. */
  device(path: string, nexus: readonly string[]): ReservableDevice;
  /** Asked before each command; null lets it through. */
  fault: (arrival: Arrival) => Fault | null;
  /** "host1:0x1 host2:0x2 | WE host1", for comparing states. */
  print(): string;
  /** May this nexus write now? */
  mayWrite(nexus: string): boolean;
  readonly arrivals: Arrival[];
  readonly aptpl: boolean;
}

interface Disk {
  readonly registrations: Map<string, ReservationKey>;
  /** holder is null for the all-registrants types. */
  reservation: { readonly type: ReservationType; readonly holder: string | null } | null;
  generation: number;
  aptpl: boolean;
}

const DONE = { kind: "done" } as const;

export function fakeDisk(options: FakeDiskOptions = {}): FakeDisk {
  const disk: Disk = { registrations: new Map(), reservation: null, generation: 0, aptpl: false };
  const arrivals: Arrival[] = [];
  const fake: FakeDisk = {
    device: (path, nexus) =>
      fakeDevice({ path, nexus, disk, options, arrivals, faultOf: (at) => fake.fault(at) }),
    fault: () => null,
    print: () => printDisk(disk),
    mayWrite: (nexus) => mayWrite(disk, nexus),
    arrivals,
    get aptpl() {
      return disk.aptpl;
    },
  };
  return fake;
}

function printDisk({ registrations, reservation }: Disk): string {
  const keys = [...registrations].sort().map(([nexus, key]) => `${nexus}:0x${key.toString(16)}`);
  const held = reservation === null ? "none" : `${reservation.type} ${reservation.holder ?? "all"}`;
  return `${keys.join(" ")} | ${held}`;
}

function mayWrite({ registrations, reservation }: Disk, nexus: string): boolean {
  if (reservation === null || reservation.holder === nexus) return true;
  return !heldByOneNexusAlone(reservation.type) && registrations.has(nexus);
}

function isHolder(disk: Disk, nexus: string): boolean {
  const { reservation } = disk;
  if (reservation === null) return false;
  return reservation.holder === null ? disk.registrations.has(nexus) : reservation.holder === nexus;
}

/** A registration goes, and with the holder's (or the last of all registrants') the reservation. */
function unregister(disk: Disk, nexus: string): void {
  disk.registrations.delete(nexus);
  if (disk.reservation?.holder === nexus || disk.registrations.size === 0) disk.reservation = null;
}

function registerNexus(disk: Disk, nexus: string, to: ReservationKey, aptpl: boolean): PrAnswer<object> {
  if (to === 0n) unregister(disk, nexus);
  else disk.registrations.set(nexus, to);
  disk.generation++;
  if (to !== 0n) disk.aptpl = aptpl;
  return DONE;
}

interface Preemption {
  readonly remove: ReservationKey;
  readonly type: ReservationType;
}

function preempt(
  disk: Disk,
  nexus: string,
  { remove, type }: Preemption,
  conflict: PrRefusal,
): PrAnswer<object> {
  const { reservation, registrations } = disk;
  const victims = [...registrations].filter(([, key]) => key === remove).map(([name]) => name);
  if (victims.length === 0) return conflict;
  const holder = reservation?.holder ?? null;
  const holds = holder !== null && registrations.get(holder) === remove;
  for (const name of victims) if (name !== nexus) unregister(disk, name);
  if (holds) disk.reservation = { type, holder: heldByAllRegistrants(type) ? null : nexus };
  disk.generation++;
  return DONE;
}

/** A host's place at the disk. */
interface Seat {
  readonly path: string;
  readonly nexus: readonly string[];
  readonly disk: Disk;
  readonly options: FakeDiskOptions;
  readonly arrivals: Arrival[];
  readonly faultOf: (arrival: Arrival) => Fault | null;
}

function arrive<Results>(
  { arrivals, faultOf }: Seat,
  arrival: Arrival,
  run: () => PrAnswer<Results>,
): PrAnswer<Results> {
  arrivals.push(arrival);
  const fault = faultOf(arrival);
  if (fault === null) return run();
  if (fault.kind === "lose-answer") run();
  return fault.refusal;
}

type Readings = Pick<
  ReservableDevice,
  "readKeys" | "readReservation" | "readCapabilities" | "readFullStatus" | "readNexuses" | "repairNexuses"
>;

function readings(seat: Seat): Readings {
  const { path, nexus, disk, options } = seat;
  const read = <Results extends object>(
    command: keyof ReservableDevice,
    results: () => Results,
  ): PrAnswer<Results> =>
    arrive<Results>(seat, { nexus: nexus[0] ?? path, command }, () => ({ kind: "done", ...results() }));
  return {
    readKeys: () =>
      read("readKeys", () => ({ generation: disk.generation, keys: [...disk.registrations.values()] })),
    readReservation: () =>
      read("readReservation", () => {
        const { reservation, generation, registrations } = disk;
        const key = registrations.get(reservation?.holder ?? "") ?? 0n;
        return { generation, reservation: reservation === null ? null : { type: reservation.type, key } };
      }),
    readCapabilities: () =>
      options.has_capabilities === false
        ? { kind: "unsupported", detail: `${path}: no REPORT CAPABILITIES` }
        : read("readCapabilities", () => ({
            capabilities: {
              persist_through_power_loss: { capable: options.ptpl_capable ?? true, active: disk.aptpl },
              types: options.types ?? RESERVATION_TYPES,
            },
          })),
    readFullStatus: () =>
      options.has_full_status === false
        ? { kind: "unsupported", detail: `${path}: no READ FULL STATUS` }
        : read("readFullStatus", () => ({
            generation: disk.generation,
            registrations: [...disk.registrations].map(([name, key]) => ({
              key,
              holder: isHolder(disk, name),
              type: isHolder(disk, name) ? (disk.reservation?.type ?? null) : null,
              target_port: 1,
              initiator: `iqn.test:${name}`,
            })),
          })),
    readNexuses: ({ key }) =>
      read("readNexuses", () => ({
        nexuses: nexus.map((name) => ({
          path: name,
          state: disk.registrations.get(name) === key ? ("registered" as const) : ("unregistered" as const),
          detail: "",
        })),
      })),
    repairNexuses: () => ({ kind: "unsupported", detail: `${path}: not in this fake` }),
  };
}

function fakeDevice(seat: Seat): ReservableDevice {
  const { path, nexus, disk, options } = seat;
  const first = nexus.slice(0, 1);
  const conflict: PrRefusal = { kind: "conflict", detail: `${path}: reservation conflict` };
  /** Through every nexus, ending at the first refusal. */
  const each = (
    command: keyof ReservableDevice,
    names: readonly string[],
    run: (name: string) => PrAnswer<object>,
  ): PrAnswer<object> => {
    for (const name of names) {
      const answer = arrive(seat, { nexus: name, command }, () => run(name));
      if (answer.kind !== "done") return answer;
    }
    return DONE;
  };
  const owns = (name: string, key: ReservationKey): boolean => disk.registrations.get(name) === key;
  return {
    path,
    transport: nexus.length > 1 ? "multipath" : options.is_nvme === true ? "nvme" : "scsi",
    ...readings(seat),
    register: ({ from, to, aptpl }) =>
      each("register", nexus, (name) => {
        const current = disk.registrations.get(name) ?? 0n;
        if (current !== from) return conflict;
        return current === 0n && to === 0n ? DONE : registerNexus(disk, name, to, aptpl);
      }),
    registerAndIgnore: ({ to, aptpl }) =>
      each("registerAndIgnore", nexus, (name) => registerNexus(disk, name, to, aptpl)),
    reserve: ({ key, type }) =>
      each("reserve", first, (name) => {
        if (!owns(name, key)) return conflict;
        const isSame = disk.reservation?.type === type && isHolder(disk, name);
        if (disk.reservation !== null && (!isSame || options.is_nvme === true)) return conflict;
        disk.reservation = { type, holder: heldByAllRegistrants(type) ? null : name };
        return DONE;
      }),
    release: ({ key, type }) =>
      each("release", first, (name) => {
        if (!owns(name, key)) return conflict;
        if (!isHolder(disk, name)) return DONE;
        if (disk.reservation?.type !== type) return { kind: "failed", detail: `${path}: invalid release` };
        disk.reservation = null;
        return DONE;
      }),
    clear: ({ key }) =>
      each("clear", first, (name) => {
        if (!owns(name, key)) return conflict;
        disk.registrations.clear();
        disk.reservation = null;
        disk.generation++;
        return DONE;
      }),
    preempt: ({ key, remove, type, abort }) =>
      each("preempt", first, (name) =>
        owns(name, key) && abort ? preempt(disk, name, { remove, type }, conflict) : conflict,
      ),
    close: () => {},
  };
}

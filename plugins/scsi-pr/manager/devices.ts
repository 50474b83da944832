import type {
  PrAnswer,
  PrRefusal,
  ReservableDevice,
  ReservationKey,
  ReservationType,
} from "../reservable.ts";
import { type Observation, reservationType } from "./plan.ts";
import type { Pv } from "./pv-source.ts";
import type { Changed } from "./reserve.ts";

/** Opens a device for reservation commands, without setting off udev. `identity`: which disk it is, whatever its name; "" when nobody tells. */
export type OpenDevice = (path: string) => PrAnswer<{ device: ReservableDevice; identity: string }>;

/** A PV that is reserved, or being reserved. Its device is opened again when it has stopped answering. */
export interface HeldPv {
  /** Its path changes when the disk comes back under another name. */
  pv: Pv;
  /** Always the disk with this identity: a name may lead to another disk after the storage was away. */
  device: ReservableDevice;
  readonly identity: string;
  /** The name leads nowhere or to another disk, which this says as a sentence; null while it leads to this one. */
  astray: string | null;
  /** What was logged of that already. */
  readonly told: Set<string>;
  readonly type: ReservationType;
  readonly changed: Changed;
  /** The device's generation (PRgeneration) when it was last known that this very nexus is registered; -1: not known. */
  generation: number;
  /** When it was last looked at which of the device's paths are registered, in the clock of performance.now(). */
  nexuses_at_ms: number;
  /** Other hosts' keys under a reservation that lets them write, each with how many looks in a row have seen it. */
  readonly strangers: Map<ReservationKey, number>;
  /** Since when the device has not answered, in the clock of performance.now(); -1 while it answers. */
  silent_since_ms: number;
}

/** A device with what it said. */
export interface Seen {
  readonly held: HeldPv;
  readonly observation: Observation;
}

export type SeenAll = { readonly kind: "seen"; readonly all: readonly Seen[] } | PrRefusal;

/** Opens the devices of all PVs and reads their state. When one of them can't be read, all are closed again. */
export function observeAll(open: OpenDevice, pvs: readonly Pv[]): SeenAll {
  const all: Seen[] = [];
  for (const pv of pvs) {
    const seen = observe(open, pv);
    if ("observation" in seen) {
      all.push(seen);
      continue;
    }
    closeAll(all.map(({ held }) => held));
    return seen;
  }
  return { kind: "seen", all };
}

function observe(open: OpenDevice, pv: Pv): Seen | PrRefusal {
  const opened = open(pv.path);
  if (opened.kind !== "done") return opened;
  const { device } = opened;
  const keys = device.readKeys();
  const read = keys.kind === "done" ? device.readReservation() : keys;
  if (keys.kind !== "done" || read.kind !== "done") {
    device.close();
    return keys.kind !== "done" ? keys : (read as PrRefusal);
  }
  const type = reservationType(device.transport);
  const changed: Changed = {
    registered: false,
    reserved: false,
    preempted: false,
    aptpl_before: null,
    given_up: false,
  };
  return {
    held: {
      pv,
      device,
      identity: opened.identity,
      astray: null,
      told: new Set(),
      type,
      changed,
      generation: -1,
      nexuses_at_ms: 0,
      strangers: new Map(),
      silent_since_ms: -1,
    },
    observation: { pv, transport: device.transport, keys: keys.keys, reservation: read.reservation },
  };
}

export function closeAll(held: readonly HeldPv[]): void {
  for (const { device } of held) device.close();
}

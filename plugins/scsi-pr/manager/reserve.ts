/** What is done to one PV: reserve it, take it over, give it back. Each step is followed by reading back. */
import type {
  Nexus,
  PrAnswer,
  PrRefusal,
  ReservableDevice,
  Reservation,
  ReservationKey,
  ReservationType,
} from "../reservable.ts";
import { describeKey, describeKeys } from "./holder.ts";
import { clearing, type Step } from "./plan.ts";

/** What this start has changed on a device, and so what an undo has to take back. */
export interface Changed {
  registered: boolean;
  reserved: boolean;
  /** Another host was cut off. Then the reservation stays: without it that host could write again. */
  preempted: boolean;
  /** What APTPL was before our REGISTER changed it, which is the device's state for all hosts; null when it did not. */
  aptpl_before: boolean | null;
  /** Our own reservation was released to be made anew with another type, and was not: whoever came between may have it. */
  given_up: boolean;
}

export interface ReserveOrder {
  readonly key: ReservationKey;
  readonly remove: ReservationKey | null;
  readonly type: ReservationType;
  readonly step: Step;
}

type Done = PrAnswer<object>;
const DONE = Object.freeze({ kind: "done" } as const);

/** Reserves a device for this host; `changed` is filled in while that goes on, so that it is right after a failure, too. */
export function reserveDevice(
  device: ReservableDevice,
  { key, remove, type, step }: ReserveOrder,
  changed: Changed,
  warn: (text: string) => void,
): Done {
  // Before anything is registered: what an undo takes back there are registrations of the same key.
  if (step === "preempt" && remove === key && device.transport === "multipath")
    return ownKeyOnMap(device, key);
  const registered = registerOwn(device, key, step, changed, warn);
  if (registered.kind !== "done") return registered;
  if (step === "preempt" && remove !== null) {
    const preempted = device.preempt({ key, remove, type, abort: true });
    changed.preempted = preempted.kind === "done" || mayHavePreempted(device, key, remove, preempted);
    if (preempted.kind === "conflict" && remove === key) return keptByTarget(device, key);
    if (preempted.kind !== "done") return preempted;
  }
  if (step === "correct") {
    const corrected = correctType(device, key, type, changed);
    if (corrected.kind !== "done") return corrected;
  }
  // The holder may reserve again with the same type (SPC-4 5.13.7); that is how it is known that this very nexus holds it. Where every
  // registrant may write it need not, and of a multipath map's paths only the one that reserved once could.
  const isProven = (step === "keep" || step === "correct") && type !== "WE";
  const reserved = isProven ? DONE : device.reserve({ key, type });
  if (reserved.kind === "conflict") return explainConflict(device, key, reserved);
  // Also for a command whose answer was lost: releasing what is not held does nothing.
  if (step === "take" && mayHaveHappened(reserved)) changed.reserved = true;
  if (reserved.kind !== "done") return reserved;
  return verifyHeld(device, { key, remove: step === "preempt" && remove !== key ? remove : null, type });
}

/**
 * Our present nexus was registered just before, so a conflict is the target's own rule: Linux's refuses PREEMPT and CLEAR from every
 * other session of the initiator that holds the reservation (its check of a non-holder counts none of them as registered).
 */
function keptByTarget(device: ReservableDevice, key: ReservationKey): PrRefusal {
  const detail = `${device.path} is held by an earlier session of this host's own initiator, and the storage lets no later one end that (Linux's target doesn't): take the VG over on another host from ${describeKey(key)}, and hand it back`;
  return { kind: "conflict", detail };
}

function ownKeyOnMap(device: ReservableDevice, key: ReservationKey): PrRefusal {
  const detail = `${device.path}: PREEMPT AND ABORT of this host's own ${describeKey(key)} would take it from every path of a multipath map`;
  return { kind: "unsupported", detail };
}

/**
 * Makes our own reservation one of the right type. A holder that preempts itself changes the type with no moment in between
 * (SPC-4 5.13.11.3); where that can't be, because all registrants hold it or each path of a map is one, it is released and made anew.
 */
function correctType(
  device: ReservableDevice,
  key: ReservationKey,
  type: ReservationType,
  changed: Changed,
): Done {
  const read = device.readReservation();
  if (read.kind !== "done") return read;
  const { reservation } = read;
  if (reservation === null || reservation.type === type) return device.reserve({ key, type });
  if (reservation.key === key && device.transport !== "multipath") {
    const preempted = device.preempt({ key, remove: key, type, abort: false });
    if (preempted.kind === "done" || preempted.kind === "gone") return preempted;
    // Its answer was not clear: releasing what it made would be for nothing.
    if (mayHaveHappened(preempted) && isStill(device, { key, type })) return DONE;
  }
  const released = device.release({ key, type: reservation.type });
  if (released.kind !== "done") {
    changed.given_up = mayHaveHappened(released) && !isStill(device, reservation);
    return released;
  }
  const reserved = device.reserve({ key, type });
  if (reserved.kind === "done") return reserved;
  if (mayHaveHappened(reserved) && isStill(device, { key, type })) return DONE;
  changed.given_up = true;
  return reserved.kind === "conflict" ? explainConflict(device, key, reserved) : reserved;
}

/** Whether the device says that this is its reservation; what can't be read is not known to be. */
function isStill(device: ReservableDevice, { key, type }: Reservation): boolean {
  const read = device.readReservation();
  return read.kind === "done" && read.reservation?.key === key && read.reservation.type === type;
}

/** Whether the device may have carried a command out: a device that went away may have done so before. */
function mayHaveHappened({ kind }: Done): boolean {
  return kind === "done" || kind === "gone" || kind === "failed";
}

/**
 * Whether a PREEMPT that did not succeed cut the other host off all the same: its answer may have been lost. In doubt it did,
 * because giving the device back would let that host write again.
 */
function mayHavePreempted(
  device: ReservableDevice,
  key: ReservationKey,
  remove: ReservationKey,
  refused: PrRefusal,
): boolean {
  if (!mayHaveHappened(refused)) return false;
  const read = device.readKeys();
  return read.kind !== "done" || remove === key || !read.keys.includes(remove);
}

/** Registers the key through this nexus, unless it is there already; any other key of this nexus is left alone. */
function registerOwn(
  device: ReservableDevice,
  key: ReservationKey,
  step: Step,
  changed: Changed,
  warn: (text: string) => void,
): Done {
  const known = registerFrom(device, { from: key, to: key }, changed, warn);
  if (known.kind !== "conflict") return known;
  if (step === "keep" || step === "correct")
    return { kind: "conflict", detail: anotherInitiator(device, key) };
  const answer = registerFrom(device, { from: 0n, to: key }, changed, warn);
  if (answer.kind !== "conflict") return answer;
  const read = device.readKeys();
  const listed = read.kind === "done" ? ` (registered: ${describeKeys(read.keys)})` : "";
  const detail = `this host is registered on ${device.path} with a key that is not ${describeKey(key)}${listed}: end that with lvmpersist stop --ourkey KEY first`;
  return { kind: "conflict", detail };
}

/** Whether a device that is reserved with this host's key is this host's: `elsewhere` is proven, `unknown` is a device that did not say. */
export type WhyNotThisHost =
  | { readonly kind: "elsewhere"; readonly detail: string }
  | { readonly kind: "unknown"; readonly refusal: PrRefusal };

/**
 * Why a device that is reserved with this host's key is not this host's all the same; null when it is. Asking is a REGISTER of
 * the key by itself, which changes nothing. A device that is busy for a moment must not pass for one that another host has.
 */
export function whyNotThisHost(device: ReservableDevice, key: ReservationKey): WhyNotThisHost | null {
  const elsewhere = (): WhyNotThisHost => ({ kind: "elsewhere", detail: anotherInitiator(device, key) });
  const read = device.readNexuses({ key });
  if (read.kind === "conflict") return elsewhere();
  if (read.kind !== "done") return { kind: "unknown", refusal: read };
  if (read.nexuses.some(({ state }) => state === "registered")) return null;
  const refusal = whyUnknown(read.nexuses);
  return refusal === null ? elsewhere() : { kind: "unknown", refusal };
}

/** For nexuses none of which is registered for sure: why one of them may be all the same; null when every one is known not to be. */
export function whyUnknown(nexuses: readonly Nexus[]): PrRefusal | null {
  const unclear = nexuses.find(({ state }) => state !== "unregistered");
  if (unclear === undefined) return null;
  const detail = `whether this host is registered through ${unclear.path} is not known: ${unclear.detail}`;
  return { kind: unclear.state === "lost" ? "gone" : "failed", detail };
}

function anotherInitiator(device: ReservableDevice, key: ReservationKey): string {
  return `${device.path} is reserved with this host's own ${describeKey(key)}, but through another initiator${initiators(device, key)}: another host has the same host_id or key, or this host's initiator has changed. ${remedyFor(device, key)}`;
}

/** On a map a PREEMPT of our own key takes the registrations of every host that has it, so that no take-over is to be had. */
function remedyFor({ transport, path }: ReservableDevice, key: ReservationKey): string {
  return transport === "multipath"
    ? `When no host uses the VG, ${clearing({ pv: { path } }, key)}, then start it`
    : "If no other host uses the key, take the VG over from it with lvmlockctl takeover";
}

function registerFrom(
  device: ReservableDevice,
  call: { from: ReservationKey; to: ReservationKey },
  changed: Changed,
  warn: (text: string) => void,
): Done {
  const read = persistence(device);
  if (read.kind !== "done") return read;
  const { capable, active } = read;
  const answer = device.register({ ...call, aptpl: capable });
  if (mayHaveHappened(answer)) noteRegister(call, changed, capable === active ? null : active);
  if (answer.kind !== "failed" || !capable) return answer;
  const again = device.register({ ...call, aptpl: false });
  if (again.kind === "conflict") return conflictOrLostAnswer(device, call, again);
  if (mayHaveHappened(again)) noteRegister(call, changed, null);
  if (again.kind === "done")
    warn(
      `${device.path} says that it keeps registrations through a loss of power, but does not: ${answer.detail}`,
    );
  return again;
}

/** Also for a command whose answer was lost: undoing what was not done meets a conflict, and that is all. */
function noteRegister(
  { from }: { from: ReservationKey },
  changed: Changed,
  aptpl_before: boolean | null,
): void {
  if (from === 0n) changed.registered = true;
  changed.aptpl_before ??= aptpl_before;
}

/**
 * A REGISTER that was told as failed may have been carried out all the same. Sent again it meets a conflict then, because this nexus
 * has the key already; the key by itself tells that from a conflict that another key makes.
 */
function conflictOrLostAnswer(
  device: ReservableDevice,
  { from, to }: { from: ReservationKey; to: ReservationKey },
  conflict: PrRefusal,
): Done {
  if (from === to) return conflict;
  const known = device.register({ from: to, to, aptpl: true });
  return known.kind === "conflict" ? conflict : known;
}

/**
 * Registrations that outlive a loss of power keep other hosts out while the storage comes back before we do. A device that does not
 * say now is asked for nothing: every REGISTER sets APTPL, and one without it would end what is active.
 */
function persistence(device: ReservableDevice): PrAnswer<{ capable: boolean; active: boolean }> {
  const read = device.readCapabilities();
  if (read.kind === "done") return { kind: "done", ...read.capabilities.persist_through_power_loss };
  return read.kind === "unsupported" ? { kind: "done", capable: false, active: false } : read;
}

function initiators(device: ReservableDevice, key: ReservationKey): string {
  const read = device.readFullStatus();
  if (read.kind !== "done") return "";
  const names = read.registrations.filter((one) => one.key === key && one.initiator !== "");
  return names.length === 0 ? "" : ` (${names.map(({ initiator }) => initiator).join(", ")})`;
}

function explainConflict(device: ReservableDevice, key: ReservationKey, conflict: PrRefusal): PrRefusal {
  const read = device.readReservation();
  if (read.kind !== "done" || read.reservation === null) return conflict;
  const holder = read.reservation.key;
  const through = holder === key ? `, through another initiator${initiators(device, key)}` : "";
  return { kind: "conflict", detail: `${device.path} is held by ${describeKey(holder)}${through}` };
}

/** Reads back whether the device holds our reservation, and whether a removed key is gone. */
export function verifyHeld(
  device: ReservableDevice,
  { key, remove, type }: { key: ReservationKey; remove: ReservationKey | null; type: ReservationType },
): Done {
  const read = device.readReservation();
  if (read.kind !== "done") return read;
  const { reservation } = read;
  const failed = (what: string): PrRefusal => ({ kind: "failed", detail: `${device.path}: ${what}` });
  if (reservation === null) return failed("the reservation was made, but the device has none");
  if (reservation.key !== key || reservation.type !== type)
    return failed(
      `the reservation was made, but ${describeKey(reservation.key)} holds it (${reservation.type})`,
    );
  if (remove === null) return DONE;
  const keys = device.readKeys();
  if (keys.kind !== "done") return keys;
  return keys.keys.includes(remove)
    ? failed(`${describeKey(remove)} is still registered after it was removed`)
    : DONE;
}

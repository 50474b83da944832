/**
 * What a device that takes persistent reservations can do, whatever it is: a SCSI disk, an NVMe namespace, or a multipath map
 * whose paths are an I_T nexus each. Plain data in and out, so that an answer may cross to and from a worker; nothing here
 * touches a device.
 */

/** The six types of SPC-4 table 59, under the names that sg_persist's users and lvmpersist's --prtype know. */
export const RESERVATION_TYPES = ["WE", "EA", "WERO", "EARO", "WEAR", "EAAR"] as const;
export type ReservationType = (typeof RESERVATION_TYPES)[number];

/** A reservation key: 1 to 2^64-1. Zero means "no key" in the commands and is never a host's key. */
export type ReservationKey = bigint;

/** The reservation that a device holds; WEAR and EAAR have every registrant as holder and then the key is 0. */
export interface Reservation {
  readonly type: ReservationType;
  readonly key: ReservationKey;
}

/** One registration as READ FULL STATUS tells it: the key, and through which nexus it came. */
export interface Registration {
  readonly key: ReservationKey;
  readonly holder: boolean;
  readonly type: ReservationType | null;
  /** Relative target port; 0 when the device does not tell, or the registration is for all ports. */
  readonly target_port: number;
  /** The registration holds for all of the device's ports (ALL_TG_PT). */
  readonly all_target_ports?: true;
  /** The initiator's transport id in words (iqn…, naa…, host id of NVMe), "" when the device does not tell. */
  readonly initiator: string;
}

/**
 * One way from this host to the device, an I_T nexus of its own: a SCSI disk has one, a multipath map one for each path.
 * `unregistered`: the device answers through it, but our key is not registered there, so that writes through it can fail.
 * `lost`: it does not answer. `unknown`: it answers with an error, which `detail` tells.
 */
export interface Nexus {
  readonly path: string;
  readonly state: "registered" | "unregistered" | "lost" | "unknown";
  readonly detail: string;
}

export interface PrCapabilities {
  /** The device can keep registrations through a loss of power (PTPL_C), and does so now (PTPL_A). */
  readonly persist_through_power_loss: { readonly capable: boolean; readonly active: boolean };
  /** The types that the device takes; every type when it does not say. */
  readonly types: readonly ReservationType[];
}

/**
 * Why a command did not do what it was asked. `conflict` is the device's ordinary RESERVATION CONFLICT (NVMe status 83h): our
 * key is not registered, or another host holds the reservation. `unsupported`: the device has no persistent reservations, or
 * not this command. `gone`: the device does not answer any more. `failed`: anything else, with the sense data in words.
 */
export interface PrRefusal {
  readonly kind: "conflict" | "unsupported" | "gone" | "denied" | "failed";
  /** One sentence that names the device and the command. */
  readonly detail: string;
}

export type PrAnswer<Results> = ({ readonly kind: "done" } & Readonly<Results>) | PrRefusal;

/** The commands, each blocking until the device has answered; a device is opened, used and closed by one thread. */
export interface ReservableDevice {
  /** The path as the user gave it, for messages. */
  readonly path: string;
  readonly transport: "scsi" | "nvme" | "multipath";
  readKeys(): PrAnswer<{ generation: number; keys: readonly ReservationKey[] }>;
  readReservation(): PrAnswer<{ generation: number; reservation: Reservation | null }>;
  readCapabilities(): PrAnswer<{ capabilities: PrCapabilities }>;
  readFullStatus(): PrAnswer<{ generation: number; registrations: readonly Registration[] }>;
  /**
   * Each path with whether `key` is registered through it, or only those of the paths that `among` names. Costs a REGISTER of the key
   * by itself, which raises the generation.
   */
  readNexuses(call: {
    key: ReservationKey;
    among?: readonly string[];
  }): PrAnswer<{ nexuses: readonly Nexus[] }>;
  /**
   * Registers `key` on the paths that lack it, as long as one has it: a path that was lost and returned, or was added. On a
   * device where no path has it nothing is done, because another host removed it. `repaired` are the paths that were registered.
   * A conflict: another host has cut this one off, perhaps while paths were registered, which are unregistered again then. A reservation
   * that another host holds says so as well; what joins one by registering alone is not to be repaired.
   */
  repairNexuses(call: {
    key: ReservationKey;
  }): PrAnswer<{ nexuses: readonly Nexus[]; repaired: readonly string[] }>;
  /**
   * REGISTER: replaces `from` (0: not registered yet) by `to` (0: unregister); a conflict when `from` is not our key.
   * Unregistering leaves the device's persistence as it is, whatever `aptpl` says. Of a multipath map it also ends the
   * registrations of paths that are lost, where these are this host's for certain, unless `lost_paths` is "keep".
   */
  register(call: {
    from: ReservationKey;
    to: ReservationKey;
    aptpl: boolean;
    lost_paths?: "remove" | "keep";
  }): PrAnswer<object>;
  /** REGISTER AND IGNORE EXISTING KEY; with `to` 0 as in register. */
  registerAndIgnore(call: { to: ReservationKey; aptpl: boolean }): PrAnswer<object>;
  reserve(call: { key: ReservationKey; type: ReservationType }): PrAnswer<object>;
  release(call: { key: ReservationKey; type: ReservationType }): PrAnswer<object>;
  clear(call: { key: ReservationKey }): PrAnswer<object>;
  /** PREEMPT, or PREEMPT AND ABORT: takes the registration (and reservation) of `remove` away. */
  preempt(call: {
    key: ReservationKey;
    remove: ReservationKey;
    type: ReservationType;
    abort: boolean;
  }): PrAnswer<object>;
  close(): void;
}

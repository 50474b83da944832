import type { ReservationKey, ReservationType } from "./reservable.ts";
import { NVME_TYPE_CODES } from "./reservation-type.ts";

/* The reservation commands as numbers and bytes: NVM Express Base Specification 2.0, clauses 7.2 to 7.6 (Reservation …). */

export const NVME_OPCODES = {
  reservation_register: 0x0d,
  reservation_report: 0x0e,
  reservation_acquire: 0x11,
  reservation_release: 0x15,
  /** Admin command. */
  identify: 0x06,
} as const;

/** The names of the commands, for messages. */
export const NVME_NAMES = {
  reservation_register: "Reservation Register",
  reservation_report: "Reservation Report",
  reservation_acquire: "Reservation Acquire",
  reservation_release: "Reservation Release",
  identify: "Identify Namespace",
} as const satisfies Record<keyof typeof NVME_OPCODES, string>;

/** The part of a command that says what it does. */
export interface NvmeCall {
  readonly command: keyof typeof NVME_OPCODES;
  readonly cdw10: number;
  readonly cdw11: number;
  readonly data_out: Uint8Array | null;
}

/** IEKEY: the current key in the data is ignored. */
const IGNORE_EXISTING_KEY = 1 << 3;

/**
 * CPTPL, change persist through power loss state: 2 clears it, 3 sets it, 0 leaves it as it is and 1 is reserved. (nvme-cli's
 * --cptpl takes these same numbers; 1 is a common mistake there.)
 */
const PTPL_CLEAR = 2;
const PTPL_PERSIST = 3;
const PTPL_SHIFT = 30;

const REGISTER_ACTIONS = { register: 0, unregister: 1, replace: 2 } as const;
const ACQUIRE_ACTIONS = { acquire: 0, preempt: 1, preempt_and_abort: 2 } as const;
const RELEASE_ACTIONS = { release: 0, clear: 1 } as const;

/** One or two keys, little endian as everything in NVMe. */
function keyData(...keys: readonly ReservationKey[]): Uint8Array {
  const data = new Uint8Array(8 * keys.length);
  const view = new DataView(data.buffer);
  keys.forEach((key, index) => {
    view.setBigUint64(8 * index, key, true);
  });
  return data;
}

/** Reservation Register. Persistence is said with every registration, because a register with 0 would keep what another set. */
export function registerCall(call: {
  action: keyof typeof REGISTER_ACTIONS;
  current: ReservationKey;
  next: ReservationKey;
  ignore_existing: boolean;
  /** Null leaves the namespace's setting as it is. */
  persist: boolean | null;
}): NvmeCall {
  const persist = call.persist === null ? 0 : call.persist ? PTPL_PERSIST : PTPL_CLEAR;
  const cdw10 =
    (REGISTER_ACTIONS[call.action] |
      (call.ignore_existing ? IGNORE_EXISTING_KEY : 0) |
      (persist << PTPL_SHIFT)) >>>
    0;
  return {
    command: "reservation_register",
    cdw10,
    cdw11: 0,
    data_out: keyData(call.current, call.next),
  };
}

/** Reservation Acquire; `remove` is 0 for plain acquire. */
export function acquireCall(call: {
  action: keyof typeof ACQUIRE_ACTIONS;
  current: ReservationKey;
  remove: ReservationKey;
  type: ReservationType;
}): NvmeCall {
  return {
    command: "reservation_acquire",
    cdw10: ACQUIRE_ACTIONS[call.action] | (NVME_TYPE_CODES[call.type] << 8),
    cdw11: 0,
    data_out: keyData(call.current, call.remove),
  };
}

/** Reservation Release; clear has no type. */
export function releaseCall(call: {
  action: keyof typeof RELEASE_ACTIONS;
  current: ReservationKey;
  type: ReservationType | null;
}): NvmeCall {
  return {
    command: "reservation_release",
    cdw10: RELEASE_ACTIONS[call.action] | (call.type === null ? 0 : NVME_TYPE_CODES[call.type] << 8),
    cdw11: 0,
    data_out: keyData(call.current),
  };
}

/**
 * Reservation Report. The extended data structure has host identifiers of 16 bytes; a controller gives only the one that fits
 * the identifier that the host has set, and refuses the other.
 */
export function reportCall(call: { extended: boolean; answer_size_bytes: number }): NvmeCall {
  return {
    command: "reservation_report",
    // NUMD counts dwords from zero.
    cdw10: call.answer_size_bytes / 4 - 1,
    cdw11: call.extended ? 1 : 0,
    data_out: null,
  };
}

/** Bytes of the Identify data structure. */
export const IDENTIFY_SIZE_BYTES = 4096;

/** Identify with CNS 00h: the namespace's data structure. */
export function identifyNamespaceCall(): NvmeCall {
  return { command: "identify", cdw10: 0, cdw11: 0, data_out: null };
}

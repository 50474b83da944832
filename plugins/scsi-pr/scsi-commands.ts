import type { ReservationKey, ReservationType } from "./reservable.ts";
import { SCSI_TYPE_CODES } from "./reservation-type.ts";

/* PERSISTENT RESERVE IN and OUT as bytes: SPC-4 (INCITS 513) clauses 6.15 and 6.16. */

/** The service actions of PERSISTENT RESERVE IN. */
export const PR_IN = {
  read_keys: 0,
  read_reservation: 1,
  report_capabilities: 2,
  read_full_status: 3,
} as const;

/** The service actions of PERSISTENT RESERVE OUT. */
export const PR_OUT = {
  register: 0,
  reserve: 1,
  release: 2,
  clear: 3,
  preempt: 4,
  preempt_and_abort: 5,
  register_and_ignore: 6,
} as const;

export type PrInAction = keyof typeof PR_IN;
export type PrOutAction = keyof typeof PR_OUT;

/** The names of the commands as SPC writes them, for messages. */
export const COMMAND_NAMES: Readonly<Record<PrInAction | PrOutAction, string>> = {
  read_keys: "READ KEYS",
  read_reservation: "READ RESERVATION",
  report_capabilities: "REPORT CAPABILITIES",
  read_full_status: "READ FULL STATUS",
  register: "REGISTER",
  reserve: "RESERVE",
  release: "RELEASE",
  clear: "CLEAR",
  preempt: "PREEMPT",
  preempt_and_abort: "PREEMPT AND ABORT",
  register_and_ignore: "REGISTER AND IGNORE EXISTING KEY",
};

const OPERATION_PR_IN = 0x5e;
const OPERATION_PR_OUT = 0x5f;
const CDB_SIZE_BYTES = 10;
/** SCOPE 0h: the logical unit. The element scopes are obsolete. */
const LU_SCOPE = 0;
/** The parameter list of every service action that we send; REGISTER AND MOVE, which has another, is none of them. */
export const PARAMETER_LIST_SIZE_BYTES = 24;
const FLAG_APTPL = 0x01;

/** The largest answer that PERSISTENT RESERVE IN can be asked for: its ALLOCATION LENGTH has 16 bits. */
export const ALLOCATION_SIZE_BYTES_MAX = 0xffff;

/** The CDB of PERSISTENT RESERVE IN; `allocation_size_bytes` is the room for the answer. */
export function prInCdb(action: PrInAction, allocation_size_bytes: number): Uint8Array {
  const cdb = new Uint8Array(CDB_SIZE_BYTES);
  cdb[0] = OPERATION_PR_IN;
  cdb[1] = PR_IN[action];
  new DataView(cdb.buffer).setUint16(7, allocation_size_bytes);
  return cdb;
}

/** What one PERSISTENT RESERVE OUT says; keys are 0 where the action does not use them. */
export interface PrOutCall {
  readonly action: PrOutAction;
  /** RESERVATION KEY: our registered key. */
  readonly key: ReservationKey;
  /** SERVICE ACTION RESERVATION KEY: the new key of a registration, or the key to preempt. */
  readonly action_key: ReservationKey;
  /** Null for the actions that have no type, which then send 0. */
  readonly type: ReservationType | null;
  readonly aptpl: boolean;
}

/** The CDB of PERSISTENT RESERVE OUT. */
export function prOutCdb({ action, type }: Pick<PrOutCall, "action" | "type">): Uint8Array {
  const cdb = new Uint8Array(CDB_SIZE_BYTES);
  cdb[0] = OPERATION_PR_OUT;
  cdb[1] = PR_OUT[action];
  cdb[2] = (LU_SCOPE << 4) | (type === null ? 0 : SCSI_TYPE_CODES[type]);
  new DataView(cdb.buffer).setUint32(5, PARAMETER_LIST_SIZE_BYTES);
  return cdb;
}

/** The parameter list of PERSISTENT RESERVE OUT. */
export function prOutParameters({ key, action_key, aptpl }: PrOutCall): Uint8Array {
  const list = new Uint8Array(PARAMETER_LIST_SIZE_BYTES);
  const view = new DataView(list.buffer);
  view.setBigUint64(0, key);
  view.setBigUint64(8, action_key);
  list[20] = aptpl ? FLAG_APTPL : 0;
  return list;
}

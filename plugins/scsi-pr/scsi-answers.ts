import {
  type PrCapabilities,
  RESERVATION_TYPES,
  type Registration,
  type Reservation,
  type ReservationKey,
  type ReservationType,
} from "./reservable.ts";
import { SCSI_TYPE_CODES, typeOfCode } from "./reservation-type.ts";
import { transportIdInWords } from "./transport-id.ts";

/*
 * What PERSISTENT RESERVE IN answers (SPC-4 clause 6.15), read with care: the bytes come from a device, and lengths that it
 * states are checked against what was transferred before anything is read by them.
 */

/**
 * `more`: the answer is longer than the room that it had, ask again with `size_bytes`. `malformed`: the bytes contradict
 * themselves, and the sentence says how.
 */
export type Parsed<Results> =
  | ({ readonly kind: "parsed" } & Readonly<Results>)
  | { readonly kind: "more"; readonly size_bytes: number }
  | { readonly kind: "malformed"; readonly detail: string };

/** Bytes in front of the lists of READ KEYS, READ RESERVATION and READ FULL STATUS: PRGENERATION and ADDITIONAL LENGTH. */
export const HEAD_SIZE_BYTES = 8;
const KEY_SIZE_BYTES = 8;
const RESERVATION_SIZE_BYTES = 16;
const CAPABILITIES_SIZE_BYTES = 8;
/** A full status descriptor without its TransportID. */
const DESCRIPTOR_SIZE_BYTES = 24;

function malformed(detail: string): { kind: "malformed"; detail: string } {
  return { kind: "malformed", detail };
}

interface Head {
  readonly generation: number;
  readonly list: DataView;
}

/** The generation and as much list as the device says there is; all of it must have been transferred. */
function readHead(answer: Uint8Array): Parsed<Head> {
  const view = new DataView(answer.buffer, answer.byteOffset, answer.length);
  if (answer.length < HEAD_SIZE_BYTES)
    return malformed(`it has ${answer.length} bytes, and 8 at least are due`);
  const generation = view.getUint32(0);
  const additional_size_bytes = view.getUint32(4);
  const size_bytes = HEAD_SIZE_BYTES + additional_size_bytes;
  if (size_bytes > answer.length) return { kind: "more", size_bytes };
  const list = new DataView(answer.buffer, answer.byteOffset + HEAD_SIZE_BYTES, additional_size_bytes);
  return { kind: "parsed", generation, list };
}

/** READ KEYS. A key is listed once for every nexus that registered it. */
export function parseKeys(
  answer: Uint8Array,
): Parsed<{ generation: number; keys: readonly ReservationKey[] }> {
  const head = readHead(answer);
  if (head.kind !== "parsed") return head;
  const { generation, list } = head;
  if (list.byteLength % KEY_SIZE_BYTES !== 0)
    return malformed(`${list.byteLength} bytes are no list of keys`);
  const keys: ReservationKey[] = [];
  for (let offset = 0; offset < list.byteLength; offset += KEY_SIZE_BYTES)
    keys.push(list.getBigUint64(offset));
  return { kind: "parsed", generation, keys };
}

/** READ RESERVATION; an answer without a list says that nothing is reserved. */
export function parseReservation(
  answer: Uint8Array,
): Parsed<{ generation: number; reservation: Reservation | null }> {
  const head = readHead(answer);
  if (head.kind !== "parsed") return head;
  const { generation, list } = head;
  if (list.byteLength === 0) return { kind: "parsed", generation, reservation: null };
  if (list.byteLength < RESERVATION_SIZE_BYTES)
    return malformed(`${list.byteLength} bytes are no reservation, which has 16`);
  const code = list.getUint8(13) & 0x0f;
  const type = typeOfCode(SCSI_TYPE_CODES, code);
  if (type === null) return malformed(`the reservation has type ${code}, which SPC-4 does not know`);
  return { kind: "parsed", generation, reservation: { type, key: list.getBigUint64(0) } };
}

/** The bits of PERSISTENT RESERVATION TYPE MASK as one big-endian 16-bit number. */
const TYPE_MASK_BITS: Readonly<Record<ReservationType, number>> = {
  WEAR: 0x8000,
  EARO: 0x4000,
  WERO: 0x2000,
  EA: 0x0800,
  WE: 0x0200,
  EAAR: 0x0001,
};
const FLAG_PTPL_CAPABLE = 0x01;
const FLAG_TYPE_MASK_VALID = 0x80;
const FLAG_PTPL_ACTIVE = 0x01;

/** REPORT CAPABILITIES. */
export function parseCapabilities(answer: Uint8Array): Parsed<{ capabilities: PrCapabilities }> {
  if (answer.length < CAPABILITIES_SIZE_BYTES)
    return malformed(`it has ${answer.length} bytes, and 8 are due`);
  const view = new DataView(answer.buffer, answer.byteOffset, answer.length);
  const size_bytes = view.getUint16(0);
  if (size_bytes < CAPABILITIES_SIZE_BYTES) return malformed(`it says that it has ${size_bytes} bytes of 8`);
  const flags = view.getUint8(2);
  const more_flags = view.getUint8(3);
  const type_mask = view.getUint16(4);
  const types =
    (more_flags & FLAG_TYPE_MASK_VALID) === 0
      ? RESERVATION_TYPES
      : RESERVATION_TYPES.filter((type) => (type_mask & TYPE_MASK_BITS[type]) !== 0);
  const persist_through_power_loss = {
    capable: (flags & FLAG_PTPL_CAPABLE) !== 0,
    active: (more_flags & FLAG_PTPL_ACTIVE) !== 0,
  };
  return { kind: "parsed", capabilities: { persist_through_power_loss, types } };
}

const FLAG_HOLDER = 0x01;
const FLAG_ALL_TARGET_PORTS = 0x02;

/** READ FULL STATUS. */
export function parseFullStatus(
  answer: Uint8Array,
): Parsed<{ generation: number; registrations: readonly Registration[] }> {
  const head = readHead(answer);
  if (head.kind !== "parsed") return head;
  const { generation, list } = head;
  const registrations: Registration[] = [];
  let offset = 0;
  while (offset < list.byteLength) {
    const left_size_bytes = list.byteLength - offset;
    if (left_size_bytes < DESCRIPTOR_SIZE_BYTES)
      return malformed(`${left_size_bytes} bytes at byte ${HEAD_SIZE_BYTES + offset} are no registration`);
    const id_size_bytes = list.getUint32(offset + 20);
    if (id_size_bytes > left_size_bytes - DESCRIPTOR_SIZE_BYTES)
      return malformed(`the transport id at byte ${HEAD_SIZE_BYTES + offset + 24} goes beyond the end`);
    const flags = list.getUint8(offset + 12);
    const holder = (flags & FLAG_HOLDER) !== 0;
    const isForAllPorts = (flags & FLAG_ALL_TARGET_PORTS) !== 0;
    registrations.push({
      key: list.getBigUint64(offset),
      holder,
      // SCOPE and TYPE are only valid for a holder.
      type: holder ? typeOfCode(SCSI_TYPE_CODES, list.getUint8(offset + 13) & 0x0f) : null,
      // With ALL_TG_PT the registration is one for every port, and the field of the port means nothing.
      ...(isForAllPorts
        ? { target_port: 0, all_target_ports: true as const }
        : { target_port: list.getUint16(offset + 18) }),
      initiator: transportIdInWords(
        new Uint8Array(list.buffer, list.byteOffset + offset + DESCRIPTOR_SIZE_BYTES, id_size_bytes),
      ),
    });
    offset += DESCRIPTOR_SIZE_BYTES + id_size_bytes;
  }
  return { kind: "parsed", generation, registrations };
}

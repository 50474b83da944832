import {
  type PrCapabilities,
  RESERVATION_TYPES,
  type Registration,
  type Reservation,
  type ReservationType,
} from "./reservable.ts";
import { NVME_TYPE_CODES, typeOfCode } from "./reservation-type.ts";
import type { Parsed } from "./scsi-answers.ts";

/* What Reservation Report and Identify Namespace answer: NVM Express Base Specification 2.0, clauses 7.5 and 5.17.2.1. */

/** Offsets of the two forms of the report; the extended one has a longer head and longer entries. */
const FORMS = {
  short: { head_size_bytes: 24, entry_size_bytes: 24, key: 16, host: 8, host_size_bytes: 8 },
  extended: { head_size_bytes: 64, entry_size_bytes: 64, key: 8, host: 16, host_size_bytes: 16 },
} as const;

/** The report's first bytes, in both forms. */
export const REPORT_HEAD_SIZE_BYTES = 64;

export interface Report {
  readonly generation: number;
  readonly reservation: Reservation | null;
  readonly registrations: readonly Registration[];
  /** The namespace persists registrations through a loss of power now. */
  readonly persists: boolean;
}

/**
 * True for a report in the short form that was asked for in the extended one: its first entry lies where the other has a head that is
 * reserved, and zero. Taken for extended it would be hosts with other keys than they have.
 */
function isShort(answer: Uint8Array): boolean {
  const { short, extended } = FORMS;
  return answer.subarray(short.head_size_bytes, extended.head_size_bytes).some((byte) => byte !== 0);
}

/** Reads a report, in whatever form it came; `more` when it lists more registered controllers than the room was for. */
export function parseReport(answer: Uint8Array, { extended }: { extended: boolean }): Parsed<Report> {
  // A controller that does not know the extended form may ignore that it was asked for.
  const form = extended && !isShort(answer) ? FORMS.extended : FORMS.short;
  if (answer.length < form.head_size_bytes)
    return { kind: "malformed", detail: `it has ${answer.length} bytes of ${form.head_size_bytes} at least` };
  const view = new DataView(answer.buffer, answer.byteOffset, answer.length);
  const code = view.getUint8(4);
  const type = code === 0 ? null : typeOfCode(NVME_TYPE_CODES, code);
  if (code !== 0 && type === null)
    return { kind: "malformed", detail: `the reservation has type ${code}, which NVMe does not know` };
  const count = view.getUint16(5, true);
  const size_bytes = form.head_size_bytes + count * form.entry_size_bytes;
  if (size_bytes > answer.length) return { kind: "more", size_bytes };
  const registrations: Registration[] = [];
  for (let index = 0; index < count; index += 1) {
    const offset = form.head_size_bytes + index * form.entry_size_bytes;
    const holder = (view.getUint8(offset + 2) & 0x01) !== 0;
    const host = new Uint8Array(answer.buffer, answer.byteOffset + offset + form.host, form.host_size_bytes);
    registrations.push({
      key: view.getBigUint64(offset + form.key, true),
      holder,
      type: holder ? type : null,
      // The controller through which the host is attached; FFFFh in fabrics whose controllers come and go.
      target_port: view.getUint16(offset, true),
      initiator: `host ${host.toHex()}`,
    });
  }
  return {
    kind: "parsed",
    generation: view.getUint32(0, true),
    reservation: type === null ? null : { type, key: holderKey(type, registrations) },
    registrations,
    persists: view.getUint8(9) !== 0,
  };
}

/** As READ RESERVATION has it: 0 where every registrant is holder. */
function holderKey(type: ReservationType, registrations: readonly Registration[]): bigint {
  if (type === "WEAR" || type === "EAAR") return 0n;
  return registrations.find(({ holder }) => holder)?.key ?? 0n;
}

/**
 * A host with several controllers is registered once and listed for each of them. One entry for each host identifier is what
 * the list of keys means elsewhere.
 */
export function oneForEachHost(registrations: readonly Registration[]): readonly Registration[] {
  const hosts = new Map<string, Registration>();
  for (const registration of registrations) {
    const known = hosts.get(registration.initiator);
    if (known === undefined || (registration.holder && !known.holder))
      hosts.set(registration.initiator, registration);
  }
  return [...hosts.values()];
}

/** RESCAP, byte 31 of the namespace's data structure. */
const RESCAP_OFFSET = 31;
const RESCAP_PERSIST = 0x01;
const RESCAP_BITS: Readonly<Record<ReservationType, number>> = {
  WE: 0x02,
  EA: 0x04,
  WERO: 0x08,
  EARO: 0x10,
  WEAR: 0x20,
  EAAR: 0x40,
};

/** The types that a namespace takes, from Identify; none means that it has no reservations. */
export function parseReservationCapabilities(identify: Uint8Array): Pick<PrCapabilities, "types"> & {
  readonly can_persist: boolean;
} {
  const rescap = identify[RESCAP_OFFSET] ?? 0;
  return {
    types: RESERVATION_TYPES.filter((type) => (rescap & RESCAP_BITS[type]) !== 0),
    can_persist: (rescap & RESCAP_PERSIST) !== 0,
  };
}

import type { ReservationType } from "./reservable.ts";

/** The TYPE field of PERSISTENT RESERVE OUT and of READ RESERVATION (SPC-4 clause 6.15.3.4); 2 and 4 are obsolete, 0 was never given. */
export const SCSI_TYPE_CODES: Readonly<Record<ReservationType, number>> = {
  WE: 1,
  EA: 3,
  WERO: 5,
  EARO: 6,
  WEAR: 7,
  EAAR: 8,
};

/** RTYPE of NVMe's reservation commands: the same types in the same order, but counted without gaps. */
export const NVME_TYPE_CODES: Readonly<Record<ReservationType, number>> = {
  WE: 1,
  EA: 2,
  WERO: 3,
  EARO: 4,
  WEAR: 5,
  EAAR: 6,
};

/** What the types are called in full, in SPC's words. */
export const TYPE_WORDS: Readonly<Record<ReservationType, string>> = {
  WE: "Write Exclusive",
  EA: "Exclusive Access",
  WERO: "Write Exclusive, registrants only",
  EARO: "Exclusive Access, registrants only",
  WEAR: "Write Exclusive, all registrants",
  EAAR: "Exclusive Access, all registrants",
};

/** Types whose holder is every registrant, so that it does not matter through which path of several one reserved. */
export function heldByAllRegistrants(type: ReservationType): boolean {
  return type === "WEAR" || type === "EAAR";
}

/** Types under which only the nexus that reserved may write, so that a second path of the same host may not. */
export function heldByOneNexusAlone(type: ReservationType): boolean {
  return type === "WE" || type === "EA";
}

/** The type with this code, or null for a code that the standard does not know. */
export function typeOfCode(
  codes: Readonly<Record<ReservationType, number>>,
  code: number,
): ReservationType | null {
  for (const [type, known] of Object.entries(codes) as [ReservationType, number][]) {
    if (known === code) return type;
  }
  return null;
}

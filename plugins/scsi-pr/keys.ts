import { assert } from "../../core/assert.ts";
import type { ReservationKey } from "./reservable.ts";

/*
 * Reservation keys as people write them and as lvm makes them. lvm derives a host's key from its host_id, and with sanlock from
 * the generation of its host_id lease as well, so that the key of a host's earlier life can be told from its present one:
 * 0x100000GGGGGGHHHH, where without a generation GGGGGG is 000000.
 */

/** What lvm sets in every key that it makes (the highest hex digit), and what its fields are. */
const LVM_KEY = 0x1000_0000_0000_0000n;
const HOST_ID_MASK = 0xffffn;
const GENERATION_MASK = 0xff_ffffn;
const GENERATION_SHIFT = 16n;
const LVM_FIELDS = (GENERATION_MASK << GENERATION_SHIFT) | HOST_ID_MASK;

/** The largest key: 64 bits. */
const KEY_MAX = 0xffff_ffff_ffff_ffffn;

/** A key, or one sentence about what is wrong with the text. */
export type KeyAnswer =
  | { readonly kind: "key"; readonly key: ReservationKey }
  | { readonly kind: "refused"; readonly detail: string };

function refused(text: string, why: string): KeyAnswer {
  return { kind: "refused", detail: `${JSON.stringify(text)} is not a reservation key: ${why}` };
}

/**
 * Reads a key: 0x and 1 to 16 hex digits without a leading zero, as lvm prints and compares them, or a decimal number. Zero is
 * refused, because the commands use it for "no key".
 */
export function parseReservationKey(text: string): KeyAnswer {
  const hex = /^0x([0-9a-fA-F]+)$/.exec(text)?.[1];
  if (hex !== undefined) {
    if (/^0+$/.test(hex)) return refused(text, "zero means that there is no key");
    if (hex.startsWith("0")) return refused(text, "leave out the zeros after 0x");
    if (hex.length > 16) return refused(text, `${hex.length} hex digits are more than 16`);
    return { kind: "key", key: BigInt(`0x${hex}`) };
  }
  if (!/^[0-9]+$/.test(text)) return refused(text, "write 0x and 1 to 16 hex digits, or a decimal number");
  // A decimal with a leading zero is more likely a hex key whose 0x was forgotten than a number.
  if (/^0+$/.test(text)) return refused(text, "zero means that there is no key");
  if (text.startsWith("0")) return refused(text, "a decimal number has no leading zero; hex digits need 0x");
  // The largest key has 20 decimal digits; longer text never becomes a number.
  const key = text.length > 20 ? KEY_MAX + 1n : BigInt(text);
  return key > KEY_MAX ? refused(text, "it does not fit into 64 bits") : { kind: "key", key };
}

/** A key as lvm, sg_persist and we write it: "0x1000000000000001". */
export function printKey(key: ReservationKey): string {
  return `0x${key.toString(16)}`;
}

/** True for what can be some host's key. */
export function isKey(key: bigint): key is ReservationKey {
  return key > 0n && key <= KEY_MAX;
}

/**
 * The key of a host: 0x100000000000HHHH without a generation (dlm, or before sanlock has been joined), 0x100000GGGGGGHHHH with
 * sanlock's. Only 24 bits of a generation fit; lvm cuts it in the same way.
 */
export function keyOfHost({
  host_id,
  generation = 0,
}: {
  host_id: number;
  generation?: number;
}): ReservationKey {
  assert(Number.isInteger(host_id) && host_id > 0 && host_id <= 0xffff, `host_id ${host_id} fits into a key`);
  assert(Number.isSafeInteger(generation) && generation >= 0, `generation ${generation} is a number`);
  return LVM_KEY | ((BigInt(generation) & GENERATION_MASK) << GENERATION_SHIFT) | BigInt(host_id);
}

/** Whose key it is, when lvm's rule made it; generation 0 when the key carries none. */
export interface KeyOwner {
  readonly host_id: number;
  readonly generation: number;
}

/** The host_id and generation that a key stands for; null when it is not of lvm's making (a pr_key of a user's own). */
export function hostOfKey(key: ReservationKey): KeyOwner | null {
  if ((key & ~LVM_FIELDS) !== LVM_KEY) return null;
  const host_id = Number(key & HOST_ID_MASK);
  if (host_id === 0) return null;
  return { host_id, generation: Number((key >> GENERATION_SHIFT) & GENERATION_MASK) };
}

/** The different keys among these that tell no host, so that nobody can say whose they are. */
export function keysOfNoHost(keys: readonly ReservationKey[]): ReservationKey[] {
  return [...new Set(keys)].filter((key) => hostOfKey(key) === null);
}

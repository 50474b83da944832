import { VALUE_BLOCK_LAYOUT, type ValueBlock } from "../contract.ts";

/** What a lease that nobody has written a block for carries. */
export const UNWRITTEN: ValueBlock = Object.freeze({ layout: 0, flags: 0, r_version: 0 });

/** Reads the struct at the start of sanlock's value block. */
export function decodeValueBlock(bytes: Uint8Array): ValueBlock {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const layout = view.getUint16(0, true);
  const r_version = view.getUint32(4, true);
  if (layout === 0 && r_version === 0) return UNWRITTEN;
  return { layout, flags: view.getUint16(2, true), r_version };
}

/**
 * The whole sector with the struct at its start. sanlock copies what it is given over what it has, so that a shorter block
 * would keep the tail of whatever was there before.
 */
export function encodeValueBlock(block: ValueBlock, r_version: number, size_bytes: number): Uint8Array {
  const bytes = new Uint8Array(size_bytes);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, block.layout === 0 ? VALUE_BLOCK_LAYOUT : block.layout, true);
  view.setUint16(2, block.flags, true);
  view.setUint32(4, r_version, true);
  return bytes;
}

import { VALUE_BLOCK_LAYOUT, VALUE_BLOCK_REMOVED, type ValueBlock } from "../contract.ts";

/** What a lock that nobody has written a block for carries. */
export const UNWRITTEN: ValueBlock = Object.freeze({ layout: 0, flags: 0, r_version: 0 });

/** Reads the struct at the start of the dlm's value block. */
export function decodeValueBlock(bytes: Uint8Array): ValueBlock {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const block = {
    layout: view.getUint16(0, true),
    flags: view.getUint16(2, true),
    r_version: view.getUint32(4, true),
  };
  return block.layout === 0 && block.r_version === 0 ? UNWRITTEN : block;
}

/** Writes the struct to the start of the dlm's value block and clears the rest. */
export function encodeValueBlock(block: ValueBlock, bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  bytes.fill(0);
  view.setUint16(0, block.layout, true);
  view.setUint16(2, block.flags, true);
  view.setUint32(4, block.r_version, true);
}

/**
 * The block to store when an exclusive lock is given up, or null to leave the stored one as it is. `held` is what came with the
 * lock; null when it was lost with a failed node, and then it is written anew, so that it counts again.
 */
export function nextBlock(held: ValueBlock | null, r_version: number, removed: boolean): ValueBlock | null {
  if (held !== null && r_version === 0 && !removed) return null;
  const block = held ?? UNWRITTEN;
  return {
    layout: block.layout === 0 ? VALUE_BLOCK_LAYOUT : block.layout,
    flags: removed ? VALUE_BLOCK_REMOVED : block.flags,
    r_version: r_version === 0 ? block.r_version : r_version,
  };
}

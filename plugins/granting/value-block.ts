import { type LockResults, VALUE_BLOCK_LAYOUT, VALUE_BLOCK_REMOVED, type ValueBlock } from "../contract.ts";

/** What a lock call answers. */
export type Granted = { readonly kind: "done" } & LockResults;

/** How the holder of ex changes the value block when it lets go. */
export interface ValueBlockRules {
  /** The block of a resource that ex is given up on by `unlock`; the same object when nothing changes. */
  unlocked(block: ValueBlock, kind: "gl" | "vg", r_version: number, free_vg: boolean): ValueBlock;
  /** The same for `convert`. */
  converted(block: ValueBlock, r_version: number): ValueBlock;
}

/** The block that nobody has written yet. */
export const UNWRITTEN: ValueBlock = Object.freeze({ layout: 0, flags: 0, r_version: 0 });

/** Makes the shared answer of a grant. It is frozen because it is handed out for every grant until the block changes. */
export function granted(value_block: ValueBlock | null, adopted: boolean): Granted {
  return Object.freeze({ kind: "done", lm_result: 0, value_block, adopted });
}

/**
 * dlm's rules, as lvmlockd writes them: any unlock of ex gives the block its layout, a removed VG is flagged, and a version
 * is stored when there is one.
 */
export const DLM_RULES: ValueBlockRules = {
  unlocked(block, kind, r_version, free_vg) {
    const removed = free_vg && kind === "vg";
    if (block.layout !== 0 && !removed && (r_version === 0 || r_version === block.r_version)) return block;
    return Object.freeze({
      layout: block.layout === 0 ? VALUE_BLOCK_LAYOUT : block.layout,
      flags: removed ? VALUE_BLOCK_REMOVED : block.flags,
      r_version: r_version === 0 ? block.r_version : r_version,
    });
  },
  converted: (block, r_version) => withVersion(block, r_version),
};

/** The rules of sanlock in the C daemon's test mode: only a version is ever stored, and only by an unlock. */
export const SANLOCK_TEST_RULES: ValueBlockRules = {
  unlocked: (block, _kind, r_version) => withVersion(block, r_version),
  converted: (block) => block,
};

function withVersion(block: ValueBlock, r_version: number): ValueBlock {
  if (r_version === 0 || (block.layout !== 0 && block.r_version === r_version)) return block;
  return Object.freeze({
    layout: block.layout === 0 ? VALUE_BLOCK_LAYOUT : block.layout,
    flags: block.flags,
    r_version,
  });
}

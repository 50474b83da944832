/**
 * The versions in the value blocks of the GL and VG locks. The VG's version is the metadata seqno that vg_update announced, the
 * GL's a counter of changes. lvmetad, which once acted on them, is gone, but hosts with the C daemon share the blocks with us,
 * so they are read and written by the same rules.
 */
import { VALUE_BLOCK_LAYOUT, VALUE_BLOCK_REMOVED, type ValueBlock } from "../../plugins/contract.ts";
import type { Lock, Resource } from "./state.ts";

/** What reading a value block says about the lock that came with it. */
export type BlockVerdict = "good" | "removed" | "foreign";

/**
 * Takes the block that came with a granted lock into the resource. "foreign": the block has a newer layout than we know
 * (C answers EINVAL); "removed": another host removed the VG.
 */
export function readBlock(resource: Resource, block: ValueBlock | null): BlockVerdict {
  if (resource.kind === "lv") return "good";
  if (block === null) {
    // The content was lost (dlm recovery) or the manager has none: a zero that is valid until somebody writes.
    resource.version_zero_valid = true;
    return "good";
  }
  if (block.layout !== 0 && (block.layout & 0xff00) > (VALUE_BLOCK_LAYOUT & 0xff00)) return "foreign";
  if (block.r_version === 0) {
    resource.version_zero_valid = true;
  } else {
    // Another host may have gone on (larger), or reinitialised a lost block or a recreated VG (smaller): its value holds.
    resource.version = block.r_version;
    resource.version_zero_valid = false;
  }
  const removed = block.layout !== 0 && block.r_version !== 0 && (block.flags & VALUE_BLOCK_REMOVED) !== 0;
  return removed ? "removed" : "good";
}

/**
 * The r_version to write when `lock` gives up ex; 0 when there is nothing to write. The global lock counts every release from
 * ex; the VG lock writes what vg_update announced, when that is news.
 */
export function versionToWrite(resource: Resource, lock: Lock): number {
  if (resource.mode !== "ex") return 0;
  if (resource.kind === "gl") return resource.version + 1;
  return resource.kind === "vg" && lock.version > resource.version ? lock.version : 0;
}

/** The manager has let go of ex and written the version. Not before: a release that it refuses has to write it again. */
export function noteVersionWritten(resource: Resource, lock: Lock): void {
  const r_version = versionToWrite(resource, lock);
  if (r_version === 0) return;
  resource.version = r_version;
  lock.version = r_version;
  resource.version_zero_valid = false;
}

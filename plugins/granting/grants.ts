import {
  type ConvertCall,
  type HeldMode,
  type LockCall,
  type Refused,
  refuse,
  type UnlockCall,
  type ValueBlock,
} from "../contract.ts";
import { type Granted, granted, UNWRITTEN, type ValueBlockRules } from "./value-block.ts";

/** The global or the VG lock. The answers of a grant are made when the value block changes, not for each grant. */
interface SharedResource {
  /** Null: not held. */
  mode: HeldMode | null;
  value_block: ValueBlock;
  grant: Granted;
  adopted_grant: Granted;
}

type Released = { readonly kind: "done"; readonly lm_result: number };

/** The locks of one lockspace that no other host can want: each is granted in the mode that is asked for. */
export interface Grants {
  lock(call: LockCall): Granted;
  convert(call: ConvertCall): Released | Refused;
  unlock(call: UnlockCall): Released;
  /** The lockspace is left: nothing is held any more, and the value blocks are gone. */
  clear(): void;
}

const DONE: Released = Object.freeze({ kind: "done", lm_result: 0 });
const GRANTED_UNWRITTEN = granted(UNWRITTEN, false);
const ADOPTED_UNWRITTEN = granted(UNWRITTEN, true);
const GRANTED_LV = granted(null, false);
const ADOPTED_LV = granted(null, true);
const NOT_HELD: Refused = Object.freeze(refuse("ENOENT", "a lock that is not held can't be converted"));

/**
 * Makes the books of a lockspace that this host has for itself. What clients of this host may hold together is the core's
 * business. Every method answers at once, and a lock or unlock of a VG allocates nothing.
 */
export function createGrants(rules: ValueBlockRules): Grants {
  let gl = unwritten();
  let vg = unwritten();
  // The LV locks that are held and nothing else, so the map is bounded by what the core holds.
  const lvs = new Map<string, HeldMode>();
  return {
    lock({ resource, mode, adopt }) {
      // What an earlier daemon held is only in its journal: whoever asks for nothing but an orphan knows that it was held.
      const adopted = adopt === "only-orphan";
      if (resource.kind === "lv") {
        lvs.set(resource.name, mode);
        return adopted ? ADOPTED_LV : GRANTED_LV;
      }
      const shared = resource.kind === "vg" ? vg : gl;
      shared.mode = mode;
      return adopted ? shared.adopted_grant : shared.grant;
    },
    convert({ resource, mode, r_version }) {
      if (resource.kind === "lv") {
        if (!lvs.has(resource.name)) return NOT_HELD;
        lvs.set(resource.name, mode);
        return DONE;
      }
      const shared = resource.kind === "vg" ? vg : gl;
      if (shared.mode === null) return NOT_HELD;
      if (shared.mode === "ex") setValueBlock(shared, rules.converted(shared.value_block, r_version));
      shared.mode = mode;
      return DONE;
    },
    unlock({ resource, r_version, free_vg }) {
      if (resource.kind === "lv") {
        lvs.delete(resource.name);
        return DONE;
      }
      const shared = resource.kind === "vg" ? vg : gl;
      if (shared.mode === "ex")
        setValueBlock(shared, rules.unlocked(shared.value_block, resource.kind, r_version, free_vg));
      shared.mode = null;
      return DONE;
    },
    clear() {
      // As with dlm, a value block lives while its lockspace is joined.
      gl = unwritten();
      vg = unwritten();
      lvs.clear();
    },
  };
}

function unwritten(): SharedResource {
  return { mode: null, value_block: UNWRITTEN, grant: GRANTED_UNWRITTEN, adopted_grant: ADOPTED_UNWRITTEN };
}

function setValueBlock(shared: SharedResource, value_block: ValueBlock): void {
  if (value_block === shared.value_block) return;
  shared.value_block = value_block;
  shared.grant = granted(value_block, false);
  shared.adopted_grant = granted(value_block, true);
}

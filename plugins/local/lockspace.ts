import {
  type ConvertCall,
  type GlobalLockState,
  type HeldMode,
  type LockCall,
  type LockspaceHandle,
  type LockspaceIdentity,
  type Refused,
  refuse,
  type UnlockCall,
  type ValueBlock,
} from "../contract.ts";
import type { LocalRules } from "./rules.ts";
import { type Granted, granted, UNWRITTEN } from "./value-block.ts";

/** The global or the VG lock. The answers of a grant are made when the value block changes, not for each grant. */
interface SharedResource {
  /** Null: not held. */
  mode: HeldMode | null;
  value_block: ValueBlock;
  grant: Granted;
  adopted_grant: Granted;
}

const DONE = Object.freeze({ kind: "done", lm_result: 0 } as const);
const GRANTED_UNWRITTEN = granted(UNWRITTEN, false);
const ADOPTED_UNWRITTEN = granted(UNWRITTEN, true);
const GRANTED_LV = granted(null, false);
const ADOPTED_LV = granted(null, true);
const NO_HOSTS = Object.freeze({ kind: "done", others: 0, unknown: false } as const);
const NOT_HELD: Refused = Object.freeze(refuse("ENOENT", "a lock that is not held can't be converted"));

/**
 * One lockspace of one host. There is nobody to be in conflict with: what clients of this host may hold together is the
 * core's business, so a lock is granted in the mode that is asked for. Every method answers at once, and a lock or unlock
 * of a VG allocates nothing.
 */
export function createLocalLockspace(
  identity: LockspaceIdentity,
  rules: LocalRules,
  joined_names: Set<string>,
): LockspaceHandle {
  const { lockspace_name } = identity;
  const { value_block: value_block_rules, global_lock } = rules;
  let gl = unwritten();
  let vg = unwritten();
  // The LV locks that are held and nothing else, so the map is bounded by what the core holds.
  const lvs = new Map<string, HeldMode>();
  let joined = false;

  const globalLockState = (): GlobalLockState =>
    global_lock === null ? "not-here" : global_lock.offer(lockspace_name);

  return {
    prepare() {
      const refused = rules.whyNotPrepared(identity);
      if (refused !== null) return refused;
      return { kind: "done", lm_result: 0, prev_generation: 0, global_lock: globalLockState() };
    },
    join({ adopt }) {
      if (joined_names.has(lockspace_name) && adopt === "no")
        return refuse("EEXIST", `lockspace ${lockspace_name} is joined already`);
      joined_names.add(lockspace_name);
      joined = true;
      const place = rules.join_tells_global_lock ? globalLockState() : "not-here";
      return { kind: "done", generation: 0, global_lock: place };
    },
    leave() {
      if (joined) joined_names.delete(lockspace_name);
      joined = false;
      global_lock?.left(lockspace_name);
      // As with dlm, a value block lives while its lockspace is joined.
      gl = unwritten();
      vg = unwritten();
      lvs.clear();
      return DONE;
    },
    lock({ resource, mode, adopt }: LockCall) {
      const refused = rules.whyNotLockable(resource);
      if (refused !== null) return refused;
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
    convert({ resource, mode, r_version }: ConvertCall) {
      if (resource.kind === "lv") {
        if (!lvs.has(resource.name)) return NOT_HELD;
        lvs.set(resource.name, mode);
        return DONE;
      }
      const shared = resource.kind === "vg" ? vg : gl;
      if (shared.mode === null) return NOT_HELD;
      if (shared.mode === "ex")
        setValueBlock(shared, value_block_rules.converted(shared.value_block, r_version));
      shared.mode = mode;
      return DONE;
    },
    unlock({ resource, r_version, free_vg }: UnlockCall) {
      if (resource.kind === "lv") {
        lvs.delete(resource.name);
        return DONE;
      }
      const shared = resource.kind === "vg" ? vg : gl;
      if (shared.mode === "ex") {
        const { value_block } = shared;
        setValueBlock(shared, value_block_rules.unlocked(value_block, resource.kind, r_version, free_vg));
      }
      shared.mode = null;
      return DONE;
    },
    hosts: () => NO_HOSTS,
    findFreeLock: () => DONE,
    freeLv: () => DONE,
    setGlobalLock({ enabled }) {
      if (global_lock === null) return refuse("EINVAL", "the global lock has a lockspace of its own");
      global_lock.set(lockspace_name, enabled);
      return DONE;
    },
    hasGlobalLock: () => ({ kind: "done", enabled: global_lock?.search(lockspace_name) ?? false }),
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

import { type GlobalLockState, type LockspaceHandle, type LockspaceIdentity, refuse } from "../contract.ts";
import { createGrants } from "../granting/grants.ts";
import type { LocalRules } from "./rules.ts";

const DONE = Object.freeze({ kind: "done", lm_result: 0 } as const);
const NO_HOSTS = Object.freeze({ kind: "done", others: 0, unknown: false } as const);

/**
 * One lockspace of one host. There is nobody to be in conflict with, so a lock is granted in the mode that is asked for.
 * Every method answers at once.
 */
export function createLocalLockspace(
  identity: LockspaceIdentity,
  rules: LocalRules,
  joined_names: Set<string>,
): LockspaceHandle {
  const { lockspace_name } = identity;
  const { global_lock } = rules;
  const grants = createGrants(rules.value_block);
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
      grants.clear();
      return DONE;
    },
    lock: (call) => rules.whyNotLockable(call.resource) ?? grants.lock(call),
    convert: grants.convert,
    unlock: grants.unlock,
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

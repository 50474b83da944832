import { type LockspaceHandle, type LockspaceIdentity, refuse } from "../../contract.ts";
import { createGrants } from "../../granting/grants.ts";
import { DLM_RULES } from "../../granting/value-block.ts";

const DONE = Object.freeze({ kind: "done", lm_result: 0 } as const);
const NO_HOSTS = Object.freeze({ kind: "done", others: 0, unknown: false } as const);
const PREPARED = Object.freeze({
  kind: "done",
  lm_result: 0,
  prev_generation: 0,
  global_lock: "not-here",
} as const);
const JOINED = Object.freeze({ kind: "done", generation: 0, global_lock: "not-here" } as const);
const NOT_IN_A_VG = Object.freeze(refuse("EINVAL", "the global lock has a lockspace of its own"));

/**
 * The lockspace of the global lock. It belongs to no VG and so to no device that could be reserved: it keeps the commands of
 * this host apart, and only those. What it protects between hosts elsewhere (disks that no VG has yet, names of VGs) is the
 * administrator's to keep apart here; docs/scsi-pr.md says so.
 */
export function createGlobalLockspace({ lockspace_name }: LockspaceIdentity): LockspaceHandle {
  const grants = createGrants(DLM_RULES);
  let joined = false;
  return {
    prepare: () => PREPARED,
    join() {
      if (joined) return refuse("EEXIST", `lockspace ${lockspace_name} is joined already`);
      joined = true;
      return JOINED;
    },
    leave() {
      joined = false;
      grants.clear();
      return DONE;
    },
    lock: grants.lock,
    convert: grants.convert,
    unlock: grants.unlock,
    hosts: () => NO_HOSTS,
    setGlobalLock: () => NOT_IN_A_VG,
    hasGlobalLock: () => ({ kind: "done", enabled: false }),
  };
}

import { type LockType, refuse } from "../contract.ts";
import { DLM_RULES } from "../granting/value-block.ts";
import { createGlobalLockPlace } from "./global-lock.ts";
import { LOCK_ARGS_VERSION, whyForeign } from "./lock-args.ts";
import { createLeaseOffsets, type LocalRules } from "./rules.ts";

/** The rules of a machine without a cluster: VGs carry this machine's identity, and no other VG may be started. */
export function createLocalRules(lock_type: LockType, identity: string): LocalRules {
  const own_args = `${LOCK_ARGS_VERSION}:${identity}`;
  const global_lock = lock_type === "sanlock" ? createGlobalLockPlace(false) : null;
  const nextOffset = createLeaseOffsets();
  return {
    value_block: DLM_RULES,
    global_lock,
    join_tells_global_lock: true,
    initVg: ({ lockspace_name }) => ({
      kind: "done",
      lm_result: 0,
      vg_lock_args: own_args,
      global_lock: global_lock === null ? "not-here" : global_lock.offer(lockspace_name),
    }),
    initLv: () => ({ kind: "done", lm_result: 0, lv_lock_args: lock_type === "sanlock" ? nextOffset() : "" }),
    renameVg({ vg_lock_args }) {
      const foreign = whyForeign(vg_lock_args, lock_type, identity);
      if (foreign !== null) return refuse("EARGS", foreign);
      return { kind: "done", lm_result: 0, vg_lock_args };
    },
    whyNotPrepared({ vg_name, vg_lock_args }) {
      // The lockspace of the global lock belongs to no VG and has no args.
      if (vg_name === "" && vg_lock_args === "") return null;
      const foreign = whyForeign(vg_lock_args, lock_type, identity);
      return foreign === null ? null : refuse("EARGS", foreign);
    },
    whyNotLockable: () => null,
  };
}

import { type Answer, type LockManager, refuse } from "../../contract.ts";
import { createGlobalLockspace } from "./global-lockspace.ts";
import { LOCK_ARGS, whyForeign } from "./lock-args.ts";
import { createVgLockspace, type VgLockspace } from "./lockspace.ts";
import type { Tools } from "./lockspace-state.ts";

/** The lock manager of one worker. */
export function createManager(tools: Tools): LockManager {
  // Lockspaces come and go with their VGs; an entry is replaced when its VG is started again.
  const lockspaces = new Map<string, VgLockspace>();
  return {
    isRunning: () => ({ kind: "done", running: true }),
    initVg({ set_lock_args }) {
      if (set_lock_args !== "")
        return refuse("EARGS", `scsi-pr has no lock args to set ("${set_lock_args}")`);
      return { kind: "done", lm_result: 0, vg_lock_args: LOCK_ARGS, global_lock: "not-here" };
    },
    initLv: () => ({ kind: "done", lm_result: 0, lv_lock_args: "" }),
    renameVg({ vg_lock_args }): Answer<{ lm_result: number; vg_lock_args: string }> {
      const foreign = whyForeign(vg_lock_args);
      return foreign === null ? { kind: "done", lm_result: 0, vg_lock_args } : refuse("EARGS", foreign);
    },
    openLockspace(identity) {
      if (identity.vg_name === "") return createGlobalLockspace(identity);
      const lockspace = createVgLockspace(identity, tools);
      lockspaces.set(identity.lockspace_name, lockspace);
      return lockspace.handle;
    },
    close() {
      for (const lockspace of lockspaces.values()) lockspace.close();
    },
  };
}

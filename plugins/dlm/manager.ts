import { type LockManager, refuse } from "../contract.ts";
import { ERRNO } from "./flags.ts";
import { formatVgLockArgs, parseVgLockArgs } from "./lock-args.ts";
import { createHandle } from "./lockspace.ts";
import { createLockspaceState, type Tools } from "./lockspace-state.ts";
import { allThrough } from "./openings.ts";
import { refreshLv } from "./refresh-lv.ts";
import { whatIsMissing } from "./refusals.ts";

/** The lock manager of one worker. */
export function createManager(tools: Tools): LockManager {
  return {
    async isRunning() {
      if (tools.kernel.clusterName() === null) return { kind: "done", running: false };
      const daemon = await tools.control.daemon();
      // One that hangs is there: without an answer nobody may take it for absent.
      if (daemon === "hangs" || daemon === "corosync-hangs")
        return refuse("EMANAGER", `the dlm does not say whether it runs: ${daemon}`, {
          lm_result: -ERRNO.ETIMEDOUT,
        });
      return { kind: "done", running: daemon === "answers" };
    },
    async initVg() {
      const missing = await whatIsMissing(tools);
      if (missing !== null) return refuse("EMANAGER", missing);
      const cluster_name = tools.kernel.clusterName() ?? "";
      const vg_lock_args = formatVgLockArgs(cluster_name);
      if (vg_lock_args === null)
        return refuse("EARGS", `the cluster name "${cluster_name}" is too long for the VG's metadata`);
      return { kind: "done", lm_result: 0, vg_lock_args, global_lock: "not-here" };
    },
    // The locks of LVs need nothing on the disk.
    initLv: () => ({ kind: "done", lm_result: 0, lv_lock_args: "" }),
    renameVg({ vg_lock_args }) {
      const args = parseVgLockArgs(vg_lock_args);
      if (args.kind === "wrong") return refuse("EARGS", args.problem);
      return { kind: "done", lm_result: 0, vg_lock_args };
    },
    refreshLv: (call) => refreshLv(tools, call),
    openLockspace: (identity) => createHandle(createLockspaceState(identity, tools)),
    // A start that was given up is taken back before lvmlockd ends, if the cluster answers in time.
    close: () => allThrough(tools),
  };
}

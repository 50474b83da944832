import type { LockManager } from "../contract.ts";
import { initVg } from "./init-vg.ts";
import { createHandle } from "./lockspace.ts";
import { createLockspaceState, type LockspaceState, type Tools } from "./lockspace-state.ts";
import { refuseUnconnected } from "./refusals.ts";
import { ERRNO, isNoDaemon } from "./return-codes.ts";
import { initLv } from "./slots.ts";
import { initLvUnstarted, renameVg, setLockArgs } from "./vg-calls.ts";

/** The lock manager of one worker. */
export function createManager(tools: Tools): LockManager {
  // The lockspaces of this worker, for init_lv of a started VG. One that was started again takes the place of the one before.
  const lockspaces = new Map<string, LockspaceState>();
  return {
    isRunning() {
      const { rv } = tools.client.version();
      if (rv >= 0) return { kind: "done", running: true };
      const absent = isNoDaemon(rv) || rv === ERRNO.ENOENT;
      return absent ? { kind: "done", running: false } : refuseUnconnected(rv);
    },
    initVg: (call) => initVg(tools, call),
    initLv(call) {
      const state = call.started ? lockspaces.get(call.lockspace_name) : undefined;
      if (state === undefined || state.prepared === null) return initLvUnstarted(tools, call);
      return initLv(state, state.prepared, call);
    },
    renameVg: (call) => renameVg(tools, call),
    setLockArgs: (call) => setLockArgs(tools, call),
    openLockspace(identity) {
      const state = createLockspaceState(identity, tools);
      lockspaces.set(identity.lockspace_name, state);
      return createHandle(state);
    },
  };
}

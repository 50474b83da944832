/**
 * Keeping the journal ahead of the truth: a lock is recorded before the manager is asked for it, and forgotten only after the
 * manager has let it go, so that a daemon that dies in between finds at most too much in its journal, never too little.
 */
import type { HeldMode } from "../../plugins/contract.ts";
import type { Lockspace, Resource, State } from "./state.ts";

/** Records that the LV lock is, or is about to be, held in this mode. Only changes are written. */
export function recordHeld(state: State, resource: Resource, mode: HeldMode, persistent: boolean): void {
  if (resource.kind !== "lv") return;
  if (resource.orphan) {
    // A request that may be refused must not weaken the record of what the manager may hold for an earlier daemon.
    const strongest = resource.journaled === "ex" ? "ex" : mode;
    record(state, resource, strongest, persistent || resource.journaled_persistent);
  } else {
    record(state, resource, mode, persistent);
  }
}

function record(state: State, resource: Resource, mode: HeldMode, persistent: boolean): void {
  if (resource.journaled === mode && resource.journaled_persistent === persistent) return;
  resource.journaled = mode;
  resource.journaled_persistent = persistent;
  state.effects.push({
    kind: "journal",
    record: {
      kind: "lock-held",
      vg_name: resource.lockspace.identity.vg_name,
      lv_uuid: resource.name,
      lv_name: resource.lv_name,
      lv_lock_args: resource.lv_lock_args,
      mode,
      persistent,
    },
  });
}

/** Brings the record in line with what is held now: after a release, a refusal or a change of mode. */
export function recordTruth(state: State, resource: Resource): void {
  if (resource.kind !== "lv") return;
  if (resource.mode !== "un") {
    recordHeld(state, resource, resource.mode, resource.persistent !== null);
    return;
  }
  if (resource.journaled === null || resource.orphan) return;
  resource.journaled = null;
  resource.journaled_persistent = false;
  const { vg_name } = resource.lockspace.identity;
  state.effects.push({ kind: "journal", record: { kind: "lock-released", vg_name, lv_uuid: resource.name } });
}

/** Also of the global lock's own lockspace, which has no VG: a command may have the lock when this daemon dies. */
export function recordStarted(state: State, lockspace: Lockspace): void {
  const { vg_name, vg_uuid, lock_type, vg_lock_args, host_id } = lockspace.identity;
  const record = { kind: "lockspace-started", vg_name, vg_uuid, lock_type, vg_lock_args, host_id } as const;
  state.effects.push({ kind: "journal", record });
}

export function recordStopped(state: State, lockspace: Lockspace): void {
  const { vg_name, lock_type } = lockspace.identity;
  state.effects.push({ kind: "journal", record: { kind: "lockspace-stopped", vg_name, lock_type } });
}

import {
  type Answer,
  type LockCall,
  type LockResults,
  type LockspaceHandle,
  type LockspaceIdentity,
  type Owner,
  type Refused,
  refuse,
  type UnlockCall,
} from "../../contract.ts";
import { createGrants } from "../../granting/grants.ts";
import { DLM_RULES } from "../../granting/value-block.ts";
import { printKey } from "../keys.ts";
import { closeAll } from "./devices.ts";
import { releaseDevice } from "./give-back.ts";
import { createLockspaceState, type LockspaceState, logLine, type Tools } from "./lockspace-state.ts";
import { refreshPvs } from "./members.ts";

import { join, prepare } from "./start.ts";
import { lookBeforeGrant, stopWatch } from "./watch.ts";

const DONE = Object.freeze({ kind: "done", lm_result: 0 } as const);
const NO_HOSTS = Object.freeze({ kind: "done", others: 0, unknown: false } as const);
const NOT_IN_A_VG = Object.freeze(refuse("EINVAL", "the global lock has a lockspace of its own"));
const NOT_JOINED = Object.freeze(refuse("ENOTCONN", "the lockspace is not joined"));
const NOT_SHARED = Object.freeze(
  refuse(
    "EINVAL",
    "scsi-pr has no shared LV locks: one host at a time may write to the VG's PVs, so activate the LV exclusively (lvchange -aey), or use sanlock or dlm for the VG",
  ),
);
const NOT_PROTECTED = Object.freeze(
  refuse("EADOPT_NONE", "the VG's PVs were not reserved by this host any more when lvmlockd came back"),
);

/** A VG's lockspace, and what ends it without giving anything back (the daemon goes, the VG stays this host's). */
export interface VgLockspace {
  readonly handle: LockspaceHandle;
  close(): void;
}

/** The lockspace of a VG: its PVs are reserved by this host, so its locks are nobody else's business. */
export function createVgLockspace(identity: LockspaceIdentity, tools: Tools): VgLockspace {
  const state = createLockspaceState(identity, tools);
  const grants = createGrants(DLM_RULES);
  const handle: LockspaceHandle = {
    prepare: (call) => prepare(state, call),
    join: (call) => join(state, call),
    leave() {
      leave(state);
      grants.clear();
      return DONE;
    },
    lock(call): Answer<LockResults> {
      return whyNotGranted(state, call) ?? grants.lock(call);
    },
    convert(call) {
      if (call.resource.kind === "lv" && call.mode === "sh") return notShared(state);
      // Asking for more is asking for a lock; giving up what is held has to be possible in a lost VG, too.
      const isUpward = call.from === "sh" && call.mode === "ex";
      const refused = isUpward ? whyNotGranted(state, { ...call, adopt: "no" }) : null;
      return refused ?? grants.convert(call);
    },
    unlock(call) {
      noteVgChange(state, call);
      return grants.unlock(call);
    },
    hosts: () => NO_HOSTS,
    status: () => ({ kind: "done", lm_result: 0, owner: ownState(state) }),
    setGlobalLock: () => NOT_IN_A_VG,
    hasGlobalLock: () => ({ kind: "done", enabled: false }),
  };
  return {
    handle,
    close() {
      stopWatch(state);
      closeAll(state.held);
    },
  };
}

/** lvm shows its user no more than "error -22", so the reason is in the log as well. */
function notShared(state: LockspaceState): Refused {
  logLine(state, "warning", NOT_SHARED.detail);
  return NOT_SHARED;
}

function whyNotGranted(
  state: LockspaceState,
  { resource, mode, adopt }: Pick<LockCall, "resource" | "mode" | "adopt">,
): Refused | null {
  if (!state.joined) return NOT_JOINED;
  if (resource.kind === "lv" && mode === "sh") return notShared(state);
  if (adopt === "only-orphan" && !state.was_ours) return NOT_PROTECTED;
  const verdict = lookBeforeGrant(state);
  if (verdict.kind === "lost") return refuse("EVGKILLED", verdict.reason);
  return verdict.kind === "silent" ? refuse("ELOCKIO", verdict.reason) : null;
}

/** A version to store tells that the metadata changed, and with them perhaps which PVs the VG has. */
function noteVgChange(state: LockspaceState, { resource, from, r_version, free_vg }: UnlockCall): void {
  if (resource.kind !== "vg" || from !== "ex" || r_version === 0 || free_vg) return;
  if (!state.joined || state.lost !== null) return;
  state.pvs_changed = true;
  void refreshPvs(state);
}

/** Gives all PVs back. What a device refuses stays reserved there, and the other hosts are told how to get at it. */
function leave(state: LockspaceState): void {
  stopWatch(state);
  for (const { device, pv, type } of state.held) {
    const released = releaseDevice(device, state.key, type);
    if (released.kind === "done") continue;
    const text = `${pv.path} could not be released, so other hosts have to take the VG over from ${printKey(state.key)}: ${released.detail}`;
    logLine(state, "error", text);
  }
  closeAll(state.held);
  state.held = [];
  state.joined = false;
  state.lost = null;
  state.pvs_changed = false;
}

function ownState({ identity, key, lost }: LockspaceState): Owner {
  return {
    host_id: identity.host_id,
    generation: 0,
    timestamp_s: 0,
    state: lost === null ? "LIVE" : "DEAD",
    name: printKey(key),
  };
}

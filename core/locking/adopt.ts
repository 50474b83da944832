/**
 * Adoption: a VG that an earlier daemon had started is joined again and its LV locks are taken over from the orphans it left.
 * A lock whose LV is no longer active, or that was only transient, is taken over to be released. Until that is over the VG
 * counts as starting, so that no other request gets in between.
 */

import type { HeldMode } from "../../plugins/contract.ts";
import { assert } from "../assert.ts";
import { LIMITS } from "../limits.ts";
import type { AdoptableLock, AdoptableLockspace, ManagerAnswer } from "./api.ts";
import { askResource } from "./calls.ts";
import { noteIncident } from "./incidents.ts";
import { recordHeld, recordTruth } from "./journaling.ts";
import { startAdopted, started } from "./lockspace-start.ts";
import { addLock, findOrMakeResource, nameLv, releaseUnused, resourceRef } from "./resource.ts";
import type { Adoption, Lockspace, PendingCall, Resource, State } from "./state.ts";
import { giveBack } from "./unlock.ts";

/** The journal's lockspaces are handed in at the start of the daemon, all at once. */
export function beginAdoption(state: State, sources: readonly AdoptableLockspace[]): void {
  const known = sources.filter((source) => {
    if (state.options.managers[source.lock_type] !== undefined) return true;
    noteIncident(
      state,
      source.vg_name,
      "EPROTONOSUPPORT",
      `VG ${source.vg_name} is not adopted: no lock manager serves ${source.lock_type}`,
    );
    state.unadopted.set(source.vg_name, source);
    return false;
  });
  state.adopting = known.length;
  for (const source of known) startAdopted(state, source);
  if (known.length === 0) announce(state);
}

/** Asks for the next orphans; called after the join and after every answer. */
export function adoptLocks(state: State, lockspace: Lockspace): void {
  const { adoption } = lockspace;
  assert(adoption !== null, "only an adopted lockspace adopts locks");
  const { locks } = adoption.source;
  while (adoption.in_flight < LIMITS.adoptions_in_flight && adoption.next < locks.length) {
    const lock = locks[adoption.next++];
    if (lock === undefined) continue;
    const resource = findOrMakeResource(lockspace, "lv", lock.lv_uuid);
    if (resource.call !== null || resource.mode !== "un") continue;
    adoption.in_flight++;
    nameLv(resource, lock.lv_name, lock.lv_lock_args);
    askOrphan(state, resource, lock, lock.mode, adoption.next - 1, true);
  }
  if (adoption.in_flight > 0) return;
  adoptionEnded(state, adoption);
  lockspace.adoption = null;
  state.unadopted.delete(lockspace.identity.vg_name);
  started(state, lockspace);
}

function askOrphan(
  state: State,
  resource: Resource,
  lock: AdoptableLock,
  mode: HeldMode,
  index: number,
  first: boolean,
): void {
  recordHeld(state, resource, mode, lock.persistent);
  const args = {
    resource: resourceRef(resource),
    mode,
    adopt: "only-orphan",
    repair: false,
    persistent: true,
    patience_ms: 0,
  };
  askResource(state, resource, "lock", args, first ? orphanAnswered : orphanAnsweredAgain, {
    mode,
    number: index,
  });
}

function orphanAnswered(state: State, call: PendingCall, answer: ManagerAnswer): void {
  const { resource } = call;
  assert(resource !== null, "an orphan call has its resource");
  const lock = resource.lockspace.adoption?.source.locks[call.number];
  if (answer.kind === "refused" && answer.code === "EADOPT_RETRY" && lock !== undefined) {
    // The journal was ahead of the manager (a conversion was under way): the orphan has the other mode.
    askOrphan(state, resource, lock, call.mode === "ex" ? "sh" : "ex", call.number, false);
    return;
  }
  orphanAnsweredAgain(state, call, answer);
}

function orphanAnsweredAgain(state: State, call: PendingCall, answer: ManagerAnswer): void {
  const { resource } = call;
  assert(resource !== null, "an orphan call has its resource");
  const { lockspace } = resource;
  const { adoption } = lockspace;
  assert(adoption !== null, "an orphan belongs to an adoption");
  const lock = adoption.source.locks[call.number];
  assert(lock !== undefined, "an orphan is on the list");
  adoption.in_flight--;
  if (answer.kind === "done") takeOver(state, resource, lock, call.mode);
  else if (answer.code === "EADOPT_NONE") state.adopt_counts.released++;
  else {
    state.adopt_counts.failed++;
    // It may be held all the same, so it stays on record for the next daemon.
    resource.orphan = true;
    const why = answer.detail !== "" ? answer.detail : answer.code;
    noteIncident(
      state,
      lockspace.identity.vg_name,
      answer.code,
      `lock of LV ${nameOf(lock)} could not be adopted: ${why}`,
    );
  }
  if (resource.call === null) recordTruth(state, resource);
  releaseUnused(resource);
  if (!lockspace.stop_wanted) adoptLocks(state, lockspace);
}

function nameOf(lock: AdoptableLock): string {
  return lock.lv_name === "" ? lock.lv_uuid : `${lock.lv_name} (${lock.lv_uuid})`;
}

function takeOver(state: State, resource: Resource, lock: AdoptableLock, mode: HeldMode): void {
  resource.mode = mode;
  if (!lock.persistent || lock.device === "inactive") {
    state.adopt_counts.released++;
    giveBack(
      state,
      resource,
      lock.persistent ? "its LV is no longer active" : "it belonged to a command that is gone",
    );
    return;
  }
  state.adopt_counts.adopted++;
  addLock(state, resource, mode, { client: null, pid: 0, cmd: "adopted" });
}

/**
 * One VG of the adoption at the daemon's start is done, has failed, or hangs at its manager: in that case its locks stay on
 * record and are adopted when the manager answers, but the daemon is ready without them. A VG counts once.
 */
export function adoptionEnded(state: State, adoption: Adoption): void {
  if (adoption.counted) return;
  adoption.counted = true;
  state.adopting--;
  if (state.adopting === 0) announce(state);
}

function announce(state: State): void {
  state.effects.push({ kind: "adopted", ...state.adopt_counts });
}

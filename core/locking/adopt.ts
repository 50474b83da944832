/**
 * Adoption: a VG that an earlier daemon had started is joined again and its LV locks are taken over from the orphans it left.
 * A lock whose LV is no longer active, or that was only transient, is taken over to be released. One whose orphan is gone although its
 * LV is active is asked for anew. Until that is over the VG counts as starting, so that no other request gets in between.
 */

import type { Adopt, HeldMode } from "../../plugins/contract.ts";
import { assert } from "../assert.ts";
import { LIMITS } from "../limits.ts";
import type { AdoptableLock, AdoptableLockspace, DeviceStates, ManagerAnswer } from "./api.ts";
import { askResource } from "./calls.ts";
import { noteIncident } from "./incidents.ts";
import { recordHeld, recordTruth } from "./journaling.ts";
import { startAdopted, startAdoptedGlobal, started } from "./lockspace-start.ts";
import { log } from "./replies.ts";
import { addLock, findOrMakeResource, nameLv, releaseUnused, resourceRef } from "./resource.ts";
import type { Adoption, Lockspace, PendingCall, Resource, State } from "./state.ts";
import { giveBack } from "./unlock.ts";

/** The journal's lockspaces are handed in at the start of the daemon, all at once. */
export function beginAdoption(state: State, sources: readonly AdoptableLockspace[]): void {
  const known = sources.filter((source) => {
    if (state.options.managers[source.lock_type] !== undefined) return true;
    if (source.vg_name === "") return false;
    noteIncident(
      state,
      source.vg_name,
      "EPROTONOSUPPORT",
      `VG ${source.vg_name} is not adopted: no lock manager serves ${source.lock_type}`,
    );
    state.unadopted.set(source.vg_name, source);
    return false;
  });
  const vgs = known.filter(({ vg_name }) => vg_name !== "");
  state.adopting = vgs.length;
  for (const source of vgs) startAdopted(state, source);
  for (const source of known) if (source.vg_name === "") startAdoptedGlobal(state, source);
  if (vgs.length === 0) announce(state);
}

/** After the join, and after a stop that came to nothing: with what device-mapper says now, the locks are taken over. */
export function goOnAdopting(state: State, lockspace: Lockspace): void {
  const { key, identity, adoption } = lockspace;
  assert(adoption !== null, "an adopted lockspace adopts locks");
  const lv_uuids = adoption.source.locks.map(({ lv_uuid }) => lv_uuid);
  if (adoption.devices !== null) adoptLocks(state, lockspace);
  else state.effects.push({ kind: "look-at-devices", key, vg_uuid: identity.vg_uuid, lv_uuids });
}

export function devicesSeen(state: State, lockspace: Lockspace, states: DeviceStates): void {
  const { adoption } = lockspace;
  if (adoption === null || adoption.devices !== null || lockspace.stop_wanted) return;
  adoption.devices = states;
  adoptLocks(state, lockspace);
}

/** Asks for the next orphans; called when the devices have been looked at and after every answer. */
function adoptLocks(state: State, lockspace: Lockspace): void {
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
  const args = lockArgs(resource, mode, "only-orphan");
  askResource(state, resource, "lock", args, first ? orphanAnswered : orphanAnsweredAgain, {
    mode,
    number: index,
  });
}

function lockArgs(resource: Resource, mode: HeldMode, adopt: Adopt): object {
  const ref = resourceRef(resource);
  return { resource: ref, mode, adopt, repair: false, persistent: true, patience_ms: 0 };
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
  const is_active = adoption.devices?.get(lock.lv_uuid) === "active";
  if (answer.kind === "refused" && answer.code === "EADOPT_NONE" && lock.persistent && is_active) {
    // The lock manager lost it, by a restart of its own perhaps, and the LV was never deactivated.
    const call_facts = { mode: lock.mode, number: call.number };
    askResource(state, resource, "lock", lockArgs(resource, lock.mode, "no"), askedAnew, call_facts);
    return;
  }
  if (answer.kind === "done") takeOver(state, resource, lock, call.mode);
  else if (answer.code === "EADOPT_NONE") state.adopt_counts.released++;
  else notAdopted(state, resource, answer, `lock of LV ${nameOf(lock)} could not be adopted`);
  adoptedOne(state, lockspace, resource, adoption);
}

/** An LV that is active and whose lock was lost: another host may have it active as well. */
function askedAnew(state: State, call: PendingCall, answer: ManagerAnswer): void {
  const { resource } = call;
  assert(resource !== null, "a call for a lost lock has its resource");
  const { lockspace } = resource;
  const { adoption } = lockspace;
  const lock = adoption?.source.locks[call.number];
  assert(adoption !== null && lock !== undefined, "a lost lock is on the list of an adoption");
  const lost = `LV ${nameOf(lock)} is active on this host, and the lock manager has lost its lock`;
  if (answer.kind === "done") {
    takeOver(state, resource, lock, call.mode);
    log(state, "warning", `${lost}: it was had anew`);
  } else {
    const remedy = `deactivate it here at once, because another host may write to it (lvchange -an)`;
    notAdopted(state, resource, answer, `${lost}; ${remedy}. It could not be had anew`);
  }
  adoptedOne(state, lockspace, resource, adoption);
}

function notAdopted(
  state: State,
  resource: Resource,
  refused: Extract<ManagerAnswer, { kind: "refused" }>,
  what: string,
): void {
  state.adopt_counts.failed++;
  // It may be held all the same, so it stays on record for the next daemon.
  resource.orphan = true;
  const why = refused.detail !== "" ? refused.detail : refused.code;
  noteIncident(state, resource.lockspace.identity.vg_name, refused.code, `${what}: ${why}`);
}

function adoptedOne(state: State, lockspace: Lockspace, resource: Resource, adoption: Adoption): void {
  adoption.in_flight--;
  if (resource.call === null) recordTruth(state, resource);
  releaseUnused(resource);
  if (!lockspace.stop_wanted) adoptLocks(state, lockspace);
}

function nameOf(lock: AdoptableLock): string {
  return lock.lv_name === "" ? lock.lv_uuid : `${lock.lv_name} (${lock.lv_uuid})`;
}

function takeOver(state: State, resource: Resource, lock: AdoptableLock, mode: HeldMode): void {
  resource.mode = mode;
  const { adoption } = resource.lockspace;
  if (!lock.persistent || adoption?.devices?.get(lock.lv_uuid) === "inactive") {
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

/** Resources: making them, adding and removing locks on them, and letting unused LV resources go. */

import type { HeldMode, LockCall, ResourceRef, UnlockCall } from "../../plugins/contract.ts";
import { assert } from "../assert.ts";
import { DEADLINES } from "../deadlines.ts";
import type { Client, Lock, Lockspace, Resource, State } from "./state.ts";

export const GL_NAME = "GLLK";
export const VG_NAME = "VGLK";

export function makeResource(lockspace: Lockspace, kind: Resource["kind"], name: string): Resource {
  return {
    lockspace,
    kind,
    name,
    lv_name: "",
    lv_lock_args: "",
    mode: "un",
    locks: [],
    persistent: null,
    queue: [],
    deferred: [],
    call: null,
    fence: null,
    retry_at_ms: 0,
    retry_delay_ms: 0,
    version: 0,
    version_zero_valid: false,
    last_client_id: 0,
    closing: false,
    rescan: false,
    settling: false,
    remote: null,
    orphan: false,
    journaled: null,
    journaled_persistent: false,
    lock_sh: null,
    lock_ex: null,
    unlock_sh: null,
    unlock_ex: null,
  };
}

/** The resource a request of this kind names, or null when it does not exist yet. LVs are known by their UUID alone. */
export function findResource(lockspace: Lockspace, kind: Resource["kind"], lv_uuid: string): Resource | null {
  if (kind === "vg") return lockspace.vg;
  if (kind === "gl") return lockspace.gl;
  return lockspace.lvs.get(lv_uuid) ?? null;
}

export function findOrMakeResource(lockspace: Lockspace, kind: Resource["kind"], lv_uuid: string): Resource {
  const found = findResource(lockspace, kind, lv_uuid);
  if (found !== null) return found;
  assert(kind !== "vg", "the VG's resource exists as long as its lockspace");
  const made = makeResource(lockspace, kind, kind === "gl" ? GL_NAME : lv_uuid);
  if (kind === "gl") lockspace.gl = made;
  else lockspace.lvs.set(lv_uuid, made);
  return made;
}

export function resourceRef(resource: Resource): ResourceRef {
  return { kind: resource.kind, name: resource.name, lv_lock_args: resource.lv_lock_args };
}

/** The plain lock call in a mode, made once per resource: nothing in it changes from one request to the next. */
export function plainLockCall(resource: Resource, mode: HeldMode): LockCall {
  const cached = mode === "sh" ? resource.lock_sh : resource.lock_ex;
  if (cached !== null) return cached;
  const made: LockCall = {
    resource: resourceRef(resource),
    mode,
    adopt: "no",
    repair: false,
    persistent: resource.kind === "lv",
    patience_ms: queueTime_ms(resource),
  };
  if (mode === "sh") resource.lock_sh = made;
  else resource.lock_ex = made;
  return made;
}

/** An LV that another host has active stays so for hours, but GL and VG locks are held for the length of a command. */
function queueTime_ms({ kind, lockspace }: Resource): number {
  return kind !== "lv" && lockspace.manager.capabilities.queueing ? DEADLINES.manager_queue_ms : 0;
}

/** The same for the plain unlock call from a mode: no version to write, and the VG stays. */
export function plainUnlockCall(resource: Resource, from: HeldMode): UnlockCall {
  const cached = from === "sh" ? resource.unlock_sh : resource.unlock_ex;
  if (cached !== null) return cached;
  const made: UnlockCall = { resource: resourceRef(resource), from, r_version: 0, free_vg: false };
  if (from === "sh") resource.unlock_sh = made;
  else resource.unlock_ex = made;
  return made;
}

/** Takes over the LV's name and lock args from a request; new args end the cached calls that carried the old ones. */
export function nameLv(resource: Resource, lv_name: string, lv_lock_args: string): void {
  if (lv_name !== "") resource.lv_name = lv_name;
  if (lv_lock_args !== "" && lv_lock_args !== resource.lv_lock_args) {
    resource.lv_lock_args = lv_lock_args;
    resource.lock_sh = null;
    resource.lock_ex = null;
    resource.unlock_sh = null;
    resource.unlock_ex = null;
  }
}

export function findTransient(client: Client, resource: Resource): Lock | null {
  const { locks } = client;
  for (let i = 0; i < locks.length; i++) {
    const lock = locks[i];
    if (lock !== undefined && lock.resource === resource) return lock;
  }
  return null;
}

/** Adds a granted lock. `client` null makes it persistent; who took it stays on record for `who`. */
export function addLock(
  state: State,
  resource: Resource,
  mode: HeldMode,
  owner: { readonly client: Client | null; readonly pid: number; readonly cmd: string },
): Lock {
  assert(mode === "sh" ? resource.mode === "sh" : resource.mode === "ex", "a lock has its resource's mode");
  assert(mode === "sh" || resource.locks.length === 0, "an exclusive lock is alone");
  const { client, pid, cmd } = owner;
  const lock: Lock = { resource, mode, client, pid, cmd, version: 0, since_ms: state.now_ms };
  resource.locks.push(lock);
  if (client === null) {
    assert(resource.persistent === null, "a resource has one persistent lock");
    resource.persistent = lock;
  } else {
    client.locks.push(lock);
  }
  resource.lockspace.lock_count++;
  if (resource.kind === "lv") resource.lockspace.lv_lock_count++;
  return lock;
}

/** Swap-removes: the order of a resource's locks says nothing. */
function remove<T>(list: T[], item: T): boolean {
  const index = list.indexOf(item);
  if (index < 0) return false;
  const last = list.pop();
  if (last !== undefined && index < list.length) list[index] = last;
  return true;
}

/** Takes a lock off the books; the resource is unlocked when it was the last one. */
export function removeLock(lock: Lock): void {
  const { resource, client } = lock;
  const found = remove(resource.locks, lock);
  assert(found, "a removed lock was on its resource");
  if (client === null) resource.persistent = null;
  else remove(client.locks, lock);
  resource.lockspace.lock_count--;
  if (resource.kind === "lv") resource.lockspace.lv_lock_count--;
  if (resource.locks.length === 0) resource.mode = "un";
}

/** Lets an LV resource go once nothing refers to it; GL and VG resources keep their versions. */
export function releaseUnused(resource: Resource): void {
  if (resource.kind !== "lv" || resource.mode !== "un" || resource.call !== null) return;
  if (resource.locks.length > 0 || resource.queue.length > 0 || resource.deferred.length > 0) return;
  if (resource.remote !== null || resource.journaled !== null) return;
  // A timer may still know a resource that has gone; by then the name may belong to another one, which is in use.
  const { lvs } = resource.lockspace;
  if (lvs.get(resource.name) === resource) lvs.delete(resource.name);
}

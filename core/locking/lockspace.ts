/** Lockspaces: their names, making them, and whether they can take a request. */

import type { LockspaceIdentity, LockType } from "../../plugins/contract.ts";
import { wireResult } from "../errors.ts";
import type { AdoptableLockspace, ManagerFacts } from "./api.ts";
import { makeResource, VG_NAME } from "./resource.ts";
import type { Lockspace, Resource, State } from "./state.ts";

/** The lockspace of its own that dlm-like managers keep for the global lock. */
export const GLOBAL_LOCKSPACE_NAME = "lvm_global";
const PREFIX = "lvm_";

/**
 * The lockspace name of a VG: "lvm_<vg>" as every lvmlockd has it. A name that the manager cannot take whole is cut and given a
 * hash of the whole (the C daemon only cuts, so that two VGs share one lockspace); so is a VG called "global", which
 * would meet the global lock's lockspace. "~" is no character of a VG name, so hashed and plain names never meet.
 */
export function lockspaceName(vg_name: string, length_max: number): string {
  const plain = PREFIX + vg_name;
  if (plain.length <= length_max && plain !== GLOBAL_LOCKSPACE_NAME) return plain;
  const hash = `~${hash53(vg_name).toString(36)}`;
  return plain.slice(0, length_max - hash.length) + hash;
}

/** A 53-bit hash (two interleaved multiplicative rounds); not for secrets, only to tell long names apart. */
function hash53(text: string): number {
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    high = Math.imul(high ^ unit, 0x9e3779b1);
    low = Math.imul(low ^ unit, 0x5f356495);
  }
  high = Math.imul(high ^ (high >>> 16), 0x85ebca6b) ^ Math.imul(low ^ (low >>> 13), 0xc2b2ae35);
  low = Math.imul(low ^ (low >>> 16), 0x85ebca6b) ^ Math.imul(high ^ (high >>> 13), 0xc2b2ae35);
  return 0x1_0000_0000 * (0x1f_ffff & low) + (high >>> 0);
}

/** vg_lock_args are "version:lock LV[:word...]". */
export function hasLockArg(vg_lock_args: string, word: string): boolean {
  return vg_lock_args.split(":").slice(2).includes(word);
}

export interface NewLockspace {
  readonly vg_name: string;
  readonly vg_uuid: string;
  readonly vg_lock_args: string;
  readonly lock_type: LockType;
  readonly host_id: number;
  readonly is_global: boolean;
  readonly start_client_id: number;
  readonly adoption: AdoptableLockspace | null;
}

/** Makes a lockspace and enters it; nothing is asked of the manager yet. */
export function makeLockspace(state: State, manager: ManagerFacts, wanted: NewLockspace): Lockspace {
  const { vg_name, vg_uuid, vg_lock_args, lock_type, host_id } = wanted;
  const length_max = manager.capabilities.lockspace_name_max;
  const lockspace_name = wanted.is_global ? GLOBAL_LOCKSPACE_NAME : lockspaceName(vg_name, length_max);
  const identity: LockspaceIdentity = { lockspace_name, vg_name, vg_uuid, vg_lock_args, lock_type, host_id };
  // The VG resource points back at its lockspace, so the two are tied after both exist.
  const unbound: Omit<Lockspace, "vg"> & { vg: Resource | null } = {
    key: state.next_key++,
    identity,
    manager,
    is_global: wanted.is_global,
    targets: new Map(),
    call_times: null,
    state: "preparing",
    since_ms: state.now_ms,
    generation: 0,
    start_client_id: wanted.start_client_id,
    killed: false,
    killed_reason: "",
    global_lock_enabled: false,
    gl_asked: false,
    vg: null,
    gl: null,
    lvs: new Map(),
    lock_count: 0,
    lv_lock_count: 0,
    calls_in_flight: 0,
    stop_wanted: false,
    stop_free_vg: false,
    leaving: false,
    stop_replies: [],
    fence_pr: hasLockArg(vg_lock_args, "persist") && manager.capabilities.fencing && !state.options.test_mode,
    fencing_problem: "",
    fences: [],
    refusals: new Map(),
    start_queue: [],
    restart_queue: [],
    unreleased: [],
    adoption:
      wanted.adoption === null
        ? null
        : {
            source: wanted.adoption,
            devices: null,
            next: 0,
            in_flight: 0,
            counted: wanted.start_client_id !== 0,
          },
  };
  const lockspace = unbound as Lockspace;
  unbound.vg = makeResource(lockspace, "vg", VG_NAME);
  if (wanted.is_global) state.globals.set(lock_type, lockspace);
  else state.by_vg.set(vg_name, lockspace);
  return lockspace;
}

/** Every lockspace, the global ones first, as they are listed. */
export function* allLockspaces(state: State): Generator<Lockspace> {
  yield* state.globals.values();
  yield* state.by_vg.values();
}

export function* allResources(lockspace: Lockspace): Generator<Resource> {
  yield lockspace.vg;
  if (lockspace.gl !== null) yield lockspace.gl;
  yield* lockspace.lvs.values();
}

/**
 * LV locks that the lockspace holds, those of an earlier daemon that it is about to take over, and those that it could not
 * take over: their LVs may be active. Goes through all LVs, so it is for stops only.
 */
export function lvLocksKept(lockspace: Lockspace): number {
  const { adoption, lv_lock_count, lvs } = lockspace;
  let kept = lv_lock_count;
  if (adoption !== null) kept += adoption.source.locks.length - adoption.next + adoption.in_flight;
  for (const { orphan } of lvs.values()) if (orphan) kept++;
  return kept;
}

/** Locks of any kind for which the lockspace must not be stopped without force. */
export function locksKept(lockspace: Lockspace): number {
  return lockspace.lock_count - lockspace.lv_lock_count + lvLocksKept(lockspace);
}

/** 0 when the lockspace takes requests, else the op_result that says why not. */
export function notReady(lockspace: Lockspace): number {
  if (lockspace.stop_wanted) return wireResult("ESTALE");
  return lockspace.state === "started" ? 0 : wireResult("ESTARTING");
}

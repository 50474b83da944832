import type { HeldMode, LockspaceIdentity, ManagerContext, ResourceRef, ValueBlock } from "../contract.ts";
import type { HostLease, Lease, SanlockClient } from "./client.ts";
import { type Geometry, GL_SLOT, lvSlotAt, slotOffset_bytes, VG_SLOT } from "./geometry.ts";
import { type Parsed, parseLvLockArgs } from "./lock-args.ts";
import type { OwnerCache } from "./owner.ts";
import type { SanlockSettings } from "./settings.ts";
import { createSlotMap, type SlotMap } from "./slot-map.ts";
import { createTurns, type Turns } from "./turns.ts";

/** The names of the global lock's lease: the real one, the one that nobody looks for, and the one that vgremove leaves. */
export const GL_NAME = "GLLK";
export const GL_DISABLED_NAME = "_GLLK_disabled";
export const VG_NAME = "VGLK";
export const REMOVED_NAME = "invalid_removed";
export const UNUSED_NAME = "#unused";

/** What every part of the plugin works with. */
export interface Tools {
  readonly client: SanlockClient;
  readonly settings: SanlockSettings;
  readonly context: ManagerContext;
}

/** What `prepare` has found out and opened. */
export interface Prepared {
  readonly path: string;
  readonly geometry: Geometry;
  readonly size_flags: number;
  readonly no_timeout: boolean;
  readonly using_caw: boolean;
  readonly io_timeout_s: number;
  /** The watchdog's part of the time until a silent host counts as dead. */
  readonly fire_s: number;
  /** What this host's lease said before the start, where the library can tell. */
  readonly was_held: boolean | null;
  /** The registered connection that all leases of the lockspace belong to. */
  readonly sock: number;
  readonly host_lease: HostLease;
  readonly gl_lease: Lease;
  readonly vg_lease: Lease;
}

/** One lockspace. */
export interface LockspaceState {
  readonly identity: LockspaceIdentity;
  readonly tools: Tools;
  prepared: Prepared | null;
  joined: boolean;
  /** A worker before this one died, and its connection was taken over with locks that nobody here has counted. */
  taken_over: boolean;
  /** Until then sanlock may still be at work for an lvmlockd that died. */
  earlier_calls_until_ms: number;
  /** The daemon has told people that the daemon of sanlock is gone; once is enough. */
  told_lost: boolean;
  /** What this lockspace holds, by resource name. The core bounds it. */
  readonly held: Map<string, HeldMode>;
  /** The value blocks as they were read with the lock that is held now. */
  readonly blocks: { gl: ValueBlock; vg: ValueBlock };
  readonly slots: SlotMap;
  readonly turns: Turns;
  owner_cache: OwnerCache | null;
  /** Until then no host can hold a lock without sanlock knowing it. */
  no_strangers_until_ms: number;
  /** Since when shared locks of LVs have been refused, by lease name. */
  readonly shared_refusals: Map<string, number>;
}

export function createLockspaceState(identity: LockspaceIdentity, tools: Tools): LockspaceState {
  const unwritten = { layout: 0, flags: 0, r_version: 0 };
  return {
    identity,
    tools,
    prepared: null,
    joined: false,
    taken_over: false,
    earlier_calls_until_ms: 0,
    told_lost: false,
    held: new Map(),
    blocks: { gl: unwritten, vg: unwritten },
    slots: createSlotMap(),
    turns: createTurns(),
    owner_cache: null,
    no_strangers_until_ms: 0,
    shared_refusals: new Map(),
  };
}

/** The lease in a slot of the lockspace. */
export function leaseInSlot(
  lockspace_name: string,
  name: string,
  path: string,
  geometry: Geometry,
  slot: number,
  size_flags: number,
): Lease {
  return { lockspace_name, name, path, offset_bytes: slotOffset_bytes(geometry, slot), size_flags };
}

/** The leases of the GL and the VG lock. */
export function fixedLeases(
  lockspace_name: string,
  path: string,
  geometry: Geometry,
  size_flags: number,
): Pick<Prepared, "gl_lease" | "vg_lease"> {
  return {
    gl_lease: leaseInSlot(lockspace_name, GL_NAME, path, geometry, GL_SLOT, size_flags),
    vg_lease: leaseInSlot(lockspace_name, VG_NAME, path, geometry, VG_SLOT, size_flags),
  };
}

/** The lease of a resource. An LV's is where its lock args say, which may change when an LV is removed and made again. */
export function leaseOf(state: LockspaceState, prepared: Prepared, resource: ResourceRef): Parsed<Lease> {
  if (resource.kind === "gl") return { kind: "parsed", args: prepared.gl_lease };
  if (resource.kind === "vg") return { kind: "parsed", args: prepared.vg_lease };
  const offset = parseLvLockArgs(resource.lv_lock_args);
  if (offset.kind === "wrong") return offset;
  const { path, geometry, size_flags } = prepared;
  if (lvSlotAt(geometry, offset.args) === null)
    return { kind: "wrong", problem: `no LV's lease begins at byte ${offset.args}` };
  const { lockspace_name } = state.identity;
  const lease = { lockspace_name, name: resource.name, path, offset_bytes: offset.args, size_flags };
  return { kind: "parsed", args: lease };
}

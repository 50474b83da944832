/**
 * What info_json and who answer with, as the daemon writes it and lvmlockctl reads it: one object in lvm's report shape,
 * `{"report":[{"lvmlockd":[...],"lockspace":[...],...}]}`, with typed values. Keys are only ever added.
 */
import type { LockType, ResourceKind } from "../../../plugins/contract.ts";
import type { FenceView, LockspaceView, WaiterView } from "../../locking/api.ts";

export interface InfoReport {
  /** Exactly one row in info_json; none in who. */
  readonly lvmlockd: readonly DaemonRow[];
  readonly lockspace: readonly LockspaceRow[];
  readonly lock: readonly LockRow[];
  readonly waiter: readonly WaiterRow[];
  readonly refusal: readonly RefusalRow[];
  readonly fence: readonly FenceRow[];
  readonly client: readonly ClientRow[];
  readonly incident: readonly IncidentRow[];
}

/** null is "not known": a C daemon tells less, and lvmlockctl fills these rows from its info lines as well. */
export interface DaemonRow {
  readonly pid: number | null;
  readonly version: string;
  readonly socket_path: string;
  readonly uptime_s: number | null;
  readonly test_mode: boolean;
  /** The lock type of the global lock; "" while none is known. */
  readonly gl_type: LockType | "";
  /** Where the global lock is: a lockspace of its own or the VG that holds it; "" when there is none. */
  readonly gl_lockspace: string;
  readonly adoption: "off" | "running" | "done";
}

export interface LockspaceRow {
  /** "" for a global lockspace of its own. */
  readonly vg_name: string;
  readonly vg_uuid: string;
  readonly lockspace_name: string;
  readonly lock_type: LockType | "";
  /** The lock manager (plugin) that serves it. */
  readonly manager: string;
  readonly vg_lock_args: string;
  readonly host_id: number;
  readonly generation: number;
  readonly state: LockspaceView["state"] | "killed";
  /** How long it has been in this state. */
  readonly state_s: number | null;
  /** Why it was killed; "" when it was not. */
  readonly killed_reason: string;
  /** This VG holds sanlock's global lock. */
  readonly global_lock: boolean;
  /** Calls at the lock manager right now. */
  readonly calls_in_flight: number | null;
}

/** What a lock is on; the same keys in a lock row, a waiter row and a refusal row. */
export interface ResourceKeys {
  readonly vg_name: string;
  readonly lockspace_name: string;
  readonly kind: ResourceKind;
  /** "" unless kind is lv; the name may be unknown for an adopted lock. */
  readonly lv_name: string;
  readonly lv_uuid: string;
}

/** A held lock. `pid` and `cmd` are of the command that took it, also when it has ended and the lock is persistent. */
export interface LockRow extends ResourceKeys {
  readonly mode: "sh" | "ex";
  readonly persistent: boolean;
  readonly pid: number | null;
  readonly cmd: string;
  readonly held_s: number | null;
  readonly version: number;
}

/** Who another host is that holds a lock; host_id 0 when the lock manager can't tell. */
export interface OwnerKeys {
  readonly owner_host_id: number;
  readonly owner_generation: number;
  /** Its last renewal in the lock manager's own clock. */
  readonly owner_timestamp_s: number;
  /** UNKNOWN, FREE, LIVE, FAIL, DEAD; "" when the lock manager has no such notion. */
  readonly owner_state: string;
  readonly owner_name: string;
  /** What that means, in words, as the lock manager said it when it refused. */
  readonly detail: string;
}

export interface WaiterRow extends ResourceKeys, OwnerKeys {
  readonly mode: "sh" | "ex";
  readonly pid: number | null;
  readonly cmd: string;
  readonly waiting_s: number | null;
  readonly waits_for: WaiterView["waits_for"] | null;
  /** Whose key is being removed when it waits for that; 0 otherwise. */
  readonly fence_host_id: number;
  readonly fence_generation: number;
  readonly retries: number | null;
}

/** A lock that was refused to this host because another one holds it, and that this host has not had since. */
export interface RefusalRow extends ResourceKeys, OwnerKeys {
  readonly mode: "sh" | "ex";
  readonly ago_s: number | null;
}

/** The removal of a failed host's reservation key from the PVs of a VG, so that its locks can be given to others. */
export interface FenceRow {
  readonly vg_name: string;
  readonly host_id: number;
  readonly generation: number;
  /** "0x…". */
  readonly key: string;
  readonly state: FenceView["state"];
  readonly state_s: number | null;
  readonly attempts: number | null;
  /** Why it failed; "" otherwise. */
  readonly detail: string;
}

export interface ClientRow {
  readonly client_id: number;
  readonly pid: number | null;
  readonly cmd: string;
}

/** A failed start, a kill, a failed adoption: what a person should look at. */
export interface IncidentRow {
  readonly vg_name: string;
  /** A name of core/errors.ts. */
  readonly code: string;
  readonly text: string;
  readonly ago_s: number | null;
}

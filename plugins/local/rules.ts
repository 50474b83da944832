import type {
  Answer,
  GlobalLockState,
  InitLvCall,
  InitVgCall,
  LockspaceIdentity,
  Refused,
  RenameVgCall,
  ResourceRef,
} from "../contract.ts";
import type { ValueBlockRules } from "../granting/value-block.ts";
import type { GlobalLockPlace } from "./global-lock.ts";

/**
 * What differs between the local lock manager proper and the daemon's test mode, which imitates the C daemon's. Each answers
 * as the contract's method of the same name does.
 */
export interface LocalRules {
  readonly value_block: ValueBlockRules;
  readonly global_lock: GlobalLockPlace | null;
  /** Whether a join tells that the VG's global lock is enabled; in the C daemon's test mode only --gl-enable does. */
  readonly join_tells_global_lock: boolean;
  initVg(call: InitVgCall): Answer<{ lm_result: number; vg_lock_args: string; global_lock: GlobalLockState }>;
  initLv(call: InitLvCall): Answer<{ lm_result: number; lv_lock_args: string }>;
  renameVg(call: RenameVgCall): Answer<{ lm_result: number; vg_lock_args: string }>;
  /** Null when the lockspace may be started. */
  whyNotPrepared(identity: LockspaceIdentity): Refused | null;
  /** Null when the resource may be locked. Called for every lock of an LV. */
  whyNotLockable(resource: ResourceRef): Refused | null;
}

/** Where sanlock's leases of LVs begin: 64 MiB of host leases and reserve, then GL and VG, each 1 MiB. */
const LV_LEASE_BEGIN_BYTES = 67 * 1024 * 1024;
const LEASE_SIZE_BYTES = 1024 * 1024;

/** Hands out the lease offsets of new LVs, "1.0.0:70254592" first. They mean nothing here but LVM wants one for each LV. */
export function createLeaseOffsets(): () => string {
  let count = 0;
  return () => `1.0.0:${LV_LEASE_BEGIN_BYTES + LEASE_SIZE_BYTES * count++}`;
}

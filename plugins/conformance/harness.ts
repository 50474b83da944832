import type { LockManager, LockManagerDefinition, LockspaceIdentity, LockType } from "../contract.ts";

/** What the suite needs to know of a lock manager and the hosts on which it can be tried. */
export interface ConformanceHarness {
  readonly definition: LockManagerDefinition;
  /** The lock type to serve in these tests. */
  readonly lock_type: LockType;
  /** How many hosts `open` brings: 1 where only one can be had; two make the tests about conflicts possible. */
  readonly host_count: number;
  /** Opens the manager on every host, with no lockspace joined and no lock held. Called for each test. */
  open(): Promise<ConformanceWorld>;
  /** What the command would send as lock args to init_vg: "" unless the manager wants a lock LV's name. */
  readonly init_vg_lock_args?: string;
  /** Lock args that the manager must not start. The default looks like those of an unknown cluster. Null: it takes any. */
  readonly foreign_vg_lock_args?: string | null;
  /** False for a manager that stores a version only when a lock is released, not when it is converted from ex to sh. */
  readonly convert_stores_version?: boolean;
  /** False for a manager whose search for the global lock enables one that was disabled. */
  readonly keeps_global_lock_disabled?: boolean;
  /** What TakeOver.remove_key has to be for a host to be cut off; needed for the tests of the take_over capability. */
  readonly take_over_key?: (host: number) => string;
  /**
   * Whether the other hosts join the VG also in tests that only the first one does something in: "when needed" takes less of a cluster
   * whose joins are slow, and there the first host is alone in its lockspace. "always" when left out.
   */
  readonly neighbours_join?: "always" | "when needed";
  /** How long one test may take; a join with on-disk leases takes 20 s and more. 5000 when left out. */
  readonly test_timeout_ms?: number;
  /** A refused lock may pass on a later try (races inside the manager): how often and how long to try. */
  readonly tries?: { readonly count: number; readonly pause_ms: number };
}

/** Some hosts that share their locks. */
export interface ConformanceWorld {
  /** One manager for each host. */
  readonly hosts: readonly LockManager[];
  /**
   * Ends a host's daemon without a goodbye and opens the manager again, as after a crash: what the host held is an orphan.
   * Left out when the harness can't.
   */
  restart?(host: number): Promise<LockManager>;
  /** Called after each test, also after a failed one. */
  close(): Promise<void>;
}

/** The VGs of the tests; each test has a world of its own, so the names need not differ between tests. */
export function identityOf(
  vg_name: string,
  vg_lock_args: string,
  lock_type: LockType,
  host: number,
  lockspace_name = `lvm_${vg_name}`,
): LockspaceIdentity {
  return {
    lockspace_name,
    vg_name,
    vg_uuid: `${vg_name}-0000-0000-0000-0000-0000-000000`,
    vg_lock_args,
    lock_type,
    host_id: host + 1,
  };
}

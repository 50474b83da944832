/** What libsanlock_client does for us, in plain values: the library behind it is `client-library.ts`, tests have their own. */

/** Newer functions and flags, found at run time: some by their symbol, the others by the version of sanlock's daemon. */
export interface SanlockFeatures {
  /** sanlock_acquire2: a refusal names its owner. */
  readonly acquire2: boolean;
  /** sanlock_read_lockspace_host: the generation before a start. */
  readonly read_lockspace_host: boolean;
  /** sanlock_init_lockspace_host: a damaged host lease can be repaired. */
  readonly init_lockspace_host: boolean;
  /** sanlock_set_host: a fenced host can be declared dead. */
  readonly set_host: boolean;
}

/** Where a lease is and what it is called. */
export interface Lease {
  readonly lockspace_name: string;
  readonly name: string;
  readonly path: string;
  readonly offset_bytes: number;
  /** Sector and lease sizes. */
  readonly size_flags: number;
}

/** A host's lease in a lockspace, which begins at offset 0 of its disk. */
export interface HostLease {
  readonly lockspace_name: string;
  readonly host_id: number;
  readonly path: string;
  readonly flags: number;
}

export interface HostInfo {
  readonly host_id: number;
  readonly generation: number;
  readonly timestamp_s: number;
  readonly io_timeout_s: number;
  readonly flags: number;
}

/** Results carry `rv`, sanlock's own return value: 0 or more is success, below are errno values and SANLK_ codes. */
export interface AcquireResult {
  readonly rv: number;
  readonly owner: HostInfo | null;
  readonly owner_name: string;
}

export interface LockspaceResult {
  readonly rv: number;
  readonly flags: number;
  readonly io_timeout_s: number;
  /** Null where the library has no sanlock_read_lockspace_host. */
  readonly host: HostInfo | null;
}

export interface SanlockClient {
  readonly features: SanlockFeatures;
  version(): { readonly rv: number; readonly version: number };
  /** A connection to the daemon that holds leases, as a file descriptor; negative when there is no daemon. */
  register(): number;
  killpath(sock: number, path: string, args: string): number;
  restrict(sock: number, flags: number): number;
  disconnect(sock: number): void;

  acquire(sock: number, lease: Lease, resource_flags: number, acquire_flags: number): AcquireResult;
  convert(sock: number, lease: Lease, resource_flags: number, convert_flags: number): number;
  release(sock: number, lease: Lease): number;
  releaseAll(sock: number): number;
  /** Releases a lease and gives it another name on the disk in the same step, so that nobody gets it in between. */
  releaseRenamed(sock: number, lease: Lease, new_name: string): number;
  /** The value block of a lease that this process holds, or a negative return value. The array is valid until the next call. */
  getValueBlock(lease: Lease, size_bytes: number): Uint8Array | number;
  setValueBlock(lease: Lease, block: Uint8Array): number;

  readResource(
    path: string,
    offset_bytes: number,
  ): { readonly rv: number; readonly name: string; readonly lockspace_name: string };
  writeResource(lease: Lease, write_flags: number): number;
  readOwners(lease: Lease): { readonly rv: number; readonly owners: readonly HostInfo[] };

  addLockspace(lease: HostLease, add_flags: number, io_timeout_s: number): number;
  inquireLockspace(lease: HostLease): number;
  removeLockspace(lease: HostLease, remove_flags: number): number;
  setConfig(lockspace_name: string, command: number): number;
  hosts(
    lockspace_name: string,
    host_id: number,
    flags: number,
  ): { readonly rv: number; readonly hosts: readonly HostInfo[] };
  readLockspace(path: string, host_id: number): LockspaceResult;
  writeLockspace(lease: HostLease, write_flags: number, io_timeout_s: number): number;
  /** The lease size of a lockspace that was made before its sizes were kept on the disk. */
  align(path: string): number;
  initLockspaceHost(lease: HostLease, generation: number, init_flags: number): number;
  setHostDead(lease: HostLease, host_id: number, generation: number): number;
}

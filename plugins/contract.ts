/**
 * What a lock manager is. This is the only file that a plugin has to import.
 *
 * A plugin is a module whose default export comes from `defineLockManager({...})`. Everything that crosses this contract is
 * plain data (structured-clone safe), because a plugin whose calls block runs in a worker: `execution: "worker"`. A plugin
 * that never blocks may run on the event loop, `execution: "inline"`, and may answer without a promise; then a request is
 * answered in the turn of the event loop that read it.
 *
 * The host keeps these promises to a plugin:
 * - calls on one lockspace come one at a time, in order, and always in the same worker;
 * - a call is never cancelled by ending the worker: a native call goes on anyway. A call that outlived its deadline is
 *   answered to the client as failed, and a grant that it still brings is released with `unlock` again;
 * - `join` comes after a good `prepare`; `lock`, `convert`, `unlock` and the rest come between a good `join` and `leave`;
 * - `initLv` for a VG whose lockspace is open comes in the lockspace's worker, in order with its calls, so that what
 *   `findFreeLock` found is at hand;
 * - when a worker dies, its lockspaces are opened again in a new one, and those that were joined are prepared and joined
 *   with adopt "if-orphan", as a new daemon does with those of a dead one; if that is refused, the lockspace is lost. What the
 *   plugin told with `keep` news is given to that prepare, because file descriptors and the like outlive their worker.
 */

/** The version of this contract; a plugin that names another one is refused with both numbers. */
export const CONTRACT_VERSION = 1;

/** The lock types that LVM metadata can name. A plugin of another kind serves one of these names by configuration. */
export type LockType = "dlm" | "sanlock" | "idm";

/** The modes in which a lock manager can hold a resource for this host. */
export type HeldMode = "sh" | "ex";

/** What a lock protects: the global lock, the lock of a VG, or the lock of one LV. */
export type ResourceKind = "gl" | "vg" | "lv";

/** One lockable thing in a lockspace. */
export interface ResourceRef {
  readonly kind: ResourceKind;
  /** "GLLK" and "VGLK" for the global and the VG lock, the LV's UUID for an LV lock. */
  readonly name: string;
  /** The LV's lock args from the metadata ("1.0.0:<byte offset>" with sanlock); "" for gl and vg, or when unknown. */
  readonly lv_lock_args: string;
}

/**
 * The value block of the GL and VG locks, the struct that lvmlockd hosts share: le16 layout 0x0101, le16 flags
 * (1 = REMOVED), le32 r_version. All zero means that nobody has written it yet.
 */
export interface ValueBlock {
  readonly layout: number;
  readonly flags: number;
  readonly r_version: number;
}

/** The layout number that this generation of daemons writes. */
export const VALUE_BLOCK_LAYOUT = 0x0101;
/** The VG was removed while we waited for its lock. */
export const VALUE_BLOCK_REMOVED = 0x0001;
/** Bytes that the struct takes at the start of the lock manager's value block (32 in dlm, a sector in sanlock). */
export const VALUE_BLOCK_SIZE_BYTES = 8;

/** Who holds a lock that was refused, as far as the lock manager can tell. */
export interface Owner {
  readonly host_id: number;
  readonly generation: number;
  /** The owner's last renewal in the lock manager's own clock (seconds). */
  readonly timestamp_s: number;
  /** UNKNOWN | FREE | LIVE | FAIL | DEAD, as sanlock names them; "" when the manager has no such notion. */
  readonly state: string;
  readonly name: string;
}

/** The names a plugin may refuse with; core/errors.ts has the number, cause and remedy of each. */
export type RefusalCode =
  | "EPERM"
  | "ENOENT"
  | "EAGAIN"
  | "ENOMEM"
  | "EBUSY"
  | "EEXIST"
  | "EINVAL"
  | "ENOSPC"
  | "EUNATCH"
  | "EMSGSIZE"
  | "EPROTONOSUPPORT"
  | "ENETDOWN"
  | "ENOTCONN"
  | "ENOTEMPTY"
  | "EARGS"
  | "EHOSTID"
  | "EMANAGER"
  | "EPREPARE"
  | "EVGKILLED"
  | "ELOCKIO"
  | "EREMOVED"
  | "EDEVOPEN"
  | "ELMERR"
  | "EORPHAN"
  | "EADOPT_NONE"
  | "EADOPT_RETRY"
  | "EIOTIMEOUT"
  | "ELOCKREPAIR";

/**
 * A refusal is data, not an exception. `retry` says what the core may do about it: `soon` (a conflict that passes: retried
 * in milliseconds with backoff), `after-fence` (the owner has failed; retry once it is fenced), `never` (answer now).
 */
export interface Refused {
  readonly kind: "refused";
  readonly code: RefusalCode;
  /** The lock manager's raw return value, for the reply's lm_result; 0 when there is none. */
  readonly lm_result: number;
  readonly owner: Owner | null;
  readonly retry: "soon" | "after-fence" | "never";
  /** One sentence for a person: what was refused and why. "" when the code says it all. */
  readonly detail: string;
}

/** A call that did what it was asked to; the fields beside `kind` are its results. */
export type Done<Results> = { readonly kind: "done" } & Readonly<Results>;

/** The answer to a call: its results, or why not. */
export type Answer<Results> = Done<Results> | Refused;

/** Inline plugins may answer at once, worker plugins may also answer at once (their worker may block). */
export type Eventually<T> = T | Promise<T>;

/** Whether a lock or a lockspace left behind by an earlier daemon may or must be taken over. */
export type Adopt = "no" | "if-orphan" | "only-orphan";

export interface InitVgCall {
  readonly vg_name: string;
  readonly lockspace_name: string;
  readonly vg_lock_args: string;
  /** The user's --setlockargs, "" for none. */
  readonly set_lock_args: string;
  /** Size of a lease in MiB, 0 for the manager's own choice. */
  readonly align_mb: number;
  /** The new VG shall hold the global lock (first VG), for managers whose global lock lives in a VG. */
  readonly enable_global_lock: boolean;
}

export interface InitLvCall {
  readonly vg_name: string;
  readonly lockspace_name: string;
  readonly lv_uuid: string;
  readonly lv_name: string;
  readonly vg_lock_args: string;
  readonly prev_lv_args: string;
  /** True while this host has the VG's lockspace started. */
  readonly started: boolean;
}

export interface RenameVgCall {
  readonly vg_name: string;
  readonly lockspace_name: string;
  readonly vg_lock_args: string;
}

export interface SetLockArgsCall extends RenameVgCall {
  readonly set_lock_args: string;
}

export interface RefreshLvCall {
  readonly lv_uuid: string;
  /** The LV's device path, as the command sent it. Never give it to a shell. */
  readonly path: string;
}

/** Which lockspace a handle is for. `vg_name` is "" for a global lockspace of its own. */
export interface LockspaceIdentity {
  readonly lockspace_name: string;
  readonly vg_name: string;
  readonly vg_uuid: string;
  readonly vg_lock_args: string;
  readonly lock_type: LockType;
  /** 0 when the host has none; managers with on-disk leases refuse that with EHOSTID. */
  readonly host_id: number;
}

/** An explicit order to take the VG over from the host that has it; only managers with that capability ever get one. */
export interface TakeOver {
  /** The reservation key to remove: "0x" and 1 to 16 lower-case hex digits. Text, because no bigint crosses. */
  readonly remove_key: string;
}

export interface PrepareCall {
  readonly repair: boolean;
  /** What the join that follows will be told; "no" when left out. */
  readonly adopt?: Adopt;
  /** Left out but for a take-over, and then the same in the join that follows. */
  readonly take_over?: TakeOver;
  /** The text of the last `keep` news of this lockspace, in the worker that takes it over from one that died. */
  readonly kept?: string;
}

export interface JoinCall {
  readonly adopt: Adopt;
  readonly nodelay: boolean;
  readonly repair: boolean;
  readonly take_over?: TakeOver;
}

export interface LockCall {
  readonly resource: ResourceRef;
  readonly mode: HeldMode;
  readonly adopt: Adopt;
  readonly repair: boolean;
  /** The lock shall outlive the daemon (LV locks); the manager keeps it as an orphan when we die. */
  readonly persistent: boolean;
  /** How long a manager with the `queueing` capability may let the request wait in its own queue. 0: refuse at once. */
  readonly patience_ms: number;
}

export interface ConvertCall {
  readonly resource: ResourceRef;
  readonly from: HeldMode;
  readonly mode: HeldMode;
  /** r_version to store in the value block while we still hold ex; 0 leaves the block as it is. */
  readonly r_version: number;
}

/** Releasing a lock that is not held is done, not refused: what was wanted is true, and it may be asked for twice. */
export interface UnlockCall {
  readonly resource: ResourceRef;
  readonly from: HeldMode;
  readonly r_version: number;
  /** The VG is being removed (vgremove): the last unlock may invalidate the lease for the other hosts. */
  readonly free_vg: boolean;
}

/** What a granted lock brings. `value_block` is null when the resource has none, or when its content was lost. */
export interface LockResults {
  readonly lm_result: number;
  readonly value_block: ValueBlock | null;
  /** True when an orphan of an earlier daemon was taken over. */
  readonly adopted: boolean;
}

/** Where the VG's own copy of the global lock stands, for managers whose global lock lives in a VG. */
export type GlobalLockState = "enabled" | "disabled" | "not-here";

/**
 * How long good calls on a lockspace may take in the manager's own timing, at the most, when that can be longer than usual: its timeouts
 * may have been set to fit slow storage. The daemon gives a call up after this, or after its own bound where that is longer.
 */
export interface CallTimes {
  readonly join_ms: number;
  readonly leave_ms: number;
  /** lock, convert, unlock and setGlobalLock. */
  readonly lock_ms: number;
  /** Everything else. */
  readonly query_ms: number;
}

/** One started lockspace. A method that a manager has no use for may be left out where it is optional. */
export interface LockspaceHandle {
  /** Quick and without waiting: are the parameters valid, does the manager run? */
  prepare(call: PrepareCall): Eventually<
    Answer<{
      lm_result: number;
      prev_generation: number;
      global_lock: GlobalLockState;
      call_times?: CallTimes;
      /** Why no host can be declared dead here after all, as a clause, although `fencing` of the capabilities says so. */
      fencing_problem?: string;
    }>
  >;
  /** Joins; may take minutes with on-disk leases. */
  join(call: JoinCall): Eventually<Answer<{ generation: number; global_lock: GlobalLockState }>>;
  /** Leaves. `free_vg`: the VG is being removed, destroy what other hosts would find. */
  leave(call: { readonly free_vg: boolean }): Eventually<Answer<object>>;
  lock(call: LockCall): Eventually<Answer<LockResults>>;
  convert(call: ConvertCall): Eventually<Answer<{ lm_result: number }>>;
  unlock(call: UnlockCall): Eventually<Answer<{ lm_result: number }>>;
  /** How many other hosts have the lockspace started; `notify` asks them to leave (vgremove). */
  hosts(call: { readonly notify: boolean }): Eventually<Answer<{ others: number; unknown: boolean }>>;
  /** This host's own state in the lockspace (vg_status). */
  status?(): Eventually<Answer<{ lm_result: number; owner: Owner }>>;
  /** Finds and remembers a free lease for the next init_lv. */
  findFreeLock?(call: { readonly lv_size_bytes: number }): Eventually<Answer<object>>;
  /** Gives the lease of a removed LV back. */
  freeLv?(call: { readonly resource: ResourceRef }): Eventually<Answer<object>>;
  /** Enables or disables this VG's copy of the global lock; `ex_disable` takes the lock first. */
  setGlobalLock?(call: {
    readonly enabled: boolean;
    readonly ex_disable: boolean;
  }): Eventually<Answer<object>>;
  /** Is this VG's copy of the global lock enabled right now? Asked when no VG is known to hold it. */
  hasGlobalLock?(): Eventually<Answer<{ enabled: boolean }>>;
  /** May the VG's lock args be changed to these (setlockargs_vg_before)? */
  allowLockArgs?(call: { readonly set_lock_args: string }): Eventually<Answer<object>>;
  /** The host was fenced: the manager may hand out what it held. */
  setHostDead?(call: { readonly host_id: number; readonly generation: number }): Eventually<Answer<object>>;
}

/** A lock manager as the daemon uses it. Made once per process (inline) or once per worker. */
export interface LockManager {
  /** Does the manager's own daemon or kernel part run on this host? Never blocks for long. */
  isRunning(): Eventually<Answer<{ running: boolean }>>;
  initVg(
    call: InitVgCall,
  ): Eventually<Answer<{ lm_result: number; vg_lock_args: string; global_lock: GlobalLockState }>>;
  initLv(call: InitLvCall): Eventually<Answer<{ lm_result: number; lv_lock_args: string }>>;
  renameVg(call: RenameVgCall): Eventually<Answer<{ lm_result: number; vg_lock_args: string }>>;
  setLockArgs?(call: SetLockArgsCall): Eventually<Answer<{ lm_result: number; vg_lock_args: string }>>;
  /** Asks the other hosts to refresh an LV that is active in shared mode; answers when they have. */
  refreshLv?(call: RefreshLvCall): Eventually<Answer<object>>;
  openLockspace(identity: LockspaceIdentity): LockspaceHandle;
  /** Last call; frees what the plugin opened. Lockspaces that stay started are left as they are. */
  close?(): Eventually<void>;
}

/** What a lock manager can do. The core asks these, never a manager's name. */
export interface Capabilities {
  /** "own": the global lock has a lockspace of its own (dlm). "in-vg": it lives in one of the VGs (sanlock). */
  readonly global_lock: "own" | "in-vg";
  /** Longest lockspace name the manager takes, in bytes; longer VG names get a hashed one. */
  readonly lockspace_name_max: number;
  /** Leases live on the VG's storage: LVs need lease slots (init_lv, find_free_lock), start may take minutes. */
  readonly on_disk_leases: boolean;
  readonly value_block: boolean;
  readonly shared_locks: boolean;
  /** A refusal can name its owner. */
  readonly owner_info: boolean;
  /** Locks outlive the daemon as orphans and can be adopted. */
  readonly adoption: boolean;
  /** A failed owner can be fenced and declared dead. */
  readonly fencing: boolean;
  /** Other hosts can be asked to refresh an LV. */
  readonly remote_refresh: boolean;
  /** The manager can let a request wait in its own queue (LockCall.patience_ms). */
  readonly queueing: boolean;
  /** Only one host at a time can have a VG's lockspace joined; the others' joins are refused and name it. */
  readonly one_host?: boolean;
  /** The manager takes an order to cut the host off that has the VG (PrepareCall.take_over, JoinCall.take_over). */
  readonly take_over?: boolean;
}

/** News that a manager has without being asked. */
export type ManagerNews =
  | { readonly kind: "lockspace-lost"; readonly lockspace_name: string; readonly reason: string }
  | {
      readonly kind: "progress";
      readonly lockspace_name: string;
      readonly text: string;
      readonly eta_ms: number;
    }
  /**
   * What a worker that takes the lockspace over has to know, a file descriptor perhaps; "" for nothing any more. What is still kept when
   * the daemon forgets the lockspace, a join that goes on perhaps, brings the next one of that name to the same worker.
   */
  | { readonly kind: "keep"; readonly lockspace_name: string; readonly text: string }
  | { readonly kind: "log"; readonly level: "error" | "warning" | "info" | "debug"; readonly text: string };

/** What the host gives a plugin when it opens it. Plain data but for `news`. */
export interface ManagerContext {
  readonly lock_type: LockType;
  /** Test mode of the daemon (--test): behave as the C daemon's test mode does. */
  readonly test_mode: boolean;
  /** The daemon's --sanlock-timeout or configured I/O timeout in seconds, 0 for the manager's default. */
  readonly io_timeout_s: number;
  /** The path of our lvmlockctl, for managers that call back when storage is lost. "" when unknown. */
  readonly lvmlockctl_path: string;
  /** The plugin's own section of the configuration, already parsed: string, number or list values by key. */
  readonly settings: Readonly<Record<string, string | number | readonly (string | number)[]>>;
  readonly news: (news: ManagerNews) => void;
}

export interface LockManagerDefinition {
  readonly name: string;
  readonly contract_version: number;
  readonly execution: "inline" | "worker";
  /** The lock types that this manager can serve; several for a manager that only borrows the name. */
  readonly lock_types: readonly LockType[];
  readonly capabilities: (lock_type: LockType) => Capabilities;
  /** Loads what the manager needs. A missing library is a Refused with EMANAGER and a sentence, not an exception. */
  readonly open: (context: ManagerContext) => Eventually<Answer<{ manager: LockManager }>>;
}

/** Checks the shape of a definition at compile time and returns it. */
export function defineLockManager(definition: LockManagerDefinition): LockManagerDefinition {
  return definition;
}

/** Makes a refusal; the defaults are those of a plain, final failure. */
export function refuse(
  code: RefusalCode,
  detail = "",
  more: Partial<Omit<Refused, "kind" | "code">> = {},
): Refused {
  return { kind: "refused", code, lm_result: 0, owner: null, retry: "never", detail, ...more };
}

/**
 * The one table of errors: a stable name, the number on the wire, what it means, what to do about it, whether trying again can
 * help, and the exit status of our command line tools. Nothing may show a bare number to a person; `explain` is how it is said.
 * The numbers are lvmlockd's own (210 and up) and Linux errno values, as lvm's clients know them.
 */

export interface ErrorEntry {
  /** The number that op_result carries, negated. */
  readonly wire: number;
  readonly cause: string;
  readonly remedy: string;
  /** True when the same request can succeed later without anybody doing anything. */
  readonly retryable: boolean;
  /** Exit status of lvmlockctl and friends when a command ends with this error. */
  readonly exit_status: number;
}

/**
 * Exit statuses of our tools, grouped by what a script would do next: 1 other failure, 2 usage, 3 not running, 4 busy or held
 * by somebody else, 5 no such VG or lock, 6 configuration, 7 lock manager or storage, 8 not supported.
 */
export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  not_running: 3,
  busy: 4,
  not_found: 5,
  config: 6,
  manager: 7,
  unsupported: 8,
} as const;

const entry = (
  wire: number,
  exit_status: number,
  retryable: boolean,
  cause: string,
  remedy: string,
): ErrorEntry => ({ wire, exit_status, retryable, cause, remedy });

export const ERRORS = {
  EPERM: entry(
    1,
    EXIT.failure,
    false,
    "The operation is not permitted.",
    "Run it as root; test-only requests need lvmlockd --test.",
  ),
  ENOENT: entry(
    2,
    EXIT.not_found,
    false,
    "There is no such lock or lockspace.",
    "Look with `lvmlockctl --info` at what is started and held.",
  ),
  EAGAIN: entry(
    11,
    EXIT.busy,
    true,
    "The lock is held by another host.",
    "Wait, or deactivate the LV there: `lvmlockctl who VG[/LV]` names the host where the lock manager knows it, and there the client.",
  ),
  ENOMEM: entry(
    12,
    EXIT.failure,
    true,
    "The daemon is out of a bounded resource.",
    "See the log for the bound; reduce the load or raise the limit.",
  ),
  EBUSY: entry(
    16,
    EXIT.busy,
    true,
    "Something still uses it: active LVs here, or other hosts that have the VG started.",
    "Deactivate the LVs (`lvchange -an`), run `vgchange --lockstop VG` on the other hosts, then try again.",
  ),
  EEXIST: entry(
    17,
    EXIT.busy,
    false,
    "It exists already, or a lock of another kind is in the way.",
    "For a lockspace nothing is to do; for a lock, release the existing one first.",
  ),
  EINVAL: entry(
    22,
    EXIT.usage,
    false,
    "The request makes no sense in this state.",
    "See the daemon's log for the reason; check the lock type and mode.",
  ),
  ENOSPC: entry(
    28,
    EXIT.failure,
    false,
    "There is no room for the answer or the lease.",
    "Ask for less (one VG), or extend the lock LV (sanlock_lv_extend).",
  ),
  EDEADLK: entry(
    35,
    EXIT.busy,
    true,
    "Two clients of this host wait for each other's locks.",
    "End one of the commands; `lvmlockctl who VG` shows the circle.",
  ),
  ENOLCK: entry(
    37,
    EXIT.manager,
    true,
    "No lock manager runs on this host.",
    "Start sanlock and wdmd, or corosync and dlm; or run lvmlockd with --lock-manager local on a single host.",
  ),
  ENOTEMPTY: entry(
    39,
    EXIT.busy,
    false,
    "LV locks are held in the VG.",
    "Deactivate the VG's LVs, then try again.",
  ),
  EUNATCH: entry(
    49,
    EXIT.not_found,
    false,
    "The VG's global lock is disabled.",
    "Enable it in one VG: `lvmlockctl --gl-enable VG`.",
  ),
  EXFULL: entry(
    54,
    EXIT.manager,
    false,
    "More than one lock manager runs on this host.",
    "Name the lock type: `vgcreate --shared --locktype sanlock|dlm`.",
  ),
  ETIME: entry(
    62,
    EXIT.busy,
    true,
    "The wait for a lock held by another client of this host reached wait_limit_s.",
    "Ask `lvmlockctl who VG` who holds it; raise daemon/wait_limit_s, or 0 for no limit.",
  ),
  EMSGSIZE: entry(
    90,
    EXIT.failure,
    false,
    "The lock LV is full.",
    "Extend it: raise global/sanlock_lv_extend and create the LV again.",
  ),
  EPROTO: entry(
    71,
    EXIT.failure,
    false,
    "The request could not be understood.",
    "Use an lvm2 or lvmlockctl that speaks this protocol; the daemon's log shows the place.",
  ),
  EPROTONOSUPPORT: entry(
    93,
    EXIT.unsupported,
    false,
    "This lvmlockd has no lock manager for that lock type.",
    "Map it in lvmlockd.conf (lock_managers), install its library, or use another lock type.",
  ),
  EOPNOTSUPP: entry(
    95,
    EXIT.unsupported,
    false,
    "The request is not known to this daemon.",
    "Update lvmlockd, or use a command that matches it.",
  ),
  ENETDOWN: entry(
    100,
    EXIT.manager,
    true,
    "The cluster has lost its quorum, waits for a failed node to be fenced, or is being recovered: it gives no locks meanwhile.",
    "See `corosync-quorumtool -s` and `dlm_tool status`; bring the missing nodes back, or fence them.",
  ),
  ENOTCONN: entry(
    107,
    EXIT.manager,
    true,
    "The connection to the lock manager is gone.",
    "Check that its daemon runs; the log says what happened.",
  ),
  ETIMEDOUT: entry(
    110,
    EXIT.manager,
    true,
    "The lock manager did not answer before the deadline.",
    "Check the lock manager and its storage; the lock is released again if it is granted late.",
  ),
  EALREADY: entry(114, EXIT.ok, false, "The client holds this lock in this mode already.", "Nothing to do."),
  ESTALE: entry(
    116,
    EXIT.busy,
    true,
    "The VG's lockspace is stopping.",
    "Wait until it has stopped, then start it again: `vgchange --lockstart VG`.",
  ),
  ECANCELED: entry(
    125,
    EXIT.failure,
    true,
    "The request was cancelled: its lockspace stopped or it was told to.",
    "Start the VG and try again.",
  ),
  ENOLS: entry(
    210,
    EXIT.not_found,
    false,
    "The VG's lockspace is not started (or no VG holds the global lock).",
    "Start it: `vgchange --lockstart VG`; for the global lock of sanlock: `lvmlockctl --gl-enable VG`.",
  ),
  ESTARTING: entry(
    211,
    EXIT.busy,
    true,
    "The VG's lockspace is still starting.",
    "Wait for it: `vgchange --lockstart VG` returns when it is done; `lvmlockctl --info` shows the progress.",
  ),
  EARGS: entry(
    212,
    EXIT.config,
    false,
    "The VG's or LV's lock args are invalid, or belong to another lock manager or cluster.",
    "See `vgs -o+locktype,lockargs`; change the type to none and back to rewrite them.",
  ),
  EHOSTID: entry(
    213,
    EXIT.config,
    false,
    "The host has no valid host_id, or another host uses it.",
    "Set local/host_id in lvmlocal.conf to a number that no other host has.",
  ),
  EMANAGER: entry(
    214,
    EXIT.manager,
    true,
    "The lock manager is not running or not installed.",
    "Start it (systemctl start sanlock wdmd, or corosync dlm), then `vgchange --lockstart`.",
  ),
  EPREPARE: entry(
    215,
    EXIT.manager,
    false,
    "The lockspace could not be prepared.",
    "The log has the lock manager's own error.",
  ),
  ELOCKD: entry(
    216,
    EXIT.not_running,
    true,
    "lvmlockd could not be reached.",
    "Start it: `systemctl start lvmlockd`.",
  ),
  EVGKILLED: entry(
    217,
    EXIT.manager,
    false,
    "The VG was killed: its lease storage is lost.",
    "Deactivate its LVs at once, then `lvmlockctl --drop VG`; repair the storage before the next start.",
  ),
  ELOCKIO: entry(
    218,
    EXIT.manager,
    true,
    "An I/O error on the storage of the leases.",
    "Check the PV that holds the lock LV.",
  ),
  EREMOVED: entry(
    219,
    EXIT.not_found,
    false,
    "The VG was removed by another host.",
    "Stop it here: `vgchange --lockstop VG`.",
  ),
  EDEVOPEN: entry(
    220,
    EXIT.manager,
    false,
    "The device of the leases could not be opened.",
    "Check that the lock LV is active and readable.",
  ),
  ELMERR: entry(
    221,
    EXIT.manager,
    true,
    "The lock manager failed.",
    "The reply's lm_result and the log have its own error.",
  ),
  EORPHAN: entry(
    222,
    EXIT.busy,
    false,
    "The lock is an orphan of an earlier lvmlockd.",
    "Restart lvmlockd with adoption on, or adopt it: --lockopt adopt.",
  ),
  EADOPT_NONE: entry(
    223,
    EXIT.not_found,
    false,
    "There is no orphan lock to adopt.",
    "Lock it without --lockopt adopt.",
  ),
  EADOPT_RETRY: entry(
    224,
    EXIT.busy,
    true,
    "The orphan lock has another mode than the one to adopt.",
    "Adopt it in the mode it has.",
  ),
  EIOTIMEOUT: entry(
    225,
    EXIT.manager,
    true,
    "I/O on the leases timed out.",
    "Check the storage path; a longer I/O timeout helps on slow storage.",
  ),
  ELOCKREPAIR: entry(
    226,
    EXIT.manager,
    false,
    "The lease is damaged and was not repaired.",
    "Use --lockopt repair when no host uses the VG.",
  ),
} as const satisfies Record<string, ErrorEntry>;

export type ErrorName = keyof typeof ERRORS;

const byWire = new Map<number, ErrorName>(
  (Object.keys(ERRORS) as ErrorName[]).map((name) => [ERRORS[name].wire, name] as const),
);

/** op_result of an error: its wire number, negated. */
export function wireResult(name: ErrorName): number {
  return -ERRORS[name].wire;
}

/** The name of an op_result; null for 0, positive counts, and numbers that are not in the table. */
export function errorName(op_result: number): ErrorName | null {
  return op_result < 0 ? (byWire.get(-op_result) ?? null) : null;
}

/** One line for a person: cause and remedy, with the number last for those who search for it. */
export function explain(op_result: number): string {
  const name = errorName(op_result);
  if (name === null) return `error ${op_result}`;
  const { cause, remedy } = ERRORS[name];
  return `${cause} ${remedy} (${name} ${op_result})`;
}

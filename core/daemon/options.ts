/** What the command line of lvmlockd says, as a plain record. The cli room makes it from argv; `runDaemon` takes it. */
import type { LockType } from "../../plugins/contract.ts";

/** The names that -S takes, by falling importance: syslog(3) priorities 0 to 7. */
export const SYSLOG_PRIORITIES = [
  "emerg",
  "alert",
  "crit",
  "err",
  "warning",
  "notice",
  "info",
  "debug",
] as const;

export type SyslogPriority = (typeof SYSLOG_PRIORITIES)[number];

/** Which lvm2 release's reply keys and info lines we speak. Clients read by key, so the newest serves them all. */
export const WIRE_DIALECTS = ["2.03.40", "2.03.16"] as const;

export type WireDialect = (typeof WIRE_DIALECTS)[number];

/** null means that the command line was silent: the environment, the settings or the built-in default decides then. */
export interface DaemonOptions {
  /** -T: no lock manager is called, requests behave as in the C daemon's test mode. */
  readonly test_mode: boolean;
  /** -f: stay in the foreground. */
  readonly foreground: boolean;
  /** -D: stay in the foreground and print debugging to standard output. */
  readonly daemon_debug: boolean;
  /** -p; else LVM_LVMLOCKD_PIDFILE; else /run/lvmlockd.pid. */
  readonly pid_file: string | null;
  /** -s; else LVM_LVMLOCKD_SOCKET; else /run/lvm/lvmlockd.socket. */
  readonly socket_path: string | null;
  /** --adopt-file: where the journal of LV locks is; else beside the socket. */
  readonly adopt_file: string | null;
  /** -S: messages of this priority and above go to syslog; else the settings, else warning. */
  readonly syslog_priority: SyslogPriority | null;
  /** -g: fixes the type of the global lock. */
  readonly gl_type: LockType | null;
  /** -i: sanlock host id, 1 to 2000. */
  readonly host_id: number | null;
  /** -F: a file with a line `host_id = N`. */
  readonly host_id_file: string | null;
  /** -o: overrides sanlock's I/O timeout. */
  readonly sanlock_timeout_s: number | null;
  /** -A 0 turns adoption off: the journal of an earlier daemon is set aside and not read. */
  readonly adopt: boolean;
  /** --lock-manager: a built-in name or a module path that serves the shared lock types; "local" serves dlm. */
  readonly lock_manager: string | null;
  /** Where lvm.conf, lvmlocal.conf and lvmlockd.conf are; else LVM_SYSTEM_DIR; else /etc/lvm. */
  readonly config_dir: string | null;
  /** --welcome: say in a few lines where the socket is and what to type next (`npm start`). */
  readonly welcome: boolean;
  readonly wire_dialect: WireDialect;
}

/** What an empty command line means. */
export const DEFAULT_OPTIONS: DaemonOptions = Object.freeze({
  test_mode: false,
  foreground: false,
  daemon_debug: false,
  pid_file: null,
  socket_path: null,
  adopt_file: null,
  syslog_priority: null,
  gl_type: null,
  host_id: null,
  host_id_file: null,
  sanlock_timeout_s: null,
  adopt: true,
  lock_manager: null,
  config_dir: null,
  welcome: false,
  wire_dialect: "2.03.40",
});

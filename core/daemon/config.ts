/** What the daemon runs with: the command line goes before the environment, that before lvmlockd.conf, that before the defaults. */
import { readFileSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import type { LoadedConfig } from "../../grammar/load-options.ts";
import type { SettingName, Settings } from "../../grammar/settings.ts";
import type { LockType, ManagerContext } from "../../plugins/contract.ts";
import type { PluginHostOptions } from "../../plugins/host/host.ts";
import type { DaemonOptions, SyslogPriority, WireDialect } from "./options.ts";

export interface DaemonConfig {
  readonly socket_path: string;
  readonly pid_file: string;
  readonly journal_path: string;
  readonly adopt: boolean;
  readonly test_mode: boolean;
  readonly syslog_priority: SyslogPriority;
  readonly gl_type: LockType | null;
  /** 0 for none. */
  readonly host_id: number;
  /** 0 for the lock manager's own. */
  readonly io_timeout_s: number;
  readonly lock_managers: Readonly<Partial<Record<LockType, string>>>;
  /** The lock managers' own sections of lvmlockd.conf, by the lock type they serve. */
  readonly manager_settings: PluginHostOptions["settings"];
  /** 0 for no limit. */
  readonly wait_limit_ms: number;
  readonly config_directory: string;
  readonly dialect: WireDialect;
}

export type ConfigAnswer =
  | { readonly kind: "config"; readonly config: DaemonConfig }
  | { readonly kind: "wrong"; readonly problem: string };

export type Environment = Readonly<Record<string, string | undefined>>;

/** Who runs the daemon, which decides where its files are by default. */
export interface Runner {
  readonly uid: number;
  /** The current directory of the command, which relative paths on its command line mean. */
  readonly directory: string;
  readonly env: Environment;
}

/** The directory of lvm.conf and lvmlockd.conf. */
export function configDirectory(options: DaemonOptions, { env, directory }: Runner): string {
  return resolve(directory, options.config_dir ?? env.LVM_SYSTEM_DIR ?? "/etc/lvm");
}

/** Puts everything together. The only things that can be wrong here are paths and the host id file. */
export function resolveConfig(options: DaemonOptions, loaded: LoadedConfig, runner: Runner): ConfigAnswer {
  const { settings } = loaded;
  const paths = resolvePaths(options, loaded, runner);
  if (typeof paths === "string") return { kind: "wrong", problem: paths };
  const host_id = resolveHostId(options, settings, runner);
  if (typeof host_id === "string") return { kind: "wrong", problem: host_id };
  const config: DaemonConfig = {
    ...paths,
    adopt: options.adopt && settings["daemon/adopt"],
    test_mode: options.test_mode,
    syslog_priority: options.syslog_priority ?? settings["daemon/syslog_priority"],
    gl_type: options.gl_type ?? settings["daemon/gl_type"] ?? null,
    host_id,
    io_timeout_s: options.sanlock_timeout_s ?? settings["daemon/sanlock_timeout"],
    lock_managers: lockManagers(options, settings),
    manager_settings: { sanlock: sectionOf(settings, "sanlock") },
    wait_limit_ms: settings["daemon/wait_limit_s"] * 1000,
    config_directory: configDirectory(options, runner),
    dialect: options.wire_dialect,
  };
  return { kind: "config", config };
}

type Paths = Pick<DaemonConfig, "socket_path" | "pid_file" | "journal_path">;

/** A sentence when there is no place for the files. */
function resolvePaths(options: DaemonOptions, loaded: LoadedConfig, runner: Runner): Paths | string {
  const { env, directory } = runner;
  const places = defaultPlaces(runner);
  const choose = (
    option: string | null,
    variable: string | undefined,
    name: SettingName & `daemon/${string}`,
    fallback: string | null,
  ): string | null => {
    const said = option ?? (variable === "" ? undefined : variable);
    if (said !== undefined) return resolve(directory, said);
    return loaded.sources.has(name) ? String(loaded.settings[name]) : fallback;
  };
  const socket_path = choose(
    options.socket_path,
    env.LVM_LVMLOCKD_SOCKET,
    "daemon/socket_path",
    places && join(places.lvm, "lvmlockd.socket"),
  );
  const pid_file = choose(
    options.pid_file,
    env.LVM_LVMLOCKD_PIDFILE,
    "daemon/pid_file",
    places && join(places.pid, "lvmlockd.pid"),
  );
  if (socket_path === null || pid_file === null)
    return "XDG_RUNTIME_DIR is not set, so there is no place for the socket: set it, or name --socket-path and --pid-file, or run as root";
  // Beside the socket, under the name of the C daemon's adopt file, so that a hand-over needs no option.
  const beside = join(socket_path, "..", "lvmlockd.adopt");
  const journal_path = choose(options.adopt_file, undefined, "daemon/adopt_file", beside) ?? beside;
  return { socket_path, pid_file, journal_path };
}

/** Root has the paths that are built into lvm; another user's daemon is for trying things out. */
function defaultPlaces({ uid, env }: Runner): { readonly lvm: string; readonly pid: string } | null {
  if (uid === 0) return { lvm: "/run/lvm", pid: "/run" };
  const { XDG_RUNTIME_DIR } = env;
  if (XDG_RUNTIME_DIR === undefined || !isAbsolute(XDG_RUNTIME_DIR)) return null;
  const lvm = join(XDG_RUNTIME_DIR, "lvm");
  return { lvm, pid: lvm };
}

/**
 * Which plugin serves which type. In test mode the embedded one plays both managers that Debian's C daemon knows. A manager named
 * on the command line serves the type of its own name, and dlm when it has another: a single type, because vgcreate --shared
 * without --locktype wants exactly one to be running.
 */
function lockManagers(options: DaemonOptions, settings: Settings): DaemonConfig["lock_managers"] {
  if (options.test_mode) return { dlm: "local", sanlock: "local" };
  const named = options.lock_manager ?? settings["daemon/lock_manager"];
  if (named === "sanlock" || named === "idm") return { [named]: named };
  if (named !== undefined) return { dlm: named };
  const idm = settings["lock_managers/idm"];
  return {
    sanlock: settings["lock_managers/sanlock"],
    dlm: settings["lock_managers/dlm"],
    ...(idm === undefined ? {} : { idm }),
  };
}

/** The settings of one section, without its name in front. */
function sectionOf(settings: Settings, section: "sanlock"): ManagerContext["settings"] {
  const rows = Object.entries(settings).filter(([name]) => name.startsWith(`${section}/`));
  return Object.fromEntries(
    rows.map(([name, value]) => [name.slice(section.length + 1), value]),
  ) as ManagerContext["settings"];
}

function resolveHostId(options: DaemonOptions, settings: Settings, { directory }: Runner): number | string {
  if (options.host_id !== null) return options.host_id;
  const file = options.host_id_file ?? settings["daemon/host_id_file"];
  if (file === undefined) return settings["daemon/host_id"];
  return readHostIdFile(resolve(directory, file));
}

/** The number of a line `host_id = N`; lines that begin with # are comments. A sentence when there is none. */
function readHostIdFile(path: string): number | string {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    return `the host id file can't be read: ${error instanceof Error ? error.message : String(error)}`;
  }
  const host_id = /^\s*host_id\s*=\s*(\d+)\s*(?:#.*)?$/m.exec(text)?.[1];
  if (host_id === undefined) return `${path} has no line "host_id = NUMBER"`;
  const number = Number(host_id);
  return number >= 1 && number <= 2000 ? number : `${path}: host_id ${number} is not between 1 and 2000`;
}

/** What the daemon runs with: the command line goes before the environment, that before lvmlockd.conf, that before the defaults. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { LoadedConfig } from "../../grammar/load-options.ts";
import { type ManagerSettings, readManagerSettings } from "../../grammar/manager-settings.ts";
import type { SettingName, Settings } from "../../grammar/settings.ts";
import type { LockType, ManagerContext } from "../../plugins/contract.ts";
import type { PluginHostOptions } from "../../plugins/host/host.ts";
import type { DaemonOptions, SyslogPriority, WireDialect } from "./options.ts";
import { type UserDirectory, userDirectory } from "./user-directory.ts";

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
  /** Where lvm commands have their file locks. */
  readonly lvm_lock_directory: string;
  readonly dialect: WireDialect;
}

export type ConfigAnswer =
  /** `note` is what the person should know about the choice of the paths; "" for nothing. */
  | { readonly kind: "config"; readonly config: DaemonConfig; readonly note: string }
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
export function resolveConfig(
  options: DaemonOptions,
  loaded: LoadedConfig,
  runner: Runner,
  findDirectory: FindDirectory = userDirectory,
): ConfigAnswer {
  const { settings } = loaded;
  const places = resolvePaths(options, loaded, runner, findDirectory);
  if (places.kind === "none") return { kind: "wrong", problem: places.problem };
  const { paths, note } = places;
  const host_id = resolveHostId(options, settings, runner);
  if (typeof host_id === "string") return { kind: "wrong", problem: host_id };
  const lock_managers = lockManagers(options, settings);
  const config: DaemonConfig = {
    ...paths,
    adopt: options.adopt && settings["daemon/adopt"],
    test_mode: options.test_mode,
    syslog_priority: options.syslog_priority ?? settings["daemon/syslog_priority"],
    gl_type: options.gl_type ?? settings["daemon/gl_type"] ?? null,
    host_id,
    io_timeout_s: options.sanlock_timeout_s ?? settings["daemon/sanlock_timeout"],
    lock_managers,
    manager_settings: managerSettings(lock_managers, settings, readManagerSettings(loaded.own).settings),
    wait_limit_ms: settings["daemon/wait_limit_s"] * 1000,
    config_directory: configDirectory(options, runner),
    lvm_lock_directory: settings["global/locking_dir"],
    dialect: options.wire_dialect,
  };
  return { kind: "config", config, note };
}

type Paths = Pick<DaemonConfig, "socket_path" | "pid_file" | "journal_path">;

/** Finds the directory of a user who is not root, and may make it. */
type FindDirectory = (runner: Runner) => UserDirectory;

type PathsAnswer =
  | { readonly kind: "paths"; readonly paths: Paths; readonly note: string }
  | { readonly kind: "none"; readonly problem: string };

function resolvePaths(
  options: DaemonOptions,
  loaded: LoadedConfig,
  runner: Runner,
  findDirectory: FindDirectory,
): PathsAnswer {
  const { env, directory } = runner;
  const choose = (
    option: string | null,
    variable: string | undefined,
    name: SettingName & `daemon/${string}`,
  ): string | null => {
    const said = option ?? (variable === "" ? undefined : variable);
    if (said !== undefined) return resolve(directory, said);
    return loaded.sources.has(name) ? String(loaded.settings[name]) : null;
  };
  const withJournal = (socket_path: string, pid_file: string): Paths => {
    // Beside the socket, under the name of the C daemon's adopt file, so that a hand-over needs no option.
    const beside = join(socket_path, "..", "lvmlockd.adopt");
    const journal_path = choose(options.adopt_file, undefined, "daemon/adopt_file") ?? beside;
    return { socket_path, pid_file, journal_path };
  };
  const socket = choose(options.socket_path, env.LVM_LVMLOCKD_SOCKET, "daemon/socket_path");
  const pid = choose(options.pid_file, env.LVM_LVMLOCKD_PIDFILE, "daemon/pid_file");
  // Only who has not said both needs a directory, which may have to be made.
  if (socket !== null && pid !== null) return { kind: "paths", paths: withJournal(socket, pid), note: "" };
  const places = defaultPlaces(runner, findDirectory);
  if (places.kind === "none") return places;
  const paths = withJournal(
    socket ?? join(places.lvm, "lvmlockd.socket"),
    pid ?? join(places.pid, "lvmlockd.pid"),
  );
  return { kind: "paths", paths, note: places.note };
}

type Places =
  | { readonly kind: "places"; readonly lvm: string; readonly pid: string; readonly note: string }
  | { readonly kind: "none"; readonly problem: string };

/** Root has the paths that are built into lvm; another user's daemon is for trying things out. */
function defaultPlaces(runner: Runner, findDirectory: FindDirectory): Places {
  if (runner.uid === 0) return { kind: "places", lvm: "/run/lvm", pid: "/run", note: "" };
  const found = findDirectory(runner);
  if (found.kind === "none") return found;
  const lvm = join(found.path, "lvm");
  return { kind: "places", lvm, pid: lvm, note: found.note };
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

/** What each lock type's manager gets: the section of the manager that serves it, and what is meant for managers of others. */
function managerSettings(
  lock_managers: DaemonConfig["lock_managers"],
  settings: Settings,
  theirs: ManagerSettings,
): DaemonConfig["manager_settings"] {
  const served = Object.entries(lock_managers).map(([lock_type, manager]) => [
    lock_type,
    { ...theirs[lock_type as LockType], ...settingsOf(manager, settings) },
  ]);
  return Object.fromEntries(served) as DaemonConfig["manager_settings"];
}

function settingsOf(manager: string, settings: Settings): ManagerContext["settings"] {
  if (manager === "sanlock") return sectionOf(settings, "sanlock");
  // lvm sends its host_id for lock type sanlock only; a reservation key is made from it as well.
  if (manager === "scsi-pr") return { ...sectionOf(settings, "scsi_pr"), host_id: settings["local/host_id"] };
  return {};
}

/** The settings of one section, without its name in front. */
function sectionOf(settings: Settings, section: "sanlock" | "scsi_pr"): ManagerContext["settings"] {
  const rows = Object.entries(settings).filter(
    ([name, value]) => name.startsWith(`${section}/`) && value !== undefined,
  );
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

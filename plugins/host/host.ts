import { DEADLINES } from "../../core/deadlines.ts";
import type { Ask, LogLevel, ManagerAnswer, ManagerFacts } from "../../core/locking/api.ts";
import { type Capabilities, type LockType, type ManagerContext, type Refused, refuse } from "../contract.ts";
import type { Log } from "./calling.ts";
import type { Channel, ChannelOptions, Later } from "./channel.ts";
import { createInlineChannel } from "./inline.ts";
import { createNewsDesk, type HostNews } from "./news.ts";
import { findSource, loadDefinition } from "./registry.ts";
import { errorSentence } from "./sentences.ts";
import { createWorkerPool } from "./worker-pool.ts";

export type { Later } from "./channel.ts";
export type { HostNews } from "./news.ts";

/** What a plugin host is made from. */
export interface PluginHostOptions {
  /** Which lock manager serves a lock type: a built-in name, the absolute path of a module, or a package's name. */
  readonly lock_managers: Readonly<Partial<Record<LockType, string>>>;
  /** Absolute; packages are looked for from here upwards. */
  readonly config_directory: string;
  readonly test_mode: boolean;
  /** 0 for the manager's default. */
  readonly io_timeout_s: number;
  /** "" when unknown. */
  readonly lvmlockctl_path: string;
  /** The plugin's own settings by the lock type it serves. */
  readonly settings: Readonly<Partial<Record<LockType, ManagerContext["settings"]>>>;
  readonly log: (level: LogLevel, text: string) => void;
  /** Lost lockspaces and progress; a plugin's log lines go to `log`. */
  readonly news: (lock_type: LockType, news: HostNews) => void;
}

/** A configured lock manager that could not be loaded. Every request for its lock type is refused with `detail`. */
export interface PluginProblem {
  readonly lock_type: LockType;
  readonly detail: string;
}

/** The lock managers of a daemon, loaded and ready to be asked. */
export interface PluginHost {
  /** For the core: what is known of the manager of each configured lock type. */
  readonly managers: Readonly<Partial<Record<LockType, ManagerFacts>>>;
  readonly problems: readonly PluginProblem[];
  /**
   * Asks a lock manager. An answer that is known at once is returned; for null, `later` gets it, exactly once and not from
   * inside this call. One `later` function can serve all asks.
   */
  ask(ask: Ask, later: Later): ManagerAnswer | null;
  /** Drops the handle of a lockspace that the core gave up. */
  forgetLockspace(lock_type: LockType, key: number): void;
  /** Closes all managers, for `plugin_close_ms` at most. Lockspaces that are joined stay joined. */
  close(): Promise<void>;
}

/**
 * Loads the configured lock managers, but opens none: a library is loaded at the first request for its lock type. A plugin
 * that can't be loaded is a problem and a refusal for those who ask for it; the daemon serves on with the others.
 */
export async function createPluginHost(options: PluginHostOptions): Promise<PluginHost> {
  const configured = Object.entries(options.lock_managers) as [LockType, string][];
  const loaded = await Promise.all(
    configured.map(([lock_type, name]) => loadManager(lock_type, name, options)),
  );
  const channels: Partial<Record<LockType, Channel>> = {};
  const managers: Partial<Record<LockType, ManagerFacts>> = {};
  const problems: PluginProblem[] = [];
  for (const { lock_type, facts, channel, problem } of loaded) {
    channels[lock_type] = channel;
    managers[lock_type] = facts;
    if (problem !== null) problems.push({ lock_type, detail: problem });
  }
  let open = true;
  return {
    managers,
    problems,
    ask(ask, later) {
      const channel = channels[ask.target.lock_type];
      if (channel === undefined) return notConfigured(ask.target.lock_type);
      return open ? channel.ask(ask, later) : CLOSED;
    },
    forgetLockspace: (lock_type, key) => channels[lock_type]?.forgetLockspace(key),
    async close() {
      if (!open) return;
      open = false;
      await Promise.all(Object.values(channels).map((channel) => closeChannel(channel, options.log)));
    },
  };
}

const CLOSED: Refused = Object.freeze(refuse("EMANAGER", "lvmlockd is ending"));

function notConfigured(lock_type: LockType): Refused {
  return refuse("EPROTONOSUPPORT", `no lock manager is configured for lock type ${lock_type}`);
}

interface LoadedManager {
  readonly lock_type: LockType;
  readonly facts: ManagerFacts;
  readonly channel: Channel;
  readonly problem: string | null;
}

async function loadManager(
  lock_type: LockType,
  configured: string,
  options: PluginHostOptions,
): Promise<LoadedManager> {
  const source = findSource(configured, options.config_directory);
  if (source.kind === "missing") return brokenManager(lock_type, configured, source.problem);
  const checked = await loadDefinition(source, lock_type);
  if (checked.kind === "wrong")
    return brokenManager(lock_type, configured, `the lock manager ${configured} ${checked.problem}`);
  const { definition, capabilities } = checked;
  const { name } = definition;
  const context = {
    lock_type,
    test_mode: options.test_mode,
    io_timeout_s: options.io_timeout_s,
    lvmlockctl_path: options.lvmlockctl_path,
    settings: options.settings[lock_type] ?? {},
  };
  const log: Log = options.log;
  const news = createNewsDesk(name, lock_type, log, options.news);
  const channel_options: ChannelOptions = { name, lock_type, context, log, news };
  const channel =
    definition.execution === "inline"
      ? createInlineChannel(definition, capabilities, channel_options)
      : createWorkerPool(source, channel_options);
  return { lock_type, facts: { name, capabilities }, channel, problem: null };
}

function brokenManager(lock_type: LockType, name: string, problem: string): LoadedManager {
  const refused = Object.freeze(refuse("EMANAGER", problem));
  const channel: Channel = { ask: () => refused, forgetLockspace() {}, close: async () => {} };
  return { lock_type, facts: { name, capabilities: assumedCapabilities(lock_type) }, channel, problem };
}

/** What the core is told of a manager that can't be asked: as little as a manager of the type can have. */
function assumedCapabilities(lock_type: LockType): Capabilities {
  const sanlock = lock_type === "sanlock";
  return {
    global_lock: sanlock ? "in-vg" : "own",
    lockspace_name_max: sanlock ? 48 : 64,
    on_disk_leases: sanlock,
    value_block: false,
    shared_locks: false,
    owner_info: false,
    adoption: false,
    fencing: false,
    remote_refresh: false,
    queueing: false,
  };
}

async function closeChannel(channel: Channel, log: Log): Promise<void> {
  const { promise: tooLate, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, DEADLINES.plugin_close_ms);
  try {
    await Promise.race([channel.close(), tooLate]);
  } catch (error) {
    log("error", `a lock manager failed while it was closed: ${errorSentence(error)}`);
  } finally {
    clearTimeout(timer);
  }
}

/** lvmlockd as a process: the start in its order, signals, what systemd is told, and how it all ends. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import packageFile from "../../package.json" with { type: "json" };
import { setProcessName } from "../../plugins/native/process-name.ts";
import { openSyslog } from "../../plugins/native/syslog.ts";
import { DEADLINES } from "../deadlines.ts";
import { EXIT } from "../errors.ts";
import { currentBootId } from "./adoption.ts";
import { type Caller, callerOf, startInBackground } from "./background.ts";
import type { DaemonConfig, Environment, Runner } from "./config.ts";
import { type Daemon, startDaemon } from "./daemon.ts";
import { detachFromCaller } from "./environment.ts";
import { createLog, type Log } from "./log/log.ts";
import { lineSink } from "./log/sink.ts";
import { type Notifier, openNotifier } from "./notify.ts";
import { openFilesLimit } from "./open-files.ts";
import type { DaemonOptions } from "./options.ts";
import { siblingCall } from "./own-program.ts";
import { readAllSettings, readStartSettings, reportUnchangeable } from "./settings.ts";
import { welcomeText } from "./welcome.ts";

/** Runs lvmlockd until it ends; the answer is the exit status. In the background it ends when the daemon serves. */
export async function runDaemon(options: DaemonOptions): Promise<number> {
  const caller = callerOf(process.env);
  if (!options.foreground && !options.daemon_debug && caller === null) return startInBackground();
  const directory = process.cwd();
  const env = detachFromCaller();
  const runner: Runner = { uid: process.geteuid?.() ?? 0, directory, env };
  const complain = caller?.say ?? ((line: string): void => void process.stderr.write(`${line}\n`));
  const settings = await readStartSettings(options, runner);
  if (settings.kind === "wrong") {
    for (const problem of settings.problems) complain(`lvmlockd: ${problem}`);
    return EXIT.config;
  }
  const { config, note } = settings;
  setProcessName("lvmlockd");
  const log = openLog(options, config, env, caller);
  if (note !== "") log.warning(note);
  const notifier = openNotifier(env);
  const process_state = { options, runner, config, log, notifier, caller };
  return serve(process_state);
}

interface ProcessState {
  readonly options: DaemonOptions;
  readonly runner: Runner;
  readonly config: DaemonConfig;
  readonly log: Log;
  readonly notifier: Notifier;
  readonly caller: Caller | null;
}

async function serve(state: ProcessState): Promise<number> {
  const { options, runner, config, log, notifier, caller } = state;
  let daemon: Daemon | null = null;
  const defect = (error: unknown): void => endAtDefect(error, log);
  // Whatever is thrown anywhere: a daemon in a wrong state must not grant. The journal stays, and the next one adopts.
  process.on("uncaughtException", defect);
  process.on("unhandledRejection", defect);
  const reload = () => reloadSettings(state, () => daemon);
  const answer = await startDaemon(config, {
    log,
    env: runner.env,
    own_uid: runner.uid,
    open_files_limit: openFilesLimit(),
    boot_id: currentBootId(),
    sys: "/sys",
    version: packageFile.version,
    lvmlockctl_path: lvmlockctlPath(),
    lvmpersist: siblingCall("lvmpersist"),
    key_directory: "/var/lib/lvm",
    now_ms: () => performance.now(),
    reload,
    defect,
  });
  if (answer.kind === "failed") {
    log.error(answer.reason);
    if (!printsLog(options, runner.env)) (caller?.say ?? console.error)(`lvmlockd: ${answer.reason}`);
    return answer.exit_status;
  }
  daemon = answer.daemon;
  onSignals(daemon, reload);
  void readyOrLate(answer.daemon).then((adopted) => announce(state, answer.daemon, adopted));
  await daemon.ended;
  notifier.stopping();
  notifier.close();
  log.notice("lvmlockd has ended");
  return EXIT.ok;
}

/** True when all is adopted, false when that takes longer than whoever started us should wait. */
async function readyOrLate(daemon: Daemon): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => late.resolve(false), DEADLINES.adoption_ready_ms);
  const adopted = await Promise.race([daemon.ready.then(() => true), late.promise]);
  clearTimeout(timer);
  return adopted;
}

/**
 * What was held before is protected again, or, where a lock manager or a command of the earlier daemon's time takes its time, counts as
 * starting: now others may rely on us.
 */
function announce(state: ProcessState, daemon: Daemon, adopted: boolean): void {
  const { options, config, log, notifier, caller } = state;
  if (!adopted)
    log.warning("VGs of an earlier lvmlockd are still being adopted: lvmlockctl --info shows which");
  notifier.ready();
  notifier.status(daemon.statusText());
  setInterval(() => notifier.status(daemon.statusText()), DEADLINES.status_interval_ms).unref();
  log.notice(`lvmlockd ${packageFile.version} serves on ${config.socket_path}`);
  if (options.welcome) process.stdout.write(welcomeText(config, daemon.managers));
  caller?.ready();
}

function endAtDefect(error: unknown, log: Log): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  log.error(`lvmlockd ends because of a defect of its own; its locks stay on record for adoption: ${text}`);
  process.exit(EXIT.failure);
}

/** SIGINT comes from a person at the terminal: the second one within a few seconds means it. */
function onSignals(daemon: Daemon, reload: () => Promise<boolean>): void {
  let interrupted_ms = Number.NEGATIVE_INFINITY;
  process.on("SIGTERM", () => daemon.terminate());
  process.on("SIGHUP", () => void reload());
  process.on("SIGINT", () => {
    const now_ms = performance.now();
    if (now_ms - interrupted_ms < DEADLINES.second_interrupt_ms) daemon.leave();
    else daemon.terminate();
    interrupted_ms = now_ms;
  });
}

async function reloadSettings(state: ProcessState, running: () => Daemon | null): Promise<boolean> {
  const { options, runner, config, log, notifier } = state;
  notifier.reloading();
  const settings = await readAllSettings(options, runner);
  if (settings.kind === "wrong") {
    log.error(
      `the settings stay as they are, because the new ones are wrong: ${settings.problems.join("\n")}`,
    );
  } else {
    reportUnchangeable(config, settings.config, log);
    running()?.change(settings.config);
    log.notice("the settings were read again");
  }
  notifier.ready();
  return settings.kind === "config";
}

/** In the foreground a person reads along, unless standard error is the journal, which syslog ends in as well. */
function printsLog(options: DaemonOptions, env: Environment): boolean {
  return options.daemon_debug || (options.foreground && env.JOURNAL_STREAM === undefined);
}

function openLog(options: DaemonOptions, config: DaemonConfig, env: Environment, caller: Caller | null): Log {
  const syslog = openSyslog("lvmlockd");
  const print = options.daemon_debug
    ? { level: "debug" as const, sink: lineSink(process.stdout) }
    : printsLog(options, env)
      ? { level: "notice" as const, sink: lineSink(process.stderr) }
      : caller === null
        ? null
        : { level: "warning" as const, sink: caller.say };
  return createLog({
    print,
    syslog: "kind" in syslog ? null : syslog,
    syslog_priority: config.syslog_priority,
    now_ms: () => performance.now(),
  });
}

/** Ours when it is installed beside this program, for lock managers that call back when storage is lost. */
function lvmlockctlPath(): string {
  const candidates = [join(dirname(process.execPath), "lvmlockctl"), "/usr/sbin/lvmlockctl"];
  return candidates.find((path) => existsSync(path)) ?? "";
}

/** Reading the settings: only our own file at the start, all of them when they are read again. */
import { hostname } from "node:os";
import { join } from "node:path";
import type { LoadedConfig } from "../../grammar/load-options.ts";
import { readFileFromDisk } from "../../grammar/read-file.ts";
import { loadStartConfig } from "../../grammar/start.ts";
import { CHANGEABLE } from "./changeable.ts";
import { configDirectory, type DaemonConfig, type Runner, resolveConfig } from "./config.ts";
import type { Log } from "./log/log.ts";
import type { DaemonOptions } from "./options.ts";

export type SettingsAnswer =
  /** `note` as in ConfigAnswer. */
  | { readonly kind: "config"; readonly config: DaemonConfig; readonly note: string }
  /** Lines for a person. */
  | { readonly kind: "wrong"; readonly problems: readonly string[] };

/** The configuration to start with. Without a file of ours no parser is loaded, which would cost the first client 30 ms. */
export async function readStartSettings(options: DaemonOptions, runner: Runner): Promise<SettingsAnswer> {
  const start = await resolved(options, runner, await loadStartConfig(loadOptions(options, runner)));
  if (start.kind === "wrong" || !needsLvmFiles(start.config)) return start;
  const all = await readAllSettings(options, runner);
  // A mistake in one of lvm's files is lvm's to refuse; who needs a setting from there says so.
  return all.kind === "wrong" ? start : all;
}

/** The key of this host's reservations is made from local/host_id of lvmlocal.conf, and a parser is loaded already. */
function needsLvmFiles({ lock_managers }: DaemonConfig): boolean {
  return Object.values(lock_managers).includes("scsi-pr");
}

/** Reads all files again, for a daemon that runs; the caller keeps what it has when something is wrong. */
export async function readAllSettings(options: DaemonOptions, runner: Runner): Promise<SettingsAnswer> {
  const { loadConfig } = await import("../../grammar/load.ts");
  return resolved(options, runner, loadConfig(loadOptions(options, runner)));
}

function loadOptions(options: DaemonOptions, runner: Runner) {
  const system_dir = configDirectory(options, runner);
  const own_file = join(system_dir, "lvmlockd.conf");
  return { system_dir, own_file, hostname: hostname(), read_file: readFileFromDisk };
}

async function resolved(
  options: DaemonOptions,
  runner: Runner,
  loaded: LoadedConfig,
): Promise<SettingsAnswer> {
  if (!loaded.ok) {
    const { formatDiagnostic } = await import("../../grammar/diagnose.ts");
    const errors = loaded.diagnostics.filter((diagnostic) => diagnostic.severity === "error");
    return { kind: "wrong", problems: errors.map(formatDiagnostic) };
  }
  const answer = resolveConfig(options, loaded, runner);
  return answer.kind === "config" ? answer : { kind: "wrong", problems: [answer.problem] };
}

/** Says which changed settings have no effect yet. */
export function reportUnchangeable(before: DaemonConfig, after: DaemonConfig, log: Log): void {
  for (const [name, value] of Object.entries(after)) {
    const old = before[name as keyof DaemonConfig];
    if (Object.hasOwn(CHANGEABLE, name) || JSON.stringify(old) === JSON.stringify(value)) continue;
    log.notice(`the setting of ${name} has changed; it takes effect when lvmlockd is started again`);
  }
}

/** config get, list and edit: the settings for people, through the same tables by which the daemon reads them. */
import { CHANGEABLE } from "../../core/daemon/changeable.ts";
import { EXIT } from "../../core/errors.ts";
import {
  type ConfigEntry,
  configGet as findEntry,
  configList as listEntries,
  configEdit as planEdit,
} from "../../grammar/commands.ts";
import { type Diagnostic, formatDiagnostic } from "../../grammar/diagnose.ts";
import { loadConfig } from "../../grammar/load.ts";
import { replaceFile } from "../../grammar/write-file.ts";
import { configLoadOptions } from "../config-directory.ts";
import { jsonReport, type ReportRow } from "../json-report.ts";
import type { ReportFormat } from "../shared-options.ts";
import { say, sayError } from "../streams.ts";
import { textTable } from "../table.ts";

export interface ConfigQuery {
  readonly config_dir: string | null;
  readonly format: ReportFormat;
}

/** config get KEY: the value and where it comes from. Returns the exit status. */
export function configGet(key: string, query: ConfigQuery): number {
  const config = loadConfig(configLoadOptions(query.config_dir, process.env));
  const errors = config.diagnostics.filter((diagnostic) => diagnostic.severity === "error");
  tellDiagnostics(errors);
  const found = findEntry(config, key);
  if (!found.ok) return sayError(`lvmlockctl: ${found.reason}`, EXIT.not_found);
  // A value that is there, out of files with errors somewhere, is still to be doubted.
  const exit_status = errors.length === 0 ? EXIT.ok : EXIT.config;
  const { entry } = found;
  if (query.format !== "basic")
    return say(jsonReport({ setting: [settingRow(entry)] }, query.format), exit_status);
  return say(`${entry.name} = ${entry.value ?? "(not set)"}\n${placeText(entry)}`, exit_status);
}

/** config list: what the files set; with `all` also what has its default. */
export function configList(all: boolean, query: ConfigQuery): number {
  const config = loadConfig(configLoadOptions(query.config_dir, process.env));
  tellDiagnostics(config.diagnostics);
  const exit_status = config.ok ? EXIT.ok : EXIT.config;
  const entries = listEntries(config).filter((entry) => all || entry.source !== undefined);
  if (query.format !== "basic")
    return say(jsonReport({ setting: entries.map(settingRow) }, query.format), exit_status);
  if (entries.length === 0) {
    return say(
      "No file sets anything that lvmlockd reads. The defaults: lvmlockctl config list --all",
      exit_status,
    );
  }
  const rows = entries.map((entry) => [entry.name, entry.value ?? "(not set)", placeText(entry)]);
  return say(textTable(["SETTING", "VALUE", "FROM"], rows).join("\n"), exit_status);
}

/** config edit KEY VALUE: checked, then written in one step; nothing else in the file changes. */
export function configEdit(key: string, value: string, query: ConfigQuery): number {
  const options = configLoadOptions(query.config_dir, process.env);
  const edited = planEdit(options, { kind: "set", name: key, value, file: undefined });
  if (!edited.ok) return sayError(`lvmlockctl: ${edited.reason}`, EXIT.config);
  tellDiagnostics(edited.diagnostics);
  const written = replaceFile(edited.path, edited.after, edited.before);
  if (written.kind === "refused") return sayError(`lvmlockctl: ${written.reason}`, EXIT.failure);
  const effect = edited.path === options.own_file ? effectText(key) : "";
  return say(`${edited.path}: ${key} is set. ${effect}`.trimEnd(), EXIT.ok);
}

/** When a running daemon goes by it. */
function effectText(key: string): string {
  const names: readonly string[] = Object.values(CHANGEABLE);
  return names.includes(key)
    ? "A running lvmlockd reads it with: systemctl reload lvmlockd"
    : "A running lvmlockd goes by it when it is started again: systemctl restart lvmlockd";
}

function tellDiagnostics(diagnostics: readonly Diagnostic[]): void {
  for (const diagnostic of diagnostics) sayError(formatDiagnostic(diagnostic), EXIT.ok);
}

function placeText({ source }: ConfigEntry): string {
  return source === undefined ? "default" : `${source.file}:${source.line}`;
}

/** The value is what stands in the file, so it is text also in json_std. */
function settingRow(entry: ConfigEntry): ReportRow {
  return {
    name: entry.name,
    value: entry.value ?? null,
    file: entry.source?.file ?? "",
    line: entry.source?.line ?? null,
    column: entry.source?.column ?? null,
    description: entry.description ?? "",
  };
}

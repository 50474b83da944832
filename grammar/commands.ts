import { join } from "node:path";
import { checkValue, type SettingSource } from "./check-settings.ts";
import { type Diagnostic, diagnoseFile, diagnoseProblem, formatDiagnostic } from "./diagnose.ts";
import { type Edit, editConfig, writeValue } from "./edit.ts";
import { loadConfig } from "./load.ts";
import type { LoadedConfig, LoadOptions } from "./load-options.ts";
import { nearestName } from "./nearest.ts";
import { parseFile } from "./parse-file.ts";
import { parseConfig } from "./parser.ts";
import { formatNode } from "./print.ts";
import type { FileRead } from "./read-file.ts";
import { isSettingName, type SettingName, settingNames, settingRow } from "./settings.ts";
import { decodeBytes, displayText, encodeBytes, rawFromText } from "./text.ts";
import { buildTree, findNode } from "./tree.ts";

// What `lvmlockd --check-config` and `lvmlockctl config get|list|edit` do, without options, terminals and exit codes.

/** The verdict over all configuration files, for people and for programs. */
export interface CheckedConfig {
  readonly ok: boolean;
  readonly text: string;
  readonly json: {
    readonly ok: boolean;
    readonly files: readonly { readonly path: string; readonly state: string }[];
    readonly host_tags: readonly string[];
    readonly diagnostics: readonly Diagnostic[];
    readonly settings: Readonly<Record<string, unknown>>;
  };
}

/** What only the program that checks can find out about its machine. */
export interface Surroundings {
  /** Why the directory of the files can't be the one that is meant. */
  readonly directory_problem: string | undefined;
  /** Why a plugin can't be loaded by this reference. */
  readonly plugin_problem: (reference: string) => string | undefined;
}

const nothingWrong: Surroundings = { directory_problem: undefined, plugin_problem: () => undefined };

/** Reads all configuration files and tells what is wrong with them. */
export function checkConfig(options: LoadOptions, around: Surroundings = nothingWrong): CheckedConfig {
  const config = loadConfig(options);
  const { directory_problem } = around;
  const found = [
    ...(directory_problem === undefined
      ? []
      : [diagnoseFile(options.system_dir, "error", directory_problem)]),
    ...config.diagnostics,
    ...checkPlugins(config, around),
  ];
  const ok = found.every((diagnostic) => diagnostic.severity !== "error");
  const notes = ok ? [...found, ...noteUnused(config)] : found;
  const errors = notes.filter((diagnostic) => diagnostic.severity === "error").length;
  const warnings = notes.length - errors;
  const files = config.files.map((file) => `${file.path}: ${file.state}`);
  const verdict = `${ok ? "The configuration is valid" : "The configuration has errors"}: ${errors} errors, ${warnings} warnings.`;
  return {
    ok,
    text: `${[...notes.map(formatDiagnostic), ...files, verdict].join("\n")}\n`,
    json: {
      ok,
      files: config.files.map(({ path, state }) => ({ path, state })),
      host_tags: config.host_tags.map(displayText),
      diagnostics: notes,
      settings: config.settings,
    },
  };
}

const pluginSettings = [
  "daemon/lock_manager",
  "lock_managers/sanlock",
  "lock_managers/dlm",
  "lock_managers/idm",
] as const satisfies readonly SettingName[];

/** Plugins that the own file names and nobody can load. A default is no promise that its plugin is installed. */
function checkPlugins(config: LoadedConfig, around: Surroundings): Diagnostic[] {
  const diagnostics: Diagnostic[] = [];
  for (const name of pluginSettings) {
    const reference = config.settings[name];
    const origin = findNode(config.own, name)?.value?.origin;
    // A value that was refused has its own diagnostic, and its setting has no source.
    if (reference === undefined || origin === undefined || !config.sources.has(name)) continue;
    if (reference === settingRow(name).default) continue;
    const problem = around.plugin_problem(reference);
    if (problem === undefined) continue;
    const { file, start, end } = origin;
    const message = `${name}: ${displayText(problem)}`;
    const { expected } = settingRow(name).kind;
    diagnostics.push(diagnoseProblem({ severity: "error", start, end, message, expected }, file));
  }
  return diagnostics;
}

function noteUnused(config: LoadedConfig): Diagnostic[] {
  if (config.settings["global/use_lvmlockd"]) return [];
  const file = config.sources.get("global/use_lvmlockd")?.file ?? "lvm.conf";
  const message = "global/use_lvmlockd is 0: no lvm command of this host asks lvmlockd";
  return [diagnoseFile(file, "warning", message, "lvmlockctl config edit global/use_lvmlockd=1")];
}

/** One setting as it is shown: its value as it would be written in a file, and where that came from. */
export interface ConfigEntry {
  readonly name: string;
  /** Undefined when it is not set and has no default. */
  readonly value: string | undefined;
  /** Undefined for a default. */
  readonly source: SettingSource | undefined;
  readonly description: string | undefined;
}

/** Every setting that we read. */
export function configList(config: LoadedConfig): ConfigEntry[] {
  return settingNames.map((name) => entryOf(config, name));
}

function entryOf(config: LoadedConfig, name: SettingName): ConfigEntry {
  const value = config.settings[name];
  return {
    name,
    value: value === undefined ? undefined : displayText(writeValue(value)),
    source: config.sources.get(name),
    description: settingRow(name).description,
  };
}

/** A setting of ours, or whatever else the files say at that path; or why there is nothing. */
export function configGet(
  config: LoadedConfig,
  name: string,
): { readonly ok: true; readonly entry: ConfigEntry } | { readonly ok: false; readonly reason: string } {
  if (isSettingName(name)) return { ok: true, entry: entryOf(config, name) };
  const path = rawFromText(name);
  const node = findNode(config.lvm, path) ?? findNode(config.own, path);
  if (node === undefined || name === "") {
    const near = nearestName(name, settingNames);
    return {
      ok: false,
      reason: `"${name}" is not set${near === undefined ? "" : `; did you mean "${near}"?`}`,
    };
  }
  const text = displayLines(formatNode(node));
  const value = node.value === undefined ? text : text.slice(text.indexOf("=") + 1);
  return { ok: true, entry: { name, value, source: undefined, description: undefined } };
}

function displayLines(raw: string): string {
  return raw.trimEnd().split("\n").map(displayText).join("\n");
}

/** What `config edit` is asked to do. `value` is what the person typed behind the equals sign. */
export type EditRequest = (
  | { readonly kind: "set"; readonly name: string; readonly value: string }
  | { readonly kind: "comment" | "remove"; readonly name: string }
) & {
  /** The file to edit; undefined for the one that sets it now, or else the one where the setting belongs. */
  readonly file: string | undefined;
};

/** The file's bytes before (undefined if there was none) and after, for replaceFile; or why it is not edited. */
export type EditedFile =
  | {
      readonly ok: true;
      readonly path: string;
      readonly before: Uint8Array | undefined;
      readonly after: Uint8Array;
      /** What the whole configuration would be told with the edit in place. */
      readonly diagnostics: readonly Diagnostic[];
    }
  | { readonly ok: false; readonly reason: string };

/** Works out an edit of one setting; writes nothing. */
export function configEdit(options: LoadOptions, request: EditRequest): EditedFile {
  const path = request.file ?? fileOf(options, request.name);
  if (path === undefined) {
    const near = nearestName(request.name, settingNames);
    const hint = near === undefined ? "" : `; did you mean "${near}"?`;
    return { ok: false, reason: `"${request.name}" is not a setting of lvmlockd${hint}` };
  }
  const read = options.read_file(path);
  if (read.kind === "unreadable") return { ok: false, reason: `${path} can't be read: ${read.reason}` };
  const edit = planEdit(request);
  if (!edit.ok) return edit;
  const before = read.kind === "read" ? read.bytes : undefined;
  const edited = editConfig(before === undefined ? "" : decodeBytes(before), edit.edit);
  if (!edited.ok) return { ok: false, reason: `${path}: ${edited.reason}` };
  const after = encodeBytes(edited.text);
  const changed = withFile(options, path, after);
  const owner = path === options.own_file ? "lvmlockd" : "lvm";
  const broken = parseFile(path, owner, changed.read_file).diagnostics.find(
    ({ severity }) => severity === "error",
  );
  if (broken !== undefined) return { ok: false, reason: formatDiagnostic(broken) };
  const config = loadConfig(changed);
  const diagnostics = [...config.diagnostics, ...noteOverridden(config, path, request)];
  return { ok: true, path, before, after, diagnostics };
}

/** A value that was set but does not count would puzzle whoever set it. */
function noteOverridden(config: LoadedConfig, path: string, request: EditRequest): Diagnostic[] {
  if (request.kind !== "set" || !isSettingName(request.name)) return [];
  const source = config.sources.get(request.name);
  if (source === undefined || source.file === path) return [];
  const message = `${request.name} is set again on line ${source.line} of ${source.file}, which counts`;
  return [diagnoseFile(path, "warning", message)];
}

function withFile(options: LoadOptions, path: string, bytes: Uint8Array): LoadOptions {
  const replaced: FileRead = { kind: "read", bytes };
  return { ...options, read_file: (name) => (name === path ? replaced : options.read_file(name)) };
}

function fileOf(options: LoadOptions, name: string): string | undefined {
  if (!isSettingName(name)) return undefined;
  const current = loadConfig(options).sources.get(name)?.file;
  if (current !== undefined) return current;
  const { file } = settingRow(name);
  return file === "lvmlockd.conf" ? options.own_file : join(options.system_dir, file);
}

function planEdit(
  request: EditRequest,
): { readonly ok: true; readonly edit: Edit } | { readonly ok: false; readonly reason: string } {
  if (request.kind !== "set") return { ok: true, edit: { kind: request.kind, path: request.name } };
  for (const literal of literalsFor(request.value)) {
    if (!isSettingName(request.name) || fits(request.name, literal)) {
      return { ok: true, edit: { kind: "set", path: request.name, literal } };
    }
  }
  const expected = isSettingName(request.name) ? settingRow(request.name).kind.expected : "a value";
  return { ok: false, reason: `"${request.value}" is not a value for ${request.name}: expected ${expected}` };
}

/** What was typed, as a value of a file: as it stands where that is a value, and else as the string that it is. */
function literalsFor(typed: string): string[] {
  const raw = rawFromText(typed);
  const quoted = writeValue(typed);
  const parsed = parseConfig(`x = ${raw}`, { integers: "exact" });
  const item = parsed.ok && parsed.warnings.length === 0 ? parsed.file.items[0] : undefined;
  const isOneValue = parsed.ok && parsed.file.items.length === 1 && parsed.file.tail === "";
  if (item?.kind !== "setting" || !isOneValue) return [quoted];
  // A bare word is a value, but quotes are what everybody writes.
  const isBare = item.value.kind === "scalar" && item.value.scalar.token.kind === "bare";
  return isBare ? [quoted] : [raw.trim(), quoted];
}

function fits(name: SettingName, literal: string): boolean {
  const parsed = parseConfig(`x = ${literal}`, { integers: "exact" });
  if (!parsed.ok) return false;
  const value = buildTree(parsed.file, "").root.children.get("x")?.value;
  if (value === undefined) return false;
  const checked = checkValue(name, value);
  return checked.ok && checked.sensible;
}

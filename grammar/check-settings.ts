import * as v from "valibot";
import { type Diagnostic, diagnoseProblem, lineAndColumn } from "./diagnose.ts";
import { MANAGER_SETTINGS_SECTION, readManagerSettings } from "./manager-settings.ts";
import { nearestName } from "./nearest.ts";
import { formatValue } from "./print.ts";
import type { RawSetting } from "./setting-kinds.ts";
import {
  defaultSettings,
  isSettingName,
  type SettingName,
  type Settings,
  settingNames,
  settingRow,
} from "./settings.ts";
import { displayText, textFromRaw } from "./text.ts";
import { type ConfigNode, type ConfigValue, findNode, type Origin } from "./tree.ts";

/** Where a value was written. A setting without a source has its default. */
export interface SettingSource {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** The settings of the merged lvm files and of our own, where each comes from, and what is wrong with them. */
export interface CheckedSettings {
  readonly settings: Settings;
  readonly sources: ReadonlyMap<SettingName, SettingSource>;
  readonly diagnostics: readonly Diagnostic[];
}

/** Reads every setting of the table out of the two trees. A wrong value is an error, and the default stays. */
export function checkSettings(lvm: ConfigNode, own: ConfigNode): CheckedSettings {
  const diagnostics: Diagnostic[] = [];
  const sources = new Map<SettingName, SettingSource>();
  const values: Record<string, unknown> = { ...defaultSettings() };
  for (const name of settingNames) {
    const node = findNode(isOwn(name) ? own : lvm, name);
    if (node === undefined) continue;
    const checked = checkNode(name, node);
    if (checked.ok) {
      values[name] = checked.value;
      sources.set(name, sourceOf(checked.origin));
      if (!checked.sensible) diagnostics.push(warnWithoutEffect(name, checked.origin));
    } else {
      diagnostics.push(...checked.diagnostics);
    }
  }
  diagnostics.push(...findUnknownNames(own));
  const settings = values as Settings;
  diagnostics.push(...checkHostId(settings, findNode(lvm, "local/host_id")?.value));
  return { settings, sources, diagnostics };
}

function isOwn(name: SettingName): boolean {
  return settingRow(name).file === "lvmlockd.conf";
}

function sourceOf(origin: Origin): SettingSource {
  return { file: origin.file.path, ...lineAndColumn(origin.file.text, origin.start) };
}

type CheckedNode =
  | { readonly ok: true; readonly value: unknown; readonly sensible: boolean; readonly origin: Origin }
  | { readonly ok: false; readonly diagnostics: Diagnostic[] };

function checkNode(name: SettingName, node: ConfigNode): CheckedNode {
  const { expected } = settingRow(name).kind;
  if (node.value === undefined) {
    const message = `"${name}" is a setting, not a section`;
    return { ok: false, diagnostics: problemAt(node.origin, message, expected) };
  }
  const checked = checkValue(name, node.value);
  if (checked.ok) return { ...checked, origin: node.value.origin };
  const message = `${shorten(displayText(formatValue(node.value)))} is not a value for ${name}`;
  return { ok: false, diagnostics: problemAt(node.value.origin, message, expected) };
}

/** The value of a setting, if it is one of those that it takes; and whether it can have the effect that was meant. */
export function checkValue(
  name: SettingName,
  value: ConfigValue,
): { ok: true; value: unknown; sensible: boolean } | { ok: false } {
  const raw = rawSetting(value);
  if (raw === undefined) return { ok: false };
  const { schema, sensible } = settingRow(name).kind;
  const result = v.safeParse(schema, raw);
  if (!result.success) return { ok: false };
  return {
    ok: true,
    value: result.output,
    sensible: sensible === undefined || v.is(sensible, result.output),
  };
}

/** lvm goes on with such a value as if it were not there, so it is no error. */
function warnWithoutEffect(name: SettingName, { file, start, end }: Origin): Diagnostic {
  const message = `${shorten(displayText(file.text.slice(start, end)))} has an entry for ${name} that never matches`;
  const { expected } = settingRow(name).kind;
  return diagnoseProblem({ severity: "warning", start, end, message, expected }, file);
}

/** Undefined when a string is not UTF-8: none of our settings can be used as bytes that nobody can read. */
function rawSetting(value: ConfigValue): RawSetting | undefined {
  const scalars: (bigint | number | string)[] = [];
  for (const scalar of value.scalars) {
    const plain = scalar.kind === "string" ? textFromRaw(scalar.value) : scalar.value;
    if (plain === undefined) return undefined;
    scalars.push(plain);
  }
  const only = scalars[0];
  return only !== undefined && scalars.length === 1 ? only : scalars;
}

function shorten(value: string): string {
  return value.length > 60 ? `${value.slice(0, 60)}...` : value;
}

function problemAt(
  origin: Origin | undefined,
  message: string,
  expected?: string,
  hint?: string,
): Diagnostic[] {
  if (origin === undefined) return [];
  const problem = {
    severity: "error" as const,
    start: origin.start,
    end: origin.end,
    message,
    ...(expected === undefined ? {} : { expected }),
    ...(hint === undefined ? {} : { hint }),
  };
  return [diagnoseProblem(problem, origin.file)];
}

const ownNames = settingNames.filter(isOwn);
const ownSections = [...new Set(ownNames.map((name) => name.slice(0, name.indexOf("/"))))];

/** In our own file every name must be one of ours. For lvm's files see misspelled.ts. */
function findUnknownNames(own: ConfigNode): Diagnostic[] {
  const diagnostics: Diagnostic[] = [];
  for (const { origin, message, expected } of readManagerSettings(own).problems)
    diagnostics.push(...problemAt(origin, message, expected));
  for (const section of own.children.values()) {
    if (section.key === MANAGER_SETTINGS_SECTION) continue;
    if (!ownSections.includes(section.key)) {
      diagnostics.push(...unknownSection(section));
      continue;
    }
    if (section.value !== undefined) {
      const message = `"${section.key}" is a section`;
      diagnostics.push(...problemAt(section.origin, message, `${section.key} { ... }`));
    }
    for (const node of section.children.values())
      diagnostics.push(...checkOwnNode(`${section.key}/${node.key}`, node));
  }
  return diagnostics;
}

function unknownSection(section: ConfigNode): Diagnostic[] {
  const name = displayText(section.key);
  const what = section.value === undefined ? "section" : "setting";
  const inner = [...section.children.keys()].map((key) => `${section.key}/${key}`);
  const elsewhere = inner.find(isSettingName);
  const near =
    what === "section" ? nearestName(section.key, ownSections) : nearestName(section.key, ownNames);
  const hint = elsewhere === undefined ? meant(near) : belongsElsewhere(elsewhere);
  return problemAt(section.origin, `unknown ${what} "${name}"`, `one of ${ownSections.join(", ")}`, hint);
}

function checkOwnNode(path: string, node: ConfigNode): Diagnostic[] {
  if (ownNames.some((name) => name === path)) {
    const child = [...node.children.values()][0];
    if (child === undefined || node.value === undefined) return [];
    return problemAt(child.origin, `"${path}" is a setting and holds no others`);
  }
  const hint = isSettingName(path) ? belongsElsewhere(path) : meant(nearestName(path, ownNames));
  return problemAt(node.origin, `unknown setting "${displayText(path)}"`, undefined, hint);
}

function meant(near: string | undefined): string | undefined {
  return near === undefined ? undefined : `did you mean "${near}"?`;
}

function belongsElsewhere(name: SettingName): string {
  return `"${name}" is a setting of lvm and belongs into ${settingRow(name).file}`;
}

/** sanlock has 250 host leases per MiB of lease size on 4K disks (lvmlockd(8)); on 512-byte disks there are always 2000. */
function checkHostId(settings: Settings, value: ConfigValue | undefined): Diagnostic[] {
  const host_id = settings["local/host_id"];
  const align_mb = settings["global/sanlock_align_size"];
  const most = align_mb * 250;
  if (value === undefined || host_id <= most) return [];
  const { file, start, end } = value.origin;
  const message = `host_id ${host_id} has no lease on 4K disks while global/sanlock_align_size is ${align_mb}`;
  return [diagnoseProblem({ severity: "warning", start, end, message, expected: `at most ${most}` }, file)];
}

import { insertSetting } from "./edit-insert.ts";
import { type Change, commentOut, type PlannedChanges, takeOut } from "./edit-lines.ts";
import { findSettings } from "./locate.ts";
import { parseConfig } from "./parser.ts";
import { formatValue } from "./print.ts";
import { quoteString, splitKeyPath } from "./strings.ts";
import { type FileSyntax, type SettingSyntax, valueSpan } from "./syntax.ts";
import { rawFromText } from "./text.ts";
import { buildTree, valuesOf } from "./tree.ts";

// An edit is a few stretches of the text that are replaced; every other byte stays. Before it is handed out, the new
// text is parsed and compared with the old one: an edit that would change anything else is refused.

/** What is to be done to the setting at `path`, which is ordinary text like "global/use_lvmlockd". */
export type Edit =
  /** Gives it a value, written as in a file (see writeValue); adds the setting, and its section, where missing. */
  | { readonly kind: "set"; readonly path: string; readonly literal: string }
  /** Turns every definition of it into a comment. */
  | { readonly kind: "comment"; readonly path: string }
  /** Takes every definition of it out. */
  | { readonly kind: "remove"; readonly path: string };

/** The new text, or why there is none. Both texts hold one character per byte. */
export type EditResult =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly reason: string };

/** A value as it is written in a file: strings quoted, booleans as 0 and 1, lists in brackets. The result is raw text. */
export function writeValue(value: boolean | number | bigint | string | readonly string[]): string {
  if (typeof value === "boolean") return value ? "1" : "0";
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (typeof value === "string") return quoteString(rawFromText(value));
  return value.length === 0 ? "[]" : `[ ${value.map((one) => quoteString(rawFromText(one))).join(", ")} ]`;
}

/** Carries out one edit on the text of a file (one character per byte); everything else in the file stays as it is. */
export function editConfig(text: string, edit: Edit): EditResult {
  const parsed = parseConfig(text, { integers: "prefix" });
  if (!parsed.ok) return refuse(`the file has an error: ${parsed.problem.message}`);
  const path = splitKeyPath(rawFromText(edit.path));
  if (path.some((name) => name === "" || name.includes("\0")))
    return refuse(`"${edit.path}" is not a setting's name`);
  const wanted = edit.kind === "set" ? readLiteral(edit.literal) : undefined;
  if (edit.kind === "set" && wanted === undefined) return refuse(`${edit.literal} is not one value`);
  const planned = plan(parsed.file, path, edit);
  if (!planned.ok) return planned;
  const edited = applyChanges(text, planned.changes);
  const reason = verify(parsed.file, edited, path.join("/"), wanted);
  return reason === undefined ? { ok: true, text: edited } : refuse(reason);
}

function refuse(reason: string): { readonly ok: false; readonly reason: string } {
  return { ok: false, reason };
}

function plan(file: FileSyntax, path: readonly string[], edit: Edit): PlannedChanges {
  const definitions = findSettings(file, path);
  const last = definitions.at(-1);
  if (edit.kind === "set") {
    const change =
      last === undefined ? insertSetting(file, path, edit.literal) : replaceValue(file, last, edit.literal);
    return { ok: true, changes: [change] };
  }
  // Without its last definition an earlier one would count, so all of them go.
  if (last === undefined) return refuse(`the file does not set "${edit.path}"`);
  return edit.kind === "comment" ? commentOut(file.text, definitions) : takeOut(file.text, definitions);
}

function replaceValue(file: FileSyntax, setting: SettingSyntax, literal: string): Change {
  const span = valueSpan(setting.value);
  // `a=5b=7` is two settings for libdm; a value of another kind needs a blank there.
  const touches = /^[^\t-\r #{}]/.test(file.text.slice(span.end, span.end + 1));
  return { ...span, text: touches ? `${literal} ` : literal };
}

/** The value that a literal stands for, in libdm's form; undefined unless it is exactly one value. */
function readLiteral(literal: string): string | undefined {
  const parsed = parseConfig(`x = ${literal}`, { integers: "exact" });
  if (!parsed.ok || parsed.file.items.length !== 1 || parsed.warnings.length > 0) return undefined;
  if (parsed.file.tail !== "") return undefined;
  const value = buildTree(parsed.file, "").root.children.get("x")?.value;
  return value === undefined ? undefined : formatValue(value);
}

function applyChanges(text: string, changes: readonly Change[]): string {
  const parts: string[] = [];
  let end = 0;
  for (const change of [...changes].sort((left, right) => left.start - right.start)) {
    parts.push(text.slice(end, change.start), change.text);
    end = change.end;
  }
  return parts.join("") + text.slice(end);
}

/** Undefined when the new text says what the old one said except for the one setting, which now is as `wanted`. */
function verify(
  before: FileSyntax,
  edited: string,
  path: string,
  wanted: string | undefined,
): string | undefined {
  const parsed = parseConfig(edited, { integers: "prefix" });
  if (!parsed.ok) return `the file would no longer be understood: ${parsed.problem.message}`;
  const expected = meaning(before);
  if (wanted === undefined) expected.delete(path);
  else expected.set(path, wanted);
  const got = meaning(parsed.file);
  const same = got.size === expected.size && [...expected].every(([key, value]) => got.get(key) === value);
  return same ? undefined : "the edit would change other settings of the file";
}

function meaning(file: FileSyntax): Map<string, string> {
  const values = new Map<string, string>();
  for (const { path, value } of valuesOf(buildTree(file, "").root))
    values.set(path.join("/"), formatValue(value));
  return values;
}

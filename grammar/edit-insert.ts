import { type Change, lineStart } from "./edit-lines.ts";
import { findSectionFor } from "./locate.ts";
import { writeKey } from "./strings.ts";
import type { FileSyntax, ItemSyntax, SectionSyntax } from "./syntax.ts";

// lvm.conf is indented with tabs; a file that has another habit shows it with its first indented item.
const usual_indent = "\t";

/** Where and how a missing setting is written: in the section that it belongs to, in the style of its neighbours. */
export function insertSetting(file: FileSyntax, path: readonly string[], literal: string): Change {
  const newline = file.text.includes("\r\n") ? "\r\n" : "\n";
  const step = indentStep(file);
  const section = findSectionFor(file, path);
  if (section === undefined) return appendToFile(file, path, literal, newline, step);
  const rest = path.slice(section.path.length);
  return (
    besideComment(section.item, rest, literal, newline) ??
    atEndOfSection(file, section.item, rest, literal, newline, step)
  );
}

/** The lines of a setting, with a section around it for each node name but the last. */
function writeSetting(
  path: readonly string[],
  literal: string,
  layout: { readonly indent: string; readonly step: string; readonly newline: string },
): string {
  const [name = "", ...inner] = path;
  const { indent, step, newline } = layout;
  if (inner.length === 0) return `${indent}${writeKey(name)} = ${literal}${newline}`;
  const body = writeSetting(inner, literal, { indent: indent + step, step, newline });
  return `${indent}${writeKey(name)} {${newline}${body}${indent}}${newline}`;
}

function appendToFile(
  file: FileSyntax,
  path: readonly string[],
  literal: string,
  newline: string,
  step: string,
): Change {
  // What stands behind a NUL byte is never read.
  const nul = file.text.indexOf("\0");
  const at = nul === -1 ? file.text.length : nul;
  const head = file.text.slice(0, at);
  const lineBreak = head === "" || head.endsWith("\n") ? "" : newline;
  const blankLine = head.trim() === "" ? "" : newline;
  const text = writeSetting(path, literal, { indent: "", step, newline });
  return { start: at, end: at, text: lineBreak + blankLine + text };
}

/**
 * lvm.conf describes each setting and ends the description with its default as a comment. That is where people look for
 * it, so the new line goes right below.
 */
function besideComment(
  section: SectionSyntax,
  rest: readonly string[],
  literal: string,
  newline: string,
): Change | undefined {
  const [name, ...inner] = rest;
  if (name === undefined || inner.length > 0) return undefined;
  const escaped = name.replace(/[^\w]/g, "\\$&");
  // The first line of what stands before a token is the rest of the line before, hence the line feed in front.
  const pattern = new RegExp(`\\n([ \\t]*)#[ \\t]*${escaped}[ \\t]*=[^\\n]*\\n`);
  for (const token of [...section.items.map((item) => item.key.token), section.close]) {
    const match = pattern.exec(token.before);
    if (match === null) continue;
    const at = token.start - token.before.length + match.index + match[0].length;
    return { start: at, end: at, text: `${match[1]}${writeKey(name)} = ${literal}${newline}` };
  }
  return undefined;
}

function atEndOfSection(
  file: FileSyntax,
  section: SectionSyntax,
  rest: readonly string[],
  literal: string,
  newline: string,
  step: string,
): Change {
  const { close } = section;
  if (!close.before.includes("\n")) {
    // The section ends on the line of its last token, so the setting goes onto that line as well.
    const at = close.start - close.before.length;
    const text = writeSetting(rest, literal, { indent: " ", step: "", newline: "" });
    return { start: at, end: at, text: close.before === "" ? `${text} ` : text };
  }
  const at = lineStart(file.text, close.start);
  const inner = section.items
    .map((item) => itemIndent(file, item))
    .findLast((indent) => indent !== undefined);
  const outer = itemIndent(file, section) ?? "";
  const indent = inner ?? outer + step;
  return { start: at, end: at, text: writeSetting(rest, literal, { indent, step, newline }) };
}

/** The blanks before an item that begins its line. */
function itemIndent(file: FileSyntax, item: ItemSyntax): string | undefined {
  const { start } = item.key.token;
  const before = file.text.slice(lineStart(file.text, start), start);
  return /^[ \t]*$/.test(before) ? before : undefined;
}

function indentStep(file: FileSyntax): string {
  for (const section of file.items) {
    if (section.kind !== "section") continue;
    const outer = itemIndent(file, section);
    const inner = section.items[0] === undefined ? undefined : itemIndent(file, section.items[0]);
    if (outer === "" && inner !== undefined && inner !== "") return inner;
  }
  return usual_indent;
}

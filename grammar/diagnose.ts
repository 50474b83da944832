import { shown_line_chars_max } from "./bounds.ts";
import type { Problem } from "./problem.ts";
import { displayText, textFromRaw } from "./text.ts";
import type { SourceFile } from "./tree.ts";

/** A problem as a person or a program gets to see it. Line and column count from 1, columns in characters. */
export interface Diagnostic {
  readonly severity: "error" | "warning";
  readonly file: string;
  /** Undefined when the file as a whole is meant, for instance because it can't be read. */
  readonly position: DiagnosticPosition | undefined;
  readonly message: string;
  readonly expected: string | undefined;
  readonly hint: string | undefined;
}

/** Where a problem stands, with the line as it may be shown on a terminal. */
export interface DiagnosticPosition {
  readonly line: number;
  readonly column: number;
  readonly line_text: string;
  /** Columns of `line_text` before the caret and under it. */
  readonly caret_start: number;
  readonly caret_length: number;
}

/** A problem in a file that has been read. */
export function diagnoseProblem(problem: Problem, file: SourceFile): Diagnostic {
  return {
    severity: problem.severity,
    file: file.path,
    position: locate(file.text, problem.start, problem.end),
    message: problem.message,
    expected: problem.expected,
    hint: problem.hint,
  };
}

/** A problem with a file as a whole. */
export function diagnoseFile(
  file: string,
  severity: Diagnostic["severity"],
  message: string,
  hint?: string,
): Diagnostic {
  return { severity, file, position: undefined, message, expected: undefined, hint };
}

/** Line and column of a byte offset, both from 1; the column counts characters. */
export function lineAndColumn(text: string, offset: number): { line: number; column: number } {
  // A loop, because splitting a large file for each diagnostic would copy all of it.
  let line = 1;
  for (let at = text.indexOf("\n"); at !== -1 && at < offset; at = text.indexOf("\n", at + 1)) line++;
  return { line, column: characters(text.slice(lineStart(text, offset), offset)) + 1 };
}

/** lastIndexOf takes a negative start for 0, so the first byte of a file needs its own answer. */
function lineStart(text: string, offset: number): number {
  return offset === 0 ? 0 : text.lastIndexOf("\n", offset - 1) + 1;
}

function characters(raw: string): number {
  return [...(textFromRaw(raw) ?? raw)].length;
}

function locate(text: string, start: number, end: number): DiagnosticPosition {
  const { line, column } = lineAndColumn(text, start);
  const newline = text.indexOf("\n", start);
  const line_end = newline === -1 ? text.length : newline;
  const marked_end = Math.min(Math.max(end, start), line_end);
  const before = [...displayText(text.slice(lineStart(text, start), start))];
  const marked = [...displayText(text.slice(start, marked_end))];
  const after = [...displayText(text.slice(marked_end, line_end).trimEnd())];
  // A caret far to the right moves the window, so that the place itself is always seen.
  const shownBefore = before.slice(-shown_line_chars_max / 2).join("");
  const shownMarked = marked.slice(0, shown_line_chars_max / 2).join("");
  const rest = Math.max(0, shown_line_chars_max - before.length - marked.length);
  return {
    line,
    column,
    line_text: shownBefore + shownMarked + after.slice(0, rest).join(""),
    caret_start: shownBefore.length,
    caret_length: Math.max(1, shownMarked.length),
  };
}

/** A diagnostic as text: the place, the line with a caret under it, what was expected and what may have been meant. */
export function formatDiagnostic(diagnostic: Diagnostic): string {
  const { position } = diagnostic;
  const where =
    position === undefined ? diagnostic.file : `${diagnostic.file}:${position.line}:${position.column}`;
  const lines = [`${displayText(where)}: ${diagnostic.severity}: ${diagnostic.message}`];
  if (position !== undefined) {
    const number = String(position.line).padStart(6);
    lines.push(`${number} | ${position.line_text}`);
    lines.push(`${" ".repeat(number.length)} | ${caretLine(position)}`);
  }
  if (diagnostic.expected !== undefined) lines.push(`         expected: ${diagnostic.expected}`);
  if (diagnostic.hint !== undefined) lines.push(`         hint: ${diagnostic.hint}`);
  return lines.join("\n");
}

/** Tabs stay tabs, so that the caret stands right whatever width the terminal gives them. */
function caretLine(position: DiagnosticPosition): string {
  const before = position.line_text.slice(0, position.caret_start);
  const padding = before.replace(/[^\t]+/g, (run) => " ".repeat(Bun.stringWidth(run)));
  const marked = position.line_text.slice(position.caret_start, position.caret_start + position.caret_length);
  return padding + "^".repeat(Math.max(1, Bun.stringWidth(marked)));
}

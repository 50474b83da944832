import { type SettingSyntax, type Span, settingSpan } from "./syntax.ts";

/** A stretch of a file and what takes its place. */
export interface Change extends Span {
  readonly text: string;
}

/** The changes that make up an edit, or why it can't be made. */
export type PlannedChanges =
  | { readonly ok: true; readonly changes: readonly Change[] }
  | { readonly ok: false; readonly reason: string };

/** Puts "# " before every line of the settings. A setting that shares a line with others is refused. */
export function commentOut(text: string, settings: readonly SettingSyntax[]): PlannedChanges {
  const changes: Change[] = [];
  for (const setting of settings) {
    const span = settingSpan(setting);
    const lines = wholeLines(text, span);
    if (lines === undefined) {
      const reason =
        "the setting shares its line with others; remove it, or put it on a line of its own first";
      return { ok: false, reason };
    }
    const column = span.start - lines.start;
    for (let start = lines.start; start < span.end; start = lineEnd(text, start)) {
      const blanks = /^[ \t]*/.exec(text.slice(start, lineEnd(text, start)))?.[0].length ?? 0;
      const at = start + Math.min(blanks, column);
      changes.push({ start: at, end: at, text: "# " });
    }
  }
  return { ok: true, changes };
}

/** Takes the settings out: with their whole lines where they stand alone, else with the blanks beside them. */
export function takeOut(text: string, settings: readonly SettingSyntax[]): PlannedChanges {
  const changes = settings.map((setting): Change => {
    const span = settingSpan(setting);
    const lines = wholeLines(text, span);
    return { ...(lines ?? withBlanks(text, span)), text: "" };
  });
  return { ok: true, changes };
}

/** The lines of a stretch, newline included, when nothing else but a comment behind it stands on them. */
function wholeLines(text: string, span: Span): Span | undefined {
  const start = lineStart(text, span.start);
  const end = lineEnd(text, span.end);
  const before = text.slice(start, span.start);
  const behind = text.slice(span.end, end);
  return /^[ \t]*$/.test(before) && /^[\t-\r ]*(?:#[^\0]*)?$/.test(behind) ? { start, end } : undefined;
}

/** Removing `b = 2 ` leaves its neighbours parted by the blanks in front; at the end of a line those go instead. */
function withBlanks(text: string, span: Span): Span {
  const behind = /^[ \t]*/.exec(text.slice(span.end, lineEnd(text, span.end)))?.[0].length ?? 0;
  const end = span.end + behind;
  if (end < text.length && text[end] !== "\n" && text[end] !== "\r") return { start: span.start, end };
  const before = /[ \t]*$/.exec(text.slice(lineStart(text, span.start), span.start))?.[0].length ?? 0;
  return { start: span.start - before, end: span.end };
}

/** Where the line of an offset begins. */
export function lineStart(text: string, offset: number): number {
  return offset === 0 ? 0 : text.lastIndexOf("\n", offset - 1) + 1;
}

function lineEnd(text: string, offset: number): number {
  const newline = text.indexOf("\n", offset);
  return newline === -1 ? text.length : newline + 1;
}

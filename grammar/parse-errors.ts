import { type IRecognitionException, type IToken, tokenMatcher } from "chevrotain";
import type { Problem } from "./problem.ts";
import { type SourceToken, tokenSpan } from "./syntax.ts";
import * as tokens from "./tokens.ts";

/** Puts Chevrotain's error into the words of the person who wrote the file: what stands there, what could stand there. */
export function describeSyntaxError(
  error: IRecognitionException,
  input: readonly IToken[],
  text: string,
): Problem {
  const found_index = input.indexOf(error.token);
  const index = found_index === -1 ? input.length : found_index;
  const at = (position: number): SourceToken | undefined => {
    const token = input[position];
    return token === undefined ? undefined : tokens.sourceToken(token);
  };
  const glued = gluedValue(at(index - 2), at(index - 1), at(index), text);
  if (glued !== undefined) return glued;
  const found = at(index);
  const previous = at(index - 1);
  const open = openSections(input, index).at(-1);
  const hint = guessHint(previous, found, open, text);
  return {
    severity: "error",
    ...(found === undefined ? endSpan(previous, text) : tokenSpan(found)),
    message: found === undefined ? "the file ends too early" : `${showToken(found)} is out of place here`,
    expected: expectation(error.context.ruleStack.at(-1) ?? "items", previous, open),
    ...(hint === undefined ? {} : { hint }),
  };
}

/**
 * In `a = 0x10` libdm sees the value 0 and a key x10, and stumbles over whatever comes next. The error is told where it
 * was made: at a word that follows a value without a blank and is not used as a key.
 */
function gluedValue(
  value: SourceToken | undefined,
  word: SourceToken | undefined,
  next: SourceToken | undefined,
  text: string,
): Problem | undefined {
  if (value === undefined || word?.kind !== "identifier" || word.before !== "") return undefined;
  if (next?.kind === "equals" || next?.kind === "open-section") return undefined;
  const written = showToken({ ...value, text: value.text + word.text });
  const span = { start: value.start, end: tokenSpan(word).end };
  if (value.kind === "integer" || value.kind === "float") {
    const hint = "only decimal and octal numbers can be written; anything else must be in quotes";
    return { severity: "error", ...span, message: `${written} is not a number`, expected: "a value", hint };
  }
  if (value.kind !== "double-quoted" && value.kind !== "single-quoted") return undefined;
  const hint = value.text.includes("\n")
    ? `the string began on line ${lineOf(text, value.start)}: is its closing quote missing?`
    : "a quote inside a string is written with a backslash before it, and only in double quotes";
  const message = `${showToken(word)} follows a string without a blank`;
  return { severity: "error", ...tokenSpan(word), message, expected: "the end of the value", hint };
}

/** The place of a missing token: right behind the last one, so that the caret is not on an empty last line. */
function endSpan(last: SourceToken | undefined, text: string): { start: number; end: number } {
  const nul = text.indexOf("\0");
  const start = last === undefined ? (nul === -1 ? text.length : nul) : tokenSpan(last).end;
  return { start, end: start };
}

function showToken(token: SourceToken): string {
  const firstLine = token.text.split("\n", 1)[0] ?? "";
  const cut = firstLine.length > 40 || firstLine.length < token.text.length;
  return `"${cut ? `${firstLine.slice(0, 40)}...` : firstLine}"`;
}

function expectation(rule: string, previous: SourceToken | undefined, open: SourceToken | undefined): string {
  if (rule === "array") return 'a value, a comma or "]"';
  if (rule === "value" || rule === "scalar")
    return 'a value: a number, a string in quotes, a bare word, or "["';
  const isKey =
    previous?.kind === "identifier" ||
    previous?.kind === "double-quoted" ||
    previous?.kind === "single-quoted";
  if (rule === "item" && isKey && !endsSetting(previous)) return '"=" or "{" behind the key';
  return open === undefined ? "a key or a section name" : 'a key, a section name or "}"';
}

/** A quoted token may be a key or a value; only the grammar knows, and for the wording the nearest guess is enough. */
function endsSetting(token: SourceToken): boolean {
  return token.kind !== "identifier" && /=\s*$/.test(token.before);
}

function openSections(input: readonly IToken[], end: number): SourceToken[] {
  const open: SourceToken[] = [];
  let key: SourceToken | undefined;
  for (const token of input.slice(0, end)) {
    if (tokenMatcher(token, tokens.OpenSection)) open.push(key ?? tokens.sourceToken(token));
    else if (tokenMatcher(token, tokens.CloseSection)) open.pop();
    key = tokens.sourceToken(token);
  }
  return open;
}

function guessHint(
  previous: SourceToken | undefined,
  found: SourceToken | undefined,
  open: SourceToken | undefined,
  text: string,
): string | undefined {
  if (previous?.kind === "bare" && /[,\]]/.test(previous.text)) {
    return `a bare word runs to the next blank, so "${previous.text}" is one word: put it in quotes`;
  }
  if ((previous?.kind === "integer" || previous?.kind === "float") && found?.kind === "identifier") {
    return "numbers and bare words in a list need a comma between them";
  }
  if (found === undefined && open !== undefined) {
    return `the section "${open.text}" of line ${lineOf(text, open.start)} is never closed`;
  }
  if (found?.kind === "close-section" && open === undefined) return 'no section is open: one "}" too many';
  return undefined;
}

function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}

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
  const index = input.indexOf(error.token);
  const found = index === -1 ? undefined : tokens.sourceToken(error.token);
  const previousToken = index === -1 ? input.at(-1) : input[index - 1];
  const previous = previousToken === undefined ? undefined : tokens.sourceToken(previousToken);
  const rule = error.context.ruleStack.at(-1) ?? "items";
  const span = found === undefined ? endSpan(previous, text) : tokenSpan(found);
  const message =
    found === undefined ? "the file ends too early" : `${showToken(found)} is out of place here`;
  const open = openSections(input, index === -1 ? input.length : index).at(-1);
  const place = expectation(rule, previous, open);
  const hint = guessHint(previous, found, open, text);
  return {
    severity: "error",
    ...span,
    message,
    expected: place,
    ...(hint === undefined ? {} : { hint }),
  };
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
  const touches = previous !== undefined && found !== undefined && found.before === "";
  if ((previous?.kind === "integer" || previous?.kind === "float") && found?.kind === "identifier") {
    if (touches)
      return `only decimal and octal numbers can be written; put "${previous.text}${found.text}" in quotes`;
    return "numbers and bare words in a list need a comma between them";
  }
  if (previous?.kind === "double-quoted" && found?.kind === "identifier" && previous.text.includes("\n")) {
    return `the string before it began on line ${lineOf(text, previous.start)}: is its closing quote missing?`;
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

/**
 * A command line read as getopt_long(3) reads it, because scripts, units and cluster agents rely on its habits: bundled short
 * options, `-w0`, `--wait=0`, abbreviated long names, options behind operands, and `--`.
 */
import { nearestName } from "../grammar/nearest.ts";
import type { OptionEntry, ProgramTable } from "./option-table.ts";

/** One occurrence of an option; `value` is "" for an option without an argument. */
export interface GivenOption {
  readonly name: string;
  readonly value: string;
}

export type ParsedArguments =
  | {
      readonly kind: "parsed";
      readonly options: readonly GivenOption[];
      readonly operands: readonly string[];
    }
  | UsageError;

/** What is wrong with a command line, as a sentence for a person. */
export interface UsageError {
  readonly kind: "usage-error";
  readonly message: string;
}

export function usageError(message: string): UsageError {
  return { kind: "usage-error", message };
}

/** Reads the words behind the program's name. */
export function parseArguments(table: ProgramTable, words: readonly string[]): ParsedArguments {
  const options: GivenOption[] = [];
  const operands: string[] = [];
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? "";
    if (word === "--") {
      operands.push(...words.slice(index + 1));
      break;
    }
    // A lone "-" is an operand, as everywhere in Unix.
    if (!word.startsWith("-") || word === "-") {
      operands.push(word);
      continue;
    }
    const read = word.startsWith("--")
      ? readLong(table, word, words[index + 1])
      : readShort(table, word, words[index + 1]);
    if (read.kind === "usage-error") return read;
    options.push(...read.options);
    if (read.took_next) index++;
  }
  return { kind: "parsed", options, operands };
}

/** The options of one word, and whether the argument was the next word. */
type WordReading =
  | { readonly kind: "options"; readonly options: readonly GivenOption[]; readonly took_next: boolean }
  | UsageError;

function readLong(table: ProgramTable, word: string, next: string | undefined): WordReading {
  const equals = word.indexOf("=");
  const typed = equals === -1 ? word.slice(2) : word.slice(2, equals);
  const attached = equals === -1 ? null : word.slice(equals + 1);
  const found = findLong(table, typed);
  if (found.kind === "usage-error") return found;
  const { option } = found;
  if (option.argument === null) {
    if (attached !== null) return usageError(`option --${option.name} takes no argument`);
    return { kind: "options", options: [{ name: option.name, value: "" }], took_next: false };
  }
  const value = attached ?? next;
  if (value === undefined) return missingArgument(`--${option.name}`, option);
  return { kind: "options", options: [{ name: option.name, value }], took_next: attached === null };
}

/** An exact name wins over names that it begins; else the beginning of a name must fit one option only. */
function findLong(
  table: ProgramTable,
  typed: string,
): { readonly kind: "found"; readonly option: OptionEntry } | UsageError {
  const exact = table.options.find((option) => option.name === typed);
  if (exact !== undefined) return { kind: "found", option: exact };
  const candidates = table.options.filter((option) => option.name.startsWith(typed));
  const [first] = candidates;
  if (first === undefined) return unknownOption(table, `--${typed}`, typed);
  if (candidates.length === 1) return { kind: "found", option: first };
  const names = candidates.map((option) => `--${option.name}`).join(", ");
  return usageError(`option --${typed} is ambiguous: ${names}`);
}

/** A word of bundled short options: the first one with an argument takes the rest of the word, or the next word. */
function readShort(table: ProgramTable, word: string, next: string | undefined): WordReading {
  const options: GivenOption[] = [];
  for (let index = 1; index < word.length; index++) {
    const letter = word[index] ?? "";
    const option = table.options.find((entry) => entry.short === letter);
    if (option === undefined) {
      // "-help" is bundled letters to getopt, but whoever types it means the long name.
      return unknownOption(table, `-${letter}`, word.length > 2 ? word.slice(1) : "");
    }
    if (option.argument === null) {
      options.push({ name: option.name, value: "" });
      continue;
    }
    const rest = word.slice(index + 1);
    const value = rest === "" ? next : rest;
    if (value === undefined) return missingArgument(`-${letter}`, option);
    options.push({ name: option.name, value });
    return { kind: "options", options, took_next: rest === "" };
  }
  return { kind: "options", options, took_next: false };
}

function missingArgument(written: string, option: OptionEntry): UsageError {
  return usageError(`option ${written} needs an argument: ${option.argument?.placeholder ?? ""}`);
}

function unknownOption(table: ProgramTable, written: string, typed: string): UsageError {
  const names = table.options.map((option) => option.name);
  const near = nearestName(typed, names);
  return usageError(`there is no option ${written}${near === undefined ? "" : `; the nearest is --${near}`}`);
}

/** The last value given for an option, as getopt programs take it; null when it was not given. */
export function lastValue(options: readonly GivenOption[], name: string): string | null {
  return options.findLast((option) => option.name === name)?.value ?? null;
}

/**
 * What a command line is, as a table. Parsing, --help, the man page and the completions of a program are all made from its
 * table, so that none of them can say something else than the others.
 */

/** How a shell completes a word. "vg" asks lvm for the names of the visible VGs, without taking a lock. */
export type WordCompletion =
  | { readonly kind: "nothing" }
  | { readonly kind: "values"; readonly values: readonly string[] }
  | { readonly kind: "file" }
  | { readonly kind: "directory" }
  | { readonly kind: "vg" };

/** The argument that an option demands, as getopt_long's required_argument. `placeholder` is its name in the help. */
export interface OptionArgument {
  readonly placeholder: string;
  readonly completion: WordCompletion;
}

export interface OptionEntry {
  /** The long name, without its dashes. */
  readonly name: string;
  /** The one letter of the short form; null when there is none. */
  readonly short: string | null;
  /** null for an option without an argument. */
  readonly argument: OptionArgument | null;
  /** One line for the help: what it does, in the imperative, with its default. */
  readonly summary: string;
  /** More paragraphs for the man page. */
  readonly details: readonly string[];
}

/** A sub-command: the first operands of the command line, such as "config get". */
export interface CommandEntry {
  readonly words: readonly string[];
  /** What follows the words, as the synopsis shows it: "VG[/LV]". */
  readonly operands: string;
  readonly operand_completion: WordCompletion;
  readonly summary: string;
  readonly details: readonly string[];
}

/** A part of the man page behind the options. */
export interface ManSection {
  readonly title: string;
  readonly content: readonly ManBlock[];
}

export type ManBlock =
  | { readonly kind: "paragraph"; readonly text: string }
  | { readonly kind: "verbatim"; readonly lines: readonly string[] }
  | { readonly kind: "definitions"; readonly entries: readonly (readonly [term: string, text: string])[] };

export interface ProgramTable {
  readonly name: string;
  /** One line, as whatis(1) shows it. */
  readonly purpose: string;
  /** The synopsis lines without the program's name. */
  readonly synopsis: readonly string[];
  /** What the program is, in paragraphs; the first one opens the help as well. */
  readonly description: readonly string[];
  readonly options: readonly OptionEntry[];
  readonly commands: readonly CommandEntry[];
  readonly sections: readonly ManSection[];
  readonly see_also: readonly string[];
}

/** The long names of a table, for a lookup that the type checker can hold. */
export type OptionName<Table extends ProgramTable> = Table["options"][number]["name"];

/** Checks the shape of a table and keeps the literal names in its type. */
export function defineProgram<const Table extends ProgramTable>(table: Table): Table {
  return table;
}

export const COMPLETE_NOTHING: WordCompletion = { kind: "nothing" };
export const COMPLETE_FILE: WordCompletion = { kind: "file" };
export const COMPLETE_DIRECTORY: WordCompletion = { kind: "directory" };
export const COMPLETE_VG: WordCompletion = { kind: "vg" };

/** Completion from a fixed list. */
export function completeValues(values: readonly string[]): WordCompletion {
  return { kind: "values", values };
}

/** An option as people write it: "-w, --wait 0|1". */
export function optionSyntax(option: OptionEntry): string {
  const short = option.short === null ? "" : `-${option.short}, `;
  const argument = option.argument === null ? "" : ` ${option.argument.placeholder}`;
  return `${short}--${option.name}${argument}`;
}

/** A command as people write it: "who VG[/LV]". */
export function commandSyntax(command: CommandEntry): string {
  return [...command.words, command.operands].filter((word) => word !== "").join(" ");
}

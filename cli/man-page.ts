/** Man pages in the man(7) macros that every roff knows, made from an option table. */
import { wrap } from "./help.ts";
import { commandSyntax, type ManBlock, type OptionEntry, type ProgramTable } from "./option-table.ts";

/** Columns of the source lines; only people who read the source notice. */
const source_columns = 100;

/** The page of a program in section 8. It has no date, so that it only changes when its content does. */
export function manPage(table: ProgramTable, version: string): string {
  const lines = [
    `.\\" Made by scripts/generate.ts from the option table of ${table.name}. Change that table instead.`,
    `.TH ${table.name.toUpperCase()} 8 "" "lvmlockd ${version}" "LVM"`,
    // No hyphenation and no stretched lines: names of options and settings must stay whole.
    ".nh",
    ".ad l",
    ".SH NAME",
    `${table.name} \\- ${text(table.purpose)}`,
    ".SH SYNOPSIS",
  ];
  for (const form of table.synopsis) lines.push(`.B ${table.name}`, literal(form), ".br");
  lines.push(".SH DESCRIPTION");
  table.description.forEach((paragraph, index) => {
    if (index > 0) lines.push(".PP");
    lines.push(...running(paragraph));
  });
  if (table.commands.length > 0) {
    lines.push(".SH COMMANDS");
    for (const command of table.commands) {
      lines.push(".TP", bold(commandSyntax(command)), ...summaryAndDetails(command));
    }
  }
  lines.push(".SH OPTIONS");
  for (const option of table.options) {
    lines.push(".TP", optionTag(option), ...summaryAndDetails(option));
  }
  for (const section of table.sections) {
    lines.push(`.SH "${section.title}"`);
    section.content.forEach((block, index) => {
      lines.push(...manBlock(block, index === 0));
    });
  }
  lines.push(".SH SEE ALSO", ...running(table.see_also.join(", ")));
  return `${lines.join("\n")}\n`;
}

function optionTag(option: OptionEntry): string {
  const names = option.short === null ? [`--${option.name}`] : [`-${option.short}`, `--${option.name}`];
  const argument = option.argument === null ? "" : ` \\fI${literal(option.argument.placeholder)}\\fR`;
  return names.map(bold).join(", ") + argument;
}

function summaryAndDetails(entry: {
  readonly summary: string;
  readonly details: readonly string[];
}): string[] {
  const lines = running(entry.summary);
  // Within a tagged paragraph .IP begins another one at the same indent; .PP would go back to the margin.
  for (const paragraph of entry.details) lines.push(".IP", ...running(paragraph));
  return lines;
}

function manBlock(block: ManBlock, isFirst: boolean): string[] {
  switch (block.kind) {
    case "paragraph":
      return [...(isFirst ? [] : [".PP"]), ...running(block.text)];
    case "verbatim":
      return [".PP", ".RS 4", ".nf", ...block.lines.map(verbatimLine), ".fi", ".RE"];
    case "definitions":
      return block.entries.flatMap(([term, meaning]) => [".TP", bold(term), ...running(meaning)]);
  }
}

function bold(words: string): string {
  return `\\fB${literal(words)}\\fR`;
}

function running(paragraph: string): string[] {
  return wrap(paragraph, source_columns, 0).map((line) => guard(text(line)));
}

function verbatimLine(line: string): string {
  return guard(literal(line));
}

/** Text in which every dash and quote must be the ASCII character, because people copy it. */
function literal(words: string): string {
  return words.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("'", "\\(aq");
}

/** Running text: only the dashes of options must be ASCII. */
function text(words: string): string {
  return words
    .replaceAll("\\", "\\e")
    .replace(/(^|[\s(])-{1,2}(?=[A-Za-z0-9])/g, (dashes) => dashes.replaceAll("-", "\\-"));
}

/** A line that begins with a dot or a quote would be taken for a macro. */
function guard(line: string): string {
  return /^[.']/.test(line) ? `\\&${line}` : line;
}

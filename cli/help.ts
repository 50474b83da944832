import { commandSyntax, optionSyntax, type ProgramTable } from "./option-table.ts";

/** Columns of the help text; 80 is what a console without a window manager has. */
const help_columns = 80;
const indent_columns = 6;

/** The complete --help of a program: every command and every option, with its default. */
export function helpText(table: ProgramTable): string {
  const lines = [`${table.name}: ${table.purpose}`, "", "Usage:"];
  for (const form of table.synopsis) lines.push(`  ${table.name} ${form}`.trimEnd());
  lines.push("", ...wrap(table.description[0] ?? "", help_columns, 0));
  if (table.commands.length > 0) {
    lines.push("", "Commands:");
    for (const command of table.commands) lines.push(...entry(commandSyntax(command), command.summary));
  }
  lines.push("", "Options:");
  for (const option of table.options) lines.push(...entry(optionSyntax(option), option.summary));
  lines.push(...exitStatuses(table));
  lines.push("", `The manual has more: man ${table.name}`);
  return `${lines.join("\n")}\n`;
}

/** Scripts go by the exit status, and whoever writes one has the help at hand sooner than the manual. */
function exitStatuses({ sections }: ProgramTable): string[] {
  const blocks = sections.find(({ title }) => title === "EXIT STATUS")?.content ?? [];
  const entries = blocks.flatMap((block) => (block.kind === "definitions" ? block.entries : []));
  if (entries.length === 0) return [];
  // The status stands in front of its first line.
  const lines = entries.flatMap(([status, meaning]) => {
    const [first = "", ...rest] = wrap(meaning, help_columns, indent_columns);
    return [`  ${status.padEnd(indent_columns - 2)}${first.trimStart()}`, ...rest];
  });
  return ["", "Exit status:", ...lines];
}

function entry(syntax: string, summary: string): string[] {
  return [`  ${syntax}`, ...wrap(summary, help_columns, indent_columns)];
}

/** Breaks a text between words so that no line is longer than `columns`, with `indent` blanks in front of each. */
export function wrap(text: string, columns: number, indent: number): string[] {
  const margin = " ".repeat(indent);
  const lines: string[] = [];
  let line = margin;
  for (const word of text.split(/\s+/).filter((part) => part !== "")) {
    const isFirst = line === margin;
    if (!isFirst && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = margin + word;
    } else {
      line += isFirst ? word : ` ${word}`;
    }
  }
  if (line !== margin || lines.length === 0) lines.push(line);
  return lines;
}

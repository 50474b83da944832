import type { OptionEntry, ProgramTable, WordCompletion } from "../option-table.ts";
import { VG_NAMES_COMMAND } from "./common.ts";

/** The completion of a program for fish. */
export function fishCompletion(table: ProgramTable): string {
  const lines = [
    `# Completion of ${table.name} for fish. Made by scripts/generate.ts from its option table.`,
    `complete -c ${table.name} -f`,
  ];
  for (const option of table.options) lines.push(optionLine(table.name, option));
  const firstWords = [...new Set(table.commands.map((command) => command.words[0] ?? ""))];
  for (const first of firstWords) {
    const commands = table.commands.filter((command) => command.words[0] === first);
    const seconds = commands.flatMap((command) => command.words.slice(1, 2));
    const [only] = commands;
    const description = seconds.length === 0 && only !== undefined ? ` -d ${fishQuoted(only.summary)}` : "";
    lines.push(`complete -c ${table.name} -n __fish_use_subcommand -a ${first}${description}`);
    const seen = `-n '__fish_seen_subcommand_from ${first}'`;
    if (seconds.length > 0)
      lines.push(`complete -c ${table.name} ${seen} -a ${fishQuoted(seconds.join(" "))}`);
    else if (only?.operand_completion.kind === "vg") {
      lines.push(`complete -c ${table.name} ${seen} -a ${fishQuoted(vgWords)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

const vgWords = `(${VG_NAMES_COMMAND} | string trim)`;

function optionLine(program: string, option: OptionEntry): string {
  const short = option.short === null ? "" : ` -s ${option.short}`;
  const argument = option.argument === null ? "" : ` ${argumentFlags(option.argument.completion)}`;
  return `complete -c ${program}${short} -l ${option.name}${argument} -d ${fishQuoted(option.summary)}`;
}

function argumentFlags(completion: WordCompletion): string {
  switch (completion.kind) {
    case "nothing":
      return "-x";
    case "values":
      return `-x -a ${fishQuoted(completion.values.join(" "))}`;
    case "file":
      return "-r -F";
    case "directory":
      return "-x -a '(__fish_complete_directories)'";
    case "vg":
      return `-x -a ${fishQuoted(vgWords)}`;
  }
}

/** Within fish's single quotes a backslash escapes itself and the quote. */
function fishQuoted(words: string): string {
  return `'${words.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

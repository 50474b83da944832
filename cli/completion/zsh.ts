import type { OptionEntry, ProgramTable, WordCompletion } from "../option-table.ts";
import { quoted, VG_NAMES_COMMAND } from "./common.ts";

/** The completion of a program for zsh: a file for a directory in $fpath. */
export function zshCompletion(table: ProgramTable): string {
  const hasVg = [
    ...table.options.map((option) => option.argument?.completion.kind),
    ...table.commands.map((command) => command.operand_completion.kind),
  ].includes("vg");
  const lines = [
    `#compdef ${table.name}`,
    `# Completion of ${table.name} for zsh. Made by scripts/generate.ts from its option table.`,
  ];
  if (hasVg) {
    lines.push(
      `_${table.name}_vgs() {`,
      `    local -a names=(\${(f)"$(${VG_NAMES_COMMAND})"})`,
      `    compadd -- \${names// /}`,
      "}",
    );
  }
  lines.push(...commandLines(table), "_arguments -s -S \\");
  for (const option of table.options)
    lines.push(...optionSpecs(table, option).map((spec) => `    ${spec} \\`));
  lines.push(table.commands.length > 0 ? `    '*::command:_${table.name}_commands'` : "    '*:: :'");
  return `${lines.join("\n")}\n`;
}

function commandLines(table: ProgramTable): string[] {
  if (table.commands.length === 0) return [];
  const firstWords = [...new Set(table.commands.map((command) => command.words[0] ?? ""))];
  const lines = [`_${table.name}_commands() {`, "    if (( CURRENT == 1 )); then"];
  lines.push(
    `        compadd -- ${firstWords.join(" ")}`,
    "        return",
    "    fi",
    '    case "$words[1]" in',
  );
  for (const first of firstWords) {
    const commands = table.commands.filter((command) => command.words[0] === first);
    const seconds = commands.flatMap((command) => command.words.slice(1, 2));
    const completion = commands[0]?.operand_completion ?? { kind: "nothing" };
    if (seconds.length > 0)
      lines.push(`        ${first}) (( CURRENT == 2 )) && compadd -- ${seconds.join(" ")} ;;`);
    else if (completion.kind === "vg") lines.push(`        ${first}) _${table.name}_vgs ;;`);
  }
  return [...lines, "    esac", "}"];
}

/** The specs of one option: its long form and, when it has one, its short form. */
function optionSpecs(table: ProgramTable, option: OptionEntry): string[] {
  const description = option.summary.replace(/[\][\\:]/g, (special) => `\\${special}`);
  const argument =
    option.argument === null
      ? ""
      : `:${escapeColon(option.argument.placeholder)}:${action(table, option.argument.completion)}`;
  const long = `--${option.name}${option.argument === null ? "" : "="}`;
  const short = option.short === null ? [] : [`-${option.short}${option.argument === null ? "" : "+"}`];
  return [...short, long].map((form) => quoted(`*${form}[${description}]${argument}`));
}

function escapeColon(words: string): string {
  return words.replaceAll(":", "\\:");
}

function action(table: ProgramTable, completion: WordCompletion): string {
  switch (completion.kind) {
    case "nothing":
      return " ";
    case "values":
      return `(${completion.values.join(" ")})`;
    case "file":
      return "_files";
    case "directory":
      return "_files -/";
    case "vg":
      return `_${table.name}_vgs`;
  }
}

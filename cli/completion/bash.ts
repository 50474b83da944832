import type { ProgramTable, WordCompletion } from "../option-table.ts";
import { quoted, VG_NAMES_COMMAND } from "./common.ts";

/** The completion of a program for bash. It needs nothing of the bash-completion package. */
export function bashCompletion(table: ProgramTable): string {
  const name = `_${table.name}`;
  const options = table.options.flatMap((option) => [
    ...(option.short === null ? [] : [`-${option.short}`]),
    `--${option.name}`,
  ]);
  const lines = [
    `# Completion of ${table.name} for bash. Made by scripts/generate.ts from its option table.`,
    `${name}() {`,
    `    local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"`,
    "    COMPREPLY=()",
    // bash splits --option=value at the =, so the option is one word further back.
    `    if [[ "$previous" == "=" ]]; then previous="\${COMP_WORDS[COMP_CWORD-2]}"; fi`,
    '    if [[ "$current" == "=" ]]; then current=""; fi',
    '    case "$previous" in',
  ];
  for (const option of table.options) {
    if (option.argument === null) continue;
    const names = option.short === null ? `--${option.name}` : `-${option.short}|--${option.name}`;
    lines.push(
      `        ${names})`,
      `            ${reply(option.argument.completion)}`,
      "            return ;;",
    );
  }
  lines.push(
    "    esac",
    '    if [[ "$current" == -* ]]; then',
    `        ${words(options)}`,
    "        return",
    "    fi",
  );
  lines.push(...operandLines(table), "}", `complete -F ${name} ${table.name}`);
  return `${lines.join("\n")}\n`;
}

/** What may stand in place of the operands: the first words of the commands, then their second words or arguments. */
function operandLines(table: ProgramTable): string[] {
  const firstWords = [...new Set(table.commands.map((command) => command.words[0] ?? ""))];
  if (firstWords.length === 0) return [];
  const lines = ['    case "$previous" in'];
  for (const first of firstWords) {
    const commands = table.commands.filter((command) => command.words[0] === first);
    const seconds = commands.flatMap((command) => command.words.slice(1, 2));
    const completion = commands[0]?.operand_completion ?? { kind: "nothing" };
    if (seconds.length === 0 && completion.kind === "nothing") continue;
    lines.push(
      `        ${first})`,
      `            ${seconds.length > 0 ? words(seconds) : reply(completion)}`,
      "            return ;;",
    );
  }
  lines.push("    esac", `    if [[ "$COMP_CWORD" == 1 ]]; then ${words(firstWords)}; fi`);
  return lines;
}

function words(list: readonly string[]): string {
  return `COMPREPLY=($(compgen -W ${quoted(list.join(" "))} -- "$current"))`;
}

function reply(completion: WordCompletion): string {
  switch (completion.kind) {
    case "nothing":
      return "COMPREPLY=()";
    case "values":
      return words(completion.values);
    case "file":
      return 'COMPREPLY=($(compgen -f -- "$current"))';
    case "directory":
      return 'COMPREPLY=($(compgen -d -- "$current"))';
    case "vg":
      return `COMPREPLY=($(compgen -W "$(${VG_NAMES_COMMAND})" -- "$current"))`;
  }
}

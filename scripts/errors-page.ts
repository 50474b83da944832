import { ERRORS, EXIT } from "../core/errors.ts";

/** docs/errors.md: the error table for people. */
export function errorsPage(): string {
  const lines = [
    "# Errors",
    "",
    "<!-- Made by scripts/generate.ts from core/errors.ts. Change that table instead. -->",
    "",
    "Every error that lvmlockd can answer with: its stable name, the number in `op_result` (which lvm prints, negated), what",
    "it means, and what to do about it. *Passes* says whether the same request can succeed later without anybody doing",
    "anything. *Exit* is the exit status of lvmlockctl when a command ends with this error.",
    "",
    "| Name | op_result | Cause | What to do | Passes | Exit |",
    "|---|---|---|---|---|---|",
  ];
  const byNumber = Object.entries(ERRORS).sort(([, left], [, right]) => left.wire - right.wire);
  for (const [name, error] of byNumber) {
    const cells = [
      `\`${name}\``,
      String(-error.wire),
      cell(error.cause),
      cell(error.remedy),
      error.retryable ? "yes" : "no",
      String(error.exit_status),
    ];
    lines.push(`| ${cells.join(" | ")} |`);
  }
  lines.push("", "## Exit statuses", "", "| Status | Name |", "|---|---|");
  for (const [name, status] of Object.entries(EXIT))
    lines.push(`| ${status} | ${name.replaceAll("_", " ")} |`);
  return `${lines.join("\n")}\n`;
}

/** A bar would end the cell. */
function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

/** Text for people: aligned columns, durations, and nothing that could talk to the terminal itself. */

/** Rows under a heading, columns as wide as their widest cell, two blanks between them. */
export function textTable(heading: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [heading, ...rows].map((row) => row.map(printable));
  const widths = heading.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  return all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

/** Control characters become "?": names of commands come from other processes, and escape sequences move the cursor. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, "?");
}

/** A duration in the largest unit that says enough: "12 s", "5 min", "3 h", "2 days"; "?" when it is not known. */
export function duration(seconds: number | null): string {
  if (seconds === null) return "?";
  if (seconds < 10) return `${Math.max(0, Math.round(seconds * 10) / 10)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 2 * 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

/** A process as people look for it: "4711 (lvcreate)". */
export function processText(pid: number | null, cmd: string): string {
  if (pid === null || pid === 0) return cmd === "" ? "?" : `(${cmd})`;
  return cmd === "" ? String(pid) : `${pid} (${cmd})`;
}

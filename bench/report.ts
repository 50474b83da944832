/** The table, as text for a terminal and as Markdown for docs/performance.md. */
import type { BenchResult, Figure, Line } from "./line.ts";
import type { RivalName } from "./rivals.ts";

const HEADINGS = [
  "scenario",
  "unit",
  "C",
  "ours",
  "compiled",
  "floor",
  "ours/C",
  "compiled/C",
  "target",
  "floor/C",
  "CPU/C",
  "",
];
const NOT_MEASURED = "-";

/** Rows of the table with its headings first; every row has as many cells. */
function rows(result: BenchResult): string[][] {
  return [HEADINGS, ...result.lines.map(toCells)];
}

function toCells(line: Line): string[] {
  const { figure } = line;
  const value = (rival: RivalName) => formatValue(figure.values[rival]);
  const ratio = (rival: RivalName) => formatRatio(figure.ratios[rival]);
  return [
    line.title,
    figure.unit,
    value("c"),
    value("ours"),
    value("compiled"),
    value("floor"),
    ratio("ours"),
    ratio("compiled"),
    formatTarget(figure),
    ratio("floor"),
    formatCpu(line),
    verdict(line),
  ];
}

function formatValue(value: number | null): string {
  if (value === null) return NOT_MEASURED;
  return value >= 100 ? String(Math.round(value)) : value.toPrecision(3);
}

function formatRatio(ratio: number | null): string {
  if (ratio === null) return NOT_MEASURED;
  return ratio >= 0.1 ? ratio.toFixed(2) : ratio.toPrecision(2);
}

function formatTarget({ target, unit }: Figure): string {
  if (target === null) return "";
  const sign = target.bound === "at-least" ? ">=" : "<=";
  if (target.of === "value") return `${sign} ${target.limit} ${unit}`;
  // Ratios below one read better as the fraction they were asked for.
  return target.limit < 0.2 ? `${sign} 1/${Math.round(1 / target.limit)}` : `${sign} ${target.limit}`;
}

/** Ours (bun run), or the floor where ours was not measured. */
function formatCpu({ cpu }: Line): string {
  if (cpu === null) return "";
  const text = formatRatio(cpu.ratios.ours ?? cpu.ratios.compiled);
  return cpu.target === null ? text : `${text} (<= ${cpu.target.limit})`;
}

function verdict(line: Line): string {
  const verdicts = [line.figure.reached, line.cpu?.reached ?? null];
  if (verdicts.includes(false)) return "missed";
  return verdicts.includes(true) ? "ok" : "";
}

/** True when a judged line misses its target or its CPU target. */
export function anyMissed(result: BenchResult): boolean {
  return !result.quick && result.lines.some((line) => verdict(line) === "missed");
}

export function formatText(result: BenchResult): string {
  const table = rows(result);
  const widths = HEADINGS.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  const lines = table.map((row) =>
    row
      .map((cell, column) =>
        column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
  return [describe(result), "", ...lines, ""].join("\n");
}

const DOCUMENT_HEADINGS = ["", "C", "ours", "compiled", "bare loop", "asked for", "CPU", ""];

/**
 * The table for readers: everything as a ratio to the C daemon of the same run, since figures in seconds are those of one
 * machine on one day. Only where the target is a figure of its own (start-up, memory, share of speed) that figure is shown.
 */
export function formatMarkdown(result: BenchResult): string {
  const [headings = "", ...body] = [DOCUMENT_HEADINGS, ...result.lines.map(toDocumentCells)].map(
    (row) => `| ${row.join(" | ")} |`,
  );
  const rule = `|${DOCUMENT_HEADINGS.map((_, column) => (column === 0 ? "---" : "---:")).join("|")}|`;
  return [describe(result), "", headings, rule, ...body, ""].join("\n");
}

function toDocumentCells(line: Line): string[] {
  const { figure, cpu } = line;
  const byValue = figure.target?.of === "value";
  const cell = (rival: RivalName): string => {
    if (!byValue) return formatTimes(figure.ratios[rival]);
    const value = figure.values[rival];
    return value === null ? NOT_MEASURED : `${formatValue(value)} ${figure.unit}`;
  };
  const ownCpu = cpu === null ? null : (cpu.ratios.ours ?? cpu.ratios.compiled);
  return [
    line.title,
    cell("c"),
    cell("ours"),
    cell("compiled"),
    cell("floor"),
    formatTarget(figure),
    ownCpu === null ? "" : formatTimes(ownCpu),
    verdict(line),
  ];
}

/** What is smaller than one reads better as a fraction of C's. */
function formatTimes(ratio: number | null): string {
  if (ratio === null) return NOT_MEASURED;
  if (ratio >= 1) return ratio >= 10 ? ratio.toFixed(1) : ratio.toFixed(2);
  return ratio > 0.2 ? ratio.toFixed(2) : `1/${(1 / ratio).toFixed(1)}`;
}

function describe(result: BenchResult): string {
  const kind = result.quick
    ? "A quick run, which measures nothing"
    : `Medians of ${result.rounds} interleaved rounds`;
  return `${kind}. ${result.machine}; Bun ${result.bun}; ${result.c_daemon}.`;
}

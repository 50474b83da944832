import type { ReportFormat } from "./shared-options.ts";

/** A cell of a report row. */
export type ReportValue = string | number | boolean | null | readonly string[];
export type ReportRow = Readonly<Record<string, ReportValue>>;
/** Rows as they come: every property of an object must be a ReportValue. */
type Rows = readonly object[];

/**
 * Rows by their kind in lvm's report shape, `{"report":[{"lock":[{...}]}]}`. As with lvm, "json" writes every value as a
 * string, and "json_std" writes numbers as numbers and unknown values as null. Booleans are 0 and 1, lvm's numeric form. A list is an array in
 * "json_std" and its values with commas between them in "json", as lvm's tags are.
 */
export function jsonReport(
  sections: Readonly<Record<string, Rows>>,
  format: Exclude<ReportFormat, "basic">,
): string {
  const write = format === "json" ? stringValue : typedValue;
  const report = Object.fromEntries(
    Object.entries(sections).map(([kind, rows]) => [kind, rows.map((row) => mapRow(row, write))]),
  );
  return JSON.stringify({ report: [report] }, null, 2);
}

function mapRow(row: object, write: (value: ReportValue) => ReportValue): ReportRow {
  return Object.fromEntries(Object.entries(row).map(([key, value]) => [key, write(value as ReportValue)]));
}

function typedValue(value: ReportValue): ReportValue {
  return typeof value === "boolean" ? Number(value) : value;
}

function stringValue(value: ReportValue): string {
  const typed = typedValue(value);
  return typed === null ? "" : String(typed);
}

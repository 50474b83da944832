/**
 * Writes the table of docs/performance.md from the JSON of a bench run: `bun run bench/docs.ts RESULT.json`.
 * Only what stands between the two markers is replaced; what limits each line is written by hand around them.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { BenchResult } from "./line.ts";
import { formatMarkdown } from "./report.ts";

const DOCUMENT = join(dirname(import.meta.dir), "docs", "performance.md");
const BEGIN = "<!-- bench table: begin (written by bench/docs.ts) -->";
const END = "<!-- bench table: end -->";

/** The document with its table replaced. Throws when the markers are not there once each, in order. */
export function replaceTable(document: string, table: string): string {
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END);
  if (begin === -1 || end < begin)
    throw new Error(`the markers '${BEGIN}' and '${END}' are not in the document`);
  return `${document.slice(0, begin + BEGIN.length)}\n${table}\n${document.slice(end)}`;
}

if (import.meta.main) {
  const [resultPath] = process.argv.slice(2);
  if (resultPath === undefined) {
    console.error("usage: bun run bench/docs.ts RESULT.json");
    process.exit(2);
  }
  const result: BenchResult = JSON.parse(readFileSync(resultPath, "utf8"));
  if (result.quick) throw new Error("a quick run measures nothing that could be documented");
  writeFileSync(DOCUMENT, replaceTable(readFileSync(DOCUMENT, "utf8"), formatMarkdown(result)));
}

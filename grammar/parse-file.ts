import { config_file_bytes_max, file_diagnostics_max } from "./bounds.ts";
import { type Diagnostic, diagnoseFile, diagnoseProblem } from "./diagnose.ts";
import { type IntegerReading, parseConfig } from "./parser.ts";
import { type ReadFile, tooLarge } from "./read-file.ts";
import { decodeBytes } from "./text.ts";
import { buildTree, type ConfigNode, createNode } from "./tree.ts";

/** One configuration file as far as it could be understood; a refused one has an empty tree and an error. */
export interface ParsedFile {
  readonly path: string;
  readonly state: "read" | "missing" | "refused";
  readonly root: ConfigNode;
  readonly diagnostics: readonly Diagnostic[];
}

/** Who reads the file: lvm refuses a file that has bytes but no setting, and reads integers as its version does. */
export type FileOwner = "lvm" | "lvmlockd";

// Our own file is read strictly: nobody's lvm depends on it. The others are read as every released lvm does.
const integersOf: Record<FileOwner, IntegerReading> = { lvm: "prefix", lvmlockd: "exact" };

/** Reads and parses one file; never throws. */
export function parseFile(path: string, owner: FileOwner, readFile: ReadFile): ParsedFile {
  let read = readFile(path);
  if (read.kind === "missing")
    return { path, state: "missing", root: createNode("", undefined), diagnostics: [] };
  if (read.kind === "read" && read.bytes.length > config_file_bytes_max) read = tooLarge(read.bytes.length);
  if (read.kind !== "read") {
    const reason = read.kind === "unreadable" ? read.reason : "it is missing";
    return refused(path, diagnoseFile(path, "error", `the file can't be read: ${reason}`));
  }
  return parseText(path, decodeBytes(read.bytes), owner);
}

function parseText(path: string, text: string, owner: FileOwner): ParsedFile {
  const parsed = parseConfig(text, { integers: integersOf[owner] });
  if (!parsed.ok) return refused(path, diagnoseProblem(parsed.problem, { path, text }));
  if (owner === "lvm" && text.length > 0 && parsed.file.items.length === 0) {
    // libdm takes an empty tree for a failed parse, unless the file has no bytes at all (config_file_read).
    const hint = "remove the file, empty it, or put a section into it, like: local { }";
    return refused(
      path,
      diagnoseFile(path, "error", "lvm refuses a file that has text but no setting", hint),
    );
  }
  const { root, warnings } = buildTree(parsed.file, path);
  const problems = [...parsed.warnings, ...warnings].sort((left, right) => left.start - right.start);
  const shown = problems.slice(0, file_diagnostics_max);
  return {
    path,
    state: "read",
    root,
    diagnostics: shown.map((problem) => diagnoseProblem(problem, { path, text })),
  };
}

function refused(path: string, diagnostic: Diagnostic): ParsedFile {
  return { path, state: "refused", root: createNode("", undefined), diagnostics: [diagnostic] };
}

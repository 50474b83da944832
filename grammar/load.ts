import { join } from "node:path";
import { tag_files_max } from "./bounds.ts";
import { checkSettings } from "./check-settings.ts";
import { type Diagnostic, diagnoseFile } from "./diagnose.ts";
import { addHostTags, type HostTags } from "./host-tags.ts";
import type { LoadedConfig, LoadOptions } from "./load-options.ts";
import { mergeConfig } from "./merge.ts";
import { findMisspelledNames } from "./misspelled.ts";
import { type ParsedFile, parseFile } from "./parse-file.ts";
import { createNode } from "./tree.ts";

// Import this module with `await import(...)`, and only when a file is to be read: Chevrotain and the parser that it
// builds cost some 30 ms. A daemon that starts uses start.ts, which knows when that can be spared.

/** Reads the configuration as lvm does, and our own file besides. Never throws: whatever is wrong is a diagnostic. */
export function loadConfig(options: LoadOptions): LoadedConfig {
  const { files, tags } = loadLvmFiles(options);
  const lvm = createNode("", undefined);
  for (const file of files) mergeConfig(lvm, file.root, tags.names);
  const own =
    options.own_file === undefined ? undefined : parseFile(options.own_file, "lvmlockd", options.read_file);
  const ownRoot = own?.root ?? createNode("", undefined);
  const checked = checkSettings(lvm, ownRoot);
  const allFiles = own === undefined ? files : [...files, own];
  const diagnostics = inFileOrder(allFiles, [
    ...allFiles.flatMap((file) => file.diagnostics),
    ...tags.diagnostics,
    ...checked.diagnostics,
    ...files.flatMap((file) => findMisspelledNames(file.root)),
  ]);
  return {
    ok: diagnostics.every((diagnostic) => diagnostic.severity !== "error"),
    settings: checked.settings,
    sources: checked.sources,
    diagnostics,
    files: allFiles,
    host_tags: [...tags.names],
    lvm,
    own: ownRoot,
  };
}

function loadLvmFiles(options: LoadOptions): { files: ParsedFile[]; tags: HostTags } {
  const tags: HostTags = { names: new Set(), diagnostics: [] };
  const files: ParsedFile[] = [];
  if (options.system_dir === "") return { files, tags };
  const load = (name: string): void => {
    const file = parseFile(join(options.system_dir, name), "lvm", options.read_file);
    files.push(file);
    addHostTags(tags, file.root, options.hostname);
  };
  load("lvm.conf");
  load("lvmlocal.conf");
  // A tag file may define further tags; a Set that grows while it is walked hands those out as well.
  for (const tag of tags.names) {
    if (files.length >= tag_files_max) {
      const message = `only ${tag_files_max} configuration files are read; the host has more tags`;
      tags.diagnostics.push(diagnoseFile(options.system_dir, "error", message));
      break;
    }
    load(`lvm_${tag}.conf`);
  }
  return { files, tags };
}

function inFileOrder(files: readonly ParsedFile[], diagnostics: Diagnostic[]): Diagnostic[] {
  const rank = new Map(files.map((file, index) => [file.path, index]));
  const rankOf = (diagnostic: Diagnostic): number => rank.get(diagnostic.file) ?? -1;
  const line = (diagnostic: Diagnostic): number => diagnostic.position?.line ?? 0;
  const column = (diagnostic: Diagnostic): number => diagnostic.position?.column ?? 0;
  return diagnostics.sort(
    (left, right) => rankOf(left) - rankOf(right) || line(left) - line(right) || column(left) - column(right),
  );
}

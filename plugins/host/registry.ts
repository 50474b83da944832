import { isAbsolute } from "node:path";
import { DEADLINES } from "../../core/deadlines.ts";
import type { LockType } from "../contract.ts";
import { type CheckedDefinition, checkDefinition } from "./definition.ts";
import { findPackage, isFile, isPackageName } from "./package-path.ts";
import { errorSentence } from "./sentences.ts";

/**
 * The lock managers that come with lvmlockd, each loaded when it is configured. Every module here is light: it says what the
 * manager can do and loads libraries only in `open`.
 */
const BUILT_IN: Readonly<Record<string, () => Promise<{ readonly default: unknown }>>> = {
  dlm: () => import("../dlm/plugin.ts"),
  local: () => import("../local/plugin.ts"),
  sanlock: () => import("../sanlock/plugin.ts"),
  "scsi-pr": () => import("../scsi-pr/plugin.ts"),
};

/** The names of the built-in lock managers. */
export const BUILT_IN_NAMES: readonly string[] = Object.keys(BUILT_IN);

/** Where a plugin's module is, as plain data: a worker gets it and loads the same module again. */
export type PluginSource =
  | { readonly kind: "built-in"; readonly name: string }
  | { readonly kind: "file"; readonly path: string };

/** A source, or why the configured name leads to none, as a sentence. */
export type FoundSource = PluginSource | { readonly kind: "missing"; readonly problem: string };

const FILE_NAME = /\.(?:ts|js|mjs)$/;

/**
 * Finds what the configuration calls a lock manager: a built-in name, the absolute path of a module, or a package that is
 * installed beside the configuration. Nothing is looked up from the current directory.
 */
export function findSource(configured: string, config_directory: string): FoundSource {
  if (Object.hasOwn(BUILT_IN, configured)) return { kind: "built-in", name: configured };
  if (isAbsolute(configured)) return findFile(configured);
  if (!isPackageName(configured)) {
    const problem = `"${configured}" is neither a built-in lock manager (${BUILT_IN_NAMES.join(", ")}), nor an absolute path, nor a package name`;
    return { kind: "missing", problem };
  }
  if (!isAbsolute(config_directory))
    throw new TypeError(`the configuration's directory is not absolute: ${config_directory}`);
  const found = findPackage(configured, config_directory);
  if (found.kind === "found") return { kind: "file", path: found.path };
  const problem = `"${configured}" is not a built-in lock manager (${BUILT_IN_NAMES.join(", ")}), and ${found.problem}`;
  return { kind: "missing", problem };
}

function findFile(path: string): FoundSource {
  if (!FILE_NAME.test(path))
    return { kind: "missing", problem: `the plugin ${path} is not a .ts, .js or .mjs file` };
  if (!isFile(path)) return { kind: "missing", problem: `the plugin file ${path} does not exist` };
  return { kind: "file", path };
}

/** How a source is called in messages. */
export function sourceName(source: PluginSource): string {
  return source.kind === "built-in" ? source.name : source.path;
}

/** Loads a plugin's module and checks what it exports; never throws and ends within the deadline for loading. */
export async function loadDefinition(
  source: PluginSource,
  lock_type: LockType,
  within_ms: number = DEADLINES.plugin_load_ms,
): Promise<CheckedDefinition> {
  const { promise: tooLate, resolve } = Promise.withResolvers<CheckedDefinition>();
  const seconds = within_ms / 1000;
  const problem = `takes longer than ${seconds} s to load: a plugin loads libraries and connects in open()`;
  const timer = setTimeout(() => resolve({ kind: "wrong", problem }), within_ms);
  const checked = await Promise.race([importDefinition(source, lock_type), tooLate]);
  clearTimeout(timer);
  return checked;
}

async function importDefinition(source: PluginSource, lock_type: LockType): Promise<CheckedDefinition> {
  try {
    const module = await importSource(source);
    return checkDefinition(module.default, lock_type);
  } catch (error) {
    return { kind: "wrong", problem: `can't be loaded: ${errorSentence(error)}` };
  }
}

async function importSource(source: PluginSource): Promise<{ readonly default?: unknown }> {
  if (source.kind === "file") return await import(source.path);
  const load = BUILT_IN[source.name];
  if (load === undefined) throw new Error(`there is no built-in lock manager ${source.name}`);
  return await load();
}

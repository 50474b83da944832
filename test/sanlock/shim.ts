import { existsSync } from "node:fs";
import { join } from "node:path";

/** The environment variable with the path of a shim that is built already, for where there is no compiler. */
export const SHIM_VARIABLE = "TEST_SANLOCK_SHIM";

/** Compiles what is preloaded into sanlock's daemon (see shim.c) and gives its path. Once per directory. */
export function buildShim(directory: string): string {
  const built_before = process.env[SHIM_VARIABLE];
  if (built_before !== undefined) return built_before;
  const library = join(directory, "shim.so");
  if (existsSync(library)) return library;
  const built = Bun.spawnSync(["gcc", "-shared", "-fPIC", "-o", library, join(import.meta.dir, "shim.c")]);
  if (!built.success) throw new Error(`gcc: ${built.stderr.toString()}`);
  return library;
}

import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";

/** The file of a package, or why there is none. */
export type PackagePath =
  | { readonly kind: "found"; readonly path: string }
  | { readonly kind: "missing"; readonly problem: string };

/** npm's rule for names, without the URL-encoded ones; it also keeps "..", absolute paths and URLs out. */
const PACKAGE_NAME = /^(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/;

/** The conditions of a package's "exports" that hold for a plugin, in the order in which Bun prefers them. */
const CONDITIONS = ["bun", "import", "module", "node", "default"];

/** Is this the name of a package, rather than a path? */
export function isPackageName(name: string): boolean {
  return PACKAGE_NAME.test(name);
}

/**
 * Finds the main file of an installed package, from `directory` upwards through the node_modules directories. Bun's own
 * resolution is not used because it downloads a package that is not installed, from `bun run`, and finds none at all from
 * a compiled executable (both measured with Bun 1.4.5). A lock daemon must do neither.
 */
export function findPackage(name: string, directory: string): PackagePath {
  for (let at = directory; ; at = dirname(at)) {
    const root = join(at, "node_modules", name);
    if (existsSync(root)) return mainFile(name, root);
    if (at === dirname(at)) break;
  }
  const problem = `the package ${name} is not installed in ${join(directory, "node_modules")} or above`;
  return { kind: "missing", problem };
}

function mainFile(name: string, root: string): PackagePath {
  const manifest = readManifest(join(root, "package.json"));
  const entries = [
    exported(manifest.exports),
    text(manifest.module),
    text(manifest.main),
    "index.js",
    "index.mjs",
    "index.ts",
  ];
  for (const entry of entries) {
    if (entry === null) continue;
    const path = join(root, entry);
    // A manifest that points out of its own package is a mistake at best.
    if (path.startsWith(`${root}/`) && isFile(path)) return { kind: "found", path };
  }
  return { kind: "missing", problem: `the package ${name} in ${root} has no main file` };
}

function readManifest(path: string): Readonly<Record<string, unknown>> {
  try {
    const manifest: unknown = JSON.parse(readFileSync(path, "utf8"));
    return typeof manifest === "object" && manifest !== null ? (manifest as Record<string, unknown>) : {};
  } catch {
    // No manifest, or one that can't be read: the package may still have an index file.
    return {};
  }
}

/** The target of `exports` for the package itself: a string, or nested conditions under "." or at the top. */
function exported(exports: unknown): string | null {
  let target = exports;
  // Conditions nest two deep in practice; the bound ends a manifest that was made to be endless.
  for (let depth = 0; depth < 8; depth++) {
    if (typeof target === "string") return target;
    if (typeof target !== "object" || target === null || Array.isArray(target)) return null;
    const options = target as Readonly<Record<string, unknown>>;
    const key = ["."].concat(CONDITIONS).find((condition) => options[condition] !== undefined);
    if (key === undefined) return null;
    target = options[key];
  }
  return null;
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

/** Is there a plain file (or a link to one) at this path? */
export function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

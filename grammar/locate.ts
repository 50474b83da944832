import type { FileSyntax, ItemSyntax, SectionSyntax, SettingSyntax } from "./syntax.ts";

/** An item of a file with the node names from the root to it, its own included. */
export interface Located<Item extends ItemSyntax> {
  readonly path: readonly string[];
  readonly item: Item;
}

function* walk(items: readonly ItemSyntax[], prefix: readonly string[]): Generator<Located<ItemSyntax>> {
  for (const item of items) {
    const path = [...prefix, ...item.key.path];
    yield { path, item };
    if (item.kind === "section") yield* walk(item.items, path);
  }
}

/** Every place where a file sets the value at `path`, in order; the last one counts. */
export function findSettings(file: FileSyntax, path: readonly string[]): SettingSyntax[] {
  const found: SettingSyntax[] = [];
  for (const located of walk(file.items, [])) {
    if (located.item.kind === "setting" && samePath(located.path, path)) found.push(located.item);
  }
  return found;
}

/**
 * The section into which a setting at `path` belongs: the last one among those that share the longest part of the path.
 * Undefined when the file has no section on the way.
 */
export function findSectionFor(
  file: FileSyntax,
  path: readonly string[],
): Located<SectionSyntax> | undefined {
  let best: Located<SectionSyntax> | undefined;
  for (const { path: at, item } of walk(file.items, [])) {
    if (item.kind !== "section" || at.length >= path.length) continue;
    if (!samePath(at, path.slice(0, at.length))) continue;
    if (best === undefined || at.length >= best.path.length) best = { path: at, item };
  }
  return best;
}

function samePath(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((name, index) => name === right[index]);
}

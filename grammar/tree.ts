import { file_diagnostics_max } from "./bounds.ts";
import type { Problem } from "./problem.ts";
import { splitKeyPath } from "./strings.ts";
import {
  type FileSyntax,
  type ItemSyntax,
  type KeySyntax,
  type Scalar,
  type Span,
  settingSpan,
  tokenSpan,
  type ValueSyntax,
  valueSpan,
} from "./syntax.ts";

/** A file with its name, as origins refer to it. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** Where something was written. */
export interface Origin extends Span {
  readonly file: SourceFile;
}

/** A value as libdm holds it: one scalar is a list of one. No scalars at all is the empty array. */
export interface ConfigValue {
  readonly scalars: readonly Scalar[];
  /** Where the value itself stands. */
  readonly origin: Origin;
}

/**
 * A node of the configuration as libdm sees it: repeated sections are one, `a/b` is b inside a, the last definition of a
 * value counts. A node can have a value and children at once when a name was used for both.
 */
export interface ConfigNode {
  readonly key: string;
  /** Where the name was first written; undefined for the root. */
  readonly origin: Origin | undefined;
  readonly value: ConfigValue | undefined;
  /** In the order of their first appearance. */
  readonly children: ReadonlyMap<string, ConfigNode>;
}

/** The same while it is being built. */
export interface MutableNode extends ConfigNode {
  value: ConfigValue | undefined;
  readonly children: Map<string, MutableNode>;
}

/** A node without value and children. */
export function createNode(key: string, origin: Origin | undefined): MutableNode {
  return { key, origin, value: undefined, children: new Map() };
}

/** The scalars of a value as written. */
export function scalarsOf(value: ValueSyntax): readonly Scalar[] {
  return value.kind === "scalar" ? [value.scalar] : value.elements.map((element) => element.scalar);
}

/** What the syntax of one file means, with a warning for each value that a later one of the same file replaces. */
export function buildTree(syntax: FileSyntax, path: string): { root: MutableNode; warnings: Problem[] } {
  const file: SourceFile = { path, text: syntax.text };
  const root = createNode("", undefined);
  const warnings: Problem[] = [];
  addItems(root, syntax.items, file, warnings);
  return { root, warnings };
}

function addItems(
  parent: MutableNode,
  items: readonly ItemSyntax[],
  file: SourceFile,
  warnings: Problem[],
): void {
  for (const item of items) {
    const node = makeNode(parent, item.key, file);
    if (item.kind === "section") {
      addItems(node, item.items, file, warnings);
      continue;
    }
    // Each warning counts lines from the start of the file, so a file full of duplicates must not get one for each.
    if (node.value !== undefined && warnings.length < file_diagnostics_max) {
      warnings.push(duplicateWarning(item.key, node.value.origin, settingSpan(item)));
    }
    node.value = { scalars: scalarsOf(item.value), origin: { file, ...valueSpan(item.value) } };
  }
}

function makeNode(parent: MutableNode, key: KeySyntax, file: SourceFile): MutableNode {
  let node = parent;
  for (const name of key.path) {
    let child = node.children.get(name);
    if (child === undefined) {
      child = createNode(name, { file, ...tokenSpan(key.token) });
      node.children.set(name, child);
    }
    node = child;
  }
  return node;
}

function duplicateWarning(key: KeySyntax, earlier: Origin, span: Span): Problem {
  const line = earlier.file.text.slice(0, earlier.start).split("\n").length;
  const message = `"${key.path.join("/")}" was already set on line ${line}: the later value counts`;
  return { severity: "warning", ...span, message };
}

/** The node that a path like "global/use_lvmlockd" names, or undefined. */
export function findNode(root: ConfigNode, path: string): ConfigNode | undefined {
  let node: ConfigNode | undefined = root;
  for (const name of splitKeyPath(path)) node = node?.children.get(name);
  return node;
}

/** Every node that has a value, with its path, in the order of first appearance. */
export function* valuesOf(
  root: ConfigNode,
  path: readonly string[] = [],
): Generator<{ readonly path: readonly string[]; readonly value: ConfigValue; readonly node: ConfigNode }> {
  for (const node of root.children.values()) {
    const inner = [...path, node.key];
    if (node.value !== undefined) yield { path: inner, value: node.value, node };
    yield* valuesOf(node, inner);
  }
}

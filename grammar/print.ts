import { formatFloat } from "./numbers.ts";
import { quoteString } from "./strings.ts";
import type { FileSyntax, ItemSyntax, Scalar, SourceToken, ValueSyntax } from "./syntax.ts";
import type { ConfigNode, ConfigValue } from "./tree.ts";

/** The file that `syntax` was parsed from, byte for byte: every token with what stood before it. */
export function printFile(syntax: FileSyntax): string {
  const parts: string[] = [];
  printItems(syntax.items, parts);
  parts.push(syntax.tail);
  return parts.join("");
}

function printItems(items: readonly ItemSyntax[], parts: string[]): void {
  for (const item of items) {
    printToken(item.key.token, parts);
    if (item.kind === "setting") {
      printToken(item.equals, parts);
      printValue(item.value, parts);
    } else {
      printToken(item.open, parts);
      printItems(item.items, parts);
      printToken(item.close, parts);
    }
  }
}

function printValue(value: ValueSyntax, parts: string[]): void {
  if (value.kind === "scalar") {
    printToken(value.scalar.token, parts);
    return;
  }
  printToken(value.open, parts);
  for (const { scalar, comma } of value.elements) {
    printToken(scalar.token, parts);
    if (comma !== undefined) printToken(comma, parts);
  }
  printToken(value.close, parts);
}

function printToken(token: SourceToken, parts: string[]): void {
  parts.push(token.before, token.text);
}

/** A scalar in the form in which libdm prints it. */
export function formatScalar(scalar: Scalar): string {
  switch (scalar.kind) {
    case "integer":
      return scalar.value.toString();
    case "float":
      return formatFloat(scalar.value);
    case "string":
      return quoteString(scalar.value);
  }
}

/** A value in the form in which libdm prints it: a list of one loses its brackets. */
export function formatValue(value: ConfigValue): string {
  const [only, ...more] = value.scalars;
  if (only !== undefined && more.length === 0) return formatScalar(only);
  return `[${value.scalars.map(formatScalar).join(",")}]`;
}

// libdm indents no deeper than this.
const indent_max = 32;

/**
 * A node and everything in it, in the form of `lvmconfig`: comments and layout are gone, what remains is what libdm
 * understood. Where a name has a value and children, only the value is shown, as there.
 */
export function formatNode(node: ConfigNode, level = 0): string {
  const indent = "\t".repeat(Math.min(level, indent_max));
  const key = /[#"!]/.test(node.key) ? quoteString(node.key) : node.key;
  if (node.value !== undefined) return `${indent}${key}=${formatValue(node.value)}\n`;
  return `${indent}${key} {\n${formatChildren(node, level + 1)}${indent}}\n`;
}

/** Everything inside a node, in the form of formatNode. */
export function formatChildren(node: ConfigNode, level = 0): string {
  return [...node.children.values()].map((child) => formatNode(child, level)).join("");
}

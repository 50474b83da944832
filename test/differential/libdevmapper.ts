import { dlopen, FFIType, JSCallback, type Pointer, ptr, read, toBuffer } from "bun:ffi";
import { existsSync } from "node:fs";
import { formatFloat } from "../../grammar/numbers.ts";
import type { IntegerReading } from "../../grammar/parser.ts";

// Debian's libdevmapper carries the same configuration parser as lvm (libdm), so whole files can be compared without
// starting a process for each.

const places = [
  "/lib/x86_64-linux-gnu",
  "/lib/aarch64-linux-gnu",
  "/lib64",
  "/usr/lib64",
  "/usr/lib",
  "/lib",
];

/** Parses a text with libdm; the tree in the form of `lvmconfig`, or undefined when libdm refuses it. */
export interface LibdmParser {
  parse(raw: string): string | undefined;
  /** How this version reads integers that strtoll can't use in full. */
  readonly integers: IntegerReading;
  close(): void;
}

/** Undefined when there is no libdevmapper. LVMLOCKD_TEST_LIBDM names another one, for instance of a newer lvm2. */
export function openLibdm(): LibdmParser | undefined {
  const found = places.map((place) => `${place}/libdevmapper.so.1.02.1`).find(existsSync);
  const path = process.env.LVMLOCKD_TEST_LIBDM ?? found;
  if (path === undefined) return undefined;
  const library = dlopen(path, {
    dm_config_from_string: { args: [FFIType.ptr], returns: FFIType.ptr },
    dm_config_destroy: { args: [FFIType.ptr], returns: FFIType.void },
    dm_log_with_errno_init: { args: [FFIType.ptr], returns: FFIType.void },
  });
  // Its messages about refused files would fill the test's output.
  const silence = new JSCallback(() => {}, { args: [], returns: FFIType.void });
  library.symbols.dm_log_with_errno_init(silence.ptr);
  const parse = (raw: string): string | undefined => {
    const source = Buffer.from(`${raw}\0`, "latin1");
    const tree = library.symbols.dm_config_from_string(ptr(source));
    if (tree === null) return undefined;
    const text = formatNodes(pointerAt(Number(tree) as Pointer, 0), 0);
    library.symbols.dm_config_destroy(tree);
    return text;
  };
  return {
    parse,
    integers: parse("x=08") === undefined ? "exact" : "prefix",
    close() {
      library.symbols.dm_log_with_errno_init(null);
      silence.close();
      library.close();
    },
  };
}

function pointerAt(base: Pointer, offset: number): Pointer | null {
  const value = read.ptr(base, offset);
  return value === 0 ? null : (value as Pointer);
}

function stringAt(base: Pointer, offset: number): string {
  const start = read.ptr(base, offset) as Pointer;
  let length = 0;
  while (read.u8(start, length) !== 0) length++;
  return length === 0 ? "" : Buffer.from(toBuffer(start, 0, length)).toString("latin1");
}

// struct dm_config_node: key, parent, sib, child, v. struct dm_config_value: type, value union, next.
function formatNodes(first: Pointer | null, level: number): string {
  let text = "";
  for (let node = first; node !== null; node = pointerAt(node, 16)) {
    const indent = "\t".repeat(Math.min(level, 32));
    const name = stringAt(node, 0);
    const key = /[#"!]/.test(name) ? quote(name) : name;
    const value = pointerAt(node, 32);
    if (value !== null) text += `${indent}${key}=${formatValues(value)}\n`;
    else text += `${indent}${key} {\n${formatNodes(pointerAt(node, 24), level + 1)}${indent}}\n`;
  }
  return text;
}

function formatValues(first: Pointer): string {
  const values: string[] = [];
  for (let value: Pointer | null = first; value !== null; value = pointerAt(value, 16)) {
    const type = read.i32(value, 0);
    if (type === 0) values.push(read.i64(value, 8).toString());
    else if (type === 1) values.push(formatFloat(read.f32(value, 8)));
    else if (type === 2) values.push(quote(stringAt(value, 8)));
    else return "[]";
  }
  return values.length === 1 ? (values[0] ?? "") : `[${values.join(",")}]`;
}

function quote(raw: string): string {
  return `"${raw.replace(/["\\]/g, "\\$&")}"`;
}

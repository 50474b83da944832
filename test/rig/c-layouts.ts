/** Struct layouts and constants of ours beside those that the C compiler finds in the headers: two texts to compare. */
import { existsSync, writeFileSync } from "node:fs";
import { type FieldTable, fieldSize, type StructLayout } from "../../plugins/native/structs.ts";
import { makeScratch } from "./scratch.ts";

export interface HeaderCheck {
  /** Paths of the headers, in the order in which they are included. */
  readonly headers: readonly string[];
  readonly layouts: readonly Pick<StructLayout<FieldTable>, "c_name" | "size_bytes" | "fields">[];
  /** A struct that ours continues with another one behind it, as C has it in a flexible tail. */
  readonly tails?: Readonly<Record<string, string>>;
  /** Integer constants by their C names. */
  readonly constants?: Readonly<Record<string, number>>;
}

const compiler = Bun.which("gcc") ?? Bun.which("cc");

/** False, loudly, where there is no compiler or a header is missing. `packages` names what would bring them. */
export function canCompare({ headers }: HeaderCheck, packages: string): boolean {
  if (compiler !== null && headers.every((header) => existsSync(header))) return true;
  console.error(`NOT TESTED: no C compiler or no ${packages}, so layouts can't be compared with the headers`);
  return false;
}

/** One line for each struct, each of its fields and each constant: name, then sizes and offsets in bytes, or the value. */
export function oursSay({ layouts, constants = {} }: HeaderCheck): string {
  const lines = [
    ...layouts.flatMap(({ c_name, size_bytes, fields }) => [
      `${c_name} ${size_bytes}`,
      ...Object.entries(fields).map(([name, [type, offset]]) => `${name} ${offset} ${fieldSize(type)}`),
    ]),
    ...Object.entries(constants).map(([name, number]) => `${name} ${number}`),
  ];
  return `${lines.join("\n")}\n`;
}

function programFor({ headers, layouts, tails = {}, constants = {} }: HeaderCheck): string {
  const sizeOf = (c_name: string): string => {
    const tail = tails[c_name];
    return tail === undefined ? `sizeof(${c_name})` : `sizeof(${c_name}) + sizeof(${tail})`;
  };
  const lines = [
    ...layouts.flatMap(({ c_name, fields }) => [
      `printf("${c_name} %zu\\n", ${sizeOf(c_name)});`,
      ...Object.keys(fields).map(
        (name) =>
          `printf("${name} %zu %zu\\n", offsetof(${c_name}, ${name}), sizeof(((${c_name} *)0)->${name}));`,
      ),
    ]),
    ...Object.keys(constants).map((name) => `printf("${name} %lu\\n", (unsigned long)${name});`),
  ];
  // Some headers use uint64_t or mode_t without including what defines it.
  const standard = ["stddef.h", "stdint.h", "stdio.h", "sys/ioctl.h", "sys/types.h"].map(
    (header) => `#include <${header}>`,
  );
  const included = headers.map((header) => `#include "${header}"`);
  return [...standard, ...included, "int main(void) {", ...lines, "return 0;", "}", ""].join("\n");
}

/** The same lines as the compiler has them. Fails with the compiler's own words. */
export function compilerSays(check: HeaderCheck): string {
  if (compiler === null) throw new Error("there is no C compiler");
  const scratch = makeScratch("layouts");
  try {
    writeFileSync(scratch.file("layouts.c"), programFor(check));
    const compiled = Bun.spawnSync([compiler, "-o", scratch.file("layouts"), scratch.file("layouts.c")]);
    if (!compiled.success) throw new Error(compiled.stderr.toString());
    return Bun.spawnSync([scratch.file("layouts")]).stdout.toString();
  } finally {
    scratch.remove();
  }
}

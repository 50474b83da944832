import { describe, expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { fieldSize } from "../../../plugins/native/structs.ts";
import { SANLOCK_LAYOUTS } from "../../../plugins/sanlock/layouts.ts";
import { makeScratch } from "../../rig/scratch.ts";

const compiler = Bun.which("gcc") ?? Bun.which("cc");
/** Where sanlock.h is; test:sanlock compares the headers of other releases too. */
const headers = process.env.TEST_SANLOCK_HEADERS ?? "/usr/include";
const hasHeaders = existsSync(`${headers}/sanlock.h`);
if (compiler === null || !hasHeaders)
  console.error(
    "NOT TESTED: no C compiler or no libsanlock-dev, so sanlock's structs can't be compared with its headers",
  );

/** A resource is followed by its disk, which the C struct ends before: the compiler is asked for both together. */
const TAILED = "struct sanlk_resource";

/** What the C compiler says of every layout: its size, then offset and size of each field. */
function compilerSays(compiler_path: string): string {
  const scratch = makeScratch("sanlock-structs");
  const lines = SANLOCK_LAYOUTS.flatMap(({ c_name, fields }) => [
    `printf("${c_name} %zu\\n", sizeof(${c_name})${c_name === TAILED ? " + sizeof(struct sanlk_disk)" : ""});`,
    ...Object.keys(fields).map(
      (name) =>
        `printf("${name} %zu %zu\\n", offsetof(${c_name}, ${name}), sizeof(((${c_name} *)0)->${name}));`,
    ),
  ]);
  // sanlock.h uses uint64_t without including what defines it.
  const program = `#include <stddef.h>\n#include <stdint.h>\n#include <stdio.h>\n#include "${headers}/sanlock.h"
int main(void) {\n${lines.join("\n")}\nreturn 0;\n}\n`;
  try {
    writeFileSync(scratch.file("layouts.c"), program);
    const compiled = Bun.spawnSync([compiler_path, "-o", scratch.file("layouts"), scratch.file("layouts.c")]);
    if (!compiled.success) throw new Error(compiled.stderr.toString());
    return Bun.spawnSync([scratch.file("layouts")]).stdout.toString();
  } finally {
    scratch.remove();
  }
}

describe("sanlock's structs", () => {
  test.skipIf(compiler === null || !hasHeaders)("have the sizes and offsets that the C headers give", () => {
    const ours = SANLOCK_LAYOUTS.flatMap(({ c_name, size_bytes, fields }) => [
      `${c_name} ${size_bytes}`,
      ...Object.entries(fields).map(([name, [type, offset]]) => `${name} ${offset} ${fieldSize(type)}`),
    ]);
    expect(compilerSays(compiler ?? "")).toBe(`${ours.join("\n")}\n`);
  });
});

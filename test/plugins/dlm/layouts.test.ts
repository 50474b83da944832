import { describe, expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { DLM_LAYOUTS } from "../../../plugins/dlm/layouts.ts";
import { fieldSize } from "../../../plugins/native/structs.ts";
import { makeScratch } from "../../rig/scratch.ts";

const compiler = Bun.which("gcc") ?? Bun.which("cc");
const hasHeaders = existsSync("/usr/include/libdlm.h") && existsSync("/usr/include/libdlmcontrol.h");
if (compiler === null || !hasHeaders)
  console.error(
    "NOT TESTED: no C compiler or no libdlm-dev and libdlmcontrol-dev, so the dlm's structs can't be compared with its headers",
  );

/** What the C compiler says of every layout: its size, then offset and size of each field. */
function compilerSays(compiler_path: string): string {
  const scratch = makeScratch("dlm-structs");
  const lines = DLM_LAYOUTS.flatMap(({ c_name, fields }) => [
    `printf("${c_name} %zu\\n", sizeof(${c_name}));`,
    ...Object.keys(fields).map(
      (name) =>
        `printf("${name} %zu %zu\\n", offsetof(${c_name}, ${name}), sizeof(((${c_name} *)0)->${name}));`,
    ),
  ]);
  const program = `#include <stddef.h>\n#include <stdint.h>\n#include <stdio.h>\n#include <sys/types.h>
#include <libdlm.h>\n#include <libdlmcontrol.h>\nint main(void) {\n${lines.join("\n")}\nreturn 0;\n}\n`;
  try {
    writeFileSync(scratch.file("layouts.c"), program);
    const compiled = Bun.spawnSync([compiler_path, "-o", scratch.file("layouts"), scratch.file("layouts.c")]);
    if (!compiled.success) throw new Error(compiled.stderr.toString());
    return Bun.spawnSync([scratch.file("layouts")]).stdout.toString();
  } finally {
    scratch.remove();
  }
}

describe("the dlm's structs", () => {
  test.skipIf(compiler === null || !hasHeaders)("have the sizes and offsets that the C headers give", () => {
    const ours = DLM_LAYOUTS.flatMap(({ c_name, size_bytes, fields }) => [
      `${c_name} ${size_bytes}`,
      ...Object.entries(fields).map(([name, [type, offset]]) => `${name} ${offset} ${fieldSize(type)}`),
    ]);
    expect(compilerSays(compiler ?? "")).toBe(`${ours.join("\n")}\n`);
  });
});

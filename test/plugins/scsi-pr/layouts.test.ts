import { describe, expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { fieldSize } from "../../../plugins/native/structs.ts";
import { IOCTLS, PASSTHROUGH_LAYOUTS } from "../../../plugins/scsi-pr/layouts.ts";
import { makeScratch } from "../../rig/scratch.ts";

const compiler = Bun.which("gcc") ?? Bun.which("cc");
const hasHeaders = PASSTHROUGH_LAYOUTS.every(({ header }) => existsSync(`/usr/include/${header}`));
if (compiler === null || !hasHeaders)
  console.error(
    "NOT TESTED: no C compiler or no kernel headers, so SG_IO's and NVMe's structs can't be compared",
  );

/** What the C compiler says of the layouts and the request numbers. */
function compilerSays(compiler_path: string): string {
  const scratch = makeScratch("passthrough-structs");
  const lines = [
    ...PASSTHROUGH_LAYOUTS.flatMap(({ c_name, fields }) => [
      `printf("${c_name} %zu\\n", sizeof(${c_name}));`,
      ...Object.keys(fields).map(
        (name) =>
          `printf("${name} %zu %zu\\n", offsetof(${c_name}, ${name}), sizeof(((${c_name} *)0)->${name}));`,
      ),
    ]),
    ...Object.keys(IOCTLS).map((name) => `printf("${name} %lu\\n", (unsigned long)${name});`),
  ];
  const includes = PASSTHROUGH_LAYOUTS.map(({ header }) => `#include <${header}>`);
  const program = `#include <stddef.h>\n#include <stdio.h>\n#include <sys/ioctl.h>\n${includes.join("\n")}
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

describe("the structs of SG_IO and NVMe passthrough", () => {
  test.skipIf(compiler === null || !hasHeaders)("have the offsets and request numbers of the headers", () => {
    const ours = [
      ...PASSTHROUGH_LAYOUTS.flatMap(({ c_name, size_bytes, fields }) => [
        `${c_name} ${size_bytes}`,
        ...Object.entries(fields).map(([name, [type, offset]]) => `${name} ${offset} ${fieldSize(type)}`),
      ]),
      ...Object.entries(IOCTLS).map(([name, number]) => `${name} ${number}`),
    ];
    expect(compilerSays(compiler ?? "")).toBe(`${ours.join("\n")}\n`);
  });
});

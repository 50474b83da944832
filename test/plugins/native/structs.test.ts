import { describe, expect, test } from "bun:test";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { SYSTEM_LAYOUTS } from "../../../plugins/native/layouts.ts";
import { defineStruct, fieldSize, stableMemory } from "../../../plugins/native/structs.ts";

const sample = defineStruct("struct sample", "none", 80, {
  i8: ["i8", 0],
  u8: ["u8", 1],
  i16: ["i16", 2],
  u16: ["u16", 4],
  i32: ["i32", 8],
  u32: ["u32", 12],
  i64: ["i64", 16],
  u64: ["u64", 24],
  name: [{ text: 16 }, 32],
  raw: [{ bytes: 8 }, 48],
  next: ["pointer", 56],
});

describe("C structs", () => {
  test("every field gives back what was written into it", () => {
    const values = fc.record({
      i8: fc.integer({ min: -128, max: 127 }),
      u8: fc.integer({ min: 0, max: 255 }),
      i16: fc.integer({ min: -32768, max: 32767 }),
      u16: fc.integer({ min: 0, max: 65535 }),
      i32: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
      u32: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      i64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      u64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      next: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      name: fc.string({ minLength: 0, maxLength: 16, unit: "grapheme-ascii" }),
    });
    fc.assert(
      fc.property(values, (record) => {
        const struct = sample.allocate();
        struct.set("raw", new Uint8Array([1, 2, 3]));
        const names = Object.keys(record) as (keyof typeof record)[];
        for (const name of names) struct.set(name, record[name]);
        for (const name of names) expect(struct.get(name)).toBe(record[name]);
        expect([...struct.get("raw")]).toEqual([1, 2, 3, 0, 0, 0, 0, 0]);
      }),
    );
  });

  test("text as long as its field needs no NUL, as sanlock's names have none", () => {
    const struct = sample.allocate();
    struct.set("name", "0123456789abcdef");
    expect(struct.get("name")).toBe("0123456789abcdef");
    struct.set("name", "short");
    expect(struct.get("name")).toBe("short");
  });

  test("a value that does not fit is refused instead of being cut", () => {
    const struct = sample.allocate();
    expect(() => struct.set("u8", 256)).toThrow(RangeError);
    expect(() => struct.set("i16", 1.5)).toThrow(RangeError);
    expect(() => struct.set("u32", -1)).toThrow(RangeError);
    expect(() => struct.set("u64", -1n)).toThrow(RangeError);
    expect(() => struct.set("name", "seventeen letters")).toThrow(RangeError);
    expect(() => struct.set("u64", undefined as never)).toThrow(TypeError);
    expect(() => struct.set("i32", undefined as never)).toThrow(RangeError);
  });

  test("memory keeps its address when it is sliced, collected around and viewed", () => {
    const struct = sample.allocate();
    const before = struct.address();
    struct.bytes.subarray(4, 8);
    void struct.bytes.buffer;
    Bun.gc(true);
    expect(struct.address()).toBe(before);
  });

  test("structs of an array share its memory", () => {
    const memory = stableMemory(2 * sample.size_bytes);
    sample.at(memory, sample.size_bytes).set("u8", 7);
    expect(memory[sample.size_bytes + 1]).toBe(7);
    expect(() => sample.at(memory, sample.size_bytes + 1)).toThrow(RangeError);
  });

  test("a field outside of its struct is refused where it is defined", () => {
    expect(() => defineStruct("struct bad", "none", 4, { x: ["u64", 0] })).toThrow(RangeError);
  });
});

/** What the C compiler says of every layout: "size" and one "name offset size" line for each field. */
function compilerSays(compiler: string): string {
  const directory = mkdtempSync(join(tmpdir(), "native-structs-"));
  const includes = new Set(SYSTEM_LAYOUTS.map((layout) => `#include <${layout.header}>`));
  const lines = SYSTEM_LAYOUTS.flatMap(({ c_name, fields }) => [
    `printf("${c_name} %zu\\n", sizeof(${c_name}));`,
    ...Object.keys(fields).map(
      (name) =>
        `printf("${name} %zu %zu\\n", offsetof(${c_name}, ${name}), sizeof(((${c_name} *)0)->${name}));`,
    ),
  ]);
  const program = `#define _GNU_SOURCE\n#include <stddef.h>\n#include <stdio.h>\n${[...includes].join("\n")}
int main(void) {\n${lines.join("\n")}\nreturn 0;\n}\n`;
  const source = join(directory, "layouts.c");
  const binary = join(directory, "layouts");
  writeFileSync(source, program);
  const compiled = Bun.spawnSync([compiler, "-o", binary, source]);
  if (!compiled.success) throw new Error(compiled.stderr.toString());
  return Bun.spawnSync([binary]).stdout.toString();
}

const compiler = Bun.which("gcc") ?? Bun.which("cc");
if (compiler === null)
  console.error("NOT TESTED: no C compiler here, so struct layouts can't be compared with the headers");

describe("struct layouts", () => {
  test.skipIf(compiler === null)("have the sizes and offsets that the C headers give", () => {
    const ours = SYSTEM_LAYOUTS.flatMap(({ c_name, size_bytes, fields }) => [
      `${c_name} ${size_bytes}`,
      ...Object.entries(fields).map(([name, [type, offset]]) => `${name} ${offset} ${fieldSize(type)}`),
    ]);
    expect(compilerSays(compiler ?? "")).toBe(`${ours.join("\n")}\n`);
  });
});

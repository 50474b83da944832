import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { formatFloat } from "../../grammar/numbers.ts";
import { parseConfig } from "../../grammar/parser.ts";
import { formatChildren, printFile } from "../../grammar/print.ts";
import { decodeBytes, encodeBytes, rawFromText } from "../../grammar/text.ts";
import { buildTree } from "../../grammar/tree.ts";
import { configText, wellFormedText } from "./config-text.ts";

function printed(raw: string): string | undefined {
  const parsed = parseConfig(raw, { integers: "prefix" });
  return parsed.ok ? printFile(parsed.file) : undefined;
}

describe("printing what was parsed", () => {
  test("gives back every byte of what is accepted", () => {
    let accepted = 0;
    fc.assert(
      fc.property(configText, (text) => {
        const raw = rawFromText(text);
        const result = printed(raw);
        if (result !== undefined) accepted++;
        expect(result ?? raw).toBe(raw);
      }),
      { numRuns: 2000 },
    );
    expect(accepted).toBeGreaterThan(500);
  });

  test("gives back bytes that are not UTF-8, and what stands behind a NUL", () => {
    const bytes = new Uint8Array([
      ...Buffer.from("a = '"),
      0xff,
      0xc3,
      0x28,
      ...Buffer.from("' # "),
      0x80,
      0x00,
      0x7b,
      0xfe,
    ]);
    const result = printed(decodeBytes(bytes));
    expect(result).toBeDefined();
    expect(encodeBytes(result ?? "")).toEqual(bytes);
  });

  const installed = ["/etc/lvm", "/etc/lvm/profile"]
    .filter(existsSync)
    .flatMap((directory) => readdirSync(directory).map((name) => join(directory, name)))
    .filter((path) => /\.(?:conf|profile)$/.test(path));
  test.each(installed)("gives back %s", async (path) => {
    const bytes = await Bun.file(path).bytes();
    expect(encodeBytes(printed(decodeBytes(bytes)) ?? "")).toEqual(bytes);
  });
});

test("no bytes at all make the parser throw", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 64 }),
      fc.constantFrom("exact" as const, "prefix" as const),
      (bytes, integers) => {
        const parsed = parseConfig(decodeBytes(bytes), { integers });
        expect(typeof parsed.ok).toBe("boolean");
      },
    ),
    { numRuns: 3000 },
  );
});

test("what lvmconfig's form says is what was parsed: reading it again changes nothing", () => {
  fc.assert(
    fc.property(wellFormedText, (text) => {
      const parsed = parseConfig(rawFromText(text), { integers: "exact" });
      if (!parsed.ok) return;
      const form = formatChildren(buildTree(parsed.file, "").root);
      const again = parseConfig(form, { integers: "exact" });
      // Keys are not quoted for blanks in this form, so some of it can't be read again; libdm is no better.
      if (!again.ok || /^\s*[^"=\n]* [^"=\n]*[={]/m.test(form)) return;
      expect(formatChildren(buildTree(again.file, "").root)).toBe(form);
    }),
    { numRuns: 1000 },
  );
});

describe("a float in libdm's form", () => {
  const floats: [value: number, form: string][] = [
    [0.1, "0.100000"],
    [-0, "-0.000000"],
    [1 / 128, "0.007812"],
    [3 / 128, "0.023438"],
    [123456789.125, "123456792.000000"],
    [1e20, "100000002004087734272.000000"],
    [1e39, "inf"],
  ];
  test.each(floats)("%p is %p", (value, form) => expect(formatFloat(value)).toBe(form));
});

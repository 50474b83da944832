/**
 * Messages and configuration files are one language, read by two parsers: the wire's own scanner, because it is the hot
 * path, and grammar/'s Chevrotain parser. What either makes of a text must be the same, but for one thing: a string that is
 * never closed is read without its last character by libdm and grammar/ (with a warning), and refused in a message.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  createCursor,
  type ScannedValue,
  scanSetting,
  skipToSetting,
} from "../../core/wire/config-scanner.ts";
import { decodeRequest } from "../../core/wire/decode.ts";
import { parseConfig } from "../../grammar/parser.ts";
import type { ItemSyntax, Scalar } from "../../grammar/syntax.ts";

/** The settings of a text by their first path segment; null when it is refused. */
type Reading = readonly (readonly [string, ScannedValue | null])[] | null;

function readWithScanner(text: string): Reading {
  const bytes = Buffer.from(text, "latin1");
  const cursor = createCursor(bytes, 0, bytes.length, 0);
  const settings: [string, ScannedValue | null][] = [];
  while (skipToSetting(cursor)) {
    const setting = scanSetting(cursor);
    if (setting === null) return null;
    settings.push([setting.key, setting.value]);
  }
  return settings;
}

function scannedScalar(scalar: Scalar | undefined): ScannedValue {
  if (scalar?.kind === "string") return { kind: "string", text: scalar.value };
  if (scalar?.kind === "integer") return { kind: "integer", value: scalar.value };
  return { kind: "other" };
}

function settingOf(item: ItemSyntax): readonly [string, ScannedValue | null] {
  const [first = "", ...inner] = item.key.path;
  if (item.kind === "section" || inner.length > 0) return [first, null];
  const { value } = item;
  return [first, scannedScalar(value.kind === "scalar" ? value.scalar : value.elements[0]?.scalar)];
}

function readWithGrammar(text: string): Reading {
  const parsed = parseConfig(text, { integers: "exact" });
  if (!parsed.ok || parsed.warnings.some(({ message }) => message.includes("never closed"))) return null;
  return parsed.file.items.map(settingOf);
}

function firstOf(reading: Reading, key: string): ScannedValue | null {
  return reading?.find(([name]) => name === key)?.[1] ?? null;
}

const key = fc.constantFrom(
  "vg_name",
  "host_id",
  "a",
  "/vg_name",
  "vg_name/b",
  "//a//b/",
  '"host_id"',
  "'vg_name'",
  "a,b[0]",
  "-1",
  '"a\\"b"',
  "k\xe4",
);
const blank = fc.constantFrom("", " ", "\n", "\t \r\n", "\x0b\x0c", " # = {\n", "#\n");
const string = fc
  .string({ unit: fc.constantFrom(..."ab01 \"'\\#={}[],\n\xff"), maxLength: 8 })
  .map((text) => text.replace(/["\\]/g, "\\$&"));
const integer = fc.oneof(
  fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }).map(String),
  fc.bigInt({ min: 0n, max: 2n ** 65n }).map((value) => `0${value.toString(8)}`),
  fc.integer().map(String),
  fc.stringMatching(/^[+-]?[0-9]{1,24}$/),
  fc.constantFrom("0x10", "0x", "0xg", "08", "-", "+", "-0", "1-2", "007", "00x1", "0"),
);
const scalar = fc.oneof(
  string.map((text) => `"${text}"`),
  fc.constantFrom("'a\\'", "'\"'", "sh", "@tag", "a,b]", "b-1.5", "1.5", ".5", ".", "1.", "1.2.3", "-.5"),
  integer,
);
const array = fc
  .array(fc.tuple(blank, scalar, blank, fc.constantFrom(",", "", ",,")), { maxLength: 3 })
  .map((elements) => `[${elements.flat().join("")}]`);
const setting = fc
  .tuple(
    key,
    blank,
    blank,
    fc.oneof({ weight: 4, arbitrary: scalar }, array),
    fc.constantFrom("\n", " ", "#\n", ""),
  )
  .map(([name, before, behind, value, end]) => `${name}${before}=${behind}${value}${end}`);
const section = fc
  .tuple(key, blank, fc.array(setting, { maxLength: 2 }))
  .map(([name, before, settings]) => `${name}${before}{${settings.join("")}}`);
const wellFormed = fc
  .array(fc.oneof({ weight: 4, arbitrary: setting }, section), { maxLength: 4 })
  .map((parts) => parts.join(""));
const soup = fc
  .array(
    fc.oneof(key, blank, scalar, fc.constantFrom("=", " = ", "{", "}", "[", "]", ",", '"', "'", "\\", "\0")),
    {
      maxLength: 10,
    },
  )
  .map((parts) => parts.join(""));

test("scanner and grammar read the same settings, and refuse the same texts", () => {
  let accepted = 0;
  fc.assert(
    fc.property(fc.oneof(wellFormed, soup), (text) => {
      const expected = readWithGrammar(text);
      expect(readWithScanner(text)).toEqual(expected);
      if (expected !== null) accepted++;
    }),
    { numRuns: 5000 },
  );
  // The comparison says little unless a good part of the texts is accepted.
  expect(accepted).toBeGreaterThan(500);
});

test("a decoded request has the values that the grammar finds", () => {
  const short = fc.oneof(
    string.filter((text) => text !== "none").map((text) => `vg_name ="${text}"\n`),
    fc.integer().map((value) => `host_id =${value}\n`),
    setting,
    section,
  );
  fc.assert(
    fc.property(fc.array(short, { maxLength: 4 }), (parts) => {
      const text = `request ="lock_vg"\n${parts.join("")}`;
      const reading = readWithGrammar(text);
      const bytes = Buffer.from(text, "latin1");
      const decoded = decodeRequest(bytes, 0, bytes.length);
      if (reading === null) {
        expect(decoded).toMatchObject({ name: null });
        return;
      }
      const name = firstOf(reading, "vg_name");
      const host = firstOf(reading, "host_id");
      const outside = host?.kind === "integer" && host.value !== BigInt.asIntN(32, host.value);
      if (outside) expect(decoded).toMatchObject({ name: null, kind: "bounds", key: "host_id" });
      else {
        expect(decoded).toMatchObject({
          vg_name: name?.kind === "string" ? name.text : "",
          host_id: host?.kind === "integer" ? Number(host.value) : 0,
        });
      }
    }),
    { numRuns: 3000 },
  );
});

test("the strings of every setting are escaped alike", () => {
  fc.assert(
    fc.property(string, (text) => {
      const body = `a = "${text}"`;
      expect(readWithScanner(body)).toEqual(readWithGrammar(body));
    }),
    { numRuns: 1000 },
  );
});

import * as fc from "fast-check";

// Texts in and around the LVM configuration language: most are well formed, many break it in ways that people and
// editors do, some are soup. Names never collide with lvm's own, so that no generated setting changes what lvm does.

const name = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom("xa", "xb", "xc", "x_long-name.d", "+x", "7x", "x!y", "xé", "creation_time"),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('"x q"', "'x#s'", '"x\\"e"', '"x\\\\b"', '"xn/xm"', "'/xr'", '"{x}"', '"x=y"'),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom("xa/xb", "xa//xc", "/xs", "xa/", "x[0]", 'x"y"', "x,y", "xa/xb/xc"),
  },
);

const blank = fc.constantFrom(
  "",
  "",
  " ",
  " ",
  "\n",
  "\t",
  "\r\n",
  "\v",
  "\f ",
  " # note\n",
  "#\n",
  " #{ \"['\n ",
);
const gap = fc.constantFrom(" ", "\n", "\n\t", " # note }\n", "\r\n");

const integer = fc.oneof(
  { weight: 5, arbitrary: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String) },
  { weight: 4, arbitrary: fc.constantFrom("0", "1", "-1", "+5", "007", "-0777", "010") },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      "08",
      "-",
      "+",
      "0x10",
      "0x",
      "9223372036854775807",
      "9223372036854775808",
      "-9223372036854775809",
      "+-1",
      "1_000",
    ),
  },
);

const float = fc.constantFrom(
  "1.5",
  ".5",
  "5.",
  ".",
  "-.5",
  "+0.25",
  "1.2.3",
  "1.5e3",
  "0.0078125",
  "3.14159265358979",
  "123456789.125",
  "-0.0",
  "00012.5",
);

const text = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.string({
      unit: fc.constantFrom(
        "a",
        "b",
        " ",
        "#",
        "{",
        "}",
        "=",
        "[",
        "]",
        ",",
        "é",
        "\n",
        "'",
        '\\"',
        "\\\\",
        "\\n",
      ),
      maxLength: 8,
    }),
  },
  { weight: 1, arbitrary: fc.constantFrom("", "plain", "/usr/sbin/x", "@tag") },
);
const doubleQuoted = text.map((body) => `"${body}"`);
const singleQuoted = text.map((body) => `'${body.replaceAll("'", "")}'`);
const bare = fc.constantFrom("word", "@tag", "/dev/x", "a,b", "a]", 'x"y', "no-such", "a.b", "é");

const scalar = fc.oneof(integer, float, doubleQuoted, doubleQuoted, singleQuoted, bare);

const array = fc
  .array(fc.tuple(scalar, fc.constantFrom(",", ", ", " , ", ",\n\t", " ", "")), { maxLength: 4 })
  .map((elements) => `[${elements.map(([value, comma]) => ` ${value} ${comma}`).join("")}]`);

const setting = fc
  .tuple(name, blank, blank, fc.oneof({ weight: 3, arbitrary: scalar }, { weight: 1, arbitrary: array }))
  .map(([key, before, behind, value]) => `${key}${before}=${behind}${value}`);

const { section } = fc.letrec<{ section: string; items: string }>((tie) => ({
  section: fc
    .tuple(name, blank, tie("items"), gap)
    .map(([key, before, items, last]) => `${key}${before}{${items}${last}}`),
  items: fc
    .array(
      fc.tuple(
        gap,
        fc.oneof({ depthSize: "small", withCrossShrink: true }, setting, setting, tie("section")),
      ),
      {
        maxLength: 4,
      },
    )
    .map((items) => items.flat().join("")),
}));

const wellFormed = fc
  .array(fc.tuple(fc.oneof(setting, section), gap), { minLength: 1, maxLength: 6 })
  .map((items) => items.flat().join(""));

const scraps = fc.constantFrom(
  "{",
  "}",
  "[",
  "]",
  "=",
  ",",
  '"',
  "'",
  "#",
  "\\",
  "/",
  " ",
  "\n",
  "x",
  "1",
  ".",
  "-",
  "0",
  '""',
  "é",
  "\u0000",
);
const soup = fc.array(scraps, { maxLength: 24 }).map((parts) => parts.join(""));

/** A well-formed text with some of it cut out, doubled or replaced by a scrap. */
const damaged = fc
  .tuple(wellFormed, fc.nat(), fc.nat({ max: 6 }), fc.oneof(fc.constant(""), scraps))
  .map(([whole, at, length, scrap]) => {
    const start = whole.length === 0 ? 0 : at % whole.length;
    return whole.slice(0, start) + scrap + whole.slice(start + length);
  });

/** A configuration text as ordinary text; encode it as UTF-8 for a file. */
export const configText = fc.oneof(
  { weight: 5, arbitrary: wellFormed },
  { weight: 3, arbitrary: damaged },
  { weight: 1, arbitrary: soup },
);

/** A configuration text that libdm accepts nearly always. */
export const wellFormedText = wellFormed;

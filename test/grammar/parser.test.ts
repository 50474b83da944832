import { describe, expect, test } from "bun:test";
import { section_depth_max } from "../../grammar/bounds.ts";
import { type IntegerReading, parseConfig } from "../../grammar/parser.ts";
import { formatChildren } from "../../grammar/print.ts";
import { buildTree } from "../../grammar/tree.ts";

/** What a text means in the form of lvmconfig, or the error message. */
function meaning(text: string, integers: IntegerReading = "exact"): string {
  const parsed = parseConfig(text, { integers });
  return parsed.ok ? formatChildren(buildTree(parsed.file, "test").root) : `error: ${parsed.problem.message}`;
}

function problemOf(text: string, integers: IntegerReading = "exact") {
  const parsed = parseConfig(text, { integers });
  if (parsed.ok) throw new Error("the text was accepted");
  return parsed.problem;
}

describe("what libdm accepts", () => {
  const accepted: [title: string, text: string, meaning: string][] = [
    ["nested sections", "a { b { c = 1 } }", "a {\n\tb {\n\t\tc=1\n\t}\n}\n"],
    ["repeated sections are one", "a { x = 1 }\na { y = 2 }", "a {\n\tx=1\n\ty=2\n}\n"],
    [
      "a path is a section inside a section",
      "a/b/c = 1\na/b { d = 2 }",
      "a {\n\tb {\n\t\tc=1\n\t\td=2\n\t}\n}\n",
    ],
    ["repeated and leading slashes count as one", "//a//b = 1", "a {\n\tb=1\n}\n"],
    ["a slash at the end names an inner node without a name", "a/ = 1", "a {\n\t=1\n}\n"],
    ["the last definition counts", "a = 1\na = 2", "a=2\n"],
    ["a name with a value and children shows its value", "a = 1\na { b = 2 }", "a=1\n"],
    ["settings need no line of their own", "a=1 b=2", "a=1\nb=2\n"],
    ["a key may follow a number without a blank", "a=5b=7", "a=5\nb=7\n"],
    [
      "quoted keys, with escapes in double quotes only",
      `"a b"=1 'c\\"d'=2 "e\\"f"=3`,
      `a b=1\n"c\\\\\\"d"=2\n"e\\"f"=3\n`,
    ],
    ["an empty section", "a { }", "a {\n}\n"],
    ["an empty list", "a = []", "a=[]\n"],
    ["a list of one is its value", "a = [ 1 ]", "a=1\n"],
    ["a comma behind the last element", "a = [ 1, 2, ]", "a=[1,2]\n"],
    ["strings in a list need no commas", `a = ["x" 'y']`, `a=["x","y"]\n`],
    ["bare words in a list, parted by blanks and commas", "a = [ x , y ]", `a=["x","y"]\n`],
    ["a bare word runs to the next blank", "a = x,y]", `a="x,y]"\n`],
    ["a tag", "a = @tag", `a="@tag"\n`],
    ["only quote and backslash are escaped", `a = "q\\"b\\\\n\\n"`, `a="q\\"b\\\\n\\\\n"\n`],
    ["single quotes know no escapes", `a = 'x\\'`, `a="x\\\\"\n`],
    ["a string over lines", `a = "x\ny"`, `a="x\ny"\n`],
    ["comments wherever a blank may be", "a # =\n= # 1\n2 # end", "a=2\n"],
    ["vertical tab and form feed are blanks", "a\v=\f1", "a=1\n"],
    ["no-break space is not a blank", "a\xa0b = 1", "a\xa0b=1\n"],
    ["octal integers", "a = 010 b = -0777", "a=8\nb=-511\n"],
    [
      "64-bit integers",
      "a = -9223372036854775808 b = 9223372036854775807",
      "a=-9223372036854775808\nb=9223372036854775807\n",
    ],
    ["floats, in 32 bits", "a = .5 b = 5. c = -3.14159265358979", "a=0.500000\nb=5.000000\nc=-3.141593\n"],
    ["digits begin a key where no value may stand", "1a = 1", "1a=1\n"],
    ["brackets and quotes inside a key", `a[0]"b = 1`, `"a[0]\\"b"=1\n`],
    ["a NUL byte ends the file", "a = 1 \0 = { [", "a=1\n"],
    ["a string that the end of the file cuts off loses its last character", `a = "xyz`, `a="xy"\n`],
    ["an empty text", "", ""],
    [
      "the invalid creation time of old builds",
      "creation_time = 18446744073709551615",
      "creation_time=1527120000\n",
    ],
  ];
  test.each(accepted)("%s", (_title, text, wanted) => expect(meaning(text)).toBe(wanted));
});

describe("what libdm refuses", () => {
  const refused: [title: string, text: string][] = [
    ["a key alone", "a"],
    ["a key without a value", "a ="],
    ["a value without a key", "= 1"],
    ["a comment instead of a value", "a = # 1"],
    ["a section that is not closed", "a { b = 1"],
    ["a brace too many", "a { } }"],
    ["a section without a name", "{ a = 1 }"],
    ["an empty key", `"" = 1`],
    ["a list that is not closed", "a = [ 1"],
    ["a list in a list", "a = [ [ 1 ] ]"],
    ["two commas", "a = [ 1,, 2 ]"],
    ["a comma first", "a = [ , 1 ]"],
    ["numbers in a list without a comma", "a = [ 1 2 ]"],
    ["two values", `a = "x" "y"`],
    ["a bare word at the end of a list", "a = [ x ]y"],
    ["an integer beyond 64 bits", "a = 9223372036854775808"],
    ["a float out of range", `a = 1${"0".repeat(310)}.0`],
    ["a quote at the end of the file", `a = "`],
    ["a single quote at the end of the file", "a = '"],
  ];
  test.each(refused)("%s", (_title, text) => expect(meaning(text)).toStartWith("error: "));
});

describe("integers that strtoll can't use in full", () => {
  const doubtful: [text: string, meaning: string][] = [
    ["a = 08", "a=0\n"],
    ["a = +", "a=0\n"],
    ["a = 0x1f = 2", "a=31\nx1f=2\n"],
  ];
  test.each(doubtful)("released lvm versions read %p", (text, wanted) =>
    expect(meaning(text, "prefix")).toBe(wanted),
  );
  test.each(doubtful)("later versions refuse %p", (text) => expect(meaning(text)).toStartWith("error: "));

  test("a warning tells that newer versions will refuse the file", () => {
    const parsed = parseConfig("a = 08", { integers: "prefix" });
    expect(parsed.ok && parsed.warnings.map(({ start, end }) => [start, end])).toEqual([[4, 6]]);
  });
});

describe("nesting", () => {
  test("as deep as the bound is accepted", () => {
    const text = "a{".repeat(section_depth_max) + "}".repeat(section_depth_max);
    expect(parseConfig(text, { integers: "exact" }).ok).toBe(true);
  });
  test("deeper is an error and no stack overflow", () => {
    expect(problemOf("a{".repeat(100_000)).message).toContain("nested deeper");
  });
  test("paths count as nesting", () => {
    expect(problemOf(`${"a/".repeat(100_000)}b = 1`).message).toContain("nested deeper");
  });
  test("paths and braces count together", () => {
    const half = section_depth_max / 2;
    const path = Array.from({ length: half + 1 }, () => "p").join("/");
    const text = `${"a{".repeat(half)}${path} = 1${"}".repeat(half)}`;
    expect(problemOf(text).message).toContain("nested deeper");
  });
});

describe("what a syntax error says", () => {
  const cases: [title: string, text: string, at: number, expected: string, hint: string | undefined][] = [
    ["a missing value", "a { b = }", 8, "a value", undefined],
    ["a missing equals sign", "a 5", 2, '"=" or "{"', undefined],
    [
      "a section left open",
      "x = 1\nlocal {\n host_id = 5\n",
      26,
      '"}"',
      'the section "local" of line 2 is never closed',
    ],
    ["a brace too many", "a { }\n}\n", 6, "a key", "no section is open"],
    ["bare words in a list", "a = [x,y]\n", 9, "a comma", 'so "x,y]" is one word'],
    ["numbers without a comma", "a = [1 2]", 7, "a comma", "need a comma"],
    ["a number with a unit", "a = 5s\nb = 2", 4, "a value", "must be in quotes"],
    [
      "a string that swallowed lines",
      'a = "x\nb = "y"\n',
      12,
      "the end",
      "line 1: is its closing quote missing?",
    ],
  ];
  test.each(cases)("%s", (_title, text, at, expected, hint) => {
    const problem = problemOf(text);
    expect(problem.start).toBe(at);
    expect(problem.expected).toContain(expected);
    if (hint !== undefined) expect(problem.hint).toContain(hint);
  });
});

import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { type Edit, editConfig, writeValue } from "../../grammar/edit.ts";
import { parseConfig } from "../../grammar/parser.ts";
import { formatValue } from "../../grammar/print.ts";
import { rawFromText } from "../../grammar/text.ts";
import { buildTree, findNode, valuesOf } from "../../grammar/tree.ts";
import { configText } from "./config-text.ts";

function edited(text: string, edit: Edit): string {
  const result = editConfig(text, edit);
  return result.ok ? result.text : `refused: ${result.reason}`;
}

function set(text: string, path: string, literal: string): string {
  return edited(text, { kind: "set", path, literal });
}

describe("setting a value that the file has", () => {
  const cases: [title: string, before: string, path: string, literal: string, after: string][] = [
    ["changes the value only", "a {\n\tb = 1 # why\n}\n", "a/b", "2", "a {\n\tb = 2 # why\n}\n"],
    ["changes the definition that counts", "a/b = 1\na { b = 2 }", "a/b", "3", "a/b = 1\na { b = 3 }"],
    ["replaces a list with all that is in it", "a = [ 1, # one\n 2 ]\n", "a", '"x"', 'a = "x"\n'],
    ["replaces a string over lines", 'a = "x\ny" b = 1', "a", "[]", "a = [] b = 1"],
    ["puts a blank where the next key would be swallowed", "a=5b=7", "a", "word", "a=word b=7"],
    ["finds a quoted key", '"a b" { c = 1 }', "a b/c", "2", '"a b" { c = 2 }'],
    ["keeps bytes that are not UTF-8", "# \xff\na = 1 # \xc3\n", "a", "2", "# \xff\na = 2 # \xc3\n"],
  ];
  test.each(cases)("%s", (_title, before, path, literal, after) =>
    expect(set(before, path, literal)).toBe(after),
  );
});

describe("setting a value that the file lacks", () => {
  const cases: [title: string, before: string, path: string, after: string][] = [
    [
      "goes to the end of its section, indented like its neighbours",
      "a {\n  b = 1\n}\n",
      "a/c",
      "a {\n  b = 1\n  c = 5\n}\n",
    ],
    [
      "goes below the comment that shows its default",
      "a {\n\t# c = 0\n\n\tb = 1\n}\n",
      "a/c",
      "a {\n\t# c = 0\n\tc = 5\n\n\tb = 1\n}\n",
    ],
    [
      "is not fooled by a comment behind another value",
      "a {\n\tb = 1 # c = 0\n}\n",
      "a/c",
      "a {\n\tb = 1 # c = 0\n\tc = 5\n}\n",
    ],
    ["takes the usual indent in an empty section", "a {\n}\n", "a/c", "a {\n\tc = 5\n}\n"],
    ["stays on the line of a section on one line", "a { b = 1 }\n", "a/c", "a { b = 1 c = 5 }\n"],
    ["fits between braces without a blank", "a{}", "a/c", "a{ c = 5 }"],
    ["makes a missing section", "a {\n  b = 1\n}\n", "x/c", "a {\n  b = 1\n}\n\nx {\n  c = 5\n}\n"],
    [
      "makes a missing section inside another",
      "a {\n\tb = 1\n}\n",
      "a/x/c",
      "a {\n\tb = 1\n\tx {\n\t\tc = 5\n\t}\n}\n",
    ],
    ["ends a last line that has no newline", "# note", "x/c", "# note\n\nx {\n\tc = 5\n}\n"],
    ["fills an empty file", "", "x/c", "x {\n\tc = 5\n}\n"],
    [
      "keeps the line ends of the file",
      "a {\r\n\tb = 1\r\n}\r\n",
      "a/c",
      "a {\r\n\tb = 1\r\n\tc = 5\r\n}\r\n",
    ],
    ["stays in front of a NUL byte", "a = 1\n\0rest", "c", "a = 1\n\nc = 5\n\0rest"],
    ["quotes a key that needs it", "", "x/c d", 'x {\n\t"c d" = 5\n}\n'],
  ];
  test.each(cases)("%s", (_title, before, path, after) => expect(set(before, path, "5")).toBe(after));
});

describe("commenting a setting out", () => {
  const cases: [title: string, before: string, after: string][] = [
    ["marks its line", "x {\n\ta = 1 # why\n}\n", "x {\n\t# a = 1 # why\n}\n"],
    ["marks every line of a list", "x {\n\ta = [ 1,\n\t\t2 ]\n}\n", "x {\n\t# a = [ 1,\n\t# \t2 ]\n}\n"],
    ["marks every definition", "x/a = 1\nx {\n a = 2\n}\n", "# x/a = 1\nx {\n # a = 2\n}\n"],
  ];
  test.each(cases)("%s", (_title, before, after) => {
    expect(edited(before, { kind: "comment", path: "x/a" })).toBe(after);
  });
  test("is refused where other settings share the line", () => {
    expect(edited("x { a = 1 }", { kind: "comment", path: "x/a" })).toStartWith(
      "refused: the setting shares its line",
    );
  });
});

describe("removing a setting", () => {
  const cases: [title: string, before: string, after: string][] = [
    ["takes its whole line", "x {\n\ta = 1 # why\n\tb = 2\n}\n", "x {\n\tb = 2\n}\n"],
    ["takes every definition", "x/a = 1\nx {\n\ta = 2\n}\n", "x {\n}\n"],
    ["leaves what shares its line", "x { a = 1 b = 2 }\n", "x { b = 2 }\n"],
    ["leaves no blanks at the end of a line", "b = 1 x/a = 2\n", "b = 1\n"],
    ["works without any blanks", "x{a=1}", "x{}"],
  ];
  test.each(cases)("%s", (_title, before, after) => {
    expect(edited(before, { kind: "remove", path: "x/a" })).toBe(after);
  });
});

describe("an edit is refused", () => {
  const cases: [title: string, text: string, edit: Edit][] = [
    ["when the file has an error", "a = {", { kind: "set", path: "a", literal: "1" }],
    ["when the literal is no value", "a = 1", { kind: "set", path: "a", literal: "1 2" }],
    [
      "when the literal would bring a setting along",
      "a = 1",
      { kind: "set", path: "a", literal: "1\nb = 2" },
    ],
    [
      "when the literal would swallow the rest of the line",
      "a = 1 b = 2",
      { kind: "set", path: "a", literal: "1 #" },
    ],
    ["when the literal is an open string", "a = 1", { kind: "set", path: "a", literal: '"x' }],
    ["when nothing can be appended", 'a = "open', { kind: "set", path: "b", literal: "1" }],
    ["when there is nothing to remove", "a = 1", { kind: "remove", path: "b" }],
    ["when the path has no name", "a = 1", { kind: "set", path: "a/", literal: "1" }],
  ];
  test.each(cases)("%s", (_title, text, edit) => expect(editConfig(text, edit).ok).toBe(false));
});

/** All values of a text by path. */
function values(raw: string): Map<string, string> {
  const parsed = parseConfig(raw, { integers: "prefix" });
  if (!parsed.ok) throw new Error(parsed.problem.message);
  const all = valuesOf(buildTree(parsed.file, "").root);
  return new Map([...all].map(({ path, value }) => [path.join("/"), formatValue(value)]));
}

const editPath = fc.constantFrom(
  "xa",
  "xb",
  "xa/xb",
  "xa/xb/xc",
  "xn/xm",
  "global/use_lvmlockd",
  "x q",
  "new",
);
const editValue = fc.oneof(
  fc.boolean(),
  fc.integer(),
  fc.string({ unit: "binary", maxLength: 6 }).filter((text) => !text.includes("\0")),
  fc.array(fc.constantFrom("one", 'tw"o', "thr\\ee"), { maxLength: 3 }),
);

test("an edit gives its setting the value and leaves every other value and byte as it was", () => {
  let done = 0;
  fc.assert(
    fc.property(configText, editPath, editValue, (text, path, value) => {
      const raw = rawFromText(text);
      const literal = writeValue(value);
      const result = editConfig(raw, { kind: "set", path, literal });
      if (!result.ok) return;
      done++;
      const before = values(raw);
      const after = values(result.text);
      expect(after.get(path)).toBe(values(`x = ${literal}`).get("x"));
      expect([...after].filter(([name]) => name !== path)).toEqual(
        [...before].filter(([name]) => name !== path),
      );
      expectOneStretch(raw, result.text);
    }),
    { numRuns: 1500 },
  );
  expect(done).toBeGreaterThan(300);
});

test("a set followed by a remove leaves no value, and others as they were", () => {
  fc.assert(
    fc.property(configText, editPath, (text, path) => {
      const raw = rawFromText(text);
      const there = editConfig(raw, { kind: "set", path, literal: "1" });
      if (!there.ok) return;
      const gone = editConfig(there.text, { kind: "remove", path });
      if (!gone.ok) return;
      const before = values(raw);
      before.delete(path);
      expect(values(gone.text)).toEqual(before);
    }),
    { numRuns: 1000 },
  );
});

/** The texts agree but for one stretch that holds no more than the old value and what was written. */
function expectOneStretch(before: string, after: string): void {
  let head = 0;
  while (head < before.length && before[head] === after[head]) head++;
  let tail = 0;
  while (tail < before.length - head && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  const replaced = before.slice(head, before.length - tail);
  const parsed = parseConfig(before, { integers: "prefix" });
  if (!parsed.ok) throw new Error("the text was edited although it has an error");
  const old = [...valuesOf(buildTree(parsed.file, "").root)].map(({ value }) =>
    before.slice(value.origin.start, value.origin.end),
  );
  expect(replaced === "" || old.some((value) => value.includes(replaced))).toBe(true);
}

test("a path finds the same node in the edited text", () => {
  const parsed = parseConfig(set("", "a/b/c", '"x"'), { integers: "exact" });
  expect(parsed.ok && findNode(buildTree(parsed.file, "").root, "a/b/c")?.key).toBe("c");
});

import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { shown_line_chars_max } from "../../grammar/bounds.ts";
import { diagnoseProblem, formatDiagnostic, lineAndColumn } from "../../grammar/diagnose.ts";
import { editDistance, nearestName } from "../../grammar/nearest.ts";
import { decodeBytes, displayText, encodeBytes, rawFromText, textFromRaw } from "../../grammar/text.ts";

function shown(text: string, marked: string): string {
  const raw = rawFromText(text);
  const start = raw.indexOf(rawFromText(marked));
  const end = start + rawFromText(marked).length;
  return formatDiagnostic(
    diagnoseProblem({ severity: "error", start, end, message: "wrong" }, { path: "/f", text: raw }),
  );
}

describe("a diagnostic as text", () => {
  test("shows place, line, caret, expectation and hint", () => {
    const problem = {
      severity: "warning" as const,
      start: 8,
      end: 11,
      message: "odd",
      expected: "one",
      hint: "two",
    };
    expect(formatDiagnostic(diagnoseProblem(problem, { path: "/f", text: "a = 1\nb=xyz # c\n" }))).toBe(
      [
        "/f:2:3: warning: odd",
        "     2 | b=xyz # c",
        "       |   ^^^",
        "         expected: one",
        "         hint: two",
      ].join("\n"),
    );
  });

  test("keeps tabs before the caret", () => {
    expect(shown("\ta\t= bad", "bad")).toContain("\n     1 | \ta\t= bad\n       | \t \t  ^^^");
  });

  test("counts columns in characters and puts the caret under wide ones", () => {
    expect(shown('é = "日本" bad', "bad")).toContain(
      '/f:1:10: error: wrong\n     1 | é = "日本" bad\n       |            ^^^',
    );
  });

  test("makes control characters and bytes that are not UTF-8 visible", () => {
    const text = "a = \x1b[31m\xff bad";
    const start = text.indexOf("bad");
    const diagnostic = diagnoseProblem(
      { severity: "error", start, end: start + 3, message: "wrong" },
      { path: "/f", text },
    );
    expect(diagnostic.position?.line_text).toBe("a = \\x1b[31m\\xff bad");
    expect(formatDiagnostic(diagnostic)).toEndWith(`\n       | ${" ".repeat(17)}^^^`);
  });

  test("cuts a long line around the caret", () => {
    const text = shown(`${"x".repeat(5000)} bad ${"y".repeat(5000)}`, "bad");
    const [, line = "", caret = ""] = text.split("\n");
    expect(line.length).toBeLessThanOrEqual(shown_line_chars_max + 9);
    expect(line.slice(caret.indexOf("^"), caret.lastIndexOf("^") + 1)).toBe("bad");
  });

  test("marks one column where nothing stands", () => {
    const diagnostic = diagnoseProblem(
      { severity: "error", start: 3, end: 3, message: "wrong" },
      { path: "/f", text: "a {" },
    );
    expect(formatDiagnostic(diagnostic)).toEndWith("\n     1 | a {\n       |    ^");
  });
});

test("line and column of every offset lead back to it", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom("a", "\n", "\t", "é"), maxLength: 20 }),
      fc.nat(),
      (text, at) => {
        const characters = [...text];
        const index = at % (characters.length + 1);
        const { line, column } = lineAndColumn(
          rawFromText(text),
          rawFromText(characters.slice(0, index).join("")).length,
        );
        const lines = text.split("\n");
        const before = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
        expect(before + column - 1).toBe(index);
      },
    ),
  );
});

describe("the nearest name", () => {
  const names = ["global/use_lvmlockd", "local/host_id", "daemon/host_id", "daemon/adopt_file"];
  const cases: [wrong: string, nearest: string | undefined][] = [
    ["global/use_lvmlokd", "global/use_lvmlockd"],
    ["global/use_lvmlcokd", "global/use_lvmlockd"],
    ["host_id", "local/host_id"],
    ["devices/filter", undefined],
    ["daemon/adoptfile", "daemon/adopt_file"],
    ["", undefined],
  ];
  test.each(cases)("of %p is %p", (wrong, nearest) => expect(nearestName(wrong, names)).toBe(nearest));

  test("counts two swapped letters as one error", () => expect(editDistance("adopt", "adpot")).toBe(1));

  test("is found by a distance that is symmetric and 0 only for the same", () => {
    const word = fc.string({ maxLength: 8 });
    fc.assert(
      fc.property(word, word, (left, right) => {
        expect(editDistance(left, right)).toBe(editDistance(right, left));
        expect(editDistance(left, right) === 0).toBe(left === right);
      }),
    );
  });

  test("costs little for the longest of keys", () => {
    expect(nearestName("x".repeat(1_000_000), names)).toBeUndefined();
  });
});

describe("bytes", () => {
  test("come back as they went in", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => expect(encodeBytes(decodeBytes(bytes))).toEqual(bytes)),
    );
  });
  test("are text only when they are UTF-8", () => {
    expect(textFromRaw(rawFromText("hôte"))).toBe("hôte");
    expect(textFromRaw("h\xf4te")).toBeUndefined();
    expect(displayText("h\xf4te\n")).toBe("h\\xf4te\\x0a");
  });
});

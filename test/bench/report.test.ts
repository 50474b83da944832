import { describe, expect, test } from "bun:test";
import { replaceTable } from "../../bench/docs.ts";
import { type BenchResult, type Line, makeFigure } from "../../bench/line.ts";
import { anyMissed, formatMarkdown, formatText } from "../../bench/report.ts";
import { SCENARIOS } from "../../bench/scenarios.ts";

const THROUGHPUT: Line = {
  name: "vg",
  title: "VG locks",
  figure: makeFigure(
    "1/s",
    { c: [1000], ours: [2500], floor: [30_000] },
    { of: "ratio", bound: "at-least", limit: 2 },
  ),
  cpu: makeFigure("us", { c: [20], ours: [5] }, { of: "ratio", bound: "at-most", limit: 0.4 }),
};
const LATENCY: Line = {
  name: "tail",
  title: "longest wait",
  figure: makeFigure("us", { c: [1000], ours: [100] }, { of: "ratio", bound: "at-most", limit: 1 / 8 }),
  cpu: null,
};
const MEMORY: Line = {
  name: "memory",
  title: "memory",
  figure: makeFigure("MB", { c: [4], ours: [65.4] }, { of: "value", bound: "at-most", limit: 64 }),
  cpu: null,
};

function resultOf(lines: readonly Line[], quick = false): BenchResult {
  return { machine: "2 CPUs", bun: "1.4.5", c_daemon: "2.03.16", rounds: 5, quick, lines };
}

function rowOf(table: string, title: string): string[] {
  const row = table.split("\n").find((line) => line.startsWith(`| ${title} `)) ?? "";
  return row
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim());
}

describe("the table for documents", () => {
  const table = formatMarkdown(resultOf([THROUGHPUT, LATENCY, MEMORY]));

  test("shows ratios to the C daemon", () => {
    expect(rowOf(table, "VG locks")).toEqual(["VG locks", "1.00", "2.50", "-", "30.0", ">= 2", "0.25", "ok"]);
  });

  test("shows what is much smaller than C's as a fraction", () => {
    expect(rowOf(table, "longest wait").slice(1, 6)).toEqual(["1.00", "1/10.0", "-", "-", "<= 1/8"]);
  });

  test("shows figures of their own where the target is one", () => {
    expect(rowOf(table, "memory")).toEqual([
      "memory",
      "4.00 MB",
      "65.4 MB",
      "-",
      "-",
      "<= 64 MB",
      "",
      "missed",
    ]);
  });
});

describe("the verdict", () => {
  test("is missed when the figure reaches its target but the CPU time does not", () => {
    const { target } = THROUGHPUT.cpu ?? { target: null };
    const busy = { ...THROUGHPUT, cpu: makeFigure("us", { c: [20], ours: [9] }, target) };
    expect(anyMissed(resultOf([THROUGHPUT]))).toBe(false);
    expect(anyMissed(resultOf([busy]))).toBe(true);
  });

  test("is not passed on a quick run", () => {
    expect(anyMissed(resultOf([MEMORY]))).toBe(true);
    expect(anyMissed(resultOf([MEMORY], true))).toBe(false);
  });
});

test("the table for the terminal keeps its columns in line", () => {
  const rows = formatText(resultOf([THROUGHPUT, MEMORY]))
    .split("\n")
    .slice(2, 5);
  expect(rows[1]).toContain("2500");
  expect(rows[1]?.indexOf("1/s")).toBe(rows[0]?.indexOf("unit"));
});

describe("replacing the table of a document", () => {
  const begin = "<!-- bench table: begin (written by bench/docs.ts) -->";
  const end = "<!-- bench table: end -->";

  test("keeps what stands around the markers, however often it is done", () => {
    const once = replaceTable(`before\n${begin}\nold\n${end}\nafter\n`, "new");
    expect(once).toBe(`before\n${begin}\nnew\n${end}\nafter\n`);
    expect(replaceTable(once, "new")).toBe(once);
  });

  test("refuses a document without markers, or with them in the wrong order", () => {
    expect(() => replaceTable("nothing", "new")).toThrow("markers");
    expect(() => replaceTable(`${end} ${begin}`, "new")).toThrow("markers");
  });
});

test("every load has a name of its own, by which it can be asked for", () => {
  const names = SCENARIOS.flatMap((scenario) => scenario.loads.map((load) => load.name));
  expect(new Set(names).size).toBe(names.length);
});

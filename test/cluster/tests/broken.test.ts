import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../../..");
const BROKEN = join(ROOT, "test/cluster/broken");
const PATCHES = readdirSync(BROKEN).filter((name) => name.endsWith(".patch"));

/** What a hunk expects to find: its context and what it takes away. */
function expectedOf(hunk: string): string {
  const kept = hunk.split("\n").filter((line) => line.startsWith(" ") || line.startsWith("-"));
  return kept.map((line) => `${line.slice(1)}\n`).join("");
}

test.each(PATCHES)("the deliberate defect %s still fits the sources, so that it can be shown", (name) => {
  const files = readFileSync(join(BROKEN, name), "utf8").split(/^--- a\/.*\n\+\+\+ b\//m);
  expect(files.length).toBeGreaterThan(1);
  for (const file of files.slice(1)) {
    const [path = "", ...hunks] = file.split(/\n@@ .*\n/);
    const source = readFileSync(join(ROOT, path), "utf8");
    expect(hunks.length).toBeGreaterThan(0);
    for (const hunk of hunks) expect(source).toContain(expectedOf(hunk));
  }
});

test("each deliberate defect is told of, with the scenario that it makes fail", () => {
  const told = [join(BROKEN, "README.md"), join(ROOT, "docs/cluster-lab.md")].map((path) =>
    readFileSync(path, "utf8"),
  );
  for (const name of PATCHES) expect(told.join("\n")).toContain(`\`${name.replace(".patch", "")}`);
});

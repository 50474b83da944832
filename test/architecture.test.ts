/** The walls of docs/architecture.md: every import of the product is read and held to the direction it may take. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { Glob } from "bun";

const root = join(import.meta.dir, "..");

/** Rooms by their path, the innermost first, and what each may import besides itself. */
const ROOMS: readonly (readonly [room: string, may_import: readonly string[]])[] = [
  ["plugins/contract.ts", []],
  ["core/errors.ts", []],
  ["core/limits.ts", []],
  ["core/deadlines.ts", []],
  ["core/assert.ts", []],
  ["grammar", []],
  ["plugins/native", ["core/assert.ts"]],
  ["core/wire", ["core/errors.ts", "core/limits.ts", "core/assert.ts"]],
  [
    "core/locking",
    [
      "core/wire/message.ts",
      "core/errors.ts",
      "core/limits.ts",
      "core/deadlines.ts",
      "core/assert.ts",
      "plugins/contract.ts",
    ],
  ],
  ["plugins/granting", ["plugins/contract.ts"]],
  ["plugins/conformance", ["plugins/contract.ts", "plugins/host", "core/locking/api.ts"]],
  [
    "plugins/host",
    [
      "plugins",
      "core/locking/api.ts",
      "core/errors.ts",
      "core/limits.ts",
      "core/deadlines.ts",
      "core/assert.ts",
    ],
  ],
  [
    "plugins",
    [
      "plugins/contract.ts",
      "plugins/native",
      "plugins/granting",
      "core/assert.ts",
      "core/limits.ts",
      "core/deadlines.ts",
    ],
  ],
  [
    "core/daemon",
    [
      "package.json",
      "core",
      "plugins/host",
      "plugins/native",
      "plugins/contract.ts",
      // What a host's reservation key is made of: no rule of that plugin, but lvm's, and needed wherever keys are spoken of.
      "plugins/scsi-pr/keys.ts",
      "plugins/scsi-pr/reservable.ts",
      "grammar",
    ],
  ],
  ["cli", ["package.json", "core", "plugins", "grammar"]],
];

function roomOf(path: string): string | null {
  for (const [room] of ROOMS) if (path === room || path.startsWith(`${room}/`)) return room;
  return null;
}

/** A plugin's own folder counts as its room: sanlock may not reach into dlm. */
function sameHouse(from: string, to: string): boolean {
  const room = roomOf(from);
  if (room === null || roomOf(to) !== room) return false;
  return room !== "plugins" || from.split("/")[1] === to.split("/")[1];
}

function mayImport(from: string, to: string): boolean {
  if (sameHouse(from, to)) return true;
  const allowed = ROOMS.find(([room]) => room === roomOf(from))?.[1] ?? [];
  return allowed.some((place) => to === place || to.startsWith(`${place}/`));
}

interface Import {
  readonly from: string;
  readonly to: string;
}

function* importsOfTheProduct(): Generator<Import> {
  for (const room of ["grammar", "core", "plugins", "cli"]) {
    for (const file of new Glob("**/*.ts").scanSync({ cwd: join(root, room) })) {
      const from = join(room, file);
      const text = readFileSync(join(root, from), "utf8");
      for (const [, path] of text.matchAll(/(?:from|import)\s*\(?\s*"(\.{1,2}\/[^"]+)"/g)) {
        if (path !== undefined) yield { from, to: relative(root, join(root, dirname(from), path)) };
      }
    }
  }
}

test("imports point one way", () => {
  const imports = [...importsOfTheProduct()];
  expect(imports.length).toBeGreaterThan(500);
  const wrong = imports
    .filter(({ from, to }) => !mayImport(from, to))
    .map(({ from, to }) => `${from} -> ${to}`);
  expect(wrong).toEqual([]);
});

test("the pure core uses no clock, random source, promise, socket or file", () => {
  for (const file of new Glob("*.ts").scanSync({ cwd: join(root, "core/locking") })) {
    const text = readFileSync(join(root, "core/locking", file), "utf8").replaceAll(
      /\/\*[\s\S]*?\*\/|\/\/.*/g,
      "",
    );
    const forbidden = text.match(
      /Date\.now|performance\.|Math\.random|\bawait\b|\basync\b|new Promise|node:|"bun|setTimeout|setInterval/,
    );
    expect({ file, forbidden: forbidden?.[0] ?? null }).toEqual({ file, forbidden: null });
  }
});

test("what is sanlock's or dlm's alone is known only in its plugin", () => {
  for (const { word, home } of [
    { word: "_GLLK_disabled", home: "plugins/sanlock/" },
    { word: "lksb", home: "plugins/dlm/" },
  ]) {
    const knowers = new Set([...importsOfTheProduct()].map(({ from }) => from));
    for (const file of knowers) {
      if (file.startsWith(home)) continue;
      expect({ file, knows: readFileSync(join(root, file), "utf8").includes(word) }).toEqual({
        file,
        knows: false,
      });
    }
  }
});

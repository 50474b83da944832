import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { replaceFile } from "../../grammar/write-file.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "replace-file-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const place = (name: string): string => join(directory, name);

describe("replacing a file", () => {
  test("keeps its mode and leaves nothing else behind", () => {
    writeFileSync(place("f"), "old");
    chmodSync(place("f"), 0o640);
    expect(replaceFile(place("f"), bytes("new"), bytes("old"))).toEqual({ kind: "written" });
    expect(readFileSync(place("f"), "utf8")).toBe("new");
    expect(statSync(place("f")).mode & 0o7777).toBe(0o640);
    expect(readdirSync(directory)).toEqual(["f"]);
  });

  test.if(process.getuid?.() === 0)("keeps its owner", async () => {
    writeFileSync(place("f"), "old");
    const { chownSync } = await import("node:fs");
    chownSync(place("f"), 12, 34);
    replaceFile(place("f"), bytes("new"), bytes("old"));
    expect(statSync(place("f"))).toMatchObject({ uid: 12, gid: 34 });
  });

  test("is a new file and no write into the old one, so that a reader never sees half of it", () => {
    writeFileSync(place("f"), "old");
    const before = statSync(place("f")).ino;
    replaceFile(place("f"), bytes("new"), bytes("old"));
    expect(statSync(place("f")).ino).not.toBe(before);
  });

  test("makes a file that did not exist", () => {
    expect(replaceFile(place("f"), bytes("new"), undefined)).toEqual({ kind: "written" });
    expect(statSync(place("f")).mode & 0o7777).toBe(0o644);
  });

  test("follows a symbolic link", () => {
    mkdirSync(place("real"));
    writeFileSync(place("real/f"), "old");
    symlinkSync("real/f", place("f"));
    replaceFile(place("f"), bytes("new"), bytes("old"));
    expect(lstatSync(place("f")).isSymbolicLink()).toBe(true);
    expect(readFileSync(place("real/f"), "utf8")).toBe("new");
  });

  const refused: [title: string, make: () => void, expected: Uint8Array | undefined][] = [
    ["that somebody has changed", () => writeFileSync(place("f"), "theirs"), bytes("old")],
    ["that somebody has made", () => writeFileSync(place("f"), "theirs"), undefined],
    ["that is gone", () => {}, bytes("old")],
    ["that is a directory", () => mkdirSync(place("f")), bytes("old")],
  ];
  test.each(refused)("is refused for one %s, and leaves nothing behind", (_title, make, expected) => {
    make();
    const before = readdirSync(directory);
    expect(replaceFile(place("f"), bytes("new"), expected).kind).toBe("refused");
    expect(readdirSync(directory)).toEqual(before);
  });
});

import { describe, expect, test } from "bun:test";
import { mkdtempSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  findLibrary,
  LIBRARY_DIRECTORIES,
  openLibrary,
  probeSymbols,
} from "../../../plugins/native/library.ts";

const getpid = { getpid: { args: [], returns: "i32" } } as const;

describe("opening a library", () => {
  test("finds libc by its file name in the list of library directories", () => {
    expect(findLibrary("libc.so.6")).toStartWith("/");
    const library = openLibrary("libc.so.6", getpid);
    expect(library.kind === "opened" && library.symbols.getpid()).toBe(process.pid);
  });

  test("looks in absolute directories only", () => {
    for (const directory of LIBRARY_DIRECTORIES) expect(directory).toStartWith("/");
    expect(() => findLibrary("./libc.so.6")).toThrow(TypeError);
    expect(() => findLibrary("")).toThrow(TypeError);
  });

  test("does not load a library from the current directory", () => {
    const here = process.cwd();
    const directory = mkdtempSync(join(tmpdir(), "native-library-"));
    symlinkSync(findLibrary("libc.so.6") ?? "", join(directory, "libhostile.so"));
    process.chdir(directory);
    try {
      expect(openLibrary("libhostile.so", getpid)).toMatchObject({ kind: "missing" });
    } finally {
      process.chdir(here);
    }
  });

  test("a library that is not installed is an answer that names it and the places", () => {
    const library = openLibrary("libsurely-not-there.so.1", getpid);
    expect(library).toEqual({ kind: "missing", detail: expect.stringContaining("libsurely-not-there.so.1") });
  });

  test("a library without a needed symbol is an answer that names the symbol", () => {
    const library = openLibrary("libc.so.6", { surely_not_there: { args: [], returns: "i32" } });
    expect(library).toEqual({ kind: "missing", detail: expect.stringContaining("surely_not_there") });
  });

  test("optional symbols are probed one by one, so that a missing one costs only itself", () => {
    const path = findLibrary("libc.so.6") ?? "";
    const found = probeSymbols(path, { ...getpid, surely_not_there: { args: [], returns: "i32" } });
    expect(Object.keys(found)).toEqual(["getpid"]);
    expect(found.getpid?.()).toBe(process.pid);
  });
});

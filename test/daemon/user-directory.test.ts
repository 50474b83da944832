import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type FallbackPlaces, userDirectory, userSocketPath } from "../../core/daemon/user-directory.ts";
import { makeScratch, type Scratch } from "../rig/scratch.ts";

// Whoever runs the tests owns what they make; that root never asks here is the caller's business.
const uid = process.geteuid?.() ?? 0;
const stranger = uid + 1;

let scratch: Scratch;
let places: FallbackPlaces;
let runtime: string;

beforeEach(() => {
  scratch = makeScratch("user");
  places = { run_user: scratch.file("run"), tmp: scratch.file("tmp") };
  runtime = scratch.file("xdg");
  for (const path of [places.run_user, places.tmp, runtime]) mkdirSync(path);
});
afterEach(() => scratch.remove());

const find = (xdg?: string, of = uid) => userDirectory({ uid: of, env: { XDG_RUNTIME_DIR: xdg } }, places);

describe("the directory of a user's daemon", () => {
  test("is that of XDG_RUNTIME_DIR", () => {
    expect(find(runtime)).toEqual({ kind: "directory", path: runtime, note: "" });
  });

  test("is logind's without that variable, and the note says so", () => {
    const logind = join(places.run_user, String(uid));
    mkdirSync(logind);
    expect(find()).toEqual({
      kind: "directory",
      path: logind,
      note: `XDG_RUNTIME_DIR is not set: ${logind}/lvm is used instead`,
    });
  });

  test("is made below /tmp, closed to others, when there is neither", () => {
    const own = join(places.tmp, `lvmlockd-${uid}`);
    expect(find()).toMatchObject({ kind: "directory", path: own });
    expect(statSync(own).mode & 0o777).toBe(0o700);
    // A second start finds the one of the first.
    expect(find()).toMatchObject({ kind: "directory", path: own });
  });

  test("is another one, for a true reason, when XDG_RUNTIME_DIR does not serve", () => {
    expect(find("relative")).toMatchObject({
      note: expect.stringContaining('is "relative", which is not an absolute path'),
    });
    expect(find("/nonexist")).toMatchObject({
      note: expect.stringContaining("is /nonexist, which does not exist"),
    });
    expect(find(runtime, stranger)).toMatchObject({
      problem: expect.stringContaining("belongs to another user"),
    });
  });

  test("is never one below /tmp that others can get into or have made", () => {
    const own = join(places.tmp, `lvmlockd-${uid}`);
    mkdirSync(own);
    chmodSync(own, 0o755);
    expect(find()).toMatchObject({
      kind: "none",
      problem: expect.stringContaining("open to others (mode 755)"),
    });
    mkdirSync(join(places.tmp, `lvmlockd-${stranger}`), { mode: 0o700 });
    expect(find(undefined, stranger)).toMatchObject({
      problem: expect.stringContaining("belongs to another user. Set XDG_RUNTIME_DIR"),
    });
  });

  test("is never behind a symbolic link below /tmp", () => {
    symlinkSync(runtime, join(places.tmp, `lvmlockd-${uid}`));
    expect(find()).toMatchObject({ kind: "none", problem: expect.stringContaining("is a symbolic link") });
  });
});

describe("the socket of a user's daemon", () => {
  const socketIn = (directory: string): string => {
    mkdirSync(join(directory, "lvm"), { recursive: true });
    const path = join(directory, "lvm", "lvmlockd.socket");
    writeFileSync(path, "");
    return path;
  };
  const look = (xdg?: string) => userSocketPath({ uid, env: { XDG_RUNTIME_DIR: xdg } }, places);

  test("is found wherever that daemon may have put it, also with another environment", () => {
    expect(look(runtime)).toBeNull();
    const made = find();
    const path = socketIn(made.kind === "directory" ? made.path : "");
    expect(look()).toBe(path);
    expect(look(runtime)).toBe(path);
    const own = socketIn(runtime);
    expect(look(runtime)).toBe(own);
  });

  test("is not looked for in a directory below /tmp that is not to be trusted", () => {
    const open = join(places.tmp, `lvmlockd-${uid}`);
    socketIn(open);
    chmodSync(open, 0o777);
    expect(look()).toBeNull();
  });
});

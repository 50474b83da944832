/**
 * Where a user who is not root has a daemon's files. The daemon and lvmlockctl both ask here, so that they look in the same
 * places even when only one of them was started with XDG_RUNTIME_DIR (su and containers leave it out).
 */
import { existsSync, lstatSync, mkdirSync, statSync } from "node:fs";
import { isAbsolute, join } from "node:path";

export interface User {
  readonly uid: number;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The parents of the directories to fall back to; tests have their own. */
export interface FallbackPlaces {
  /** Has the directory that logind makes for each user. */
  readonly run_user: string;
  /** Has the last resort, which is made here. */
  readonly tmp: string;
}

const system_places: FallbackPlaces = { run_user: "/run/user", tmp: "/tmp" };

export type UserDirectory =
  /** `note` says why it is not that of XDG_RUNTIME_DIR; "" when it is. */
  | { readonly kind: "directory"; readonly path: string; readonly note: string }
  /** Lines for a person. */
  | { readonly kind: "none"; readonly problem: string };

/** The directory for a daemon's files: that of XDG_RUNTIME_DIR, else /run/user/UID, else /tmp/lvmlockd-UID, which is made. */
export function userDirectory(user: User, places: FallbackPlaces = system_places): UserDirectory {
  const { XDG_RUNTIME_DIR: named = "" } = user.env;
  const unusable = runtimeProblem(named, user.uid);
  if (unusable === null) return { kind: "directory", path: named, note: "" };
  const logind = logindDirectory(user, places);
  const path =
    directoryProblem(logind, user.uid) === null ? logind : makePrivate(privateDirectory(user, places));
  const cause = `XDG_RUNTIME_DIR ${unusable}`;
  const problem = path === logind ? null : privateProblem(path, user.uid);
  if (problem === null)
    return { kind: "directory", path, note: `${cause}: ${join(path, "lvm")} is used instead` };
  const remedy = `Set XDG_RUNTIME_DIR to a directory of this user, remove ${path}, name --socket-path and --pid-file, or run as root.`;
  return {
    kind: "none",
    problem: `there is no place for the socket: ${cause}, and ${path} ${problem}. ${remedy}`,
  };
}

/** The path of the socket of a daemon that this user runs, in the order in which a daemon chooses; null when there is none. */
export function userSocketPath(user: User, places: FallbackPlaces = system_places): string | null {
  const { uid, env } = user;
  const { XDG_RUNTIME_DIR: named = "" } = env;
  const own = privateDirectory(user, places);
  const logind = logindDirectory(user, places);
  const usable = [
    ...(runtimeProblem(named, uid) === null ? [named] : []),
    ...(directoryProblem(logind, uid) === null ? [logind] : []),
    // Anybody can make this one first, and would be talked to as if it was our daemon.
    ...(privateProblem(own, uid) === null ? [own] : []),
  ];
  return usable.map((path) => join(path, "lvm", "lvmlockd.socket")).find((path) => existsSync(path)) ?? null;
}

function logindDirectory({ uid }: User, { run_user }: FallbackPlaces): string {
  return join(run_user, String(uid));
}

function privateDirectory({ uid }: User, { tmp }: FallbackPlaces): string {
  return join(tmp, `lvmlockd-${uid}`);
}

/** Why XDG_RUNTIME_DIR does not serve, as the rest of a sentence about it. The specification has relative paths ignored. */
function runtimeProblem(named: string, uid: number): string | null {
  if (named === "") return "is not set";
  if (!isAbsolute(named)) return `is "${named}", which is not an absolute path`;
  const problem = directoryProblem(named, uid);
  return problem === null ? null : `is ${named}, which ${problem}`;
}

function directoryProblem(path: string, uid: number): string | null {
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined) return "does not exist";
    if (!found.isDirectory()) return "is not a directory";
    return found.uid === uid ? null : "belongs to another user";
  } catch {
    return "can't be reached by this user";
  }
}

/** Makes the directory if it is missing, and answers its path; whether it is one to trust is another question. */
function makePrivate(path: string): string {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch {
    // It is there already, or it can't be made: the check that follows tells them apart.
  }
  return path;
}

/** Others may write beside it, so it counts only when it is a directory, this user's, and closed to everybody else. */
function privateProblem(path: string, uid: number): string | null {
  try {
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found === undefined) return "can't be made";
    if (found.isSymbolicLink()) return "is a symbolic link";
    if (!found.isDirectory()) return "is not a directory";
    if (found.uid !== uid) return "belongs to another user";
    return (found.mode & 0o077) === 0 ? null : `is open to others (mode ${(found.mode & 0o777).toString(8)})`;
  } catch {
    return "can't be reached by this user";
  }
}

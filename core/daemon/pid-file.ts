/**
 * The pid file, which is part of the contract with lvm: no lvm command even tries to connect when it is missing. Its fcntl lock
 * is what keeps a second daemon out, ours or the C one.
 */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { failureText } from "../../plugins/native/errno.ts";
import { lockFile } from "../../plugins/native/file-lock.ts";

export type PidFileAnswer =
  | { readonly kind: "taken"; readonly pid_file: PidFile }
  /** Another daemon runs; pid 0 when the file does not tell. */
  | { readonly kind: "held"; readonly pid: number }
  | { readonly kind: "failed"; readonly reason: string };

export interface PidFile {
  readonly path: string;
  /** Writes "<pid>\n": from now on lvm commands come. */
  publish(): void;
  /** Removes the file and gives the lock up. */
  remove(): void;
}

/**
 * Opens and locks the pid file. Its content is left alone until `publish`. The descriptor stays open for good, because closing
 * any descriptor of the file would drop the lock. Fails as data.
 */
export function takePidFile(path: string): PidFileAnswer {
  let fd: number;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o644);
  } catch (error) {
    return { kind: "failed", reason: openFailure(path, error) };
  }
  const lock = lockFile(fd);
  if (lock.kind === "locked" && !isFileAt(fd, path)) {
    // A daemon that was ending removed the file between our opening and our locking it: a lock on it keeps nobody out.
    closeSync(fd);
    return takePidFile(path);
  }
  if (lock.kind === "held") {
    const pid = lock.pid === 0 ? readPid(fd) : lock.pid;
    closeSync(fd);
    return { kind: "held", pid };
  }
  if (lock.kind === "failed") {
    closeSync(fd);
    return { kind: "failed", reason: `the pid file ${path} can't be locked: ${failureText(lock)}` };
  }
  return { kind: "taken", pid_file: takenPidFile(path, fd) };
}

/** What a person runs into by being the wrong user comes with what to do. */
function openFailure(path: string, error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : "";
  const isRefused = code === "EACCES" || code === "EPERM" || code === "EROFS";
  const cause = isRefused ? "this user may not write there" : messageOf(error);
  return `the pid file ${path} can't be opened: ${cause}. Name another one with --pid-file, or run as root.`;
}

/** True when the path still leads to the open file. */
function isFileAt(fd: number, path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  return found !== undefined && found.ino === fstatSync(fd).ino;
}

function takenPidFile(path: string, fd: number): PidFile {
  return {
    path,
    publish() {
      ftruncateSync(fd, 0);
      writeSync(fd, `${process.pid}\n`, 0);
    },
    remove() {
      // Unlinked before it is unlocked, so that nobody locks a file that is about to lose its name.
      try {
        unlinkSync(path);
      } catch {
        // Somebody removed it already, and that is what we want.
      }
      closeSync(fd);
    },
  };
}

function readPid(fd: number): number {
  const bytes = Buffer.alloc(16);
  const count = readSync(fd, bytes, 0, bytes.length, 0);
  const pid = Number.parseInt(bytes.toString("latin1", 0, count), 10);
  return Number.isInteger(pid) && pid > 0 ? pid : 0;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

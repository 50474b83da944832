import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";

/** What became of a write; a refused one left the file as it was. */
export type WriteResult =
  | { readonly kind: "written" }
  | { readonly kind: "refused"; readonly reason: string };

// For a file that did not exist: configuration is readable to all, as Debian installs lvm.conf.
const new_file_mode = 0o644;

/**
 * Replaces a file by `bytes` in one step: whoever reads it sees the old or the new content, also after a power cut.
 * Owner and mode stay, a symbolic link stays one. `expected` is what the file held when the edit began, undefined when it
 * did not exist; if somebody else has changed it since, nothing is written. Never throws.
 */
export function replaceFile(path: string, bytes: Uint8Array, expected: Uint8Array | undefined): WriteResult {
  try {
    const target = expected === undefined ? path : realpathSync(path);
    const temporary = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString("hex")}.tmp`);
    try {
      writeTemporary(temporary, bytes, expected === undefined ? undefined : target);
      // As late as possible, since nothing can lock out an editor that somebody has open.
      if (!holds(target, expected)) {
        unlinkSync(temporary);
        return { kind: "refused", reason: `${path} was changed by somebody else` };
      }
      renameSync(temporary, target);
    } catch (error) {
      removeQuietly(temporary);
      throw error;
    }
    syncDirectory(dirname(target));
    return { kind: "written" };
  } catch (error) {
    return { kind: "refused", reason: refusalText(path, error) };
  }
}

/** What went wrong, as a sentence; what a person runs into by being the wrong user comes with what to do. */
function refusalText(path: string, error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : "";
  if (code === "EACCES" || code === "EPERM")
    return `${path} may not be changed by this user. Run it as root.`;
  if (code === "EROFS") return `${path} can't be changed: its file system is mounted read-only.`;
  if (code === "ENOENT")
    return `${path} can't be made: there is no directory ${dirname(path)}. Make it first.`;
  return `${path} can't be written: ${error instanceof Error ? error.message : String(error)}`;
}

function holds(path: string, expected: Uint8Array | undefined): boolean {
  let content: Uint8Array | undefined;
  try {
    content = readFileSync(path);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
  }
  if (content === undefined || expected === undefined) return content === expected;
  return Buffer.compare(content, expected) === 0;
}

function writeTemporary(path: string, bytes: Uint8Array, like: string | undefined): void {
  // O_EXCL also refuses a symbolic link that waits there; closed to others until mode and owner are set.
  const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    writeFileSync(fd, bytes);
    copyOwnerAndMode(fd, like);
    // Before the rename, or a power cut could leave the new name on an empty file.
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function copyOwnerAndMode(fd: number, like: string | undefined): void {
  if (like === undefined) {
    fchmodSync(fd, new_file_mode);
    return;
  }
  const source = openSync(like, constants.O_RDONLY);
  try {
    const info = fstatSync(source);
    const own = fstatSync(fd);
    // Changing the owner drops setuid bits, so the mode comes last.
    if (info.uid !== own.uid || info.gid !== own.gid) fchownSync(fd, info.uid, info.gid);
    fchmodSync(fd, info.mode & 0o7777);
  } finally {
    closeSync(source);
  }
}

function removeQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It may never have been made; the error that led here is the one to tell.
  }
}

function syncDirectory(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

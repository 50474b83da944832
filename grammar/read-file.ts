import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { config_file_bytes_max } from "./bounds.ts";

/** What reading a configuration file gave. A missing file is no error: every one of them is optional. */
export type FileRead =
  | { readonly kind: "read"; readonly bytes: Uint8Array }
  | { readonly kind: "missing" }
  | { readonly kind: "unreadable"; readonly reason: string };

/** How this room gets at files, so that tests and other programs can put something else in place. Never throws. */
export type ReadFile = (path: string) => FileRead;

/** Reads a configuration file from disk: a regular file only, and no more than config_file_bytes_max. */
export const readFileFromDisk: ReadFile = (path) => {
  let fd: number | undefined;
  try {
    // O_NONBLOCK, because opening a FIFO that somebody put there would otherwise wait for ever.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const info = fstatSync(fd);
    if (!info.isFile()) return { kind: "unreadable", reason: "it is not a regular file" };
    return readBounded(fd, info.size);
  } catch (error) {
    if (hasCode(error, "ENOENT") || hasCode(error, "ENOTDIR")) return { kind: "missing" };
    if (hasCode(error, "EACCES") || hasCode(error, "EPERM")) {
      return { kind: "unreadable", reason: "this user may not read it; run it as root" };
    }
    return { kind: "unreadable", reason: error instanceof Error ? error.message : String(error) };
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
};

function readBounded(fd: number, size_bytes: number): FileRead {
  if (size_bytes > config_file_bytes_max) return tooLarge(size_bytes);
  // One byte more than the size tells a file that grew meanwhile.
  const buffer = new Uint8Array(size_bytes + 1);
  let length = 0;
  while (length < buffer.length) {
    const count = readSync(fd, buffer, length, buffer.length - length, null);
    if (count === 0) return { kind: "read", bytes: buffer.slice(0, length) };
    length += count;
  }
  return { kind: "unreadable", reason: "it changed while it was read" };
}

/** Why a file of this size is refused. */
export function tooLarge(size_bytes: number): FileRead {
  return {
    kind: "unreadable",
    reason: `it has ${size_bytes} bytes, and more than ${config_file_bytes_max} are not read`,
  };
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

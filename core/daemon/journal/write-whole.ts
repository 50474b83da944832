/** Writing a whole journal at once, so that one complete file has its name at any moment. */
import { closeSync, constants, openSync, renameSync, unlinkSync, writeSync } from "node:fs";
import { LIMITS } from "../../limits.ts";
import { encodeHeader, type JournalHeader } from "./record.ts";
import type { JournalTable } from "./table.ts";

/** An open journal file and where its next record belongs. */
export interface Written {
  readonly fd: number;
  size_bytes: number;
}

/** No file could be made yet. */
export const NOT_WRITTEN: Written = { fd: -1, size_bytes: 0 };

/**
 * Writes a complete file beside `path` and renames it over: at any moment one complete file has the name. The name of the new
 * file is guessable, so it is created exclusively and never through a link.
 */
export function writeWhole(path: string, header: JournalHeader, table: JournalTable): Written {
  const fresh_path = `${path}.new`;
  unlinkIfThere(fresh_path);
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const fd = openSync(fresh_path, flags, 0o600);
  try {
    const size_bytes = writeAll(fd, header, table);
    renameSync(fresh_path, path);
    return { fd, size_bytes };
  } catch (error) {
    closeSync(fd);
    unlinkIfThere(fresh_path);
    throw error;
  }
}

function writeAll(fd: number, header: JournalHeader, table: JournalTable): number {
  let size_bytes = 0;
  let piece = encodeHeader(header);
  const put = () => {
    const bytes = Buffer.from(piece);
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
    size_bytes += bytes.length;
    piece = "";
  };
  for (const line of table.lines()) {
    piece += line;
    if (piece.length >= LIMITS.journal_read_size_bytes) put();
  }
  put();
  return size_bytes;
}

/** Unlinks a file that may be gone already. */
export function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
  }
}

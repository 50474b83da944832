/** Reads what an earlier daemon left: our journal, or the adopt file of the C daemon. Damage is reported, never fatal. */
import { closeSync, openSync, readSync } from "node:fs";
import { LIMITS } from "../../limits.ts";
import { isCAdoptHeader, readCAdoptLine } from "./c-adopt-file.ts";
import { decodeHeader, decodeRecord, encodeRecord, resemblesHeader } from "./record.ts";
import { createJournalTable, type JournalTable } from "./table.ts";

export interface Recovered {
  /** "absent": no file. "foreign": neither our journal nor the C daemon's adopt file, so it must not be overwritten. */
  readonly source: "absent" | "journal" | "c-adopt-file" | "foreign";
  readonly table: JournalTable;
  /** Lines that could not be read; one torn line at the end of the file is not counted here. */
  readonly damaged_lines: number;
  /** The last line was cut off: the daemon died in the middle of a write, whose record was not told to anybody. */
  readonly torn_tail: boolean;
  /** The file is from an earlier boot of this host: its locks are gone with it, and the table is left empty. */
  readonly earlier_boot: boolean;
}

/** Recovers from `path`. `boot_id` is this boot's, "" when unknown. Throws only when an existing file can't be read at all. */
export function recoverJournal(path: string, boot_id: string): Recovered {
  const lines = readLines(path);
  if (lines === null) return recovered("absent", createJournalTable());
  const first = lines.next();
  if (first.done) return recovered("absent", createJournalTable());
  if (isCAdoptHeader(first.value.text)) return fromCAdoptFile(lines);
  const header = decodeHeader(first.value.text);
  if (header !== null && header.boot_id !== "" && boot_id !== "" && header.boot_id !== boot_id) {
    lines.return();
    return { ...recovered("journal", createJournalTable()), earlier_boot: true };
  }
  return fromJournal(first.value, lines, header !== null);
}

function recovered(source: Recovered["source"], table: JournalTable): Recovered {
  return { source, table, damaged_lines: 0, torn_tail: false, earlier_boot: false };
}

/** A damaged first line does not make the records behind it untrue: any good record shows that the file is a journal. */
function fromJournal(first: Line, rest: Iterable<Line>, has_header: boolean): Recovered {
  const table = createJournalTable();
  let good = has_header || resemblesHeader(first.text) ? 1 : 0;
  let damaged = 0;
  let torn = false;
  const take = (line: Line): void => {
    const record = decodeRecord(line.text);
    if (record !== null) {
      good++;
      table.apply(record, `${line.text}\n`);
    } else if (line.ended) damaged++;
    else torn = true;
  };
  if (!has_header) take(first);
  for (const line of rest) take(line);
  if (good === 0) return recovered("foreign", table);
  return { source: "journal", table, damaged_lines: damaged, torn_tail: torn, earlier_boot: false };
}

function fromCAdoptFile(lines: Iterable<Line>): Recovered {
  const table = createJournalTable();
  const vg_names = new Map<string, string>();
  let damaged = 0;
  for (const { text } of lines) {
    if (text.trim() === "") continue;
    const record = readCAdoptLine(text, vg_names);
    if (record === null) damaged++;
    else table.apply(record, encodeRecord(record));
  }
  return { ...recovered("c-adopt-file", table), damaged_lines: damaged };
}

interface Line {
  readonly text: string;
  /** False for a last line without its line end. */
  readonly ended: boolean;
}

/**
 * The lines of a file, read in pieces, so that memory follows what is live and not what was ever written. A line longer than a
 * record can be is cut there and will fail its checksum. null when there is no file.
 */
function readLines(path: string): Generator<Line, void> | null {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
  return linesOf(fd);
}

function* linesOf(fd: number): Generator<Line, void> {
  const piece = Buffer.alloc(LIMITS.journal_read_size_bytes);
  let rest = Buffer.alloc(0);
  try {
    for (;;) {
      const count = readSync(fd, piece, 0, piece.length, null);
      if (count === 0) break;
      const bytes = Buffer.concat([rest, piece.subarray(0, count)]);
      let start = 0;
      for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
        yield { text: bytes.toString("utf8", start, end), ended: true };
        start = end + 1;
      }
      rest = Buffer.from(bytes.subarray(start));
      if (rest.length > LIMITS.journal_line_size_bytes) {
        yield { text: rest.toString("latin1", 0, LIMITS.journal_line_size_bytes), ended: true };
        rest = Buffer.alloc(0);
      }
    }
    if (rest.length > 0) yield { text: rest.toString("utf8"), ended: false };
  } finally {
    closeSync(fd);
  }
}

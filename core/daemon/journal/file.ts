/**
 * The journal as the running daemon writes it: append-only, one write per turn of the drain loop, rewritten when most of it is
 * garbage. It is not fsynced: it must outlive the daemon, and a host's death takes the locks along.
 */
import { closeSync, ftruncateSync, writeSync } from "node:fs";
import { DEADLINES } from "../../deadlines.ts";
import { LIMITS } from "../../limits.ts";
import type { JournalRecord } from "../../locking/api.ts";
import { encodeRecord, type JournalHeader } from "./record.ts";
import type { JournalCounts, JournalTable } from "./table.ts";
import { NOT_WRITTEN, unlinkIfThere, type Written, writeWhole } from "./write-whole.ts";

export interface JournalOptions {
  readonly path: string;
  readonly header: JournalHeader;
  /** What is live at the start; recovery's table, or an empty one. */
  readonly table: JournalTable;
  /** Told once when writing begins to fail, and once when it works again; `error` is "" then. */
  readonly onTrouble: (error: string) => void;
}

export interface Journal {
  readonly path: string;
  /** Remembers a record for the next flush. True when it claims more than the journal did: a new lock, or a stronger one. */
  append(record: JournalRecord): boolean;
  /**
   * Writes what was appended. False when the file does not hold all records yet: the file system is full or broken. Nothing is
   * lost then, the records stay in memory and the next flush tries again.
   */
  flush(): boolean;
  /** True while records that were appended are not in the file. Cheap. */
  isBehind(): boolean;
  /** True when nothing would be adopted. */
  isEmpty(): boolean;
  counts(): JournalCounts;
  /** Ends writing. `remove` deletes the file, for a daemon that holds nothing any more. */
  close(how: { readonly remove: boolean }): void;
}

/**
 * Creates the file anew from the table (under another name, then renamed), and opens it. When that fails the old file stays, and
 * whatever can't be recorded is refused until it works: a host whose /run is full can still restart its daemon.
 */
export function openJournal(options: JournalOptions): Journal {
  const { path, header, table } = options;
  let pending = "";
  let troubled = false;
  let must_rewrite = true;
  let next_rescue_ms = 0;
  let written: Written = NOT_WRITTEN;
  let records_in_file = table.liveRecords();

  function isBehind(): boolean {
    return pending !== "" || must_rewrite;
  }

  function append(record: JournalRecord): boolean {
    const line = encodeRecord(record);
    // A file that has to be rewritten gets the record from the table.
    if (!must_rewrite) pending += line;
    records_in_file++;
    return table.apply(record, line);
  }

  /** Appends at the known end, so that what a failed write left there is overwritten and not taken for a record. */
  function appendPending(): void {
    const size_bytes = Buffer.byteLength(pending);
    const count = writeSync(written.fd, pending, written.size_bytes);
    if (count < size_bytes) {
      ftruncateSync(written.fd, written.size_bytes);
      throw new Error(`only ${count} of ${size_bytes} bytes were written`);
    }
    written.size_bytes += size_bytes;
    pending = "";
  }

  function compact(): void {
    const fresh = writeWhole(path, header, table);
    if (written !== NOT_WRITTEN) closeSync(written.fd);
    written = fresh;
    records_in_file = table.liveRecords();
    pending = "";
    must_rewrite = false;
  }

  function trouble(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    if (!troubled) options.onTrouble(text);
    troubled = true;
  }

  /** Garbage may be as large as what is live, plus a floor under which rewriting is not worth it. */
  function compactionDue(): boolean {
    return records_in_file > 2 * table.liveRecords() + LIMITS.journal_garbage_records;
  }

  /** A compacted file may be smaller than the one that can't grow, and it has every pending record as well. */
  function compactInstead(): boolean {
    const now_ms = performance.now();
    if (now_ms < next_rescue_ms) return false;
    next_rescue_ms = now_ms + DEADLINES.journal_rescue_ms;
    try {
      compact();
      return true;
    } catch {
      return false;
    }
  }

  function flush(): boolean {
    if (!isBehind()) return true;
    try {
      if (!must_rewrite) appendPending();
      else if (!compactInstead()) return false;
    } catch (error) {
      if (!compactInstead()) {
        trouble(error);
        boundPending();
        return false;
      }
    }
    if (troubled) {
      troubled = false;
      options.onTrouble("");
    }
    if (compactionDue()) compactQuietly();
    return true;
  }

  /** While nothing can be written the text need not pile up: the table has it all, and the whole file is written later. */
  function boundPending(): void {
    if (pending.length < LIMITS.journal_read_size_bytes) return;
    pending = "";
    must_rewrite = true;
  }

  /** The file that we have is complete, so a failure here only means that it stays long. */
  function compactQuietly(): void {
    try {
      compact();
    } catch {
      records_in_file = table.liveRecords();
    }
  }

  function close({ remove }: { readonly remove: boolean }): void {
    if (!remove) flush();
    if (written !== NOT_WRITTEN) closeSync(written.fd);
    if (remove) unlinkIfThere(path);
  }

  try {
    compact();
  } catch (error) {
    trouble(error);
  }
  const isEmpty = () => table.liveRecords() === 0;
  return { path, append, flush, isBehind, isEmpty, counts: table.counts, close };
}

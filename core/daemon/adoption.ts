/** What an earlier daemon left behind: reading its journal, and deciding what this one adopts. */
import { mkdirSync, readFileSync, renameSync } from "node:fs";
import { dirname } from "node:path";
import type { AdoptableLockspace } from "../locking/api.ts";
import { type Journal, openJournal } from "./journal/file.ts";
import { type Recovered, recoverJournal } from "./journal/recover.ts";
import { createJournalTable } from "./journal/table.ts";
import type { Log } from "./log/log.ts";

export interface AdoptionOptions {
  readonly path: string;
  /** --adopt 0: the earlier record is set aside. */
  readonly adopt: boolean;
  readonly boot_id: string;
  readonly log: Log;
}

export type AdoptionAnswer =
  | { readonly kind: "ready"; readonly journal: Journal; readonly lockspaces: readonly AdoptableLockspace[] }
  | { readonly kind: "failed"; readonly reason: string };

/** Recovers the journal at `path` and opens it for this daemon, with all that is to be adopted still in it. */
export function prepareAdoption(options: AdoptionOptions): AdoptionAnswer {
  const { path, adopt, boot_id, log } = options;
  let recovered: Recovered;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    recovered = recoverJournal(path, boot_id);
    if (recovered.source === "foreign") {
      const remedy = "move it away, or name another file with --adopt-file";
      return { kind: "failed", reason: `${path} is no record of lvmlockd: ${remedy}` };
    }
    if (!adopt && recovered.table.liveRecords() > 0) setAside(path, log);
  } catch (error) {
    return { kind: "failed", reason: `the record of held locks can't be used: ${messageOf(error)}` };
  }
  report(path, recovered, log);
  const table = adopt ? recovered.table : createJournalTable();
  const onTrouble = (error: string): void => reportTrouble(path, error, log);
  const journal = openJournal({ path, header: { boot_id, pid: process.pid }, table, onTrouble });
  return { kind: "ready", journal, lockspaces: table.lockspaces() };
}

function setAside(path: string, log: Log): void {
  const kept = `${path}.${new Date().toISOString().replace(/[:.]/g, "-")}`;
  renameSync(path, kept);
  log.warning(`adoption is off: the record of an earlier daemon's locks is kept as ${kept}`);
}

function report(path: string, recovered: Recovered, log: Log): void {
  const { source, damaged_lines, torn_tail, earlier_boot, table } = recovered;
  if (earlier_boot) log.notice(`${path} is from an earlier boot: its locks went with it`);
  if (source === "c-adopt-file") log.notice(`taking over from the lvmlockd of lvm2, whose record is ${path}`);
  if (torn_tail) log.notice(`${path} ends in the middle of a record, which nobody was told of`);
  if (damaged_lines > 0)
    log.error(
      `${path} has ${damaged_lines} damaged lines: locks in them are not adopted and may be left over`,
    );
  for (const lock of table.strayLocks())
    log.error(`${path}: lock ${lock} can't be adopted, its VG's line is lost`);
}

function reportTrouble(path: string, error: string, log: Log): void {
  if (error === "") log.notice(`${path} can be written again`);
  else log.error(`${path} can't be written, and LV locks are refused until it can: ${error}`);
}

/** The kernel's name for this boot; "" when it does not tell. */
export function currentBootId(path = "/proc/sys/kernel/random/boot_id"): string {
  try {
    return readFileSync(path, "latin1").trim();
  } catch {
    return "";
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

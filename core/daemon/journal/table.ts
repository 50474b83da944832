/**
 * What the journal says right now: each live record's line under its key. The same table is filled by recovery and kept by the
 * writer; a compacted file is its lines one after the other.
 */
import type { HeldMode } from "../../../plugins/contract.ts";
import type { AdoptableLock, AdoptableLockspace, JournalRecord } from "../../locking/api.ts";
import { decodeRecord } from "./record.ts";

interface VgLines {
  /** The line of lockspace-started; "" while only locks are known, because order does not matter in the file. */
  started: string;
  readonly locks: Map<string, HeldLine>;
}

interface HeldLine {
  readonly line: string;
  readonly mode: HeldMode;
  readonly persistent: boolean;
}

export interface JournalCounts {
  /** Without the lockspaces that serve a global lock alone. */
  readonly vgs: number;
  readonly locks: number;
}

export interface JournalTable {
  /** Takes a record with its encoded line. True when the journal claims more with it: a new lock, or a stronger one. */
  apply(record: JournalRecord, line: string): boolean;
  /** Live records, which a compacted file has. */
  liveRecords(): number;
  counts(): JournalCounts;
  /** Every live line, for a compacted file. */
  lines(): Iterable<string>;
  /** The lockspaces with their locks; locks of a VG that was never started can't be adopted and are left out. */
  lockspaces(): AdoptableLockspace[];
  /** Locks whose VG's start record is missing or lost, as "VG/lv_uuid". */
  strayLocks(): string[];
}

export function createJournalTable(): JournalTable {
  const vgs = new Map<string, VgLines>();
  let live_lockspaces = 0;
  let live_locks = 0;

  function linesOf(key: string): VgLines {
    let vg = vgs.get(key);
    if (vg === undefined) {
      vg = { started: "", locks: new Map() };
      vgs.set(key, vg);
    }
    return vg;
  }

  function apply(record: JournalRecord, line: string): boolean {
    const key = keyOf(record);
    const vg = linesOf(key);
    switch (record.kind) {
      case "lockspace-started":
        if (vg.started === "") live_lockspaces++;
        vg.started = line;
        return false;
      case "lock-held": {
        const { lv_uuid, mode, persistent } = record;
        const before = vg.locks.get(lv_uuid);
        vg.locks.set(lv_uuid, { line, mode, persistent });
        if (before !== undefined) return claimsMore(before, mode, persistent);
        live_locks++;
        return true;
      }
      case "lock-released":
        if (vg.locks.delete(record.lv_uuid)) live_locks--;
        break;
      case "lockspace-stopped":
        live_locks -= vg.locks.size;
        if (vg.started !== "") live_lockspaces--;
        vg.started = "";
        vg.locks.clear();
        break;
    }
    if (vg.started === "" && vg.locks.size === 0) vgs.delete(key);
    return false;
  }

  function* lines(): Iterable<string> {
    for (const vg of vgs.values()) {
      if (vg.started !== "") yield vg.started;
      for (const held of vg.locks.values()) yield held.line;
    }
  }

  function lockspaces(): AdoptableLockspace[] {
    const found: AdoptableLockspace[] = [];
    for (const vg of vgs.values()) {
      const started = vg.started === "" ? null : decodeRecord(vg.started.trimEnd());
      if (started?.kind !== "lockspace-started") continue;
      const { vg_name, vg_uuid, lock_type, vg_lock_args, host_id } = started;
      const locks = [...vg.locks.values()].flatMap(adoptableLock);
      found.push({ vg_name, vg_uuid, lock_type, vg_lock_args, host_id, locks });
    }
    return found;
  }

  function strayLocks(): string[] {
    const stray: string[] = [];
    for (const [vg_name, vg] of vgs) {
      if (vg.started !== "") continue;
      for (const lv_uuid of vg.locks.keys()) stray.push(`${vg_name}/${lv_uuid}`);
    }
    return stray;
  }

  const liveRecords = () => live_lockspaces + live_locks;
  const counts = (): JournalCounts => {
    let started = 0;
    for (const [key, vg] of vgs) if (vg.started !== "" && !key.startsWith(GLOBAL_KEY)) started++;
    return { vgs: started, locks: live_locks };
  };
  return { apply, liveRecords, counts, lines, lockspaces, strayLocks };
}

/** The lockspaces that serve a global lock have no VG, and are told apart by their type. No VG's name has a blank. */
const GLOBAL_KEY = " ";

function keyOf(record: JournalRecord): string {
  return record.vg_name === "" && "lock_type" in record ? GLOBAL_KEY + record.lock_type : record.vg_name;
}

function claimsMore(before: HeldLine, mode: HeldMode, persistent: boolean): boolean {
  return (before.mode === "sh" && mode === "ex") || (!before.persistent && persistent);
}

function adoptableLock({ line }: HeldLine): AdoptableLock[] {
  const held = decodeRecord(line.trimEnd());
  if (held?.kind !== "lock-held") return [];
  const { lv_uuid, lv_name, lv_lock_args, mode, persistent } = held;
  return [{ lv_uuid, lv_name, lv_lock_args, mode, persistent }];
}

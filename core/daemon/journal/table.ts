/**
 * What the journal says right now: each live record's line under its key. The same table is filled by recovery and kept by the
 * writer; a compacted file is its lines one after the other.
 */
import type { AdoptableLock, AdoptableLockspace, JournalRecord } from "../../locking/api.ts";
import { decodeRecord } from "./record.ts";

interface VgLines {
  /** The line of lockspace-started; "" while only locks are known, because order does not matter in the file. */
  started: string;
  readonly locks: Map<string, string>;
}

export interface JournalTable {
  /** Takes a record with its encoded line. */
  apply(record: JournalRecord, line: string): void;
  /** Live records, which a compacted file has. */
  liveRecords(): number;
  /** Every live line, for a compacted file. */
  lines(): Iterable<string>;
  /** The lockspaces with their locks; locks of a VG that was never started can't be adopted and are left out. */
  lockspaces(): AdoptableLockspace[];
  /** Locks whose VG's start record is missing or lost, as "VG/lv_uuid". */
  strayLocks(): string[];
}

export function createJournalTable(): JournalTable {
  const vgs = new Map<string, VgLines>();
  let live = 0;

  function linesOf(vg_name: string): VgLines {
    let vg = vgs.get(vg_name);
    if (vg === undefined) {
      vg = { started: "", locks: new Map() };
      vgs.set(vg_name, vg);
    }
    return vg;
  }

  function apply(record: JournalRecord, line: string): void {
    const vg = linesOf(record.vg_name);
    switch (record.kind) {
      case "lockspace-started":
        if (vg.started === "") live++;
        vg.started = line;
        return;
      case "lock-held":
        if (!vg.locks.has(record.lv_uuid)) live++;
        vg.locks.set(record.lv_uuid, line);
        return;
      case "lock-released":
        if (vg.locks.delete(record.lv_uuid)) live--;
        break;
      case "lockspace-stopped":
        live -= vg.locks.size + (vg.started === "" ? 0 : 1);
        vg.started = "";
        vg.locks.clear();
        break;
    }
    if (vg.started === "" && vg.locks.size === 0) vgs.delete(record.vg_name);
  }

  function* lines(): Iterable<string> {
    for (const vg of vgs.values()) {
      if (vg.started !== "") yield vg.started;
      yield* vg.locks.values();
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

  return { apply, liveRecords: () => live, lines, lockspaces, strayLocks };
}

function adoptableLock(line: string): AdoptableLock[] {
  const held = decodeRecord(line.trimEnd());
  if (held?.kind !== "lock-held") return [];
  const { lv_uuid, lv_name, lv_lock_args, mode, persistent } = held;
  return [{ lv_uuid, lv_name, lv_lock_args, mode, persistent, device: "unknown" }];
}

/** The journal of one simulated host: what survives its daemon. */
import type { AdoptableLockspace, JournalRecord } from "../../core/locking/api.ts";

type Started = Extract<JournalRecord, { kind: "lockspace-started" }>;
type Held = Extract<JournalRecord, { kind: "lock-held" }>;

export interface SimulatedJournal {
  apply(record: JournalRecord): void;
  /** The machine was reset, and the journal is in memory. */
  wipe(): void;
  held(vg_name: string, lv_uuid: string): Held | undefined;
  isStarted(vg_name: string): boolean;
  /** "lockspace/lv_uuid" of every recorded lock. */
  keys(): string[];
  isEmpty(): boolean;
  /** What a new daemon is given. */
  adoptable(): AdoptableLockspace[];
}

export function createJournal(): SimulatedJournal {
  const started = new Map<string, Started>();
  const locks = new Map<string, Map<string, Held>>();

  function locksOf(vg_name: string): Map<string, Held> {
    let found = locks.get(vg_name);
    if (found === undefined) {
      found = new Map();
      locks.set(vg_name, found);
    }
    return found;
  }

  return {
    apply(record) {
      switch (record.kind) {
        case "lockspace-started":
          started.set(record.vg_name, record);
          return;
        case "lockspace-stopped":
          started.delete(record.vg_name);
          locks.delete(record.vg_name);
          return;
        case "lock-held":
          locksOf(record.vg_name).set(record.lv_uuid, record);
          return;
        case "lock-released":
          locksOf(record.vg_name).delete(record.lv_uuid);
          return;
      }
    },
    wipe() {
      started.clear();
      locks.clear();
    },
    held: (vg_name, lv_uuid) => locks.get(vg_name)?.get(lv_uuid),
    isStarted: (vg_name) => started.has(vg_name),
    keys: () =>
      [...locks].flatMap(([vg_name, held]) => [...held.keys()].map((lv_uuid) => `lvm_${vg_name}/${lv_uuid}`)),
    isEmpty: () => started.size === 0 && [...locks.values()].every((held) => held.size === 0),
    adoptable: () =>
      [...started.values()].map(({ kind: _, ...lockspace }) => ({
        ...lockspace,
        locks: [...locksOf(lockspace.vg_name).values()].map(({ kind: __, vg_name: ___, ...lock }) => lock),
      })),
  };
}

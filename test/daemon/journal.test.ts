import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { openJournal } from "../../core/daemon/journal/file.ts";
import { decodeRecord, encodeRecord } from "../../core/daemon/journal/record.ts";
import { recoverJournal } from "../../core/daemon/journal/recover.ts";
import { createJournalTable, type JournalTable } from "../../core/daemon/journal/table.ts";
import { LIMITS } from "../../core/limits.ts";
import type { JournalRecord } from "../../core/locking/api.ts";

let dir = "";
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "lvmlockd-journal-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

let files = 0;
const freshPath = (): string => join(dir, `journal-${files++}`);
const HEADER = { boot_id: "boot-1", pid: 42 };

const started = (vg_name: string): JournalRecord => ({
  kind: "lockspace-started",
  vg_name,
  vg_uuid: `uuid-of-${vg_name}`,
  lock_type: "dlm",
  vg_lock_args: "1.0.0:local",
  host_id: 7,
});
const held = (vg_name: string, lv_uuid: string, mode: "sh" | "ex" = "ex"): JournalRecord => ({
  kind: "lock-held",
  vg_name,
  lv_uuid,
  lv_name: `lv_${lv_uuid}`,
  lv_lock_args: "dlm",
  mode,
  persistent: true,
});
const released = (vg_name: string, lv_uuid: string): JournalRecord => ({
  kind: "lock-released",
  vg_name,
  lv_uuid,
});

const name = fc.constantFrom("vg0", "vg1", "data.vg", "vg+x_y-z");
const uuid = fc.constantFrom("a", "b", "c", "d", "e");
const record: fc.Arbitrary<JournalRecord> = fc.oneof(
  name.map(started),
  fc.record({ vg: name, lv: uuid, mode: fc.constantFrom("sh", "ex") }).map((x) => held(x.vg, x.lv, x.mode)),
  fc.record({ vg: name, lv: uuid }).map((x) => released(x.vg, x.lv)),
  name.map((vg_name) => ({ kind: "lockspace-stopped", vg_name, lock_type: "dlm" }) as const),
);

function tableOf(records: readonly JournalRecord[]): JournalTable {
  const table = createJournalTable();
  for (const item of records) table.apply(item, encodeRecord(item));
  return table;
}

function writeJournal(records: readonly JournalRecord[], table = createJournalTable()): string {
  const path = freshPath();
  const journal = openJournal({ path, header: HEADER, table, onTrouble: (error) => expect(error).toBe("") });
  for (const item of records) {
    journal.append(item);
    expect(journal.flush()).toBe(true);
  }
  journal.close({ remove: false });
  return path;
}

const sortedLines = (table: JournalTable): string[] => [...table.lines()].sort();

describe("a journal line", () => {
  test("reads back as the record that was written, whatever the names contain", () => {
    const text = fc.string({ unit: "binary", maxLength: 40 });
    fc.assert(
      fc.property(text, text, text, (vg_name, lv_uuid, lv_name) => {
        const item: JournalRecord = {
          ...held("x", "y"),
          kind: "lock-held",
          vg_name,
          lv_uuid,
          lv_name,
        } as never;
        const line = encodeRecord(item);
        expect(line.indexOf("\n")).toBe(line.length - 1);
        expect(decodeRecord(line.slice(0, -1))).toEqual(item);
      }),
    );
  });

  test("is refused after any change of one character", () => {
    const line = encodeRecord(held("vg0", "abc")).trimEnd();
    for (let at = 0; at < line.length; at++) {
      const changed = `${line.slice(0, at)}${line[at] === "0" ? "1" : "0"}${line.slice(at + 1)}`;
      expect(decodeRecord(changed)).toBeNull();
    }
  });
});

describe("recovery", () => {
  test("finds what the same records say in memory", () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 60 }), (records) => {
        const found = recoverJournal(writeJournal(records), "boot-1");
        expect(found.source).toBe("journal");
        expect(found.damaged_lines).toBe(0);
        expect(found.torn_tail).toBe(false);
        expect(sortedLines(found.table)).toEqual(sortedLines(tableOf(records)));
        expect(found.table.liveRecords()).toBe([...found.table.lines()].length);
      }),
      { numRuns: 50 },
    );
  });

  test("of a file cut anywhere finds exactly the records that are whole", () => {
    const records = [started("vg0"), held("vg0", "a"), held("vg0", "b", "sh"), released("vg0", "a")];
    const bytes = readFileSync(writeJournal(records));
    const header_end = bytes.indexOf(10) + 1;
    const path = freshPath();
    for (let size = header_end; size <= bytes.length; size++) {
      writeFileSync(path, bytes.subarray(0, size));
      const whole = bytes.subarray(header_end, size).toString().split("\n").length - 1;
      const found = recoverJournal(path, "boot-1");
      // A line that lacks only its line end is whole: its checksum says so.
      const expected = bytes[size] === 10 ? whole + 1 : whole;
      expect(sortedLines(found.table)).toEqual(sortedLines(tableOf(records.slice(0, expected))));
      expect(found.damaged_lines).toBe(0);
    }
  });

  test("of a file with a flipped bit loses no record but the damaged one and says so", () => {
    const records = [started("vg0"), held("vg0", "a"), held("vg0", "b"), held("vg0", "c")];
    const bytes = readFileSync(writeJournal(records));
    const lines = records.map(encodeRecord);
    const path = freshPath();
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = Buffer.from(bytes);
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      writeFileSync(path, damaged);
      const found = recoverJournal(path, "");
      const lost = lines.filter((line) => ![...found.table.lines()].includes(line));
      const line_end_hit = bytes[bit >> 3] === 10;
      expect(lost.length).toBeLessThanOrEqual(line_end_hit ? 2 : 1);
      if (lost.length > 0) expect(found.damaged_lines + (found.torn_tail ? 1 : 0)).toBeGreaterThan(0);
      expect([...found.table.lines()].every((line) => lines.includes(line))).toBe(true);
    }
  });

  test("leaves locks of an earlier boot alone", () => {
    const found = recoverJournal(writeJournal([started("vg0"), held("vg0", "a")]), "boot-2");
    expect(found.earlier_boot).toBe(true);
    expect(found.table.liveRecords()).toBe(0);
  });

  test("names locks whose VG record is lost", () => {
    const found = recoverJournal(writeJournal([held("vg9", "a")]), "boot-1");
    expect(found.table.strayLocks()).toEqual(["vg9/a"]);
    expect(found.table.lockspaces()).toEqual([]);
  });

  test("tells the lockspaces of two global locks apart, which have no VG", () => {
    const table = createJournalTable();
    const none = {
      kind: "lockspace-started",
      vg_name: "",
      vg_uuid: "",
      vg_lock_args: "",
      host_id: 0,
    } as const;
    for (const lock_type of ["dlm", "idm"] as const)
      table.apply({ ...none, lock_type }, encodeRecord({ ...none, lock_type }));
    expect(table.lockspaces().map(({ lock_type }) => lock_type)).toEqual(["dlm", "idm"]);
    table.apply({ kind: "lockspace-stopped", vg_name: "", lock_type: "dlm" }, "");
    expect(table.lockspaces().map(({ lock_type }) => lock_type)).toEqual(["idm"]);
  });

  test("calls a file of somebody else foreign, and no file absent", () => {
    const path = freshPath();
    writeFileSync(path, "127.0.0.1 localhost\n");
    expect(recoverJournal(path, "").source).toBe("foreign");
    writeFileSync(path, "no line end");
    expect(recoverJournal(path, "").source).toBe("foreign");
    expect(recoverJournal(freshPath(), "").source).toBe("absent");
  });

  test("reads the C daemon's adopt file", () => {
    const path = freshPath();
    writeFileSync(
      path,
      [
        "lvmlockd adopt_version 1.0 pid 4711 updates 3 Sat Nov 22 15:00:00 2025",
        "VG: XPfM4U-BXet-XC7O-NB4S-8ZkI-pEvP-XXYNkp vg1 dlm 1.0.0:test",
        "LV: XPfM4U-BXet-XC7O-NB4S-8ZkI-pEvP-XXYNkp aaaaaa-BXet-XC7O-NB4S-8ZkI-pEvP-XXYNkp dlm ex 5",
        "LV: XPfM4U-BXet-XC7O-NB4S-8ZkI-pEvP-XXYNkp bbbbbb-BXet-XC7O-NB4S-8ZkI-pEvP-XXYNkp  sh 0",
        "",
      ].join("\n"),
    );
    const found = recoverJournal(path, "boot-1");
    expect(found.source).toBe("c-adopt-file");
    expect(found.damaged_lines).toBe(0);
    const [vg] = found.table.lockspaces();
    expect(vg).toMatchObject({ vg_name: "vg1", lock_type: "dlm", vg_lock_args: "1.0.0:test", host_id: 0 });
    expect(vg?.locks.map((lock) => [lock.lv_uuid.slice(0, 6), lock.mode, lock.lv_lock_args])).toEqual([
      ["aaaaaa", "ex", "dlm"],
      ["bbbbbb", "sh", ""],
    ]);
  });
});

describe("the journal file", () => {
  test("is readable by its owner only and starts with what was recovered", () => {
    const table = tableOf([started("vg0"), held("vg0", "a")]);
    const path = writeJournal([held("vg0", "b")], table);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(recoverJournal(path, "boot-1").table.lockspaces()[0]?.locks.length).toBe(2);
  });

  test("is rewritten when most of it is garbage, and says the same afterwards", () => {
    const path = freshPath();
    const table = tableOf([]);
    const journal = openJournal({ path, header: HEADER, table, onTrouble: () => {} });
    journal.append(started("vg0"));
    for (let i = 0; i < LIMITS.journal_garbage_records + 16; i++) {
      journal.append(held("vg0", `lv${i % 3}`, i % 2 === 0 ? "ex" : "sh"));
      journal.flush();
    }
    const size_bytes = statSync(path).size;
    expect(size_bytes).toBeLessThan(2000);
    journal.append(released("vg0", "lv0"));
    journal.flush();
    journal.close({ remove: false });
    const found = recoverJournal(path, "boot-1");
    expect(
      found.table
        .lockspaces()[0]
        ?.locks.map((lock) => lock.lv_uuid)
        .sort(),
    ).toEqual(["lv1", "lv2"]);
  });

  test("is not disturbed by a half-written new file or a link in its place", () => {
    const path = writeJournal([started("vg0"), held("vg0", "a")]);
    const victim = freshPath();
    writeFileSync(victim, "precious");
    symlinkSync(victim, `${path}.new`);
    const { table } = recoverJournal(path, "boot-1");
    openJournal({ path, header: HEADER, table, onTrouble: () => {} }).close({ remove: false });
    expect(readFileSync(victim, "utf8")).toBe("precious");
    expect(recoverJournal(path, "boot-1").table.liveRecords()).toBe(2);
  });

  test("is gone after a close that removes it", () => {
    const path = freshPath();
    openJournal({ path, header: HEADER, table: tableOf([]), onTrouble: () => {} }).close({ remove: true });
    expect(recoverJournal(path, "boot-1").source).toBe("absent");
  });
});

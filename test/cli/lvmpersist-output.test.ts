import { describe, expect, test } from "bun:test";
import { exitOf, PERSIST_EXIT } from "../../cli/lvmpersist/exit.ts";
import { runJson } from "../../cli/lvmpersist/json.ts";
import { lookAt } from "../../cli/lvmpersist/look.ts";
import {
  answerLines,
  deviceTable,
  failureText,
  groupName,
  readLines,
  readTable,
} from "../../cli/lvmpersist/text.ts";
import type { Inspection } from "../../plugins/scsi-pr/actions/job.ts";
import type { DeviceReport, RunReport } from "../../plugins/scsi-pr/actions/report.ts";
import { RESERVATION_TYPES, type Reservation } from "../../plugins/scsi-pr/reservable.ts";

const KEY = 0x1000000000010002n;

function seen(keys: readonly bigint[], reservation: Reservation | null): Inspection {
  return {
    kind: "inspected",
    transport: "scsi",
    state: { generation: 3, keys, reservation },
    capabilities: {
      persist_through_power_loss: { capable: true, active: false },
      types: RESERVATION_TYPES.slice(0, 4),
    },
    registrations: null,
  };
}

const UNSUPPORTED = { kind: "unsupported", detail: "/dev/vda is a virtio disk" } as const;
const GONE = { kind: "gone", detail: "/dev/sdb does not exist" } as const;
const PATHS = ["/dev/sda", "/dev/sdb"];

describe("what lvmpersist prints when it reads", () => {
  const report = lookAt({ kind: "read" }, PATHS, [
    seen([KEY, KEY, 1n], { type: "WE", key: 1n }),
    seen([], null),
  ]);

  test("the lines are those of lvm2's script, a multipath device's key only once", () => {
    expect(readLines("read", report)).toEqual([
      "Device /dev/sda: registered keys: 0x1000000000010002 0x1",
      "Device /dev/sdb: registered keys: none",
      "Device /dev/sda: reservation: WE holder 0x1",
      "Device /dev/sdb: reservation: none holder 0",
    ]);
    const shared = lookAt({ kind: "read" }, PATHS, [seen([1n], { type: "WEAR", key: 0n })]);
    expect(readLines("read-reservation", shared)).toEqual(["Device /dev/sda: reservation: WEAR"]);
  });

  test("the table has a row for each registration, with the host that its key stands for", () => {
    const [, first = ""] = readTable(report);
    expect(first.split(/ {2,}/)).toEqual([
      "/dev/sda",
      "scsi",
      "WE 0x1",
      "off",
      "0x1000000000010002",
      "2",
      "1",
    ]);
  });

  test("a program is told no target port where there is none to tell, and why", () => {
    const full = { key: 1n, holder: false, type: null, initiator: "" } as const;
    const registrations = [
      { ...full, target_port: 7 },
      { ...full, target_port: 0, all_target_ports: true as const },
    ];
    const of = lookAt({ kind: "read" }, PATHS, [{ ...seen([1n], null), registrations }]);
    const facts = { command: { kind: "read" } as const, group: "g", exit_status: 0, warnings: [] };
    const [{ registration }] = JSON.parse(runJson(of, facts, "json_std")).report;
    expect(registration).toMatchObject([
      { target_port: 7, all_target_ports: 0 },
      { target_port: null, all_target_ports: 1 },
    ]);
  });

  test("a PV without persistent reservations is no failure beside others, and is one alone", () => {
    const mixed = lookAt({ kind: "read" }, PATHS, [seen([], null), UNSUPPORTED]);
    expect(exitOf(mixed.result)).toBe(PERSIST_EXIT.ok);
    expect(exitOf(lookAt({ kind: "read" }, PATHS, [UNSUPPORTED]).result)).toBe(PERSIST_EXIT.unsupported);
    expect(exitOf(lookAt({ kind: "read" }, PATHS, [seen([], null), GONE]).result)).toBe(PERSIST_EXIT.device);
  });
});

describe("check-key and devtest", () => {
  const checkKey = { kind: "check-key", key: KEY } as const;
  test("check-key tells all, some, none and unreadable apart", () => {
    const [has, lacks] = [seen([KEY], null), seen([1n], null)];
    const exitWith = (...inspections: Parameters<typeof lookAt>[2]) =>
      exitOf(lookAt(checkKey, PATHS, inspections).result);
    expect(exitWith(has, has)).toBe(PERSIST_EXIT.ok);
    expect(exitWith(has, lacks)).toBe(PERSIST_EXIT.partial);
    expect(exitWith(lacks, lacks)).toBe(PERSIST_EXIT.not_started);
    expect(exitWith(has, GONE)).toBe(PERSIST_EXIT.device);
    expect(answerLines(checkKey, lookAt(checkKey, PATHS, [has, lacks]))).toEqual([
      `Device /dev/sda: has key 0x1000000000010002`,
      `Device /dev/sdb: does not have key 0x1000000000010002`,
    ]);
  });

  test("devtest names the type that is missing", () => {
    const command = { kind: "devtest", typeOf: () => "WEAR" as const } as const;
    const report = lookAt(command, PATHS, [seen([], null)]);
    expect(exitOf(report.result)).toBe(PERSIST_EXIT.unsupported);
    expect(answerLines(command, report)[0]).toStartWith("Device /dev/sda: does not support type WEAR");
  });

  test("devtest says no to a type that start refuses on a multipath map", () => {
    const map = { ...seen([], null), transport: "multipath" as const };
    for (const type of ["WE", "EA", "WERO", "EARO"] as const) {
      const command = { kind: "devtest", typeOf: () => type } as const;
      const report = lookAt(command, PATHS, [map]);
      const isForOnePath = type === "WE" || type === "EA";
      expect(exitOf(report.result)).toBe(isForOnePath ? PERSIST_EXIT.unsupported : PERSIST_EXIT.ok);
      expect(answerLines(command, report)).toEqual([
        isForOnePath
          ? `Device /dev/sda: does not support type ${type} (with ${type} only one path of a multipath device could write; use --access, or --prtype WEAR)`
          : `Device /dev/sda: supports type ${type}`,
      ]);
    }
  });
});

describe("a run that did not come to its end", () => {
  const device = (path: string, extra: Partial<DeviceReport>): DeviceReport => ({
    path,
    transport: "scsi",
    result: "untouched",
    problem: null,
    detail: "",
    state: { generation: 1, keys: [], reservation: null },
    capabilities: null,
    registrations: null,
    ...extra,
  });
  const stop = { kind: "stop", our_key: 1n } as const;
  const partial: RunReport = {
    result: "partial",
    devices: [
      device("/dev/sda", { result: "done" }),
      device("/dev/sdb", { result: "failed", problem: GONE, state: null }),
    ],
  };

  test("says how many devices failed, how many are changed, and each device's reason", () => {
    expect(failureText(stop, "vg0", partial)).toContain("failed on 1 of 2 devices, and 1 are changed");
    expect(deviceTable(partial).join("\n")).toMatch(/sdb +failed +\? +\/dev\/sdb does not exist/);
  });

  test("says of a removal whose abort was not answered that this is not proven, and not that it failed", () => {
    const remove = { kind: "remove", our_key: 1n, remove_key: 2n } as const;
    const unproven = { kind: "unproven", detail: "no answer; the key 0x2 is gone, and so on" } as const;
    const devices = [
      device("/dev/sda", { result: "done" }),
      device("/dev/sdb", { result: "left", problem: unproven }),
    ];
    const report: RunReport = { result: "partial", devices };
    expect(failureText(remove, "vg0", report)).toContain("remove vg0 is not proven on 1 of 2 devices");
    expect(deviceTable(report).join("\n")).toMatch(/sdb +left .*no answer; the key 0x2 is gone/);
  });

  test("has a row for each device in JSON, with keys as a list in json_std and one text in json", () => {
    const facts = { command: stop, group: "vg0", exit_status: 9, warnings: [] };
    const [{ device: typed }] = JSON.parse(runJson(partial, facts, "json_std")).report;
    expect(typed).toMatchObject([
      { status: "ok", result: "done", keys: [], reservation: "none", holder: "", generation: 1, ptpl: null },
      { status: "gone", result: "failed", keys: null, reservation: null },
    ]);
    const two = {
      ...partial,
      devices: [device("/dev/sda", { state: { generation: 1, keys: [1n, 2n], reservation: null } })],
    };
    const [{ device: text }] = JSON.parse(runJson(two, facts, "json")).report;
    expect(text[0]).toMatchObject({ keys: "0x1,0x2", generation: "1" });
  });
});

test("a run without a VG is called after its first and last device", () => {
  expect(groupName(null, ["/dev/sda"])).toBe("sda");
  expect(groupName(null, ["/dev/sda", "/dev/disk/x", "/dev/sdz"])).toBe("sda:sdz");
  expect(groupName("vg0", ["/dev/sda"])).toBe("vg0");
});

import { describe, expect, test } from "bun:test";
import {
  A,
  act,
  B,
  CONFLICT,
  clear,
  disksOf,
  GONE,
  KEY_A,
  KEY_B,
  prints,
  refuseAt,
  results,
  start,
  stop,
  type TestHost,
} from "../action-rig.ts";
import type { FakeDisk } from "../fake-device.ts";

describe("a device that is not as it was before", () => {
  test("is left, not failed, when a stop took our registration and an earlier session's has the same key", async () => {
    const disks = disksOf(1);
    await act(disks, { name: "earlier session" }, start(KEY_A, "sh"));
    await act(disks, A, start(KEY_A, "sh"));
    const report = await act(disks, A, stop(KEY_A));
    expect([report.result, results(report)]).toEqual(["partial", ["left"]]);
    expect(report.devices[0]?.detail).toBe(
      "0x1000000000010001 (host_id 1, generation 1) had 2 registrations before this run and has 1 registration now",
    );
  });

  test("is left when another host registers right after a clear", async () => {
    const disks = disksOf(1);
    const [disk] = disks as [FakeDisk];
    await act(disks, B, start(KEY_B, "sh"));
    let isCleared = false;
    disk.fault = ({ nexus, command }) => {
      isCleared ||= command === "clear";
      if (!isCleared || nexus !== "a" || command !== "readKeys") return null;
      disk.fault = () => null;
      disk.device("", ["b"]).registerAndIgnore({ to: KEY_B, aptpl: false });
      return null;
    };
    const report = await act(disks, A, clear(KEY_A));
    expect([report.result, results(report)]).toEqual(["partial", ["left"]]);
    expect(report.devices[0]?.detail).toBe("it is not reserved any more");
  });

  test("is left when a path of a map that was started before was registered by a run that failed", async () => {
    const disks = disksOf(2);
    await act(disks.slice(0, 1), A, start(KEY_A, "sh"));
    refuseAt(disks[1] as FakeDisk, "reserve", CONFLICT);
    const report = await act(disks, { name: "a", paths: 2 }, start(KEY_A, "sh"));
    expect([report.result, results(report)]).toEqual(["partial", ["left", "failed"]]);
    expect(report.devices[0]?.detail).toContain(
      "had 1 registration before this run and has 2 registrations now",
    );
  });

  test("is no matter of this run where another host came meanwhile", async () => {
    const disks = disksOf(2);
    const [first] = disks as [FakeDisk];
    refuseAt(disks[1] as FakeDisk, "reserve", GONE);
    first.fault = ({ command }) => {
      if (command === "reserve") first.device("", ["b"]).registerAndIgnore({ to: KEY_B, aptpl: false });
      return null;
    };
    const report = await act(disks, A, start(KEY_A));
    expect(first.print()).toBe("b:0x1000000000010002 | none");
    expect(results(report)).toEqual(["undone", "failed"]);
  });
});

describe("a command whose thread died", () => {
  const losing = (op: string, { stays }: { stays: boolean }): TestHost => {
    let isDead = false;
    const disturb: TestHost["disturb"] = ({ device, job }, answer) => {
      if (device !== 1) return answer;
      const isIt = job.kind === "command" && job.command.op === op;
      const isRefused = isDead && stays;
      isDead ||= isIt;
      if (isRefused) return { kind: "failed", detail: "the thread ended" };
      return isIt ? { kind: "lost", detail: "the thread ended" } : answer;
    };
    return { name: "a", disturb };
  };

  test("is looked at again, and what it did is set back", async () => {
    for (const op of ["registerAndIgnore", "reserve"]) {
      const disks = disksOf(2);
      const report = await act(disks, losing(op, { stays: false }), start(KEY_A));
      expect([report.result, results(report)]).toEqual(["failed", ["undone", "failed"]]);
      expect(prints(disks)).toEqual([" | none", " | none"]);
    }
  });

  test("has left something unknown when its device can't be looked at", async () => {
    const disks = disksOf(2);
    const report = await act(disks, losing("registerAndIgnore", { stays: true }), start(KEY_A));
    expect([report.result, results(report)]).toEqual(["partial", ["undone", "left"]]);
    expect(report.devices[1]).toMatchObject({ problem: { detail: "the thread ended" }, state: null });
    expect(report.devices[1]?.detail).toContain("not known what it did");
  });
});

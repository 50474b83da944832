import { describe, expect, test } from "bun:test";
import {
  A,
  act,
  B,
  C,
  CONFLICT,
  disksOf,
  GONE,
  KEY_A,
  KEY_B,
  KEY_B2,
  KEY_C,
  prints,
  refuseAt,
  remove,
  results,
  start,
  stop,
} from "../action-rig.ts";
import { type FakeDisk, fakeDisk } from "../fake-device.ts";

describe("remove", () => {
  const shared = async (): Promise<FakeDisk[]> => {
    const disks = disksOf(2);
    await act(disks, A, start(KEY_A, "sh"));
    await act(disks, B, start(KEY_B, "sh"));
    return disks;
  };

  test("takes another host's key off all devices and says before what that does", async () => {
    const disks = await shared();
    const report = await act(disks, A, remove(KEY_A, KEY_B));
    expect(report.result).toBe("done");
    expect(report.plan.warnings.join()).toContain("its writes fail");
    for (const disk of disks) expect([disk.mayWrite("a"), disk.mayWrite("b")]).toEqual([true, false]);
  });

  test("of a key that was never there is not found, and nothing is said to be removed", async () => {
    const disks = await shared();
    const report = await act(disks, A, remove(KEY_A, 0xdeadn));
    expect(report.result).toBe("not-found");
    expect(report.devices[0]?.problem?.detail).toContain("registered: 0x1000000000010001");
  });

  test("of a host that another survivor has removed already succeeds", async () => {
    const disks = await shared();
    await act(disks, A, remove(KEY_A, KEY_B));
    expect((await act(disks, A, remove(KEY_A, KEY_B))).result).toBe("nothing");
  });

  test("of an old generation is not found while the same host writes with its next key", async () => {
    const disks = await shared();
    await act(disks, B, start(KEY_B2, "sh"));
    expect((await act(disks, A, remove(KEY_A, KEY_B))).result).toBe("not-found");
  });

  test("goes on where only some devices still have the key", async () => {
    const disks = await shared();
    await act(disks.slice(0, 1), A, remove(KEY_A, KEY_B));
    const report = await act(disks, A, remove(KEY_A, KEY_B));
    expect(results(report)).toEqual(["nothing", "done"]);
    expect(report.result).toBe("done");
  });

  test("does not claim an end of the other host's commands when another survivor removes the key in the same moment", async () => {
    const disks = await shared();
    const [first] = disks as [FakeDisk];
    await act(disks, C, start(KEY_C, "sh"));
    first.fault = ({ nexus, command }) => {
      if (nexus !== "a" || command !== "preempt") return null;
      first.fault = () => null;
      first.device("", ["c"]).preempt({ key: KEY_C, remove: KEY_B, type: "WEAR", abort: true });
      return null;
    };
    const report = await act(disks, A, remove(KEY_A, KEY_B));
    expect(results(report)).toEqual(["left", "done"]);
    expect(report.devices[0]?.problem).toEqual({
      kind: "unproven",
      detail:
        "/dev/disk0: reservation conflict; the key 0x1000000000010002 (host_id 2, generation 1) is gone, and it is not known whether its host's commands under way have ended",
    });
    expect(report.result).toBe("partial");
  });

  test("is left on a device that shows the key as gone and did not answer the abort with success", async () => {
    for (const refusal of [GONE, CONFLICT, { kind: "failed", detail: "aborted command" } as const]) {
      const disks = await shared();
      refuseAt(disks[1] as FakeDisk, "preempt", refusal, { loses_answer: true });
      const report = await act(disks, A, remove(KEY_A, KEY_B));
      expect(disks[1]?.print()).not.toContain("b:");
      expect(results(report)).toEqual(["done", "left"]);
      expect(report.devices[1]?.problem).toMatchObject({
        kind: "unproven",
        detail: expect.stringContaining("not known whether its host's commands under way have ended"),
      });
    }
  });

  const PR_KEY = 0xabcn;

  test("of a key that the host has replaced by one of no host_id is not-found, and names that key and what to do", async () => {
    const disks = await shared();
    await act(disks, B, start(PR_KEY, "sh"));
    const report = await act(disks, A, remove(KEY_A, KEY_B));
    expect(report.result).toBe("not-found");
    expect(report.devices[0]?.problem?.detail).toContain(
      "0xabc is registered, made from no host_id, so that the host may write on with it; where no other host needs it: " +
        "lvmpersist remove --ourkey 0x1000000000010001 --removekey 0xabc",
    );
  });

  test("is left on devices where a key of no host_id stays, whether the named key was there or not", async () => {
    const disks = [...(await shared()), fakeDisk(), fakeDisk()];
    await act(disks, A, start(KEY_A, "sh"));
    await act(disks.slice(1, 3), { name: "b-second-port" }, start(PR_KEY, "sh"));
    const report = await act(disks, A, remove(KEY_A, KEY_B));
    expect(results(report)).toEqual(["done", "left", "left", "nothing"]);
    expect(report.devices[2]?.problem).toMatchObject({
      kind: "unproven",
      detail: expect.stringContaining("0xabc is registered, made from no host_id"),
    });
    expect(report.result).toBe("partial");
    expect(report.plan.warnings.join()).toContain("made from no host_id stay on 2 of 4 devices");
    expect(disks.map((disk) => disk.mayWrite("b"))).toEqual(Array(4).fill(false));
  });

  test("is left on devices where the host has a key of another generation, whether the named key was there or not", async () => {
    const disks = [...(await shared()), fakeDisk(), fakeDisk()];
    await act(disks, A, start(KEY_A, "sh"));
    await act(disks.slice(1, 3), { name: "b-second-port" }, start(KEY_B2, "sh"));
    const report = await act(disks, A, remove(KEY_A, KEY_B));
    expect(results(report)).toEqual(["done", "left", "left", "nothing"]);
    expect(report.devices[1]?.problem).toEqual({
      kind: "unproven",
      detail:
        "0x1000000000020002 (host_id 2, generation 2) is registered, of the same host_id in another generation, so that the host may write on; " +
        "where it is to be cut off: lvmpersist remove --ourkey 0x1000000000010001 --removekey 0x1000000000020002",
    });
    expect(report.result).toBe("partial");
    expect(report.plan.warnings.join()).toContain("that host in other generations stay on 2 of 4 devices");
    const again = await act(disks, A, remove(KEY_A, KEY_B2));
    expect([results(again), again.result]).toEqual([["nothing", "done", "done", "nothing"], "done"]);
  });

  test("of an earlier key of our own host_id is done, whose later key is the one that removes it", async () => {
    const disks = disksOf(1);
    await act(disks, B, start(KEY_B2, "sh"));
    await act(disks, { name: "b-second-port" }, start(KEY_B, "sh"));
    expect((await act(disks, B, remove(KEY_B2, KEY_B))).result).toBe("done");
    expect(prints(disks)).toEqual(["b:0x1000000000020002 | WEAR all"]);
  });

  test("changes nothing, and leaves nothing, where another device is refused", async () => {
    const disks = [...(await shared()), fakeDisk()];
    await act(disks.slice(0, 1), { name: "b-second-port" }, start(PR_KEY, "sh"));
    const report = await act(disks, A, remove(KEY_A, KEY_B));
    expect([results(report), report.result]).toEqual([["untouched", "untouched", "failed"], "not-started"]);
  });

  test("among hosts that all have keys of their own making asks for nothing more than the key that is named", async () => {
    const disks = disksOf(2);
    for (const [host, key] of [
      [A, 1n],
      [B, 2n],
      [C, 3n],
    ] as const)
      await act(disks, host, start(key, "sh"));
    expect((await act(disks, A, remove(1n, 2n))).result).toBe("done");
  });

  test("touches nothing unless we are started on every device", async () => {
    const disks = await shared();
    await act(disks.slice(1), A, stop(KEY_A));
    const before = prints(disks);
    expect((await act(disks, A, remove(KEY_A, KEY_B))).result).toBe("not-started");
    expect(prints(disks)).toEqual(before);
  });

  test("refuses a device without a reservation, on which a host without a key could go on writing", async () => {
    const disks = disksOf(1);
    for (const [name, key] of [["a", KEY_A] as const, ["b", KEY_B] as const]) {
      disks[0]?.device("", [name]).register({ from: 0n, to: key, aptpl: false });
    }
    expect((await act(disks, A, remove(KEY_A, KEY_B))).result).toBe("not-started");
  });

  test("is partial when one device goes away in the middle", async () => {
    const disks = await shared();
    refuseAt(disks[1] as FakeDisk, "preempt", GONE, { stays: true });
    const report = await act(disks, A, remove(KEY_A, KEY_B));
    expect(report.result).toBe("partial");
    expect(results(report)).toEqual(["done", "failed"]);
  });

  test("says that it is not known whether a device that can't be read any more has lost the key", async () => {
    const disks = await shared();
    const [, second] = disks as [FakeDisk, FakeDisk];
    let isGone = false;
    second.fault = (arrival) => {
      isGone ||= arrival.command === "preempt";
      return isGone ? { kind: "refuse", refusal: GONE } : null;
    };
    const report = await act(disks, A, remove(KEY_A, KEY_B));
    expect(results(report)).toEqual(["done", "left"]);
    expect(report.devices[1]?.detail).toContain("not known whether the other host's key was removed");
  });
});

import { describe, expect, test } from "bun:test";
import { done, keyOf, refusal, vgOn } from "./host.ts";
import { createWorld } from "./world.ts";

describe("a daemon that comes back to a reservation of another type", () => {
  test.each(["WERO", "EARO"] as const)(
    "raises the alarm when this host holds a PV %s and another host can write, which keeps that",
    async (type) => {
      for (const adopt of ["if-orphan", "only-orphan"] as const) {
        const world = createWorld({ disks_per_vg: 1 });
        const [disk] = world.disks("vg0");
        for (const host_id of [1, 2])
          disk?.open(`host${host_id}`).register({ from: 0n, to: keyOf(host_id), aptpl: true });
        disk?.open("host1").reserve({ key: keyOf(1), type });
        const a = await vgOn(world, 1);
        const { code, detail, owner } = refusal(await a.start({ adopt }));
        expect([code, owner?.host_id, a.host.killed]).toEqual(["EBUSY", 2, ["vg0"]]);
        expect(detail).toContain("under which key 0x1000000000000002 (host_id 2) can write as well");
        expect([disk?.write("host2"), disk?.reservation]).toEqual(["written", { type, key: keyOf(1) }]);
      }
    },
  );

  test("takes up a PV with Write Exclusive that another host has merely registered with", async () => {
    const world = createWorld({ disks_per_vg: 1 });
    const [disk] = world.disks("vg0");
    for (const host_id of [1, 2])
      disk?.open(`host${host_id}`).register({ from: 0n, to: keyOf(host_id), aptpl: true });
    disk?.open("host1").reserve({ key: keyOf(1), type: "EA" });
    const a = await vgOn(world, 1);
    done(await a.start({ adopt: "only-orphan" }));
    expect([a.host.killed, disk?.reservation]).toEqual([[], { type: "WE", key: keyOf(1) }]);
  });

  test("raises the alarm when another host reserves a PV while its type is made the right one", async () => {
    const world = createWorld({ disks_per_vg: 1 });
    const [disk] = world.disks("vg0");
    disk?.open("host1").register({ from: 0n, to: keyOf(1), aptpl: true });
    disk?.open("host1").reserve({ key: keyOf(1), type: "WEAR" });
    disk?.before((nexus, command) => {
      if (nexus !== "host1" || command !== "reserve") return undefined;
      disk.before(null);
      disk.open("host2").register({ from: 0n, to: keyOf(2), aptpl: true });
      disk.open("host2").reserve({ key: keyOf(2), type: "WE" });
      return undefined;
    });
    const a = await vgOn(world, 1);
    const { code, detail } = refusal(await a.start({ adopt: "only-orphan" }));
    expect([code, detail]).toEqual(["EBUSY", "/dev/fake0 is held by key 0x1000000000000002 (host_id 2)"]);
    expect(a.host.killed).toEqual(["vg0"]);
    expect(a.host.news).toContainEqual({
      kind: "log",
      level: "error",
      text: expect.stringMatching(/lost while the reservation of \/dev\/fake0 .*right type.*host_id 2/),
    });
  });

  test("raises the alarm when a released reservation can't be made anew, but not when only the answer is lost", async () => {
    for (const made of [false, true]) {
      const world = createWorld({ disks_per_vg: 1 });
      const [disk] = world.disks("vg0");
      disk?.open("host1").register({ from: 0n, to: keyOf(1), aptpl: true });
      disk?.open("host1").reserve({ key: keyOf(1), type: "WEAR" });
      disk?.before((_nexus, command) => {
        if (command !== "reserve") return undefined;
        disk.before(null);
        if (made) disk.open("host1").reserve({ key: keyOf(1), type: "WE" });
        return { kind: "gone", detail: "gone" };
      });
      const a = await vgOn(world, 1);
      const answer = await a.start({ adopt: "only-orphan" });
      expect([answer.kind, a.host.killed]).toEqual(made ? ["done", []] : ["refused", ["vg0"]]);
      expect(disk?.reservation).toEqual(made ? { type: "WE", key: keyOf(1) } : null);
    }
  });

  test("raises the alarm when a release to correct the type has no answer and the reservation is gone", async () => {
    for (const happened of [false, true]) {
      const world = createWorld({ disks_per_vg: 1 });
      const [disk] = world.disks("vg0");
      disk?.open("host1").register({ from: 0n, to: keyOf(1), aptpl: true });
      disk?.open("host1").reserve({ key: keyOf(1), type: "EARO" });
      disk?.before((_nexus, command) => {
        if (command === "preempt") return { kind: "unsupported", detail: "no PREEMPT" };
        if (command !== "release") return undefined;
        disk.before(null);
        if (happened) disk.open("host1").release({ key: keyOf(1), type: "EARO" });
        return { kind: "gone", detail: "gone" };
      });
      const a = await vgOn(world, 1);
      expect(refusal(await a.start({ adopt: "only-orphan" })).code).toBe("EDEVOPEN");
      expect(a.host.killed).toEqual(happened ? ["vg0"] : []);
    }
  });

  test("releases nothing when the change of the type had no clear answer but was made", async () => {
    const world = createWorld({ disks_per_vg: 1 });
    const [disk] = world.disks("vg0");
    disk?.open("host1").register({ from: 0n, to: keyOf(1), aptpl: true });
    disk?.open("host1").reserve({ key: keyOf(1), type: "WERO" });
    disk?.before((_nexus, command) => {
      if (command !== "preempt") return undefined;
      disk.before(null);
      disk.open("host1").preempt({ key: keyOf(1), remove: keyOf(1), type: "WE", abort: false });
      return { kind: "failed", detail: "the transport was disrupted" };
    });
    const a = await vgOn(world, 1);
    done(await a.start({ adopt: "if-orphan" }));
    expect([a.host.killed, disk?.reservation]).toEqual([[], { type: "WE", key: keyOf(1) }]);
    expect(disk?.changes).not.toContain("release host1");
  });
});

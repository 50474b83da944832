/** Starts that find what an earlier daemon of this host, or another one with its key, has left on the PVs. */
import { describe, expect, test } from "bun:test";
import { stateOf } from "./disks.ts";
import { done, keyOf, refusal, VG, vgOn } from "./host.ts";
import { createWorld } from "./world.ts";

describe("a start", () => {
  test("takes up what this host held before, and its LV locks with it", async () => {
    const world = createWorld();
    done(await (await vgOn(world, 1)).start());
    const again = await vgOn(world, 1);
    done(await again.start({ adopt: "only-orphan" }));
    expect(await again.lock(VG, "ex", "only-orphan")).toMatchObject({ kind: "done", adopted: true });
  });

  test("adopts no LV lock when the PVs were not this host's any more", async () => {
    const world = createWorld();
    const a = await vgOn(world, 1);
    expect(refusal(await a.start({ adopt: "only-orphan" })).code).toBe("EADOPT_NONE");
    done(await a.start({ adopt: "if-orphan" }));
    expect(refusal(await a.lock(VG, "ex", "only-orphan")).code).toBe("EADOPT_NONE");
    done(await a.lock(VG));
  });

  test("raises the alarm when the VG was lost while the daemon was dead", async () => {
    const world = createWorld();
    done(await (await vgOn(world, 2)).start());
    const a = await vgOn(world, 1);
    expect(refusal(await a.start({ adopt: "if-orphan" })).code).toBe("EBUSY");
    expect(a.host.killed).toEqual(["vg0"]);
    expect(refusal(await a.start()).code).toBe("EBUSY");
    expect(a.host.killed).toHaveLength(1);
  });

  test("kills nothing when a device does not say whether its reservation is this host's", async () => {
    const world = createWorld();
    done(await (await vgOn(world, 1)).start());
    const before = world.disks("vg0").map(stateOf);
    const busy = { kind: "failed", detail: "busy" } as const;
    const gone = { kind: "gone", detail: "no answer" } as const;
    // Prepare reads the keys and the reservation before it asks for the nexuses: both the whole answer and one path's may fail.
    for (const [refused, code] of [[busy, "ELOCKIO"] as const, [gone, "EDEVOPEN"] as const])
      for (const fails_at of ["the third read", "probe"]) {
        const a = await vgOn(world, 1);
        let reads = 0;
        world.disks("vg0")[1]?.before((_nexus, command) => {
          const failing = command === "read" && ++reads === 3 ? "the third read" : command;
          return failing === fails_at ? refused : undefined;
        });
        const answer = refusal(await a.start({ adopt: "if-orphan" }));
        expect([answer.code, a.host.killed]).toEqual([code, []]);
        expect(answer.detail).toContain(refused.detail);
        world.disks("vg0")[1]?.before(null);
      }
    expect(world.disks("vg0").map(stateOf)).toEqual(before);
    const again = await vgOn(world, 1);
    done(await again.start({ adopt: "only-orphan" }));
  });

  test("raises the alarm when this host's key is held through another initiator, whatever other devices say", async () => {
    const world = createWorld();
    done(await (await vgOn(world, 1, { nexus: "elsewhere" })).start());
    world
      .disks("vg0")[0]
      ?.before((_nexus, command) => (command === "probe" ? { kind: "failed", detail: "busy" } : undefined));
    const a = await vgOn(world, 1);
    expect(refusal(await a.start({ adopt: "if-orphan" })).code).toBe("EBUSY");
    expect(a.host.killed).toEqual(["vg0"]);
  });

  test("takes up what this host alone holds with another type, and makes it the right one", async () => {
    const world = createWorld({ disks_per_vg: 3 });
    const types = ["EA", "WEAR", "WE"] as const;
    for (const [index, disk] of world.disks("vg0").entries()) {
      const own = disk.open("host1");
      own.register({ from: 0n, to: keyOf(1), aptpl: true });
      own.reserve({ key: keyOf(1), type: types[index] ?? "WE" });
    }
    const plain = await vgOn(world, 1);
    expect(refusal(await plain.start()).detail).toMatch(
      /fake0 is reserved by this host's own key with another type.*fake1 is held by all registrants/,
    );
    const again = await vgOn(world, 1);
    done(await again.start({ adopt: "only-orphan" }));
    expect(again.host.killed).toEqual([]);
    for (const disk of world.disks("vg0"))
      expect(stateOf(disk)).toEqual({
        registered: [["host1", keyOf(1)]],
        reservation: { type: "WE", key: keyOf(1) },
      });
    expect(await again.lock(VG, "ex", "only-orphan")).toMatchObject({ kind: "done", adopted: true });
    const logged = again.host.news.map((one) => (one.kind === "log" ? one.text : ""));
    expect(logged.filter((text) => text.includes("with another type"))).toHaveLength(2);
  });

  test("makes the type right with a release where the device takes no preemption of the own key", async () => {
    const world = createWorld({ disks_per_vg: 1 });
    const [disk] = world.disks("vg0");
    disk?.open("host1").register({ from: 0n, to: keyOf(1), aptpl: true });
    disk?.open("host1").reserve({ key: keyOf(1), type: "WERO" });
    disk?.before((_nexus, command) =>
      command === "preempt" ? { kind: "failed", detail: "invalid field" } : undefined,
    );
    done(await (await vgOn(world, 1)).start({ adopt: "if-orphan" }));
    expect(disk?.reservation).toEqual({ type: "WE", key: keyOf(1) });
  });

  test("takes up a multipath map that another host has merely registered with, and says so", async () => {
    const world = createWorld({ disks_per_vg: 0 });
    const map = world.makeDisk("multipath");
    world.disks("vg0").push(map);
    done(await (await vgOn(world, 1)).start());
    map.open("host2").register({ from: 0n, to: keyOf(2), aptpl: true });
    const again = await vgOn(world, 1);
    done(await again.start({ adopt: "only-orphan" }));
    expect([again.host.killed, map.reservation]).toEqual([[], { type: "WERO", key: keyOf(1) }]);
    expect(again.host.news).toContainEqual({
      kind: "log",
      level: "warning",
      text: expect.stringMatching(/registered by key .*\(host_id 2\) as well.*lvmpersist remove/),
    });
  });

  test("raises the alarm when all registrants hold a PV and one of them is another host", async () => {
    const world = createWorld({ disks_per_vg: 1 });
    const [disk] = world.disks("vg0");
    for (const host_id of [1, 2])
      disk?.open(`host${host_id}`).register({ from: 0n, to: keyOf(host_id), aptpl: true });
    disk?.open("host1").reserve({ key: keyOf(1), type: "WEAR" });
    const a = await vgOn(world, 1);
    expect(refusal(await a.start({ adopt: "if-orphan" })).code).toBe("EBUSY");
    expect(a.host.killed).toEqual(["vg0"]);
  });

  test("raises the alarm when this host's key holds a PV with another type through another initiator", async () => {
    const world = createWorld({ disks_per_vg: 1 });
    const elsewhere = world.disks("vg0")[0]?.open("elsewhere");
    elsewhere?.register({ from: 0n, to: keyOf(1), aptpl: true });
    elsewhere?.reserve({ key: keyOf(1), type: "EA" });
    const a = await vgOn(world, 1);
    expect(refusal(await a.start({ adopt: "if-orphan" })).code).toBe("EBUSY");
    expect(a.host.killed).toEqual(["vg0"]);
    expect(world.disks("vg0")[0]?.reservation).toEqual({ type: "EA", key: keyOf(1) });
  });
});

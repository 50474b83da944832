import { describe, expect, test } from "bun:test";
import { done, keyOf, refusal, removing, VG, vgOn } from "./host.ts";
import { createWorld } from "./world.ts";

describe("a take-over", () => {
  test("cuts the other host off from every PV, and the VG is this host's", async () => {
    const world = createWorld();
    done(await (await vgOn(world, 1)).start());
    const b = await vgOn(world, 2);
    done(await b.start(removing(1)));
    for (const disk of world.disks("vg0")) {
      expect([disk.write("host1"), disk.write("host2")]).toEqual(["conflict", "written"]);
      expect([...disk.registered]).toEqual([["host2", keyOf(2)]]);
    }
    done(await b.lock(VG));
  });

  test("from another key than the one that holds a PV is refused, and changes nothing", async () => {
    const world = createWorld();
    done(await (await vgOn(world, 1)).start());
    const before = world.disks("vg0").map((disk) => disk.changes.length);
    const b = await vgOn(world, 2);
    expect(refusal(await b.start(removing(3))).detail).toContain(
      "held by key 0x1000000000000001 (host_id 1)",
    );
    expect(world.disks("vg0").map((disk) => disk.changes.length)).toEqual(before);
    done(await (await vgOn(world, 1)).leave());
  });

  test("of a VG that nobody has is refused: a plain start does it", async () => {
    const world = createWorld();
    const { code, detail } = refusal(await (await vgOn(world, 2)).start(removing(1)));
    expect([code, detail]).toEqual([
      "ENOENT",
      "key 0x1000000000000001 (host_id 1) is registered on none of the VG's PVs",
    ]);
  });

  test("needs a key that is one", async () => {
    const world = createWorld();
    const b = await vgOn(world, 2);
    expect(refusal(await b.start({ take_over: { remove_key: "0x0" } })).code).toBe("EINVAL");
  });

  test("finishes what a half-dead start of the other host left", async () => {
    const world = createWorld({ disks_per_vg: 3 });
    const [first, second, third] = world.disks("vg0");
    const other = first?.open("host1");
    other?.register({ from: 0n, to: keyOf(1), aptpl: true });
    other?.reserve({ key: keyOf(1), type: "WE" });
    second?.open("host1").register({ from: 0n, to: keyOf(1), aptpl: true });
    done(await (await vgOn(world, 2)).start(removing(1)));
    for (const disk of [first, second, third]) {
      expect(disk && [...disk.registered]).toEqual([["host2", keyOf(2)]]);
      expect(disk?.reservation).toEqual({ type: "WE", key: keyOf(2) });
    }
  });

  test("that fails half-way keeps what it has taken, so that the other host can't write there again", async () => {
    const world = createWorld();
    done(await (await vgOn(world, 1)).start());
    const [first, second] = world.disks("vg0");
    second?.before((nexus, command) =>
      nexus === "host2" && command === "preempt" ? { kind: "gone", detail: "gone" } : undefined,
    );
    const b = await vgOn(world, 2);
    expect(refusal(await b.start(removing(1))).code).toBe("EDEVOPEN");
    expect([first?.write("host1"), second?.write("host1")]).toEqual(["conflict", "written"]);
    expect(second && [...second.registered]).toEqual([["host1", keyOf(1)]]);
    expect(b.host.news).toContainEqual({
      kind: "log",
      level: "error",
      text: expect.stringContaining("after /dev/fake0 had been taken over; they stay reserved"),
    });
    second?.before(null);
    done(await b.start(removing(1)));
    expect(second?.write("host1")).toBe("conflict");
  });

  test("whose answer was lost counts as done where the other host is gone, and stays", async () => {
    const world = createWorld({ disks_per_vg: 1 });
    done(await (await vgOn(world, 1)).start());
    const [disk] = world.disks("vg0");
    disk?.before((nexus, command) => {
      if (nexus !== "host2" || command !== "preempt") return undefined;
      disk.before(null);
      disk.open("host2").preempt({ key: keyOf(2), remove: keyOf(1), type: "WE", abort: true });
      return { kind: "gone", detail: "the answer was lost" };
    });
    const b = await vgOn(world, 2);
    expect(refusal(await b.start(removing(1))).code).toBe("EDEVOPEN");
    expect(disk?.write("host1")).toBe("conflict");
    done(await b.start());
  });

  test("from this host's own key ends what an initiator that is gone has left", async () => {
    const world = createWorld();
    done(await (await vgOn(world, 1, { nexus: "before the reboot" })).start());
    const a = await vgOn(world, 1);
    expect(refusal(await a.start()).detail).toContain("through another initiator");
    done(await a.start(removing(1)));
    for (const disk of world.disks("vg0")) {
      expect([...disk.registered]).toEqual([["host1", keyOf(1)]]);
      expect([disk.write("host1"), disk.write("before the reboot")]).toEqual(["written", "conflict"]);
    }
  });

  test("from this host's own key is refused on a multipath map, whose refusals name another way", async () => {
    const world = createWorld({ disks_per_vg: 0 });
    const map = world.makeDisk("multipath");
    world.disks("vg0").push(map);
    done(await (await vgOn(world, 1, { nexus: "other" })).start());
    const before = map.changes.length;
    const a = await vgOn(world, 1);
    for (const order of [{}, removing(1)]) {
      const { code, detail } = refusal(await a.start(order));
      expect(code).toBe("EBUSY");
      expect(detail).toContain(
        "hen no host uses the VG, run lvmpersist clear --ourkey 0x1000000000000001 --device /dev/fake0",
      );
      expect(detail).not.toContain("takeover");
    }
    expect([map.changes.length, map.write("other")]).toEqual([before, "written"]);
  });

  test("gives a PV back that had left the VG before it was taken over, and says who lost it", async () => {
    const world = createWorld();
    const [first, second] = world.disks("vg0");
    done(await (await vgOn(world, 1)).start());
    const b = await vgOn(world, 2);
    done(await b.handle.prepare({ repair: false, adopt: "no", ...removing(1) }));
    // vgsplit on host 1, between lvm's answer and the take-over.
    world.disks("vg0").pop();
    done(await b.handle.join({ adopt: "no", nodelay: false, repair: false, ...removing(1) }));
    expect(first?.reservation?.key).toBe(keyOf(2));
    expect([[...(second?.registered ?? [])], second?.reservation]).toEqual([[], null]);
    expect(b.host.news).toContainEqual({
      kind: "log",
      level: "error",
      text: expect.stringMatching(
        /\/dev\/fake1 left the VG while that was taken over, and key .*\(host_id 1\) was cut off from it/,
      ),
    });
    b.host.tick();
    expect(b.host.killed).toEqual([]);
  });

  test("is refused where a third host can write under the other one's reservation", async () => {
    const world = createWorld({ disks_per_vg: 1 });
    const [disk] = world.disks("vg0");
    for (const host_id of [1, 3])
      disk?.open(`host${host_id}`).register({ from: 0n, to: keyOf(host_id), aptpl: true });
    disk?.open("host1").reserve({ key: keyOf(1), type: "WERO" });
    const { code, detail } = refusal(await (await vgOn(world, 2)).start(removing(1)));
    expect([code, detail]).toEqual(["EBUSY", expect.stringContaining("(host_id 3) can write as well")]);
    expect([disk?.write("host1"), disk?.write("host3")]).toEqual(["written", "written"]);
  });

  test("from this host's own key that the storage refuses says what to do, and leaves nothing behind", async () => {
    const world = createWorld();
    done(await (await vgOn(world, 1, { nexus: "before the reboot" })).start());
    for (const disk of world.disks("vg0"))
      disk.before((nexus, command) =>
        nexus === "host1" && (command === "preempt" || command === "release")
          ? { kind: "conflict", detail: "RESERVATION CONFLICT" }
          : undefined,
      );
    const { code, detail } = refusal(await (await vgOn(world, 1)).start(removing(1)));
    expect([code, detail]).toEqual(["EBUSY", expect.stringMatching(/earlier session .* on another host/)]);
    for (const disk of world.disks("vg0"))
      expect([...disk.registered]).toEqual([["before the reboot", keyOf(1)]]);
  });
});

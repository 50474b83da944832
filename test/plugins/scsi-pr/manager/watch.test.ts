import { describe, expect, test } from "bun:test";
import { DEADLINES } from "../../../../core/deadlines.ts";
import { done, keyOf, LV, refusal, removing, VG, vgOn } from "./host.ts";
import { createWorld } from "./world.ts";

describe("a started VG", () => {
  test("that was taken over is lost at the next look, once, and grants nothing more", async () => {
    const world = createWorld();
    const a = await vgOn(world, 1);
    done(await a.start());
    a.host.tick();
    expect(a.host.news).toEqual([]);
    done(await (await vgOn(world, 2)).start(removing(1)));
    a.host.tick();
    a.host.tick();
    const reason = "/dev/fake0 was taken over by key 0x1000000000000002 (host_id 2)";
    expect(a.host.news).toEqual([{ kind: "lockspace-lost", lockspace_name: "lvm_vg0", reason }]);
    expect(a.host.killed).toEqual(["vg0"]);
    expect(refusal(await a.lock(VG))).toMatchObject({ code: "EVGKILLED", detail: reason });
    done(await a.leave());
    expect(world.disks("vg0").map((disk) => disk.reservation?.key)).toEqual([keyOf(2), keyOf(2)]);
  });

  test("grants nothing any more half a second after a take-over, and until then the disks refuse its writes", async () => {
    for (const transport of ["scsi", "multipath"] as const) {
      const world = createWorld({ disks_per_vg: 0 });
      world.disks("vg0").push(world.makeDisk(transport), world.makeDisk(transport));
      const a = await vgOn(world, 1);
      done(await a.start());
      done(await a.lock(VG));
      done(await (await vgOn(world, 2)).start(removing(1)));
      // Granted or not, which the clock decides, it is worth nothing.
      await a.lock(LV);
      expect(world.disks("vg0").map((disk) => disk.write("host1"))).toEqual(["conflict", "conflict"]);
      await Bun.sleep(DEADLINES.pr_fresh_ms);
      expect(refusal(await a.lock(LV)).code).toBe("EVGKILLED");
    }
  });

  test("is lost as well when another host takes it with the same key", async () => {
    const world = createWorld();
    const a = await vgOn(world, 1);
    done(await a.start());
    a.host.tick();
    done(await (await vgOn(world, 1, { nexus: "thief" })).start(removing(1)));
    a.host.tick();
    expect(a.host.news).toMatchObject([
      { kind: "lockspace-lost", reason: expect.stringContaining("another host uses the same key") },
    ]);
  });

  test("is lost when a device has forgotten its reservation", async () => {
    const world = createWorld();
    const a = await vgOn(world, 1);
    done(await a.start());
    world
      .disks("vg0")[1]
      ?.open("host1")
      .clear({ key: keyOf(1) });
    a.host.tick();
    expect(a.host.news).toMatchObject([
      { kind: "lockspace-lost", reason: "/dev/fake1 has no reservation any more" },
    ]);
  });

  test("with a device that does not answer is not lost, but grants nothing until it answers again", async () => {
    const world = createWorld();
    const a = await vgOn(world, 1);
    done(await a.start());
    world.disks("vg0")[1]?.breakDown("*", "gone");
    for (let looks = 0; looks < 5; looks++) a.host.tick();
    expect(refusal(await a.lock(VG)).code).toBe("ELOCKIO");
    expect(a.host.news.map((one) => one.kind)).toEqual(["log"]);
    expect(a.host.killed).toEqual([]);
    world.disks("vg0")[1]?.breakDown("*", null);
    a.host.tick();
    expect(a.host.news).toContainEqual({
      kind: "log",
      level: "warning",
      text: expect.stringContaining("/dev/fake1 answers again"),
    });
    done(await a.lock(VG));
  });

  test("with a device that does not say whether it is this host's is asked again until it does", async () => {
    const world = createWorld();
    const a = await vgOn(world, 1);
    done(await a.start());
    a.host.tick();
    done(await (await vgOn(world, 1, { nexus: "thief" })).start(removing(1)));
    for (const disk of world.disks("vg0"))
      disk.before((_nexus, command) =>
        command === "probe" ? { kind: "failed", detail: "busy" } : undefined,
      );
    for (let looks = 0; looks < 3; looks++) a.host.tick();
    expect(refusal(await a.lock(VG)).code).toBe("ELOCKIO");
    const text =
      "VG vg0: nothing is known of the reservation of /dev/fake0: whether this host is registered through /dev/fake0 is not known: busy";
    expect(a.host.news[0]).toEqual({ kind: "log", level: "warning", text });
    // Once for each device, however often it is asked.
    expect(a.host.news).toHaveLength(2);
    expect(a.host.killed).toEqual([]);
    world.disks("vg0")[0]?.before(null);
    a.host.tick();
    expect(a.host.killed).toEqual(["vg0"]);
    expect(refusal(await a.lock(VG)).code).toBe("EVGKILLED");
  });

  test("that was lost or left converts no lock to exclusive, but still to shared", async () => {
    const world = createWorld();
    const a = await vgOn(world, 1);
    const convert = async (from: "sh" | "ex", mode: "sh" | "ex") =>
      await a.handle.convert({ resource: VG, from, mode, r_version: 0 });
    done(await a.start());
    done(await a.lock(VG, "sh"));
    done(await convert("sh", "ex"));
    done(await convert("ex", "sh"));
    done(await (await vgOn(world, 2)).start(removing(1)));
    a.host.tick();
    expect(refusal(await convert("sh", "ex")).code).toBe("EVGKILLED");
    done(await convert("ex", "sh"));
    done(await a.leave());
    expect(refusal(await convert("sh", "ex")).code).toBe("ENOTCONN");
  });

  test("converts no lock to exclusive while a device does not answer", async () => {
    const world = createWorld();
    const a = await vgOn(world, 1);
    done(await a.start());
    done(await a.lock(VG, "sh"));
    world.disks("vg0")[1]?.breakDown("*", "gone");
    a.host.tick();
    const upward = { resource: VG, from: "sh", mode: "ex", r_version: 0 } as const;
    expect(refusal(await a.handle.convert(upward)).code).toBe("ELOCKIO");
    world.disks("vg0")[1]?.breakDown("*", null);
    done(await a.handle.convert(upward));
  });

  test("is looked at without changing anything on the devices", async () => {
    const world = createWorld();
    const a = await vgOn(world, 1);
    done(await a.start());
    a.host.tick();
    const generationOf = () => world.disks("vg0").map((disk) => disk.open("x").readKeys());
    const before = generationOf();
    for (let looks = 0; looks < 5; looks++) a.host.tick();
    expect(generationOf()).toEqual(before);
  });

  test("that was left is not looked at any more", async () => {
    const world = createWorld();
    const a = await vgOn(world, 1);
    done(await a.start());
    done(await a.leave());
    a.host.tick();
    expect(a.host.news).toEqual([]);
    expect(refusal(await a.lock(VG)).code).toBe("ENOTCONN");
  });

  test("has no shared LV locks, and says why", async () => {
    const world = createWorld();
    const a = await vgOn(world, 1);
    done(await a.start());
    done(await a.lock(VG, "sh"));
    expect(refusal(await a.lock(LV, "sh")).detail).toContain("scsi-pr has no shared LV locks");
    done(await a.lock(LV, "ex"));
    const resource = LV;
    const converted = await a.handle.convert({ resource, from: "ex", mode: "sh", r_version: 0 });
    expect(refusal(converted).code).toBe("EINVAL");
  });
});

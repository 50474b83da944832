import { describe, expect, test } from "bun:test";
import { done, keyOf, LV, removing, vgOn } from "./host.ts";
import { createWorld } from "./world.ts";

/** A VG on one multipath map. */
function worldWithMap() {
  const world = createWorld({ disks_per_vg: 0 });
  const map = world.makeDisk("multipath");
  world.disks("vg0").push(map);
  return { world, map };
}

const texts = (news: readonly { kind: string; text?: string }[]): string[] =>
  news.map((one) => one.text ?? one.kind);

describe("a key of another host on a started VG's multipath map", () => {
  test("is told once, after two looks, and again when it is gone; locks are granted meanwhile", async () => {
    const { world, map } = worldWithMap();
    const a = await vgOn(world, 1);
    done(await a.start());
    a.host.tick();
    map.open("host2").register({ from: 0n, to: keyOf(2), aptpl: true });
    a.host.tick();
    expect(texts(a.host.news)).toEqual([]);
    for (let looks = 0; looks < 3; looks++) a.host.tick();
    expect(a.host.news).toMatchObject([{ kind: "log", level: "error" }]);
    expect(texts(a.host.news)).toEqual([
      expect.stringMatching(/fake0 is registered by key .*\(host_id 2\) as well.*lvmpersist remove/),
    ]);
    done(await a.lock(LV));
    map.open("host2").register({ from: keyOf(2), to: 0n, aptpl: true });
    a.host.tick();
    expect(texts(a.host.news)).toHaveLength(2);
    expect(texts(a.host.news)[1]).toContain("is registered on /dev/fake0 no more");
    expect(a.host.killed).toEqual([]);
  });

  test("is removed at the next look where the VG was taken over from it", async () => {
    const { world, map } = worldWithMap();
    done(await (await vgOn(world, 1)).start());
    const b = await vgOn(world, 2);
    done(await b.start(removing(1)));
    // Host 1 had a REGISTER under way when it was cut off.
    map.open("host1").register({ from: 0n, to: keyOf(1), aptpl: true });
    expect(map.write("host1")).toBe("written");
    b.host.tick();
    expect([map.write("host1"), [...map.registered]]).toEqual(["conflict", [["host2", keyOf(2)]]]);
    expect(texts(b.host.news).at(-1)).toMatch(
      /\(host_id 1\), from which the VG was taken over, was registered on \/dev\/fake0 again, and is removed/,
    );
  });

  test("that can't be removed is told once, and tried again at each look", async () => {
    const { world, map } = worldWithMap();
    done(await (await vgOn(world, 1)).start());
    const b = await vgOn(world, 2);
    done(await b.start(removing(1)));
    map.open("host1").register({ from: 0n, to: keyOf(1), aptpl: true });
    map.before((_nexus, command) =>
      command === "preempt" ? { kind: "failed", detail: "not now" } : undefined,
    );
    const before = b.host.news.length;
    for (let looks = 0; looks < 3; looks++) b.host.tick();
    expect(texts(b.host.news).slice(before)).toEqual([
      expect.stringContaining("could not be removed: not now"),
    ]);
    map.before(null);
    b.host.tick();
    expect(map.write("host1")).toBe("conflict");
  });

  test("on a disk with one path is nobody's business: it can't write", async () => {
    const world = createWorld();
    const a = await vgOn(world, 1);
    done(await a.start());
    for (const disk of world.disks("vg0"))
      disk.open("host2").register({ from: 0n, to: keyOf(2), aptpl: true });
    for (let looks = 0; looks < 3; looks++) a.host.tick();
    expect(a.host.news).toEqual([]);
  });
});

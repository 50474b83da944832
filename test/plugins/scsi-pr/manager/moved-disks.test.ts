/** Disks that come back under another name after the storage was away, while another disk has theirs. */
import { describe, expect, test } from "bun:test";
import { stateOf } from "./disks.ts";
import { done, keyOf, LV, refusal, removing, type VgOnHost, vgOn } from "./host.ts";
import { createWorld } from "./world.ts";

const texts = (news: readonly { kind: string; text?: string; reason?: string }[]): string[] =>
  news.map((one) => one.text ?? one.reason ?? one.kind);

/** The VG on /dev/fake0, and a disk of somebody else's, reserved by host 7, on /dev/fake1. */
async function startedBesideAnother() {
  const world = createWorld({ disks_per_vg: 0 });
  const [disk, other] = [world.makeDisk(), world.makeDisk()];
  world.disks("vg0").push(disk);
  const owner = other.open("host7");
  owner.register({ from: 0n, to: keyOf(7), aptpl: true });
  owner.reserve({ key: keyOf(7), type: "WE" });
  const a = await vgOn(world, 1);
  done(await a.start());
  return { world, disk, other, a };
}

async function look(a: VgOnHost, looks = 1): Promise<void> {
  for (; looks > 0; looks--) {
    a.host.tick();
    await Bun.sleep(0);
  }
}

describe("a disk that has the name of a started VG's PV", () => {
  test("but is another one is not looked at: the VG is not lost, no lock is granted, and the log names both", async () => {
    const { world, disk, other, a } = await startedBesideAnother();
    world.unplug(disk, other);
    world.plug("/dev/fake0", other);
    await look(a, 3);
    expect(a.host.killed).toEqual([]);
    expect(refusal(await a.lock(LV))).toMatchObject({
      code: "ELOCKIO",
      detail: expect.stringMatching(
        /\/dev\/fake0 is another disk now \(naa\.\/dev\/fake1\) than the one that was reserved \(naa\.\/dev\/fake0\)/,
      ),
    });
    expect(texts(a.host.news).filter((text) => text.includes("is another disk now"))).toHaveLength(1);
  });

  test("is found under its new name, and the VG goes on", async () => {
    const { world, disk, other, a } = await startedBesideAnother();
    world.unplug(disk, other);
    world.plug("/dev/fake0", other);
    world.plug("/dev/fake7", disk);
    await look(a, 2);
    expect(texts(a.host.news)).toContainEqual(expect.stringContaining("the PV /dev/fake0 is /dev/fake7 now"));
    done(await a.lock(LV));
    done(await a.leave());
    expect(stateOf(disk)).toEqual({ registered: [], reservation: null });
    expect(stateOf(other)).toEqual({
      registered: [["host7", keyOf(7)]],
      reservation: { type: "WE", key: keyOf(7) },
    });
  });

  test("is not asked who has the VG: it is lost when the PV, under its new name, is another host's", async () => {
    const { world, disk, other, a } = await startedBesideAnother();
    world.unplug(disk, other);
    world.plug("/dev/fake0", other);
    world.plug("/dev/fake7", disk);
    done(await (await vgOn(world, 2)).start(removing(1)));
    await look(a, 2);
    expect(a.host.killed).toEqual(["vg0"]);
    expect(texts(a.host.news).at(-1)).toMatch(/\/dev\/fake7 was taken over by key .*\(host_id 2\)/);
  });

  test("is not given back when the VG is stopped, and is not this host's either when it has the host's key", async () => {
    const { world, disk, a } = await startedBesideAnother();
    // Another VG of this host, on a disk that gets the name.
    const second = world.makeDisk();
    const own = second.open("host1");
    own.register({ from: 0n, to: keyOf(1), aptpl: true });
    own.reserve({ key: keyOf(1), type: "WE" });
    const before = stateOf(second);
    world.unplug(disk, second);
    world.plug("/dev/fake0", second);
    await look(a, 3);
    expect(refusal(await a.lock(LV)).code).toBe("ELOCKIO");
    done(await a.leave());
    expect(stateOf(second)).toEqual(before);
    expect(texts(a.host.news).at(-1)).toContain("/dev/fake0 could not be released");
  });

  test("is not the PV because lvm takes it for that: a copy of the disk is another disk", async () => {
    const { world, disk, a } = await startedBesideAnother();
    const copy = world.makeDisk();
    world.unplug(disk);
    world.lvmSays({ kind: "pvs", pvs: [{ id: "/dev/fake0", path: "/dev/fake2" }] });
    await look(a, 4);
    expect(refusal(await a.lock(LV)).code).toBe("ELOCKIO");
    expect(copy.changes).toEqual([]);
    expect(
      texts(a.host.news).filter((text) =>
        /lvm has the PV \/dev\/fake0 at \/dev\/fake2 now, which is another disk/.test(text),
      ),
    ).toHaveLength(1);
  });
});

test("a start during which the names of disks change reserves none of them", async () => {
  const world = createWorld({ disks_per_vg: 0 });
  const [disk, other] = [world.makeDisk(), world.makeDisk()];
  world.disks("vg0").push(disk);
  // lvm has told /dev/fake0, which leads to the other disk when it is opened.
  world.lvmSays({ kind: "pvs", pvs: [{ id: "the PV", path: "/dev/fake1" }] });
  const a = await vgOn(world, 1);
  done(await a.handle.prepare({ repair: false, adopt: "no" }));
  world.lvmSays({ kind: "pvs", pvs: [{ id: "the PV", path: "/dev/fake0" }] });
  const joined = await a.handle.join({ adopt: "no", nodelay: false, repair: false });
  expect(refusal(joined)).toMatchObject({
    code: "EPREPARE",
    detail: expect.stringMatching(/reserved as \/dev\/fake1 .*lvm has it at \/dev\/fake0/),
  });
  expect([disk, other].map(stateOf)).toEqual([
    { registered: [], reservation: null },
    { registered: [], reservation: null },
  ]);
});

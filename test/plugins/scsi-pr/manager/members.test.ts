import { describe, expect, test } from "bun:test";
import type { Refused } from "../../../../plugins/contract.ts";
import { refuse } from "../../../../plugins/contract.ts";
import { done, keyOf, VG, type VgOnHost, vgOn } from "./host.ts";
import { createWorld } from "./world.ts";

/** A command that changes the VG's metadata, to the moment when its PVs have been compared. */
async function changeVg(a: VgOnHost, change: () => void): Promise<void> {
  done(await a.lock(VG));
  change();
  done(await a.unlock(VG, 2));
  await Bun.sleep(0);
}

describe("a started VG", () => {
  test("reserves a PV that vgextend adds, and gives one back that vgreduce removes", async () => {
    const world = createWorld();
    const a = await vgOn(world, 1);
    done(await a.start());
    const added = world.makeDisk();
    await changeVg(a, () => world.disks("vg0").push(added));
    expect(added.reservation).toEqual({ type: "WE", key: keyOf(1) });
    await changeVg(a, () => world.disks("vg0").pop());
    expect(added.reservation).toBeNull();
    expect([...added.registered]).toEqual([]);
    expect(world.disks("vg0").map((disk) => disk.reservation?.key)).toEqual([keyOf(1), keyOf(1)]);
  });

  test("reserves an added PV also where another host is registered, and says whose writes fail", async () => {
    const world = createWorld();
    const a = await vgOn(world, 1);
    done(await a.start());
    const added = world.makeDisk();
    added.open("host2").register({ from: 0n, to: keyOf(2), aptpl: false });
    await changeVg(a, () => world.disks("vg0").push(added));
    expect(added.reservation).toEqual({ type: "WE", key: keyOf(1) });
    expect(a.host.news).toContainEqual({
      kind: "log",
      level: "warning",
      text: expect.stringMatching(/registered by key .*\(host_id 2\), whose writes fail from now on/),
    });
  });

  test("does not ask lvm when its metadata did not change", async () => {
    const world = createWorld();
    const a = await vgOn(world, 1);
    done(await a.start());
    const added = world.makeDisk();
    world.disks("vg0").push(added);
    done(await a.lock(VG));
    done(await a.unlock(VG, 0));
    await Bun.sleep(0);
    expect(added.changes).toEqual([]);
  });

  test("tries again at each look to reserve what it could not, and says so once", async () => {
    const world = createWorld();
    const a = await vgOn(world, 1);
    done(await a.start());
    const added = world.makeDisk();
    const other = added.open("host2");
    other.register({ from: 0n, to: keyOf(2), aptpl: false });
    other.reserve({ key: keyOf(2), type: "WE" });
    await changeVg(a, () => world.disks("vg0").push(added));
    for (let looks = 0; looks < 3; looks++) {
      a.host.tick();
      await Bun.sleep(0);
    }
    expect(a.host.news).toEqual([
      {
        kind: "log",
        level: "error",
        text: expect.stringMatching(/not all of them are reserved: .*held by key .*\(host_id 2\)/),
      },
    ]);
    other.register({ from: keyOf(2), to: 0n, aptpl: false });
    a.host.tick();
    await Bun.sleep(0);
    expect(added.reservation?.key).toBe(keyOf(1));
  });

  test("keeps all its PVs while lvm can't tell them", async () => {
    const world = createWorld();
    const a = await vgOn(world, 1);
    done(await a.start());
    const cannotTell: Refused = refuse("EPREPARE", "lvm was killed");
    await changeVg(a, () => world.lvmSays(cannotTell));
    expect(world.disks("vg0").map((disk) => disk.reservation?.key)).toEqual([keyOf(1), keyOf(1)]);
  });
});

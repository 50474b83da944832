import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { FakeDisk } from "../fake-disk.ts";
import { stateOf } from "./disks.ts";
import { done, keyOf, refusal, removing, vgOn } from "./host.ts";
import { createWorld } from "./world.ts";

/** APTPL as the device has it now. */
function persists(disk: FakeDisk): boolean {
  const read = disk.open("onlooker").readCapabilities();
  return read.kind === "done" && read.capabilities.persist_through_power_loss.active;
}

describe("a start", () => {
  test("reserves every PV for this host alone, and the stop gives all of them back", async () => {
    const world = createWorld({ disks_per_vg: 3 });
    const a = await vgOn(world, 1);
    done(await a.start());
    for (const disk of world.disks("vg0")) {
      expect(stateOf(disk)).toEqual({
        registered: [["host1", keyOf(1)]],
        reservation: { type: "WE", key: keyOf(1) },
      });
      expect([disk.write("host1"), disk.write("host2")]).toEqual(["written", "conflict"]);
    }
    done(await a.leave());
    for (const disk of world.disks("vg0")) {
      expect(stateOf(disk)).toEqual({ registered: [], reservation: null });
      expect(disk.open_count).toBe(0);
    }
  });

  test("is refused while another host has the VG, naming key, host_id and every device, and touches nothing", async () => {
    const world = createWorld();
    done(await (await vgOn(world, 1)).start());
    const before = world.disks("vg0").map((disk) => disk.changes.length);
    const { code, detail, owner } = refusal(await (await vgOn(world, 2)).start());
    expect(code).toBe("EBUSY");
    expect(detail).toBe(
      "/dev/fake0 is held by key 0x1000000000000001 (host_id 1); /dev/fake1 is held by key 0x1000000000000001 (host_id 1)",
    );
    expect(owner).toMatchObject({ host_id: 1, name: "0x1000000000000001" });
    expect(world.disks("vg0").map((disk) => disk.changes.length)).toEqual(before);
    expect(world.disks("vg0").map((disk) => disk.open_count)).toEqual([1, 1]);
  });

  test("is refused while another host is registered though nobody reserves, and says how to end that", async () => {
    const world = createWorld();
    for (const disk of world.disks("vg0"))
      disk.open("host3").register({ from: 0n, to: keyOf(3), aptpl: true });
    const before = world.disks("vg0").map(stateOf);
    const a = await vgOn(world, 1);
    const { code, detail, owner } = refusal(await a.start());
    expect([code, owner?.host_id]).toEqual(["EBUSY", 3]);
    expect(detail).toMatch(
      /fake0 is reserved by nobody, but registered by key .*\(host_id 3\).*lvmlockctl takeover/,
    );
    expect(world.disks("vg0").map(stateOf)).toEqual(before);
    expect(world.disks("vg0")[0]?.write("host3")).toBe("written");
    // To take it over is somebody's act.
    done(await a.start(removing(3)));
    expect(world.disks("vg0").map((disk) => disk.write("host3"))).toEqual(["conflict", "conflict"]);
  });

  test("after a daemon that left the VG in use shuts such a host out all the same, and says so", async () => {
    const world = createWorld({ disks_per_vg: 1 });
    world
      .disks("vg0")[0]
      ?.open("host3")
      .register({ from: 0n, to: keyOf(3), aptpl: true });
    const a = await vgOn(world, 1);
    done(await a.start({ adopt: "if-orphan" }));
    expect(a.host.news).toMatchObject([
      {
        level: "warning",
        text: expect.stringMatching(/registered by key .*\(host_id 3\), whose writes fail/),
      },
    ]);
  });

  test("that meets another one gets nothing, and leaves nothing behind", async () => {
    const world = createWorld();
    const [first, second] = world.disks("vg0");
    const other = second?.open("host2");
    // Host 2 is faster on the second PV, after host 1 has looked at it.
    first?.before((nexus, command) => {
      if (nexus !== "host1" || command !== "reserve") return undefined;
      other?.register({ from: 0n, to: keyOf(2), aptpl: false });
      other?.reserve({ key: keyOf(2), type: "WE" });
      return undefined;
    });
    const { detail } = refusal(await (await vgOn(world, 1)).start());
    expect(detail).toBe("/dev/fake1 is held by key 0x1000000000000002 (host_id 2)");
    expect(first && stateOf(first)).toEqual({ registered: [], reservation: null });
    expect(second && stateOf(second)).toEqual({
      registered: [["host2", keyOf(2)]],
      reservation: { type: "WE", key: keyOf(2) },
    });
  });

  test("reserves a PV that was added while it reserved the others", async () => {
    const world = createWorld();
    const a = await vgOn(world, 1);
    const added = world.makeDisk();
    world.disks("vg0")[0]?.before((_nexus, command) => {
      if (command === "reserve" && !world.disks("vg0").includes(added)) world.disks("vg0").push(added);
      return undefined;
    });
    done(await a.start());
    expect(added.reservation).toEqual({ type: "WE", key: keyOf(1) });
  });

  test("with this host's key through another initiator is refused with that reason, and changes nothing", async () => {
    const world = createWorld();
    done(await (await vgOn(world, 1, { nexus: "elsewhere" })).start());
    const before = world.disks("vg0").map(stateOf);
    const a = await vgOn(world, 1);
    // Already by prepare: lvm's command says that a start failed only when this part of it did.
    const { detail } = refusal(await a.handle.prepare({ repair: false }));
    expect(refusal(await a.start()).detail).toBe(detail);
    expect(detail).toMatch(
      /own key 0x1000000000000001 \(host_id 1\), but through another initiator \(elsewhere\): another host has the same/,
    );
    expect(world.disks("vg0").map(stateOf)).toEqual(before);
  });

  test("leaves another key of this host alone and says which it is", async () => {
    const world = createWorld();
    world.disks("vg0")[1]?.open("host1").register({ from: 0n, to: 0xabcn, aptpl: false });
    const before = world.disks("vg0").map(stateOf);
    const a = await vgOn(world, 1);
    expect(refusal(await a.start()).detail).toMatch(/fake1 is .*registered by key 0xabc .*stop --ourkey/);
    const { detail } = refusal(await a.start({ adopt: "if-orphan" }));
    expect(detail).toMatch(/registered on \/dev\/fake1 with a key that is not .*registered: key 0xabc/);
    expect(world.disks("vg0").map(stateOf)).toEqual(before);
  });

  test("that fails sets back whether the device's registrations outlive a loss of power", async () => {
    for (const registered_before of [true, false]) {
      const world = createWorld();
      const [first, second] = world.disks("vg0");
      first?.open("host2").register({ from: 0n, to: keyOf(2), aptpl: false });
      if (registered_before) first?.open("host1").register({ from: 0n, to: keyOf(1), aptpl: false });
      const before = first && stateOf(first);
      let persisted = false;
      second?.before((_nexus, command) => {
        if (command !== "reserve") return undefined;
        persisted = first !== undefined && persists(first);
        return { kind: "gone", detail: "gone" };
      });
      expect(refusal(await (await vgOn(world, 1)).start({ adopt: "if-orphan" })).code).toBe("EDEVOPEN");
      expect([persisted, first && persists(first), first && stateOf(first)]).toEqual([true, false, before]);
    }
  });

  test("needs a host_id or a key, and takes the configured key before the host_id", async () => {
    const world = createWorld();
    const nameless = await vgOn(world, 0);
    const { code, detail } = refusal(await nameless.start());
    expect([code, detail]).toEqual([
      "EHOSTID",
      expect.stringContaining("set local/host_id in lvmlocal.conf"),
    ]);
    done(await (await vgOn(world, 0, { settings: { key: "0xfeed" } })).start());
    expect(world.disks("vg0")[0]?.reservation?.key).toBe(0xfeedn);
  });

  test("keeps the registrations through a loss of power where the device can", async () => {
    const world = createWorld();
    done(await (await vgOn(world, 1)).start());
    for (const disk of world.disks("vg0")) disk.losePower();
    expect(world.disks("vg0").map((disk) => disk.write("host2"))).toEqual(["conflict", "conflict"]);
  });

  test("knows a registration whose answer was lost, and gives it back when the start fails later", async () => {
    for (const fails_later of [false, true]) {
      const world = createWorld();
      const [disk, other] = world.disks("vg0");
      let sent = 0;
      disk?.before((nexus, command) => {
        // The first REGISTER asks whether the key is there; the second one registers it.
        if (command !== "register" || ++sent !== 2) return undefined;
        disk.open(nexus).register({ from: 0n, to: keyOf(1), aptpl: true });
        return { kind: "failed", detail: "the device was reset" };
      });
      if (fails_later)
        other?.before((_nexus, command) =>
          command === "reserve" ? { kind: "gone", detail: "gone" } : undefined,
        );
      const a = await vgOn(world, 1);
      const answer = await a.start();
      expect(answer.kind).toBe(fails_later ? "refused" : "done");
      expect(disk?.registered.has("host1")).toBe(!fails_later);
      const logged = a.host.news.map((one) => (one.kind === "log" ? one.text : ""));
      expect(logged.join()).not.toContain("the device was reset");
    }
  });

  test("gives back a registration whose answer was lost when asking for it fails as well", async () => {
    const world = createWorld();
    const [disk] = world.disks("vg0");
    let sent = 0;
    disk?.before((nexus, command) => {
      if (command !== "register") return undefined;
      sent++;
      if (sent === 2) {
        const asked = sent;
        disk.open(nexus).register({ from: 0n, to: keyOf(1), aptpl: true });
        sent = asked;
      }
      // The third one meets a conflict with the second, and the fourth asks for the key.
      return sent === 2 || sent === 4 ? { kind: "failed", detail: "the device was reset" } : undefined;
    });
    expect(refusal(await (await vgOn(world, 1)).start()).detail).toContain("the device was reset");
    expect([sent > 4, disk?.registered.has("host1")]).toEqual([true, false]);
  });

  test("registers without that where the device refuses it, and says so", async () => {
    const world = createWorld();
    const disk = world.disks("vg0")[0];
    let refused = false;
    disk?.before((_nexus, command) => {
      if (command !== "register" || refused) return undefined;
      // The first REGISTER asks whether the key is there; the second one is the first with APTPL that could succeed.
      refused = disk.changes.length > 0;
      return refused ? { kind: "failed", detail: "no room for APTPL" } : undefined;
    });
    const a = await vgOn(world, 1);
    done(await a.start());
    expect(disk?.reservation?.key).toBe(keyOf(1));
    const logged = a.host.news.map((one) => (one.kind === "log" ? one.text : ""));
    expect(logged.join()).toContain("no room for APTPL");
  });

  test("on a multipath map lets every path of this host write, and no other host", async () => {
    const world = createWorld({ disks_per_vg: 0 });
    const map = world.makeDisk("multipath");
    world.disks("vg0").push(map);
    map.open("host2").register({ from: 0n, to: keyOf(2), aptpl: false });
    const a = await vgOn(world, 1);
    expect(refusal(await a.start()).detail).toMatch(/registered by key .*\(host_id 2\), which could write/);
    map.open("host2").register({ from: keyOf(2), to: 0n, aptpl: false });
    done(await a.start());
    expect(map.reservation?.type).toBe("WERO");
  });
});

test("a start keeps no PV that had left the VG by then, and leaves what was registered there before", async () => {
  const world = createWorld({ disks_per_vg: 3 });
  const [first, second, third] = world.disks("vg0");
  second?.open("host1").register({ from: 0n, to: keyOf(1), aptpl: false });
  const before = second && stateOf(second);
  const a = await vgOn(world, 1);
  done(await a.handle.prepare({ repair: false, adopt: "no" }));
  world.disks("vg0").splice(1);
  done(await a.handle.join({ adopt: "no", nodelay: false, repair: false }));
  expect(first?.reservation?.key).toBe(keyOf(1));
  expect(second && stateOf(second)).toEqual(before);
  expect(third && stateOf(third)).toEqual({ registered: [], reservation: null });
  expect(third?.open_count).toBe(0);
});

test("a start whose RESERVE was carried out though its answer was lost gives the device back", async () => {
  const world = createWorld({ disks_per_vg: 1 });
  const [disk] = world.disks("vg0");
  disk?.before((_nexus, command) => {
    if (command !== "reserve") return undefined;
    disk.before(null);
    disk.open("host1").reserve({ key: keyOf(1), type: "WE" });
    return { kind: "gone", detail: "the answer was lost" };
  });
  expect(refusal(await (await vgOn(world, 1)).start()).code).toBe("EDEVOPEN");
  expect(disk && stateOf(disk)).toEqual({ registered: [], reservation: null });
});

test("a start that fails at any command leaves every device as it was", () => {
  const before = fc.record({
    registered: fc.boolean(),
    reserved: fc.boolean(),
    other: fc.boolean(),
    aptpl: fc.boolean(),
  });
  return fc.assert(
    fc.asyncProperty(
      fc.array(before, { minLength: 1, maxLength: 4 }),
      fc.nat(30),
      async (disks, fails_at) => {
        const world = createWorld({ disks_per_vg: disks.length });
        for (const [index, disk] of world.disks("vg0").entries()) {
          const { registered, reserved, other, aptpl } = disks[index] ?? {};
          const own = disk.open("host1");
          if (registered) own.register({ from: 0n, to: keyOf(1), aptpl: aptpl === true });
          if (registered && reserved) own.reserve({ key: keyOf(1), type: "WE" });
          if (other) disk.open("host2").register({ from: 0n, to: keyOf(2), aptpl: aptpl === true });
        }
        const statesNow = () =>
          world
            .disks("vg0")
            .map((disk) => ({ ...stateOf(disk), aptpl: disk.registered.size > 0 && persists(disk) }));
        const states = statesNow();
        const a = await vgOn(world, 1);
        let commands = 0;
        for (const disk of world.disks("vg0"))
          disk.before(() =>
            commands++ === fails_at ? { kind: "gone", detail: "gone for the test" } : undefined,
          );
        // A plain start is refused while another host is registered, before any command could fail.
        const answer = await a.start({ adopt: disks.some(({ other }) => other) ? "if-orphan" : "no" });
        if (answer.kind === "done") {
          for (const disk of world.disks("vg0")) expect(disk.write("host2")).toBe("conflict");
        } else {
          expect(answer.detail).toContain("gone for the test");
          expect(statesNow()).toEqual(states);
        }
      },
    ),
    { numRuns: 300 },
  );
});

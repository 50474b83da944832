/** lvmpersist on real SCSI commands: two hosts, each with its own nexus to the LUNs of an array. */
import assert from "node:assert/strict";
import { PERSIST_EXIT } from "../../../cli/lvmpersist/exit.ts";
import type { Host } from "../lab/host.ts";
import type { Disk } from "../lab/shared-disk.ts";
import { scenario } from "../scenario.ts";
import { startStorage } from "../services/lio.ts";
import { atATerminal } from "./lvmpersist/at-a-terminal.ts";
import { badInput } from "./lvmpersist/bad-input.ts";
import { goneInTheMiddle, killedAnywhere, partialFailure } from "./lvmpersist/faults.ts";
import {
  expectOnAll,
  expectWrites,
  KEY_A,
  KEY_B,
  KEY_B2,
  LUNS,
  persist,
  rows,
  type World,
} from "./lvmpersist/world.ts";

async function oneHost(world: World): Promise<void> {
  const { a, b, all, step } = world;
  await step("start registers and reserves, and then the other host's writes fail", async () => {
    await persist(a, `devtest ${all}`);
    assert.match(await persist(a, `start --ourkey ${KEY_A} --vg vg0 ${all}`), /started vg0 with key 0x1/);
    await expectOnAll(world, [KEY_A], /Write Exclusive$/m);
    await expectWrites(world, true, false);
  });
  await step("another host's start is a conflict that changes nothing and names the holder", async () => {
    const said = await persist(b, `start --ourkey ${KEY_B} ${all}`, PERSIST_EXIT.conflict);
    assert.match(said, /WE by 0x1000000000010001 \(host_id 1, generation 1\)/);
    await expectOnAll(world, [KEY_A], /Write Exclusive$/m);
  });
  await step("the lines of lvm2's script are printed in a pipe", async () => {
    const said = await persist(b, `read ${all}`);
    for (const { path } of world.disks) {
      assert.ok(said.includes(`Device ${path}: registered keys: ${KEY_A}\n`));
      assert.ok(said.includes(`Device ${path}: reservation: WE holder ${KEY_A}\n`));
    }
    await persist(b, `check-key --key ${KEY_A} ${all}`);
    await persist(b, `check-key --key ${KEY_B} ${all}`, PERSIST_EXIT.not_started);
  });
  await step("start --removekey under load cuts the old holder off in the middle of its writes", async () => {
    const path = world.disks[0]?.path;
    const load = a.run(
      `while dd if=/dev/zero of=${path} bs=64k count=16 oflag=direct 2>&1; do :; done; echo lost`,
    );
    await persist(b, `start --ourkey ${KEY_B} --removekey 0xdead ${all}`, PERSIST_EXIT.not_found);
    const said = await persist(b, `start --ourkey ${KEY_B} --removekey ${KEY_A} ${all}`);
    assert.match(said, /warning: .*host_id 1.* loses 3 of 3 devices/);
    assert.match((await load).stdout, /lost/);
    await expectOnAll(world, [KEY_B], /Write Exclusive$/m);
    await expectWrites(world, false, true);
    // An answer that was lost is no reason for the second try to fail.
    await persist(b, `start --ourkey ${KEY_B} --removekey ${KEY_A} ${all}`);
  });
  await step("stop frees the devices, and again is no failure", async () => {
    await persist(b, `stop --ourkey ${KEY_B} ${all}`);
    await expectOnAll(world, [], null);
    await persist(b, `stop --ourkey ${KEY_B} ${all}`);
    await expectWrites(world, true, true);
  });
}

async function sharedVg(world: World): Promise<void> {
  const { a, b, all, step } = world;
  await step("both hosts start a shared VG at the same time, and both write", async () => {
    await Promise.all([
      persist(a, `start --ourkey ${KEY_A} --access sh ${all}`),
      persist(b, `start --ourkey ${KEY_B} --access sh ${all}`),
    ]);
    await expectOnAll(world, [KEY_A, KEY_B], /Write Exclusive, all registrants/);
    await expectWrites(world, true, true);
  });
  await step("start with a new key of the same host replaces the old one", async () => {
    await persist(b, `start --ourkey ${KEY_B2} --access sh ${all}`);
    await expectOnAll(world, [KEY_A, KEY_B2], /Write Exclusive, all registrants/);
  });
  await step("remove refuses a key that is not there, and an old generation of a host that is", async () => {
    const said = await persist(
      a,
      `remove --ourkey ${KEY_A} --removekey 0xdead ${all}`,
      PERSIST_EXIT.not_found,
    );
    assert.match(said, /nothing was removed/);
    await persist(a, `remove --ourkey ${KEY_A} --removekey ${KEY_B} ${all}`, PERSIST_EXIT.not_found);
    await persist(b, `remove --ourkey 0xbad --removekey ${KEY_A} ${all}`, PERSIST_EXIT.not_started);
    await expectWrites(world, true, true);
  });
  await step("--dry-run shows what remove would do and does not do it", async () => {
    assert.match(await persist(a, `remove --ourkey ${KEY_A} --removekey ${KEY_B2} -n ${all}`), /planned/);
    await expectWrites(world, true, true);
  });
  await step("remove cuts the other host off, and a second removal finds it done", async () => {
    await persist(a, `remove --ourkey ${KEY_A} --removekey ${KEY_B2} --access sh --vg vg0 ${all}`);
    await expectWrites(world, true, false);
    assert.match(
      await persist(a, `remove --ourkey ${KEY_A} --removekey ${KEY_B2} ${all}`),
      /nothing to remove/,
    );
    for (const row of await rows(a, all)) {
      assert.deepEqual([row.keys, row.reservation, row.status], [[KEY_A], "WEAR", "ok"]);
    }
  });
  await step("clear by the host that was cut off opens the devices for all", async () => {
    await persist(b, `clear --ourkey ${KEY_B} ${all}`);
    await expectOnAll(world, [], null);
    await expectWrites(world, true, true);
  });
}

async function everyType(world: World): Promise<void> {
  const { a, b, all, step, disks } = world;
  const reads = async (host: Host): Promise<boolean> =>
    (await host.run(`dd if=${disks[0]?.path} of=/dev/null bs=4096 count=1 iflag=direct`)).rc === 0;
  /** What a host that is not registered, and one that is, may do: SPC-4 table 59. */
  const table = [
    { type: "WE", read: true, registered: false },
    { type: "EA", read: false, registered: false },
    { type: "WERO", read: true, registered: true },
    { type: "EARO", read: false, registered: true },
    { type: "WEAR", read: true, registered: true },
    { type: "EAAR", read: false, registered: true },
  ];
  for (const { type, read, registered } of table) {
    await step(
      `${type}: others ${read ? "read" : "don't read"}, registered ones ${registered ? "write" : "don't"}`,
      async () => {
        await persist(a, `start --ourkey ${KEY_A} --prtype ${type} ${all}`);
        await expectWrites(world, true, false);
        assert.equal(await reads(b), read);
        const joined = registered ? PERSIST_EXIT.ok : PERSIST_EXIT.conflict;
        await persist(b, `start --ourkey ${KEY_B} --prtype ${type} ${all}`, joined);
        await expectWrites(world, true, registered);
        await persist(b, `stop --ourkey ${KEY_B} ${all}`);
        await persist(a, `stop --ourkey ${KEY_A} ${all}`);
        await expectOnAll(world, [], null);
      },
    );
  }
}

async function powerLoss(world: World): Promise<void> {
  const { a, b, all, step, storage } = world;
  await step("--ptpl lets the reservation outlive a loss of power of the array", async () => {
    await persist(a, `start --ourkey ${KEY_A} --ptpl ${all}`);
    for (const row of await rows(a, all)) assert.equal(row.ptpl, 1);
    await storage.stop();
    await storage.start();
    await a.until(`lvmpersist check-key --key ${KEY_A} ${all}`, { timeout_ms: 60_000 });
    for (const row of await rows(a, all)) assert.deepEqual([row.keys, row.reservation], [[KEY_A], "WE"]);
    // QEMU's initiator has a new session name after it has connected again: host 1 is not the nexus any more that registered.
    await persist(b, `clear --ourkey ${KEY_B} ${all}`);
  });
}

export default scenario(
  "pr-lvmpersist",
  {
    about:
      "lvmpersist on real SCSI: every command, two hosts, killed anywhere, devices that fail or go, people at a terminal.",
    guests: 3,
    timeout_ms: 1_800_000,
  },
  async ({ cluster, step }) => {
    const lab = await cluster({ hosts: 2, disks: [] });
    const [a, b] = [lab.host(1), lab.host(2)];
    const storage = await startStorage(lab, { luns: LUNS, size_mb: 16 });
    const disks: Disk[] = [];
    for (let lun = 0; lun < LUNS; lun++) disks.push(await lab.plug(storage.disk(lun), [a, b]));
    const all = disks.map(({ path }) => `--device ${path}`).join(" ");
    const world: World = { a, b, storage, disks, all, step };
    await oneHost(world);
    await sharedVg(world);
    await everyType(world);
    await partialFailure(world);
    await killedAnywhere(world);
    await badInput(world);
    await atATerminal(world);
    await goneInTheMiddle(world);
    await powerLoss(world);
  },
);

/** lvmpersist on real SCSI commands: two hosts, each with its own nexus to the LUNs of an array. */
import assert from "node:assert/strict";
import type { Disk } from "../lab/shared-disk.ts";
import { scenario } from "../scenario.ts";
import { startStorage } from "../services/lio.ts";
import { atATerminal } from "./lvmpersist/at-a-terminal.ts";
import { badInput } from "./lvmpersist/bad-input.ts";
import { everyType, oneHost, sharedVg } from "./lvmpersist/commands.ts";
import { goneInTheMiddle, killedAnywhere, partialFailure } from "./lvmpersist/faults.ts";
import { type ArrayWorld, KEY_A, KEY_B, LUNS, persist, rows } from "./lvmpersist/world.ts";

async function powerLoss(world: ArrayWorld): Promise<void> {
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
    const world: ArrayWorld = { a, b, storage, disks, all, paths_of_a: 1, step };
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

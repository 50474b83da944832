/** Lock args persist without notimeout: the leases would run out by themselves, and the key is removed all the same, and before. */
import assert from "node:assert/strict";
import { scenario } from "../scenario.ts";
import {
  expectNoLaterWrite,
  expectStopped,
  fence_ms_max,
  firstSector,
  infoOf,
  keyIn,
  keyNow,
  loseHeartbeat,
  sameKeys,
  startCounting,
} from "../services/fences.ts";
import { startStorage } from "../services/lio.ts";
import { ANY_LOCK_ARGS, setLockArgs } from "../services/persist-vg.ts";
import { startDaemons } from "../services/sanlock-hosts.ts";

const PV = "/dev/sda";
const start_ms_max = 120_000;

export default scenario(
  "pr-fencing-timeout",
  {
    about: "With persist and sanlock's own timeouts a failed host loses its key before its LV goes on.",
    guests: 3,
    // It adds what the words of the lock args change; pr-fencing shows everything around it, and takes the lab's time for that.
    only_by_name: true,
  },
  async ({ cluster, step, say }) => {
    const lab = await cluster({ hosts: 2, image: "forky", lvm_conf: { config: ANY_LOCK_ARGS } });
    const [a, b] = [lab.host(1), lab.host(2)];
    const storage = await startStorage(lab, { luns: 1, size_mb: 400 });
    await lab.plug(storage.disk(0), [a, b]);
    await Promise.all([a, b].map((host) => startDaemons(host)));
    await step("a VG is reserved and started on both hosts, and one writes to its LV", async () => {
      await a.must(`vgcreate --shared --locktype sanlock vg0 ${PV}`, { timeout_ms: 300_000 });
      await setLockArgs(a, "persist,timeout", "2.0.0:lvmlock:persist");
      for (const host of [a, b]) {
        await host.must(`lvmpersist start --ourkey ${keyIn(host, 0)} --prtype WEAR --device ${PV}`);
        await host.must("vgchange --lockstart vg0", { timeout_ms: start_ms_max });
      }
      await a.must("lvcreate -aey -n lv0 -L 16M vg0");
      await b.refused("lvchange -aey vg0/lv0", /LV locked by other host: vg0\/lv0/);
      await startCounting(a, "vg0/lv0");
    });
    const key_a = await keyNow(a, "vg0");
    const key_b = await keyNow(b, "vg0");
    await step("it loses network and heartbeat, and goes on writing", () =>
      loseHeartbeat(a, () => lab.network.cut(a)),
    );
    let taken = "";
    await step("the other host gets the LV once lvmlockd has removed the key", async () => {
      const began_ms = performance.now();
      await b.until("lvchange -aey vg0/lv0", { timeout_ms: fence_ms_max, every_ms: 1000 });
      say(`the LV was had after ${((performance.now() - began_ms) / 1000).toFixed(0)} s`);
      taken = await firstSector(b, "vg0/lv0");
      assert.deepEqual(await sameKeys(b, [PV]), [key_b]);
      const [row, ...more] = (await infoOf(b)).fence;
      assert.deepEqual([more.length, row?.host_id, row?.key, row?.state], [0, 1, key_a, "removed"]);
    });
    await step(
      "the first host's next write failed at the device, and nothing of it came after that",
      async () => {
        await expectStopped(a, taken);
        await expectNoLaterWrite(a, b, "vg0/lv0");
      },
    );
  },
);

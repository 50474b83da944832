/** A host that is cut off while it goes on writing: sanlock's leases alone could not stop it, its reservation key can be taken away. */
import assert from "node:assert/strict";
import type { Cluster } from "../lab/cluster.ts";
import type { Host } from "../lab/host.ts";
import { type Steps, scenario } from "../scenario.ts";
import { startStorage } from "../services/lio.ts";
import { findLvmTree, installLvm } from "../services/newer-lvm.ts";
import { startDaemons } from "../services/sanlock-hosts.ts";

const DEVICE = "/dev/sda";
const fence_ms_max = 120_000;

/** Counts in the first sector of the LV until a write fails; /run/acked has the last count that the device took. */
const WRITER = `#!/bin/bash
for ((n = 1; ; n++)); do
  printf '%-512s' "host1 $n" >/run/block
  dd if=/run/block of=/dev/vg0/lv0 bs=512 count=1 oflag=direct 2>/dev/null || break
  echo $n >/run/acked
done
echo $n >/run/writer-failed
`;

async function keys(host: Host): Promise<readonly string[]> {
  const { stdout } = await host.must(`sg_persist -n -k ${DEVICE}`);
  return [...stdout.matchAll(/^\s+(0x[0-9a-f]+)$/gm)].map(([, key]) => key ?? "").sort();
}

async function setUp(lab: Cluster, { step }: Steps): Promise<void> {
  const [a, b] = [lab.host(1), lab.host(2)];
  await step("a VG is made whose failed hosts are cut off by their reservation keys", async () => {
    await a.must(
      `vgcreate --shared --locktype sanlock --setpersist y --setlockargs persist,notimeout vg0 ${DEVICE}`,
      { timeout_ms: 300_000 },
    );
    const { stdout } = await a.must("vgs --noheadings -o vg_lock_args,persist vg0");
    assert.match(stdout, /2\.0\.0:lvmlock:.*persist.*require/);
  });
  await step("both hosts have it started, each with its key", async () => {
    await b.must("vgchange --persist start --lockstart vg0", { timeout_ms: 120_000 });
    assert.deepEqual(await keys(a), ["0x1000000000010001", "0x1000000000010002"]);
  });
  await step("one host has an LV active and writes to it", async () => {
    await a.must("lvcreate -aey -n lv0 -L 16M vg0");
    await b.refused("lvchange -aey vg0/lv0", /LV locked by other host: vg0\/lv0/);
    await a.write("/root/writer", WRITER);
    await a.must("chmod +x /root/writer; setsid /root/writer </dev/null >/dev/null 2>&1 & disown");
    await a.until("test $(cat /run/acked) -ge 3", { timeout_ms: 30_000 });
  });
}

async function fence(lab: Cluster, { step, say }: Steps): Promise<void> {
  const [a, b] = [lab.host(1), lab.host(2)];
  let cut_ms = 0;
  await step("that host loses network and heartbeat, and goes on writing", async () => {
    lab.network.cut(a);
    await a.must("pkill -STOP -x sanlock");
    cut_ms = performance.now();
    const before = Number((await a.must("cat /run/acked")).stdout);
    await a.until(`test $(cat /run/acked) -gt ${before + 2}`, { timeout_ms: 30_000 });
  });
  let taken = "";
  await step("the other host gets the LV once lvmlockd has removed its key from the PV", async () => {
    await b.until("lvchange -aey vg0/lv0", { timeout_ms: fence_ms_max, every_ms: 1000 });
    say(`the LV was had ${((performance.now() - cut_ms) / 1000).toFixed(0)} s after the host was cut off`);
    taken = (await b.must("dd if=/dev/vg0/lv0 bs=512 count=1 iflag=direct")).stdout.trim();
    assert.deepEqual(await keys(b), ["0x1000000000010002"]);
  });
  await step(
    "the first host's next write failed at the device, and nothing of it came after that",
    async () => {
      await a.until("test -e /run/writer-failed", { timeout_ms: 20_000 });
      await a.must("dmesg | grep -q 'reservation conflict'");
      const [acked, failed] = (await a.must("cat /run/acked /run/writer-failed")).stdout.trim().split("\n");
      // The write that failed may have been taken just before the device cut the host off; no later one can have been.
      assert.ok([`host1 ${acked}`, `host1 ${failed}`].includes(taken), `${taken} after ${acked}`);
      await b.must("printf 'host2 was here' | dd of=/dev/vg0/lv0 conv=sync oflag=direct");
      await a.refused("dd if=/run/block of=/dev/vg0/lv0 bs=512 count=1 oflag=direct", /error writing/);
      await Bun.sleep(2000);
      assert.match(
        (await b.must("dd if=/dev/vg0/lv0 bs=512 count=1 iflag=direct")).stdout,
        /^host2 was here/,
      );
    },
  );
  await step("lvmlockctl tells who was cut off", async () => {
    const { stdout } = await b.must("lvmlockctl --info --reportformat json");
    assert.match(stdout, /0x1000000000010001/);
  });
}

export default scenario(
  "pr-fencing",
  {
    about:
      "A host that is cut off while it writes loses its key, its lock and its writes, with sanlock 5.1 (needs LVMLOCKD_CLUSTER_LVM).",
    guests: 3,
    timeout_ms: 900_000,
    // Debian has no lvm that can make such a VG.
    only_by_name: true,
  },
  async (steps) => {
    const tree = findLvmTree();
    const lab = await steps.cluster({ hosts: 2, image: "forky" });
    const hosts = [lab.host(1), lab.host(2)];
    const storage = await startStorage(lab, { luns: 1, size_mb: 400, memory_mb: 1280 });
    await lab.plug(storage.disk(0), hosts);
    for (const host of hosts) await installLvm(host, tree);
    await Promise.all(hosts.map((host) => startDaemons(host)));
    await setUp(lab, steps);
    await fence(lab, steps);
  },
);

/** scsi-pr on a multipath map: every path of the host that has the VG writes, and no path of another. */
import assert from "node:assert/strict";
import type { Host } from "../lab/host.ts";
import { scenario } from "../scenario.ts";
import { startStorage } from "../services/lio.ts";
import { killLvmlockd, startLvmlockd } from "../services/lvmlockd.ts";
import {
  awaitPaths,
  breakSecondPath,
  configureMultipath,
  logIn,
  openSecondPath,
  startInitiator,
  startMultipathd,
} from "../services/multipath.ts";

const KEY_1 = "0x1000000000000001";
const KEY_2 = "0x1000000000000002";

const writeLv = (text: string): string =>
  `printf '%-512s' '${text}' | dd of=/dev/vg0/lv0 bs=512 oflag=direct`;

/** What the second host, which has one path and no multipathd, sees on the LUN: a key for each nexus, and the type. */
async function reservationSeen(by: Host): Promise<readonly string[]> {
  const { stdout } = await by.must("sg_persist -n -k /dev/sda; sg_persist -n -r /dev/sda");
  const keys = [...stdout.matchAll(/^\s+(0x[0-9a-f]+)$/gm)].map(([, key]) => key ?? "");
  return [...keys, /type: (.*)$/m.exec(stdout)?.[1]?.trim() ?? "free"];
}

export default scenario(
  "pr-manager-multipath",
  {
    about: "scsi-pr on a multipath map: paths are lost, return and lose their registration.",
    guests: 3,
    // pr-manager shows the lock manager and pr-multipath the map; the lab has half an hour.
    only_by_name: true,
  },
  async ({ cluster, step, say }) => {
    const lab = await cluster({ hosts: 2, disks: [] });
    const [a, b] = [lab.host(1), lab.host(2)];
    const { host: storage } = await startStorage(lab, { reached_by: "guests", size_mb: 128 });
    await openSecondPath(storage);
    await Promise.all([a, b].map(startInitiator));
    for (const path of [1, 2] as const) await logIn(a, storage, path);
    await logIn(b, storage, 1);
    await configureMultipath(a, "file");
    const map = await startMultipathd(a);
    await awaitPaths(a, 2);
    for (const host of [a, b]) {
      await host.write("/etc/lvm/lvmlockd.conf", 'lock_managers {\n\tdlm = "scsi-pr"\n}\n');
      await startLvmlockd(host, { arguments: "" });
    }

    await step("the VG's start registers both paths and lets registrants write", async () => {
      await a.must(`vgcreate --shared --locktype dlm vg0 ${map} && lvcreate -aey -n lv0 -L 16M vg0`);
      assert.deepEqual(await reservationSeen(b), [KEY_1, KEY_1, "Write Exclusive, registrants only"]);
      await a.must(writeLv("two paths"));
      await b.refused("dd if=/dev/zero of=/dev/sda bs=4k count=1 seek=20000 oflag=direct", /error writing/);
      await b.refused("vgchange --lockstart vg0", /VG vg0 start failed/);
    });
    await step("a path is lost and comes back, and the VG stays in use", async () => {
      await breakSecondPath(storage);
      await awaitPaths(a, 1);
      await a.must(`${writeLv("one path")} && lvcreate -an -n lv1 -L 4M vg0 && lvremove -y vg0/lv1`);
      await openSecondPath(storage);
      await awaitPaths(a, 2);
      await a.must(writeLv("two paths again"));
    });
    await step("a path without its registration gets it back by itself", async () => {
      const path = (await a.must("ls /sys/block/dm-*/slaves | grep ^sd | tail -1")).stdout.trim();
      await a.must(`sg_persist -n --out --register-ignore --param-sark=0 /dev/${path}`);
      const repaired = await a.until(`lvmlockctl --dump | grep -q '${path} of ${map} was not registered'`, {
        timeout_ms: 40_000,
      });
      say(`seen repaired after ${(repaired.elapsed_ms / 1000).toFixed(1)} s`);
      assert.deepEqual((await reservationSeen(b)).slice(0, 2), [KEY_1, KEY_1]);
    });
    await step("the next daemon takes the VG up from the one that was killed", async () => {
      await killLvmlockd(a);
      // Another host registers meanwhile and holds nothing: that is reported, and no reason to take the VG's LVs offline.
      await b.must(`sg_persist -n --out --register --param-sark=${KEY_2} /dev/sda`);
      await startLvmlockd(a, { arguments: "" });
      await a.until("lvmlockctl --info | grep -q 'LK LV ex'", { timeout_ms: 30_000 });
      await a.must(`lvmlockctl --dump | grep -q 'registered by key ${KEY_2} (host_id 2) as well'`);
      await a.must(`lvmpersist remove --ourkey ${KEY_1} --removekey ${KEY_2} --vg vg0`);
      // The removal is news to its nexus, which the next command is answered with.
      await b.run("sg_persist -n -k /dev/sda");
      assert.deepEqual((await reservationSeen(b)).slice(0, 2), [KEY_1, KEY_1]);
      await a.must(writeLv("next daemon"));
    });
    await step("a take-over cuts off both paths", async () => {
      await b.must(`lvmlockctl takeover vg0 --yes --removekey ${KEY_1}`, { timeout_ms: 60_000 });
      assert.deepEqual(await reservationSeen(b), [KEY_2, "Write Exclusive"]);
      await a.refused(writeLv("too late"), /error writing/);
      await a.until("lvmlockctl --dump | grep -q 'taken over by key 0x1000000000000002'", {
        timeout_ms: 20_000,
      });
      await b.must("lvchange -aey vg0/lv0");
      assert.match((await b.must("dd if=/dev/vg0/lv0 bs=512 count=1 iflag=direct")).stdout, /^next daemon/);
    });
    await step("handed back, and stopped with a path that is lost, nothing is left on the LUN", async () => {
      await a.must("dmsetup remove --force vg0-lv0; lvmlockctl --drop vg0");
      await b.must("lvchange -an vg0/lv0 && vgchange --lockstop vg0");
      await a.must("vgchange --lockstart vg0");
      assert.deepEqual((await reservationSeen(b)).slice(0, 2), [KEY_1, KEY_1]);
      await breakSecondPath(storage);
      await awaitPaths(a, 1);
      await a.must("vgchange --lockstop vg0");
      assert.deepEqual(await reservationSeen(b), ["free"]);
    });
  },
);

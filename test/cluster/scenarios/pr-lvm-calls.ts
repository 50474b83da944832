/** A newer lvm, which has vgchange --persist, calls our lvmpersist in the place of its own script. */
import assert from "node:assert/strict";
import type { Host } from "../lab/host.ts";
import { scenario } from "../scenario.ts";
import { startStorage } from "../services/lio.ts";
import { findLvmTree, installLvm } from "../services/newer-lvm.ts";

const KEY_A = "0x1000000000000001";
const KEY_B = "0x1000000000000002";
const PVS = "/dev/sda /dev/sdb";

async function says(host: Host, script: string, pattern: RegExp): Promise<void> {
  const { stdout, stderr } = await host.must(`${script} </dev/null`);
  assert.match(stdout + stderr, pattern, script);
}

export default scenario(
  "pr-lvm-calls",
  {
    about: "lvm 2.03.34 or newer runs our lvmpersist for vgchange --persist; needs a built tree of lvm2.",
    guests: 3,
    only_by_name: true,
  },
  async ({ cluster, step }) => {
    const tree = findLvmTree();
    const lab = await cluster({ hosts: 2, disks: [], lvm_conf: { global: { use_lvmlockd: 0 } } });
    const [a, b] = [lab.host(1), lab.host(2)];
    const storage = await startStorage(lab, { luns: 2, size_mb: 64 });
    for (let lun = 0; lun < 2; lun++) await lab.plug(storage.disk(lun), [a, b]);
    for (const host of [a, b]) await installLvm(host, tree);

    await step(
      "a VG that requires persistent reservations is not changed before they are started",
      async () => {
        await a.must(`mkdir -p /var/lib/lvm; vgcreate vg0 ${PVS} && vgchange --setpersist y,ptpl vg0`);
        await a.refused("lvcreate -an -L4M -n lv vg0", /persistent reservation is not started/);
      },
    );
    await step("vgchange --persist start, check and read", async () => {
      await says(a, "vgchange --persist start vg0", /lvmpersist: started vg0 with key 0x1000000000000001/);
      await says(a, "vgchange --persist check vg0", /reservation WE for local host/);
      await says(
        a,
        "vgchange --persist read vg0",
        /Device \/dev\/sda: registered keys: 0x1000000000000001\n/,
      );
      await a.must("lvcreate -an -L4M -n lv vg0");
    });
    await step("another host is refused, and takes the VG over with --removekey", async () => {
      await b.refused("vgchange --persist start vg0", new RegExp(KEY_A));
      await says(b, `vgchange --persist start --removekey ${KEY_A} vg0`, /host_id 1\) loses 2 of 2 devices/);
      await says(b, "vgchange --persist check vg0", new RegExp(`is registered: ${KEY_B}`));
      await a.refused("lvcreate -an -L4M -n lv2 vg0", /persistent reservation is not started/);
    });
    await step("vgchange --persist stop and clear", async () => {
      await says(a, "vgchange --persist stop vg0", /nothing to stop/);
      await says(b, "vgchange --persist stop vg0", /stopped vg0/);
      await a.must("vgchange --persist start vg0");
      await says(a, "vgchange -y --persist clear vg0", /cleared vg0/);
    });
    await step("vgextend starts a new PV, and vgexport --persist stop and vgremove stop all", async () => {
      await a.must("vgchange --persist start vg0 && vgremove -y vg0");
      await says(a, "lvmpersist read --device /dev/sda --device /dev/sdb", /^(Device .*none.*\n?){4}$/);
      await a.must("vgcreate --setpersist y --persist start vg1 /dev/sda && vgextend vg1 /dev/sdb");
      await says(a, "lvmpersist read-reservation --vg vg1", /sdb: reservation: WE holder 0x1000000000000001/);
      await says(a, "vgexport --persist stop vg1", /stopped vg1/);
    });
  },
);

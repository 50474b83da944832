/** The disk with the leases is lost, on a host with an lvmlockctl_kill_command and on one without. */
import assert from "node:assert/strict";
import { scenario } from "../scenario.ts";
import { startDaemonsOnAll } from "../services/sanlock-hosts.ts";
import { readSyslog, startSyslog } from "../services/syslog.ts";

/** sanlock gives a lease up eight I/O timeouts after its last renewal, and calls lvmlockctl --kill then. */
const kill_ms_max = 90_000;

/** As lvmlockd(8) advises: every table becomes an error target, and success means that none is left that is not. */
const KILL_SCRIPT = `#!/bin/bash
echo "$*" >>/run/killed
dmsetup wipe_table -S "uuid=~LVM && vgname=$1 && lv_layer=\\"\\"" || exit 1
! dmsetup table -c -S "uuid=~LVM && vgname=$1 && lv_layer=\\"\\"" | grep -vw error
`;

export default scenario(
  "sanlock-storage",
  {
    about: "Lost lease storage: the kill command deactivates and drops; without it people are told.",
    guests: 2,
  },
  async ({ cluster, step, together }) => {
    const disks = [{ size_mb: 400 }, { size_mb: 400 }, { size_mb: 128 }];
    const lab = await cluster({ hosts: 2, disks });
    const [scripted, manual] = [lab.host(1), lab.host(2)];
    await step(
      "two VGs are started on both hosts, and LVs are active whose data is on another disk",
      async () => {
        await scripted.write("/usr/local/sbin/lvm-kill", KILL_SCRIPT);
        await scripted.must(
          `chmod +x /usr/local/sbin/lvm-kill; echo 'global/lvmlockctl_kill_command = "/usr/local/sbin/lvm-kill"' >>/etc/lvm/lvm.conf`,
        );
        await Promise.all(lab.hosts.map(startSyslog));
        // With its watchdog's full time sanlock has a grace period in which it calls the kill command; with less it has none.
        await startDaemonsOnAll(lab, { sanlock: { watchdog: true } });
        await scripted.must(
          "vgcreate --shared sound /dev/sda && vgcreate --shared lost /dev/sdb && vgextend lost /dev/sdc",
        );
        await manual.must("vgchange --lockstart");
        await scripted.must("lvcreate -aey -n one -L 16M lost /dev/sdc");
        await manual.must("lvcreate -aey -n two -L 16M lost /dev/sdc");
        await scripted.must("echo before | dd of=/dev/lost/one bs=512 conv=sync oflag=direct");
      },
    );
    await step(
      "the disk with the leases fails on one host and is gone from the other; the other VG goes on",
      async () => {
        await lab.disk(1).fail({ hosts: [scripted] });
        await lab.disk(1).fail({ hosts: [manual], how: "gone" });
        for (const host of lab.hosts) await host.must(`lvcreate -an -n from-${host.name} -L 4M sound`);
      },
    );
    await together([
      () =>
        step("the kill command makes the LV an error, and the VG is dropped", async () => {
          await scripted.until("test -s /run/killed", { timeout_ms: kill_ms_max });
          assert.match(await scripted.read("/run/killed"), /^lost$/m);
          await scripted.until("! sanlock client status | grep -q '^s lvm_lost'", {
            timeout_ms: kill_ms_max,
          });
          await scripted.must("dmsetup table lost-one | grep -w error");
          await scripted.must("! dd if=/dev/lost/one of=/dev/null bs=512 count=1 iflag=direct");
          // lvmlockd asks sanlock every 100 ms whether it is through with the lockspace.
          await scripted.until("! lvmlockctl --info | grep 'VG lost'", { timeout_ms: kill_ms_max });
        }),
      () =>
        step("without one, the log tells people what to do, and the LV stays until they do it", async () => {
          await manual.until("grep 'lvmlockctl --drop lost' /var/log/messages", { timeout_ms: kill_ms_max });
          assert.match(await readSyslog(manual), /Deactivate the LVs of VG lost now/);
          await manual.must("dmsetup table lost-two | grep -w linear");
          const info = "lvmlockctl --info --reportformat json | grep -w killed";
          await manual.until(info, { timeout_ms: 20_000 });
          await manual.refused("lvcreate -an -n no -L 4M lost", /VG lost lock failed/, {
            timeout_ms: 60_000,
          });
        }),
    ]);
    await step("they deactivate it and drop the VG; the other VG goes on", async () => {
      await manual.must("dmsetup remove lost-two");
      await manual.must("lvmlockctl --drop lost");
      await manual.until("! sanlock client status | grep -q '^s lvm_lost'", { timeout_ms: 30_000 });
      for (const host of lab.hosts) await host.must(`lvremove -y sound/from-${host.name}`);
    });
    await step("the disk comes back: the VG is started again, and its data is there", async () => {
      await lab.disk(1).restore();
      const clean =
        "dmsetup remove lost-one; for f in /dev/mapper/lost-lvmlock; do dmsetup remove -f $f; done; true";
      for (const host of lab.hosts) await host.must(clean);
      for (const host of lab.hosts) await host.must("vgchange --lockstart lost", { timeout_ms: 240_000 });
      await manual.must("lvchange -aey lost/one");
      await scripted.refused("lvchange -aey lost/one", /LV locked by other host/);
      const { stdout } = await manual.must("dd if=/dev/lost/one bs=512 count=1 iflag=direct | head -c 6");
      assert.equal(stdout, "before");
      for (const host of lab.hosts) await host.must("vgck lost && vgck sound");
    });
  },
);

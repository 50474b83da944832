/** What lvmlockd and lvm take from the guests' lvm.conf and lvmlocal.conf, and two hosts that begin at the same time. */
import assert from "node:assert/strict";
import type { Cluster } from "../lab/cluster.ts";
import { scenario } from "../scenario.ts";
import { runHeldAt } from "../services/held-command.ts";
import { startLvmlockd } from "../services/lvmlockd.ts";
import { startSanlock } from "../services/sanlock.ts";
import { startDaemons } from "../services/sanlock-hosts.ts";

/** A host_id that is in use is found out after about eight I/O timeouts and the watchdog's time. */
const busy_ms_max = 120_000;
/** It writes 256 MB; two at once took more than two minutes on a machine with a load average of 28. */
const vgcreate_ms_max = 300_000;

function localConf(setting: string): string {
  return `cat >/etc/lvm/lvmlocal.conf <<<'local { ${setting} }'`;
}

/** Of a VG that another host is about to make, or has made since. */
const oneTooMany =
  /Global lock failed: held by other host|volume group called same already exists|volume group "?same/;
/** Where the lease of the global lock is in a VG of 512-byte sectors, as sanlock wants it: slot 65 of 1 MiB each. */
const GL_LEASE = `${65 * 1024 * 1024}:${1024 * 1024}`;
/** lvm has looked at the disk and found it free, and now writes to it. */
const BEFORE_WRITING = "Creating a new PV on";

/**
 * Both hosts find the disk free before either has written, and nothing of lvm keeps them apart. lvm clears the VG of one that is refused
 * from the disk, whosever it is, so that the other one must not be told that it has a VG.
 */
async function refuseBoth(
  lab: Cluster,
  disk: string,
  vgs: readonly [string, string],
  why: RegExp,
): Promise<void> {
  const commands = lab.hosts.map((host, i) => ({ host, command: `vgcreate --shared ${vgs[i]} ${disk}` }));
  const both = await runHeldAt(BEFORE_WRITING, commands);
  for (const { rc, stdout, stderr } of both) {
    assert.notEqual(rc, 0, `vgcreate says that it has made a VG: ${stdout}${stderr}`);
    assert.match(stderr, why);
  }
  for (const host of lab.hosts) {
    const { stdout } = await host.must(
      "vgs --nolocking --noheadings -o vg_name; sanlock client status; dmsetup ls; lvmlockctl --info",
    );
    assert.doesNotMatch(stdout, new RegExp(vgs.join("|")), "something of the VG is left");
    assert.match((await host.must("lvmlockctl --dump")).stdout, /make it again on one host/);
  }
}

const FIELDS = "--noheadings -o vg_uuid,vg_lock_type,pv_count,lv_count";

export default scenario(
  "sanlock-settings",
  {
    about: "use_lvmlockd, host_id and lock_start_list of the hosts' own files count.",
    guests: 2,
    timeout_ms: 1_500_000,
  },
  async ({ cluster, step, say }) => {
    const lab = await cluster({ hosts: 2, disks: [{ size_mb: 400 }, { size_mb: 400 }, { size_mb: 400 }] });
    const [a, b] = [lab.host(1), lab.host(2)];
    const started = async (): Promise<string> => (await b.must("sanlock client status")).stdout;

    await step(
      "two hosts create the first VG on the same disk at the same time: neither has it",
      async () => {
        await Promise.all(lab.hosts.map((host) => startDaemons(host)));
        await refuseBoth(
          lab,
          "/dev/sda",
          ["vg0", "vg0"],
          /VG vg0 init failed: a lockspace with the same name exists/,
        );
      },
    );
    await step("under two names neither has one either", () =>
      refuseBoth(lab, "/dev/sdb", ["this", "that"], /VG th(is|at) init failed: -16/),
    );
    await step(
      "made again on one host each, on two disks, they have one, and each holds a global lock",
      async () => {
        await Promise.all([
          a.must("vgcreate --shared vg0 /dev/sda", { timeout_ms: vgcreate_ms_max }),
          b.must("vgcreate --shared vg1 /dev/sdb", { timeout_ms: vgcreate_ms_max }),
        ]);
        await Promise.all(lab.hosts.map((host) => host.must("vgchange --lockstart")));
      },
    );
    await step("lvm says that there are two, and goes on when one is disabled", async () => {
      const { stdout, stderr } = await a.run("vgs; vgcreate --shared vg2 /dev/sda; lvmlockctl --info");
      say((stdout + stderr).trim().split("\n").slice(0, 8).join(" / "));
      for (const vg of ["vg0", "vg1"])
        assert.match(stderr, new RegExp(`^  Duplicate sanlock global lock in VG ${vg}$`, "m"));
      // Each host finds out about its own VGs only, as with the C daemon.
      await b.must("lvmlockctl --gl-disable vg1");
      await a.run("lvmlockctl --gl-disable vg1");
      for (const host of lab.hosts) assert.doesNotMatch((await host.must("vgs 2>&1")).stdout, /[Dd]uplicate/);
      await a.must("lvcreate -an -n one -L 8M vg0");
      await a.must("lvchange -aey vg0/one");
      await b.refused("lvchange -aey vg0/one", /LV locked by other host: vg0\/one/);
      await a.must("lvchange -an vg0/one");
      await b.must("lvcreate -an -n two -L 8M vg1");
    });
    await step("two hosts create a VG on the same disk at the same time: one gets it", async () => {
      const both = await Promise.all(
        lab.hosts.map(async (host) => ({ host, ...(await host.run("vgcreate --shared same /dev/sdc")) })),
      );
      const [winner, ...others] = both.filter(({ rc }) => rc === 0);
      const [loser] = both.filter(({ rc }) => rc !== 0);
      assert(winner !== undefined && loser !== undefined && others.length === 0, "not exactly one got it");
      say(`the other one is told: ${loser.stderr.trim().split("\n").join(" / ")}`);
      assert.match(loser.stderr, oneTooMany);
      const seen = await Promise.all(lab.hosts.map((host) => host.must(`vgck same && vgs ${FIELDS} same`)));
      assert.equal(seen[0]?.stdout, seen[1]?.stdout);
      assert.match(seen[0]?.stdout ?? "", /^ +\S+ +sanlock +1 +0$/m);
      // Each VG has a lease for the global lock, whose name says whether it is the one that counts.
      const dump = ["vg0", "vg1", "same"].map(
        (vg) => `sanlock direct dump /dev/mapper/${vg}-lvmlock:${GL_LEASE}`,
      );
      const { stdout } = await winner.host.must(`(${dump.join("; ")}) | grep -o '\\S*GLLK\\S*' | sort`);
      assert.deepEqual(stdout.trim().split("\n"), ["GLLK", "_GLLK_disabled", "_GLLK_disabled"]);
      await winner.host.must("lvcreate -q -an -n sound -L 4M same");
    });
    await step("without a host_id a VG is not started, and the reason is the host_id", async () => {
      await b.must("vgchange --lockstop");
      await b.must(localConf(""));
      await b.must("lvmlockctl --quit; while pgrep -x lvmlockd; do sleep 0.1; done");
      await startLvmlockd(b);
      await b.refused(
        "vgchange --lockstart vg0",
        /^ {2}VG vg0 start failed: invalid sanlock host_id, set in lvmlocal.conf$/m,
      );
      assert.doesNotMatch(await started(), /lvm_vg0/);
    });
    await step("a host_id that another host uses is refused, and that host goes on", async () => {
      await b.must(localConf("host_id = 1"));
      await b.must("lvmlockctl --quit; while pgrep -x lvmlockd; do sleep 0.1; done");
      await startLvmlockd(b);
      // lvm waits for the start and then ends with 0 all the same.
      const { stderr } = await b.run("vgchange --lockstart vg0", { timeout_ms: busy_ms_max });
      assert.match(stderr, /^ {2}Lock start failed$/m);
      assert.doesNotMatch(await started(), /lvm_vg0/);
      const { stdout } = await b.must("lvmlockctl --dump");
      assert.match(
        stdout,
        /another host uses host_id 1 in lvm_vg0: give one of the two another local\/host_id/,
      );
      await a.must("lvchange -aey vg0/one && lvchange -an vg0/one");
    });
    await step("with its own host_id and a lock_start_list, the VGs of the list are started", async () => {
      await b.must(localConf("host_id = 2"));
      await b.must(`echo 'activation/lock_start_list = [ "vg1" ]' >>/etc/lvm/lvm.conf`);
      await b.must("lvmlockctl --quit; while pgrep -x lvmlockd; do sleep 0.1; done");
      await startLvmlockd(b);
      await b.must("vgchange --lockstart");
      assert.match(await started(), /^s lvm_vg1:2:\/dev\/mapper\/vg1-lvmlock:0$/m);
      assert.doesNotMatch(await started(), /lvm_vg0/);
    });
    await step("with use_lvmlockd = 0 shared VGs are left alone, and shown on request", async () => {
      await b.must("vgchange --lockstop");
      await b.must("sed -i 's/use_lvmlockd = 1/use_lvmlockd = 0/' /etc/lvm/lvm.conf");
      const { stdout } = await b.must("vgs --noheadings -o vg_name");
      assert.equal(stdout.trim(), "");
      const shown = await b.must("vgs --shared --noheadings -o vg_name");
      assert.deepEqual(shown.stdout.trim().split(/\s+/).sort(), ["same", "vg0", "vg1"]);
      await b.refused(
        "lvchange -aey vg0/one",
        /^ {2}Cannot access VG vg0 with lock type sanlock that requires lvmlockd\.$/m,
      );
    });
    await step(
      "lvm asks for lvmlockd when it is enabled and does not run, and again gets locks when it does",
      async () => {
        await b.must("sed -i 's/use_lvmlockd = 0/use_lvmlockd = 1/' /etc/lvm/lvm.conf");
        await b.must("lvmlockctl --quit; while pgrep -x lvmlockd; do sleep 0.1; done");
        await b.refused("lvchange -aey vg0/one", /^ {2}WARNING: lvmlockd process is not running\.$/m);
        await startLvmlockd(b);
        // lvm.conf still has the lock_start_list that leaves this one out.
        await b.must("vgchange --lockstart vg0");
        assert.doesNotMatch(await started(), /lvm_vg0/);
        await b.must("vgchange --lockstart vg1 && lvchange -aey vg1/two && lvchange -an vg1/two");
      },
    );
    await step("with no sanlock, a start is refused with what to do", async () => {
      await b.must(
        "vgchange --lockstop vg1 && lvmlockctl --quit; while pgrep -x lvmlockd; do sleep 0.1; done",
      );
      await b.must("sanlock shutdown -f 1; while pgrep -x sanlock; do sleep 0.1; done");
      await startLvmlockd(b);
      await b.refused(
        "vgchange --lockstart vg1",
        /^ {2}VG vg1 start failed: lock manager sanlock is not running$/m,
      );
      await startSanlock(b);
      await b.must("vgchange --lockstart vg1");
    });
  },
);

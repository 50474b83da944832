/** The whole life of a shared VG on sanlock, as lvmlockd(8) tells it. */
import assert from "node:assert/strict";
import { GL_SLOT } from "../../../plugins/sanlock/geometry.ts";
import type { Cluster } from "../lab/cluster.ts";
import type { Host } from "../lab/host.ts";
import { type Steps, scenario } from "../scenario.ts";
import { removeVg, startDaemonsOnAll } from "../services/sanlock-hosts.ts";
import { udevWatches } from "../services/udev.ts";

/** What all hosts read of the VG, one field. */
async function vgField(lab: Cluster, vg: string, field: string): Promise<string> {
  const read = await Promise.all(
    lab.hosts.map((host) => host.must(`vgs --noheadings -o ${field} ${vg} 2>/dev/null`)),
  );
  const [first = "", ...others] = read.map((result) => result.stdout.trim());
  for (const other of others) assert.equal(other, first, `${field} of ${vg} differs between hosts`);
  return first;
}

/** On three hosts c is the third one; on two it is b, and has in its steps what there is a third one for. */
function named(lab: Cluster): { a: Host; b: Host; c: Host; others: readonly Host[] } {
  const [, ...others] = lab.hosts;
  return { a: lab.host(1), b: lab.host(2), c: lab.host(lab.hosts.length), others };
}

async function createAndStart(lab: Cluster, { step }: Steps): Promise<void> {
  const { a, b, others } = named(lab);
  await step("before the first shared VG there is no global lock, and lvm says so", async () => {
    const { stderr } = await a.run("pvcreate /dev/sda");
    assert.match(stderr, /Global lock failed: check that global lockspace is started/);
  });
  await step("the first shared VG is created, with the global lock in it", async () => {
    await a.must("vgcreate --shared vg0 /dev/sda");
    const { stdout } = await a.must("vgs && lvmlockctl --info");
    assert.match(stdout, /LK GL/);
  });
  await step("a host that has not started it reads it with a warning, and may not change it", async () => {
    const { stderr } = await b.must("vgs vg0");
    assert.match(stderr, /Reading VG vg0 without a lock/);
    await b.refused("lvcreate -an -n no -L 16M vg0", /Cannot access VG vg0 due to failed lock/);
  });
  await step("vgs shows it as shared, of type sanlock", async () => {
    assert.match(await vgField(lab, "vg0", "vg_attr"), /^wz--ns$/);
    assert.equal(await vgField(lab, "vg0", "vg_shared"), "shared");
    assert.equal(await vgField(lab, "vg0", "vg_lock_type"), "sanlock");
  });
  await step("the other hosts start it, one creates an LV, and all read the same metadata", async () => {
    await Promise.all(others.map((host) => host.must("vgchange --lockstart vg0")));
    const before = Number(await vgField(lab, "vg0", "vg_seqno"));
    await b.must("lvcreate -an -n lv0 -L 32M vg0");
    assert(Number(await vgField(lab, "vg0", "vg_seqno")) > before, "a change has no sequence number");
    for (const host of lab.hosts) {
      const { stdout } = await host.must("lvs --noheadings -o lv_name,lv_lockargs vg0");
      assert.match(stdout, /lv0 +1\.0\.0:\d+/);
    }
  });
}

async function activate(lab: Cluster, { step }: Steps): Promise<void> {
  const { a, b, c } = named(lab);
  const otherHost = /LV locked by other host: vg0\/lv0/;
  await step(
    "an LV that is active exclusively is refused to others, for activation and removal",
    async () => {
      await a.must("lvchange -aey vg0/lv0");
      await b.refused("lvchange -aey vg0/lv0", otherHost);
      await b.refused("lvchange -asy vg0/lv0", otherHost);
      await b.refused("lvchange -ay vg0/lv0", otherHost);
      await b.refused("lvremove -y vg0/lv0", otherHost);
      await b.absent("/dev/vg0/lv0");
    },
  );
  await step("who asks is told who holds it", async () => {
    assert.match((await a.must("lvmlockctl who vg0/lv0")).stdout, /^vg0\/lv0 +ex /m);
    // The host that was refused names the one that has it.
    assert.match((await b.must("lvmlockctl who vg0/lv0")).stdout, /vg0\/lv0 held by host_id 1\b/);
  });
  await step("lvextend works on the host where it is active, not elsewhere", async () => {
    await a.must("lvextend -L +16M vg0/lv0");
    const { stdout } = await a.must("blockdev --getsize64 /dev/vg0/lv0");
    assert.equal(Number(stdout), 48 * 1024 * 1024);
    await b.refused("lvextend -L +16M vg0/lv0", otherHost);
  });
  await step("active in shared mode on all hosts, it is refused to exclusive mode on each", async () => {
    await a.must("lvchange -an vg0/lv0");
    await Promise.all(lab.hosts.map((host) => host.must("lvchange -asy vg0/lv0")));
    for (const host of lab.hosts) await host.refused("lvchange -aey vg0/lv0", otherHost);
    await a.must("echo from-host1 | dd of=/dev/vg0/lv0 bs=512 conv=sync oflag=direct");
    for (const host of [b, c]) {
      const { stdout } = await host.must("dd if=/dev/vg0/lv0 bs=512 count=1 iflag=direct | head -c 10");
      assert.equal(stdout, "from-host1");
    }
  });
  await step("it stays refused while one of them has it shared, and goes to whom comes first", async () => {
    const allBut = (one: Host): readonly Host[] => lab.hosts.filter((host) => host !== one);
    await Promise.all(allBut(c).map((host) => host.must("lvchange -an vg0/lv0")));
    await a.refused("lvchange -aey vg0/lv0", otherHost);
    await c.must("lvchange -an vg0/lv0");
    await b.must("lvchange -aey vg0/lv0");
    for (const host of allBut(b)) await host.refused("lvchange -aey vg0/lv0", otherHost);
    await b.must("lvchange -an vg0/lv0");
  });
}

async function refuseShared(lab: Cluster, { step }: Steps): Promise<void> {
  const [a, b] = [lab.host(1), lab.host(2)];
  await step("a thin LV is never shared, and its pool locks it against other hosts", async () => {
    await a.must("lvcreate --type thin-pool -L 32M -n pool vg0");
    await a.must("lvcreate -V 64M --thinpool pool -n thin vg0");
    await a.must("lvchange -an vg0/thin");
    await a.refused("lvchange -asy vg0/thin", /Shared activation not compatible/);
    await a.must("lvchange -aey vg0/thin");
    await b.refused("lvchange -aey vg0/thin", /LV locked by other host/);
    await a.must("lvremove -y vg0/pool");
  });
  await step("a snapshot and its origin are never shared", async () => {
    await a.must("lvchange -aey vg0/lv0");
    await a.must("lvcreate -s -n snap -L 16M vg0/lv0");
    await a.must("lvchange -an vg0/lv0");
    await a.refused("lvchange -asy vg0/lv0", /Shared activation not compatible/);
    await b.refused("lvchange -y -asy vg0/snap", /Shared activation not compatible/);
    await a.must("lvremove -y vg0/snap");
  });
}

async function changeVg(lab: Cluster, { step }: Steps): Promise<void> {
  const { a, b, others } = named(lab);
  await step("it grows and shrinks by a disk", async () => {
    await b.must("vgextend vg0 /dev/sdb");
    assert.equal(await vgField(lab, "vg0", "pv_count"), "2");
    await a.must("vgreduce vg0 /dev/sdb");
    assert.equal(await vgField(lab, "vg0", "pv_count"), "1");
    await a.refused("vgextend vg0 /dev/sdb && vgreduce vg0 /dev/sda", /still in use/);
    await a.must("vgreduce vg0 /dev/sdb && pvremove /dev/sdb");
  });
  await step("an LV can't be stopped under, and a stopped VG gives no locks", async () => {
    await a.must("lvchange -aey vg0/lv0");
    await a.refused("vgchange --lockstop vg0", /LVs must first be deactivated/);
    await Promise.all(others.map((host) => host.must("vgchange --lockstop vg0")));
    await b.refused("lvchange -aey vg0/lv0", /Cannot access VG vg0 due to failed lock/);
    await a.must("lvchange -an vg0/lv0");
  });
  await step("it is renamed by the only host that has it started", async () => {
    // Its exit status is 0 also when lvm refuses, so the name is what counts.
    await a.until("vgrename vg0 vg1; vgs vg1", { timeout_ms: 30_000 });
    await Promise.all(lab.hosts.map((host) => host.must("vgchange --lockstart vg1")));
    await a.must("lvchange -aey vg1/lv0");
    await b.refused("lvchange -aey vg1/lv0", /LV locked by other host/);
    await a.must("lvchange -an vg1/lv0");
  });
}

async function moveGlobalLock(lab: Cluster, { step }: Steps): Promise<void> {
  const { a, b, c, others } = named(lab);
  await step("a second VG is created under the global lock of the first", async () => {
    await a.must("vgcreate --shared vg2 /dev/sdc");
    await Promise.all(others.map((host) => host.must("vgchange --lockstart vg2")));
    await b.must("lvcreate -an -n other -L 16M vg2");
  });
  await step("the global lock is moved to the second VG", async () => {
    await a.must("lvmlockctl --gl-disable vg1");
    await a.refused("vgcreate --shared vg3 /dev/sdb", /Global lock failed/);
    await a.must("lvmlockctl --gl-enable vg2");
    await Promise.all(lab.hosts.map((host) => host.must("vgs && pvs")));
    await b.must("pvcreate /dev/sdb && pvremove /dev/sdb");
    assert.deepEqual(await Promise.all([globalLease(c, "vg1"), globalLease(c, "vg2")]), [
      "_GLLK_disabled",
      "GLLK",
    ]);
  });
}

/** On disks with sectors of 512 bytes. */
const lease_size_bytes = 1024 * 1024;

/** The name in the VG's lease for the global lock. */
async function globalLease(host: Host, vg: string): Promise<string> {
  const place = `${GL_SLOT * lease_size_bytes}:${lease_size_bytes}`;
  const { stdout } = await host.must(`sanlock direct dump /dev/mapper/${vg}-lvmlock:${place}`);
  return /\b_?GLLK\w*/.exec(stdout)?.[0] ?? stdout;
}

/** Done while another VG holds the global lock: changing a lock type takes it. */
async function changeLockType(lab: Cluster, { step }: Steps): Promise<void> {
  const { a, b, others } = named(lab);
  await step("its lock type is changed to none and back", async () => {
    await Promise.all(others.map((host) => host.must("vgchange --lockstop vg1")));
    await a.until("vgchange -y --locktype none vg1", { timeout_ms: 30_000 });
    assert.equal(await vgField(lab, "vg1", "vg_lock_type"), "");
    await a.must("lvchange -ay vg1/lv0 && lvchange -an vg1/lv0");
    await a.must("vgchange -y --locktype sanlock vg1");
    await Promise.all(lab.hosts.map((host) => host.must("vgchange --lockstart vg1")));
    await b.must("lvchange -aey vg1/lv0");
    await a.refused("lvchange -aey vg1/lv0", /LV locked by other host/);
    await b.must("lvchange -an vg1/lv0");
  });
  await step("with nobody having it started, its lock type is forced to none, and set again", async () => {
    await Promise.all(lab.hosts.map((host) => host.must("vgchange --lockstop vg1")));
    await a.must("vgchange -y --locktype none --lockopt force vg1");
    assert.equal(await vgField(lab, "vg1", "vg_lock_type"), "");
    // Forced, lvm leaves the LV with the leases behind, and does not make another one over it.
    await a.must("lvremove -y vg1/lvmlock");
    await a.must("vgchange -y --locktype sanlock vg1");
    await Promise.all(lab.hosts.map((host) => host.must("vgchange --lockstart vg1")));
  });
}

async function remove(lab: Cluster, { step }: Steps): Promise<void> {
  const { a, b, c, others } = named(lab);
  const notStopped = /Lockspace for "vg1" not stopped on other hosts/;
  await step("it can't be removed while any other host has it started", async () => {
    await a.must("lvremove -y vg1/lv0");
    await a.refused("vgremove -y vg1", notStopped);
    if (b === c) return;
    await b.must("vgchange --lockstop vg1");
    await b.until("! sanlock client status | grep -q '^s lvm_vg1'", { timeout_ms: 30_000 });
    await a.refused("vgremove -y vg1", notStopped);
  });
  await step("all hosts read the same metadata of it to the end", async () => {
    await c.must("lvcreate -an -n last -L 4M vg1");
    for (const field of ["vg_seqno", "vg_free_count", "lv_count", "vg_lock_args"])
      await vgField(lab, "vg1", field);
    await c.must("lvremove -y vg1/last");
  });
  await step("it is removed after the last other host has stopped it", async () => {
    await c.must("vgchange --lockstop vg1");
    await removeVg(a, "vg1");
    for (const host of others) await host.refused("vgs vg1", /not found/);
  });
  await step("all lockspaces stop at one word, and lvmlockd quits", async () => {
    await Promise.all(lab.hosts.map((host) => host.must("lvmlockctl --stop-lockspaces")));
    const quit = async (host: Host): Promise<void> => {
      const { stdout } = await host.must("sanlock client status");
      assert.doesNotMatch(stdout, /^s lvm_/m);
      await host.must("lvmlockctl --quit");
      await host.until("! pgrep -x lvmlockd", { timeout_ms: 60_000 });
    };
    await Promise.all(lab.hosts.map(quit));
  });
}

/** Everything that is said of lvm's behaviour is said of this one. */
const LVM_VERSION = /LVM version: +2\.03\.31\(/;

const lifeOn = (hosts: 2 | 3) =>
  scenario(
    hosts === 3 ? "sanlock-life" : "sanlock-life-2",
    {
      about: `The whole life of a shared VG on sanlock, as lvmlockd(8) tells it, on ${hosts} hosts.`,
      guests: hosts,
      // The longest without waits: those of more time begin first, so that it is not left for the end.
      timeout_ms: 1_200_000,
    },
    async (steps) => {
      const disks = [{ size_mb: 1024 }, { size_mb: 400 }, { size_mb: 400 }];
      const lab = await steps.cluster({ hosts, disks });
      if (hosts === 2) await Promise.all(lab.hosts.map(udevWatches));
      await steps.step("sanlock and lvmlockd start", async () => {
        await startDaemonsOnAll(lab);
        assert.match((await lab.host(1).must("lvm version")).stdout, LVM_VERSION);
      });
      for (const part of [
        createAndStart,
        activate,
        refuseShared,
        changeVg,
        moveGlobalLock,
        changeLockType,
        remove,
      ])
        await part(lab, steps);
    },
  );

export default [lifeOn(3), lifeOn(2)];

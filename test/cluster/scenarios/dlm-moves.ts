/** VGs that change their cluster or come from another lock manager, in the ways that lvmlockd(8) documents. */
import assert from "node:assert/strict";
import type { Cluster } from "../lab/cluster.ts";
import { type Steps, scenario } from "../scenario.ts";
import { startDlm, startDlmDaemons, stopDlm } from "../services/dlm.ts";
import { startLvmlockd } from "../services/lvmlockd.ts";
import { startDaemonsOnAll } from "../services/sanlock-hosts.ts";

/** The same hosts as another cluster. */
async function renameCluster(lab: Cluster, cluster_name: string): Promise<void> {
  await Promise.all(lab.hosts.map((host) => host.must("lvmlockctl --stop-lockspaces && lvmlockctl --quit")));
  await Promise.all(lab.hosts.map(stopDlm));
  await startDlm(lab.hosts, { cluster_name });
  await Promise.all(lab.hosts.map((host) => startLvmlockd(host, { arguments: "" })));
}

async function lockArgs(lab: Cluster): Promise<string> {
  return (await lab.host(1).must("vgs --noheadings -o vg_lock_args vg0 2>/dev/null")).stdout.trim();
}

async function clusterName(steps: Steps): Promise<void> {
  const { step, cluster } = steps;
  const lab = await cluster({ hosts: 2, disks: [{ size_mb: 512 }] });
  const [a, b] = [lab.host(1), lab.host(2)];
  await startDlmDaemons(lab);
  await a.must("vgcreate --shared --locktype dlm vg0 /dev/sda && lvcreate -q -an -n lv0 -L 32M vg0");
  await b.must("vgchange --lockstart vg0");
  await step("known before: the VG becomes local in the old cluster and shared in the new one", async () => {
    await b.must("vgchange --lockstop vg0");
    await a.must("vgchange -q -y --locktype none vg0");
    await renameCluster(lab, "second");
    await a.must("vgchange -q -y --locktype dlm vg0");
    assert.equal(await lockArgs(lab), "1.0.0:second");
    await Promise.all(lab.hosts.map((host) => host.must("vgchange --lockstart vg0")));
    await a.must("lvchange -aey vg0/lv0");
    await b.refused("lvchange -aey vg0/lv0", /LV locked by other host/);
    await a.must("lvchange -an vg0/lv0");
  });
  await step(
    "found too late: the VG of another cluster is not started, and the log says how to move it",
    async () => {
      await renameCluster(lab, "third");
      const { stdout, stderr } = await a.run("vgchange --lockstart vg0");
      assert.match(stdout + stderr, /VG vg0 start failed: invalid parameters for dlm/);
      assert.match(
        (await a.must("lvmlockctl --dump")).stdout,
        /belongs to cluster "second", and this host is in cluster "third".*--locktype none --lockopt force vg0/,
      );
      await a.refused("lvcreate -q -an -n no -L 4M vg0", /VG vg0 lock failed|Cannot access VG vg0/);
    },
  );
  await step("it is moved by force and started in its new cluster", async () => {
    await a.must("vgchange -q -y --locktype none --lockopt force vg0");
    await a.must("vgchange -q -y --locktype dlm vg0");
    assert.equal(await lockArgs(lab), "1.0.0:third");
    await Promise.all(lab.hosts.map((host) => host.must("vgchange --lockstart vg0")));
    await b.must("lvchange -aey vg0/lv0");
    await a.refused("lvchange -aey vg0/lv0", /LV locked by other host/);
  });
}

async function fromSanlock(steps: Steps): Promise<void> {
  const { step, cluster } = steps;
  const lab = await cluster({ hosts: 2, disks: [{ size_mb: 1024 }] });
  const [a, b] = [lab.host(1), lab.host(2)];
  await startDlm(lab.hosts);
  await startDaemonsOnAll(lab);
  await step("a VG begins its life on sanlock", async () => {
    await a.must("vgcreate --shared --locktype sanlock vg0 /dev/sda && lvcreate -q -an -n lv0 -L 32M vg0");
    assert.match(await lockArgs(lab), /^1\.0\.0:lvmlock/);
    await a.must("lvchange -aey vg0/lv0 && echo content >/dev/vg0/lv0 && sync && lvchange -an vg0/lv0");
  });
  await step("by way of none it becomes a VG of the dlm, without sanlock's LV", async () => {
    await a.must("vgchange -q -y --locktype none vg0");
    // The global lock was sanlock's. While sanlock runs, another host may use it there. lvm refuses and ends with 0.
    const { stderr } = await a.run("vgchange -q -y --locktype dlm vg0");
    assert.match(stderr, /check that global lockspace is started/);
    assert.match((await a.must("lvmlockctl --dump")).stdout, /(dlm and sanlock|sanlock and dlm) run/);
    // It says that it is done before it has gone.
    const shutdown = "sanlock shutdown; while pidof sanlock >/dev/null; do sleep 0.1; done";
    await Promise.all(lab.hosts.map((host) => host.must(shutdown)));
    await a.must("vgchange -q -y --locktype dlm vg0");
    assert.equal(await lockArgs(lab), "1.0.0:lab");
    assert.doesNotMatch((await a.must("lvs -a vg0 2>/dev/null")).stdout, /lvmlock/);
  });
  await step("it is started on both hosts, and its LV is there with its content", async () => {
    await Promise.all(lab.hosts.map((host) => host.must("vgchange --lockstart vg0")));
    await b.must("lvchange -aey vg0/lv0 && head -c 7 /dev/vg0/lv0 | grep -q content");
    await a.refused("lvchange -aey vg0/lv0", /LV locked by other host/);
  });
}

export default [
  scenario(
    "dlm-cluster-name",
    { about: "The cluster of a VG gets another name, both ways.", guests: 2 },
    clusterName,
  ),
  scenario("dlm-from-sanlock", { about: "A VG moves from sanlock to the dlm.", guests: 2 }, fromSanlock),
];

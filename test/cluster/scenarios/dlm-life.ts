/** The whole life of a shared VG on the dlm, as lvmlockd(8) tells it. */
import assert from "node:assert/strict";
import { resultOf } from "../../rig/replies.ts";
import type { Cluster } from "../lab/cluster.ts";
import type { Host } from "../lab/host.ts";
import { type Steps, scenario } from "../scenario.ts";
import { startDlmDaemons } from "../services/dlm.ts";
import { answered_ms_max } from "../services/dlm-vg.ts";
import { udevWatches } from "../services/udev.ts";
import { askLvmlockd } from "../services/wire.ts";

const otherHost = /LV locked by other host: vg0\/lv0/;
const lockspaces = "dlm_tool ls | awk '/^name/ {print $2}' | sort | tr '\\n' ' '";
/** What running_lm answers where the dlm is the lock manager that runs. */
const LM_DLM = 2;

/** A command is told that its VG has stopped; the global lockspace is left behind that. */
async function untilNoLockspace(host: Host): Promise<void> {
  await host.until(`test -z "$(${lockspaces})"`, { timeout_ms: answered_ms_max });
}

async function createAndStart(lab: Cluster, { step }: Steps): Promise<void> {
  const [a, b] = [lab.host(1), lab.host(2)];
  await step("the first command that wants the global lock starts its lockspace", async () => {
    await a.must("pvcreate /dev/sda");
    assert.equal((await a.must(lockspaces)).stdout, "lvm_global ");
  });
  await step("which lock manager runs is told to a command that asks", async () => {
    assert.equal(resultOf(await askLvmlockd(a, { request: "running_lm", keys: { pid: 1 } })), LM_DLM);
  });
  await step("a VG is created with the cluster's name in its lock args, and started", async () => {
    await a.must("vgcreate --shared --locktype dlm vg0 /dev/sda");
    const { stdout } = await a.must("vgs --noheadings -o vg_attr,vg_lock_type,vg_lock_args vg0");
    assert.match(stdout, /wz--ns +dlm +1\.0\.0:lab/);
    assert.equal((await a.must(lockspaces)).stdout, "lvm_global lvm_vg0 ");
  });
  await step("a host that has not started it reads it with a warning, and may not change it", async () => {
    assert.match((await b.must("vgs vg0")).stderr, /Reading VG vg0 without a lock/);
    await b.refused("lvcreate -an -n no -L 16M vg0", /Cannot access VG vg0 due to failed lock/);
  });
  await step("another host starts it and creates an LV, which the first one sees at once", async () => {
    await b.must("vgchange --lockstart vg0");
    await b.must("lvcreate -an -n lv0 -L 32M vg0");
    await a.must("lvs vg0/lv0");
  });
}

async function activate(lab: Cluster, { step }: Steps): Promise<void> {
  const [a, b] = [lab.host(1), lab.host(2)];
  await step("what is active exclusively is refused to others, for activation and removal", async () => {
    await a.must("lvchange -aey vg0/lv0");
    await b.refused("lvchange -aey vg0/lv0", otherHost);
    await b.refused("lvchange -asy vg0/lv0", otherHost);
    await b.refused("lvremove -y vg0/lv0", otherHost);
    await b.absent("/dev/vg0/lv0");
  });
  await step("an LV that is active exclusively is extended where it is active, not elsewhere", async () => {
    await b.refused("lvextend -L +16M vg0/lv0", otherHost);
    await a.must("lvextend -L +16M vg0/lv0");
    assert.equal(Number((await a.must("blockdev --getsize64 /dev/vg0/lv0")).stdout), 48 * 1024 * 1024);
  });
  await step("active in shared mode on both, it is refused to exclusive mode", async () => {
    await a.must("lvchange -an vg0/lv0");
    await Promise.all(lab.hosts.map((host) => host.must("lvchange -asy vg0/lv0")));
    await b.refused("lvchange -aey vg0/lv0", otherHost);
    await a.refused("lvremove -y vg0/lv0", otherHost);
    await a.must("echo from-host1 | dd of=/dev/vg0/lv0 bs=512 conv=sync oflag=direct");
    const { stdout } = await b.must("dd if=/dev/vg0/lv0 bs=512 count=1 iflag=direct | head -c 10");
    assert.equal(stdout, "from-host1");
  });
}

async function refresh(lab: Cluster, { step }: Steps): Promise<void> {
  const [a, b] = [lab.host(1), lab.host(2)];
  const bytes = "blockdev --getsize64 /dev/vg0/lv0";
  await step("a shared LV that is extended grows on the other host as well", async () => {
    await a.must("lvextend --lockopt shupdate -L +16M vg0/lv0");
    for (const host of lab.hosts) assert.equal(Number((await host.must(bytes)).stdout), 64 * 1024 * 1024);
  });
  await step("a refresh that another host can't do is not taken for one that went well", async () => {
    await b.must(
      "mv /usr/sbin/lvm /usr/sbin/lvm.away; printf '#!/bin/sh\\nexit 5\\n' >/usr/sbin/lvm; chmod +x /usr/sbin/lvm",
    );
    const { stdout, stderr } = await a.run("lvextend --lockopt shupdate -L +16M vg0/lv0");
    await b.must("mv /usr/sbin/lvm.away /usr/sbin/lvm");
    assert.match(stdout + stderr, /[Ff]ailed to refresh/);
    assert.match((await a.must("lvmlockctl --dump")).stdout, /could not refresh LV vg0\/lv0/);
    await b.must("lvchange --refresh vg0/lv0");
    assert.equal(Number((await b.must(bytes)).stdout), 80 * 1024 * 1024);
  });
}

async function otherLvs(lab: Cluster, { step }: Steps): Promise<void> {
  const [a, b] = [lab.host(1), lab.host(2)];
  await step(
    "a thin pool's LVs and snapshots are active on one host at a time, and never shared",
    async () => {
      await Promise.all(lab.hosts.map((host) => host.must("lvchange -an vg0/lv0")));
      await a.must(
        "lvcreate -q --type thin-pool -L 64M -n pool vg0 && lvcreate -q -V 64M --thinpool pool -n thin vg0",
      );
      await b.refused("lvchange -aey vg0/thin", /LV locked by other host/);
      await a.must("lvchange -an vg0/thin vg0/pool");
      await a.refused("lvchange -asy vg0/thin", /Shared activation not compatible/);
      await b.must("lvchange -aey vg0/thin && lvchange -an vg0/thin vg0/pool");
      await a.must("lvremove -q -y vg0/pool");
      await a.must("lvchange -aey vg0/lv0 && lvcreate -q -s -n snap -L 16M vg0/lv0 && lvchange -an vg0/lv0");
      await a.refused("lvchange -asy vg0/lv0", /Shared activation not compatible/);
      await a.must("lvremove -q -y vg0/snap");
    },
  );
  await step("commands of both hosts at once wait for each other and all come through", async () => {
    const create = (prefix: string) =>
      `for i in 1 2 3 4 5; do lvcreate -q -an -n ${prefix}$i -L 4M vg0 || exit 1; done`;
    await Promise.all([a.must(create("x")), b.must(create("y"))]);
    const { stdout } = await a.must("lvs --noheadings -o lv_name vg0");
    assert.equal(stdout.trim().split(/\s+/).length, 11);
    await b.must("lvremove -q -y vg0/x1 vg0/x2 vg0/x3 vg0/x4 vg0/x5 vg0/y1 vg0/y2 vg0/y3 vg0/y4 vg0/y5");
  });
}

async function end(lab: Cluster, { step }: Steps): Promise<void> {
  const [a, b] = [lab.host(1), lab.host(2)];
  await step("it is renamed when no other host has it started", async () => {
    // lvm itself ends with status 0 here, and leaves everything as it was.
    assert.match((await a.run("vgrename vg0 vg9")).stderr, /Lockspace for "vg0" not stopped on other hosts/);
    await a.must("vgs vg0");
    await b.must("vgchange --lockstop vg0");
    await a.must("vgrename vg0 vg9");
    await b.must("vgchange --lockstart vg9 && lvchange -aey vg9/lv0");
    await a.refused("lvchange -aey vg9/lv0", /LV locked by other host/);
    await b.must("lvchange -an vg9/lv0");
  });
  await step(
    "when its last VG is stopped the global lockspace stops, and the next command that needs it starts it",
    async () => {
      await b.must("vgchange --lockstop vg9");
      await untilNoLockspace(b);
      await b.must("pvs");
      assert.equal((await b.must(lockspaces)).stdout, "lvm_global ");
    },
  );
  await step("it becomes a local VG, after which no lockspace is left, and a shared one again", async () => {
    await a.must("vgchange -q -y --locktype none vg9 && vgs vg9");
    await untilNoLockspace(a);
    await a.must("vgchange -q -y --locktype dlm vg9 && vgchange --lockstart vg9");
    await b.must("vgchange --lockstart vg9");
  });
  await step("it is not removed while another host has it started, and is when none has", async () => {
    await a.refused("vgremove -q -ff -y vg9", /not stopped on other hosts/);
    await b.must("vgchange --lockstop vg9");
    await a.must("vgremove -q -ff -y vg9");
    await untilNoLockspace(a);
    assert.equal((await b.must("vgs --noheadings -o vg_name")).stdout.trim(), "");
  });
  await step("what is left is stopped, and the daemons end", async () => {
    await Promise.all(lab.hosts.map((host) => host.must("lvmlockctl --stop-lockspaces")));
    for (const host of lab.hosts) assert.equal((await host.must(lockspaces)).stdout, "");
    await Promise.all(lab.hosts.map((host) => host.must("lvmlockctl --quit && ! lvmlockctl --info")));
  });
}

export default scenario(
  "dlm-life",
  { about: "A shared VG on the dlm from vgcreate to vgremove, on two hosts.", guests: 2 },
  async (steps) => {
    const lab = await steps.cluster({ hosts: 2, disks: [{ size_mb: 1024 }] });
    await Promise.all(lab.hosts.map(udevWatches));
    await startDlmDaemons(lab, { transport: "knet" });
    await createAndStart(lab, steps);
    await activate(lab, steps);
    await refresh(lab, steps);
    await otherLvs(lab, steps);
    await end(lab, steps);
  },
);

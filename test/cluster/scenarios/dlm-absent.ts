/** What lvmlockd does when the dlm's daemons do not run, hang or die. */
import assert from "node:assert/strict";
import { inTime } from "../lab/failures.ts";
import type { Host } from "../lab/host.ts";
import { type Steps, scenario } from "../scenario.ts";
import { startControld, startCorosyncOnAll } from "../services/dlm.ts";
import {
  answered_ms_max,
  CONTROLD_GONE,
  dumped,
  makeVg,
  noticed_ms_max,
  refusedSoon,
  type Why,
} from "../services/dlm-vg.ts";
import { startLvmlockd } from "../services/lvmlockd.ts";

/** dlm_controld and its helper process of the same name. */
const CONTROLD = "$(pidof dlm_controld)";
const HANGS = /dlm_controld runs on this host and gives no answer/;
/** The C daemon beside ours, and the VG that it has. */
const C_SOCKET = "/run/lvm/c.socket";
const WITH_C = `export LVM_LVMLOCKD_SOCKET=${C_SOCKET}`;
/** How long the C daemon is watched while it gives no answer; ours has refused the same by then. */
const C_WATCHED_S = 20;

async function startC(host: Host): Promise<void> {
  await host.must(
    `/opt/c/lvmlockd -s ${C_SOCKET} -p /run/lvm/c.pid; until test -S ${C_SOCKET}; do sleep 0.1; done`,
  );
  await host.must(`${WITH_C}; vgcreate -q --shared --locktype dlm vgc /dev/sdc`);
  await host.must(`${WITH_C}; lvcreate -q -an -n lv0 -L 4M vgc`);
}

const missing = (log: RegExp): Why => ({ error: "ENOLS", log });

async function nothingRuns({ step }: Steps, hosts: readonly [Host, Host]): Promise<void> {
  const [a, b] = hosts;
  const create = "vgcreate --shared --locktype dlm vg0 /dev/sda";
  await startLvmlockd(a, { arguments: "" });
  await step("without the dlm a VG is refused with what to start, one thing after the other", async () => {
    await a.must("modprobe -r dlm");
    await refusedSoon(a, create, missing(/the kernel module dlm is not loaded: `modprobe dlm`/));
    await a.must("modprobe dlm");
    await refusedSoon(
      a,
      create,
      missing(/neither corosync nor dlm_controld runs on this host: `systemctl start corosync dlm`/),
    );
    await startCorosyncOnAll(hosts);
    await refusedSoon(a, create, missing(/dlm_controld does not run on this host: `systemctl start dlm`/));
  });
  await Promise.all(hosts.map(startControld));
  await startLvmlockd(b, { arguments: "" });
}

const KERNEL_HAS_VG1 = "test -e /sys/kernel/dlm/lvm_vg1";
const START_VG1 = "vgchange --lockstart vg1";

/** Starts the VG that the other host has, and stops both hosts' dlm_controld while the kernel joins. */
async function startThatHangs(
  host: Host,
  other: Host,
): Promise<{ readonly started: ReturnType<Host["run"]> }> {
  await other.must(`kill -STOP ${CONTROLD}`);
  const started = host.run(START_VG1, { timeout_ms: answered_ms_max });
  await host.until(KERNEL_HAS_VG1, { timeout_ms: answered_ms_max });
  await host.must(`kill -STOP ${CONTROLD}`);
  return { started };
}

/** It is answered, whatever the answer is. */
async function answered(host: Host, command: string): Promise<void> {
  const { rc } = await host.run(command, { timeout_ms: answered_ms_max });
  inTime(rc !== 124, `${command} hangs`);
}

async function controldHangs({ step, say }: Steps, [a, b]: readonly [Host, Host]): Promise<void> {
  await b.must("vgcreate -q --shared --locktype dlm vg1 /dev/sdb");
  const { started } = await startThatHangs(a, b);
  await step("while dlm_controld hangs, a VG that runs gives locks as before", async () => {
    const { elapsed_ms } = await a.must("vgs vg0 && lvcreate -q -aey -n more -L 4M vg0", {
      timeout_ms: answered_ms_max,
    });
    say(`vgs and lvcreate took ${elapsed_ms.toFixed(0)} ms`);
    await b.refused("lvchange -aey vg0/more", /LV locked by other host/);
  });
  await step(
    "what needs it is refused with the reason, in bounded time, and delays no other VG",
    async () => {
      await a.must("lvchange -an vg0/more && vgs vg0", { timeout_ms: answered_ms_max });
      const { rc, elapsed_ms } = await started;
      inTime(rc !== 124, "the start of a VG hangs with dlm_controld");
      say(`the start of another VG was refused after ${elapsed_ms.toFixed(0)} ms`);
      await dumped(a, HANGS);
      for (const command of ["vgrename vg0 vg9", "vgchange --lockstop vg0", START_VG1])
        await answered(a, command);
      await dumped(a, /lvm_vg0 can't be stopped now: dlm_controld runs on this host/);
      // It is neither renamed nor stopped, and gives locks on.
      await a.must("lvchange -aey vg0/more && lvchange -an vg0/more", { timeout_ms: answered_ms_max });
    },
  );
  await step(
    "when it goes on, the start that was given up is taken back, because nobody wants it",
    async () => {
      await a.must(KERNEL_HAS_VG1);
      await Promise.all([a, b].map((host) => host.must(`kill -CONT ${CONTROLD}`)));
      await a.until(`! ${KERNEL_HAS_VG1}`, { timeout_ms: answered_ms_max });
      await dumped(a, /the start of lvm_vg1 that was given up has come through, and is taken back/);
    },
  );
  await step("the VG is started as ever, and everything else goes on too", async () => {
    await a.must(`${START_VG1} && lvcreate -q -an -n lv0 -L 4M vg1`, { timeout_ms: answered_ms_max });
    await b.must("lvs vg1/lv0 && lvchange -aey vg0/more && lvchange -an vg0/more");
  });
}

async function controldDies({ step }: Steps, [a, b]: readonly [Host, Host]): Promise<void> {
  await a.must("lvchange -aey vg0/lv0");
  await startC(a);
  await step(
    "when dlm_controld dies, everything says that the host has to be restarted; C waits for ever",
    async () => {
      await a.must(`kill -9 ${CONTROLD}`);
      const c = a.run(`${WITH_C}; timeout -s KILL ${C_WATCHED_S} lvchange -aey vgc/lv0`, {
        timeout_ms: answered_ms_max,
      });
      await refusedSoon(a, "lvchange -aey vg0/lv1", CONTROLD_GONE);
      await refusedSoon(a, "lvcreate -q -an -n no -L 4M vg0", CONTROLD_GONE);
      await answered(a, "vgchange --lockstop vg0");
      await a.must("lvmlockctl --info >/dev/null", { timeout_ms: answered_ms_max });
      // The control run: killed by timeout, as nothing else would have ended it.
      assert.equal((await c).rc, 128 + 9, "the C daemon has answered");
    },
  );
  // Without fencing, as here, corosync's word that dlm_controld is gone counts; dlm-fencing shows the other case.
  await step("another host gets what the dead one had, once that one is gone", async () => {
    await a.crash();
    await b.until("lvchange -aey vg0/lv0", { timeout_ms: noticed_ms_max });
  });
}

async function corosyncDies({ step }: Steps, b: Host): Promise<void> {
  await step("when corosync dies, dlm_controld goes with it, and the host says so too", async () => {
    await b.must("kill -9 $(pidof corosync)");
    await b.until("! pgrep -x dlm_controld", { timeout_ms: noticed_ms_max });
    await refusedSoon(b, "lvchange -aey vg0/lv1", CONTROLD_GONE);
    await answered(b, "vgchange --lockstart vg1");
    await b.must("lvmlockctl --info >/dev/null", { timeout_ms: answered_ms_max });
  });
}

export default scenario(
  "dlm-absent",
  { about: "The dlm does not run, or its daemons hang or die.", guests: 2 },
  async (steps) => {
    const disks = [{ size_mb: 512 }, { size_mb: 128 }, { size_mb: 128 }];
    const lab = await steps.cluster({ hosts: 2, disks });
    const hosts = [lab.host(1), lab.host(2)] as const;
    await nothingRuns(steps, hosts);
    await makeVg(hosts);
    await controldHangs(steps, hosts);
    await controldDies(steps, hosts);
    await corosyncDies(steps, hosts[1]);
  },
);

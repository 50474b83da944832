/** What the dlm and lvmlockd do when hosts, daemons and networks fail. */
import assert from "node:assert/strict";
import { inTime } from "../lab/failures.ts";
import type { Host } from "../lab/host.ts";
import { type Steps, scenario } from "../scenario.ts";
import { keepsCommandLock } from "../services/adopting.ts";
import { CLUSTER_NAME, rejoinDlm, startDlmDaemons, untilNodes } from "../services/dlm.ts";
import {
  answered_ms_max,
  CONTROLD_GONE,
  dumped,
  kernelBlock,
  makeVg,
  noticed_ms_max,
  refusedSoon,
  type Why,
} from "../services/dlm-vg.ts";
import { killLvmlockd, startLvmlockd } from "../services/lvmlockd.ts";
import { GUEST_BUN } from "../services/sources.ts";
import { askLvmlockd } from "../services/wire.ts";
import { seqnoOnDisk, startWriting } from "../services/writing-command.ts";

/** As `vgchange --lockstart` sends it behind the global lock. */
const START_VG1 = {
  request: "start_vg",
  keys: {
    cmd: "vgchange",
    pid: 1,
    opts: "none",
    vg_name: "vg1",
    vg_lock_type: "dlm",
    vg_lock_args: `1.0.0:${CLUSTER_NAME}`,
    vg_uuid: "none",
  },
} as const;

const otherHost = /LV locked by other host/;

/** A client that takes a lock and keeps it, in the words that lvm uses; it prints what it is told. */
const holderOf = (words: readonly string[]): string => `
const say = (lines) => lines.join("\\n") + "\\n##\\n";
const text = (chunk) => console.log(chunk.toString());
const socket = await Bun.connect({ unix: "/run/lvm/lvmlockd.socket", socket: { data: (_, chunk) => text(chunk) } });
socket.write(say(['request="hello"']));
await Bun.sleep(300);
socket.write(say([...${JSON.stringify(words)}, 'cmd="holder"', "pid=" + process.pid, 'opts="none"']));
setInterval(() => {}, 1000);
`;

const vgLock = (mode: "sh" | "ex"): readonly string[] => [
  'request="lock_vg"',
  `mode="${mode}"`,
  'vg_name="vg0"',
];
/** Also where no VG is started. */
const GLOBAL_LOCK = ['request="lock_gl"', 'mode="ex"', 'vg_lock_type="dlm"'];

async function holdLock(host: Host, words: readonly string[]): Promise<void> {
  await host.write("/run/holder.ts", holderOf(words));
  await host.must(`(${GUEST_BUN} run /run/holder.ts >/run/holder.out 2>&1 </dev/null & disown)`);
  await host.until("grep -q 'op_result = 0' /run/holder.out", { timeout_ms: answered_ms_max });
}

async function crash(steps: Steps): Promise<void> {
  const { step, say, cluster } = steps;
  const lab = await cluster({ hosts: 3, disks: [{ size_mb: 512 }] });
  const [a, b, c] = [lab.host(1), lab.host(2), lab.host(3)];
  await startDlmDaemons(lab);
  await makeVg([b, a, c]);
  await step(
    "a host crashes in the middle of a command, with one LV exclusively and one shared",
    async () => {
      await a.must("lvchange -aey vg0/lv0 && lvchange -asy vg0/lv1");
      await b.must("lvchange -asy vg0/lv1");
      await startWriting(a, b, "half");
      await a.crash();
    },
  );
  await step(
    "the VG's value block is lost with it, which counts as no version and not as an old one",
    async () => {
      await untilLost(b);
      const { stdout } = await b.must(
        "vgs --noheadings -o seqno vg0 && lvs --noheadings -o lv_name vg0/half",
      );
      assert.match(stdout, new RegExp(`^ *${await seqnoOnDisk(c)}\\s+half\\s*$`));
      await dumped(b, /lvm_vg0:VGLK: .*value block was lost/);
      assert.ok((await kernelBlock(b)).lost, "a shared lock has written the value block");
    },
  );
  await step("the next exclusive holder writes it anew, also when it changes nothing", async () => {
    await b.refused("lvremove -y vg0/no-such-lv", /Failed to find logical volume/);
    assert.ok(!(await kernelBlock(b)).lost, "the value block is still lost");
  });
  await step("another host gets the exclusive LV as soon as the crash is noticed", async () => {
    const { elapsed_ms } = await b.until("lvchange -aey vg0/lv0", { timeout_ms: noticed_ms_max });
    say(`the LV was had again; the last try took ${elapsed_ms.toFixed(0)} ms`);
    await c.refused("lvchange -aey vg0/lv0", otherHost);
  });
  await step("what other hosts held is untouched: the shared LV is still refused exclusively", async () => {
    await c.refused("lvchange -aey vg0/lv1", otherHost);
    await b.must("lvchange -an vg0/lv1");
    await c.must("lvchange -aey vg0/lv1 && lvchange -an vg0/lv1");
  });
  await step("the VG can be changed by both hosts that are left", async () => {
    await b.must("lvcreate -q -an -n lv2 -L 4M vg0");
    await c.must("lvs vg0/lv2 && lvremove -q -y vg0/lv2 vg0/half");
    await versionsAgree(b);
  });
  await step("the crashed host comes back, joins and starts the VG", async () => {
    await a.boot();
    await rejoinDlm(a, lab.hosts);
    await startLvmlockd(a, { arguments: "" });
    await a.must("vgchange --lockstart vg0");
    await a.refused("lvchange -aey vg0/lv0", otherHost);
    await b.must("lvchange -an vg0/lv0");
    await a.must("lvchange -aey vg0/lv0");
    await versionsAgree(b);
  });
  await crashBeforeWaiters(steps, a, [b, c]);
}

/** A host crashes with the VG lock, for which all others wait. */
async function crashBeforeWaiters({ step }: Steps, holder: Host, others: readonly Host[]): Promise<void> {
  await step(
    "commands that wait for the VG lock of a host that crashes have it in turn, and then everybody",
    async () => {
      await holdLock(holder, vgLock("ex"));
      // Tried again and again, so that they are in the dlm's queue when the crash is noticed.
      for (const host of others)
        await host.must(
          `(until lvcreate -q -an -n ${host.name} -L 4M vg0; do :; done >/run/waiting.out 2>&1 </dev/null & disown)`,
        );
      for (const host of others)
        await host.until("grep -q 'lock failed: held by other host' /run/waiting.out", {
          timeout_ms: answered_ms_max,
        });
      await holder.crash();
      for (const host of others)
        await host.until(`! pgrep -x lvcreate && lvs vg0/${host.name}`, { timeout_ms: noticed_ms_max });
      for (const host of others)
        await host.must(`lvremove -q -y vg0/${host.name}`, { timeout_ms: answered_ms_max });
    },
  );
}

async function untilLost(master: Host): Promise<void> {
  const until_ms = performance.now() + noticed_ms_max;
  while (!(await kernelBlock(master)).lost) {
    inTime(performance.now() < until_ms, "the dlm has not lost the value block");
    await Bun.sleep(500);
  }
}

/** The value block, which all hosts read, has the version of the metadata on the disk. */
async function versionsAgree(master: Host): Promise<void> {
  assert.deepEqual(await kernelBlock(master), { version: await seqnoOnDisk(master), lost: false });
}

const toBeFenced = ({ id }: Host): Why => ({
  error: "ENETDOWN",
  log: new RegExp(`node ${id} has failed and has to be fenced`),
});

async function fencing(steps: Steps): Promise<void> {
  const { step, cluster } = steps;
  const lab = await cluster({ hosts: 3, disks: [{ size_mb: 512 }] });
  const [a, b, c] = [lab.host(1), lab.host(2), lab.host(3)];
  await startDlmDaemons(lab, { fencing: true });
  await makeVg(lab.hosts);
  await a.must("lvchange -aey vg0/lv0");
  await a.crash();
  await step(
    "while the crashed host is not fenced nobody gets a lock, and the reason names the node",
    async () => {
      await untilNodes(b, 2);
      await refusedSoon(b, "lvchange -aey vg0/lv0", toBeFenced(a));
      await refusedSoon(c, "lvcreate -q -an -n no -L 4M vg0", toBeFenced(a));
    },
  );
  await step("lvmlockd answers whatever needs no lock meanwhile", async () => {
    await c.must("lvmlockctl --info >/dev/null && lvmlockctl who vg0/lv0", { timeout_ms: answered_ms_max });
    await c.must("vgs vg0", { timeout_ms: answered_ms_max });
  });
  await step("when a person says that it is down, its LV is had by another host", async () => {
    await b.until("dlm_tool fence_ack 1 && sleep 2 && lvchange -aey vg0/lv0", { timeout_ms: noticed_ms_max });
    await dumped(b, /lvm_vg0 runs again/);
    await c.refused("lvchange -aey vg0/lv0", otherHost);
  });
}

/** Two nodes, each of which has quorum alone: fencing is all that keeps the halves of a cut cluster from each other's locks. */
async function split({ step, cluster }: Steps): Promise<void> {
  const lab = await cluster({ hosts: 2, disks: [{ size_mb: 512 }] });
  const [a, b] = [lab.host(1), lab.host(2)];
  await startDlmDaemons(lab, { fencing: true });
  await makeVg(lab.hosts);
  await a.must("lvchange -aey vg0/lv0");
  await b.must("lvchange -aey vg0/lv1");
  await step("cut in two, both halves have quorum", async () => {
    lab.network.split([a], [b]);
    for (const host of lab.hosts) {
      await untilNodes(host, 1);
      await host.must("corosync-quorumtool -s | grep -q '^Quorate: *Yes'");
    }
  });
  await step(
    "and neither gets a lock, of the other or a new one, because the other is not fenced",
    async () => {
      for (const [host, other, theirs] of [
        [a, b, "lv1"],
        [b, a, "lv0"],
      ] as const) {
        await refusedSoon(host, `lvchange -aey vg0/${theirs}`, toBeFenced(other));
        await host.absent(`/dev/vg0/${theirs}`);
        await refusedSoon(host, "lvcreate -q -an -n no -L 4M vg0", toBeFenced(other));
      }
    },
  );
  await step("until a person has made sure that one is down: then the other has its locks", async () => {
    await b.crash();
    await refusedSoon(a, "lvchange -aey vg0/lv1", toBeFenced(b));
    await a.until("dlm_tool fence_ack 2 && sleep 2 && lvchange -aey vg0/lv1", { timeout_ms: noticed_ms_max });
    await a.must("lvcreate -q -an -n lv2 -L 4M vg0", { timeout_ms: answered_ms_max });
  });
}

async function partition(steps: Steps): Promise<void> {
  const { step, cluster } = steps;
  const lab = await cluster({ hosts: 3, disks: [{ size_mb: 512 }, { size_mb: 128 }] });
  const [a, b, c] = [lab.host(1), lab.host(2), lab.host(3)];
  await startDlmDaemons(lab, { transport: "knet" });
  await makeVg(lab.hosts);
  await a.must("vgcreate -q --shared --locktype dlm vg1 /dev/sdb");
  await c.must("lvchange -aey vg0/lv1");
  await step("a host that is cut off gets no lock, and is told why in bounded time", async () => {
    lab.network.cut(c);
    const noQuorum: Why = { error: "ENETDOWN", log: /has no quorum here, so lvm_vg0 gives no locks/ };
    await refusedSoon(c, "lvchange -aey vg0/lv0", noQuorum);
    await c.absent("/dev/vg0/lv0");
    await refusedSoon(c, "lvcreate -q -an -n no -L 4M vg0", noQuorum);
  });
  await step("it may deactivate what it has, and read", async () => {
    await c.must("vgs vg0", { timeout_ms: answered_ms_max });
    await c.must("lvchange -an vg0/lv1", { timeout_ms: answered_ms_max });
  });
  await step("a VG that it has not started yet is not started there either", async () => {
    await c.run("vgchange --lockstart vg1", { timeout_ms: answered_ms_max });
    assert.doesNotMatch((await c.must("lvmlockctl --info")).stdout, /lvm_vg1/);
    await dumped(c, /has no quorum here, so lvm_global gives no locks/);
    // The command does not get beyond the global lock. Without that the VG's own start is refused in the same way.
    await askLvmlockd(c, START_VG1);
    await c.until("lvmlockctl --dump | grep -q 'start of lvm_vg1 failed: the cluster has no quorum here'", {
      timeout_ms: answered_ms_max,
    });
    await c.must("test ! -e /sys/kernel/dlm/lvm_vg1");
  });
  await step("the majority goes on, and gets what the lost host had", async () => {
    await a.until("lvchange -aey vg0/lv0", { timeout_ms: noticed_ms_max });
    await b.refused("lvchange -aey vg0/lv0", otherHost);
    await b.until("lvchange -aey vg0/lv1", { timeout_ms: noticed_ms_max });
    await a.must("lvcreate -q -an -n lv2 -L 4M vg0");
  });
  await step(
    "when the network is back, the cluster turns the stale host away, which says what to do",
    async () => {
      lab.network.heal(c);
      await c.until("! pgrep -x dlm_controld", { timeout_ms: noticed_ms_max });
      await refusedSoon(c, "lvchange -aey vg0/lv0", CONTROLD_GONE);
      await a.until("lvcreate -q -an -n lv3 -L 4M vg0", { timeout_ms: noticed_ms_max });
    },
  );
  await step("restarted, it joins again and sees what happened meanwhile", async () => {
    await c.crash();
    await c.boot();
    await rejoinDlm(c, lab.hosts, { transport: "knet" });
    await startLvmlockd(c, { arguments: "" });
    await c.must("vgchange --lockstart vg0 && lvs vg0/lv2 vg0/lv3");
    await c.refused("lvchange -aey vg0/lv1", otherHost);
  });
}

async function adoption(steps: Steps): Promise<void> {
  const { step, cluster } = steps;
  const lab = await cluster({ hosts: 2, disks: [{ size_mb: 512 }, { size_mb: 128 }] });
  const [a, b] = [lab.host(1), lab.host(2)];
  await startDlmDaemons(lab);
  await makeVg(lab.hosts);
  await a.must("lvchange -aey vg0/lv0 && lvchange -asy vg0/lv1 && lvcreate -q -aey -n gone -L 4M vg0");
  await step("while lvmlockd is dead, what was active stays locked for the others", async () => {
    await killLvmlockd(a);
    await b.refused("lvchange -aey vg0/lv0", otherHost);
    await b.refused("lvchange -aey vg0/lv1", otherHost);
    await b.must("lvchange -asy vg0/lv1");
  });
  await step("an LV that goes away while lvmlockd is dead is released when it is back", async () => {
    await a.must("dmsetup remove vg0-gone");
    await startLvmlockd(a, { arguments: "" });
    await dumped(a, /adoption is over: 2 locks adopted, 1 released, 0 failed/);
    await b.must("lvchange -aey vg0/gone && lvchange -an vg0/gone");
  });
  await step("what it adopted is still refused to others, and is released by the new daemon", async () => {
    await b.refused("lvchange -aey vg0/lv0", otherHost);
    await a.must("lvextend -q -L +4M vg0/lv0");
    await a.must("lvchange -an vg0/lv0 && lvchange -an vg0/lv1");
    await b.must("lvchange -aey vg0/lv0 && lvchange -an vg0/lv1 && lvchange -aey vg0/lv1");
  });
  await step(
    "a command that was writing keeps the VG lock until it has ended, though the next lvmlockd runs",
    async () => {
      await keepsCommandLock(a, b, "");
      // What it wrote has a version that it could not store; the next holder stores one again.
      await b.must("vgchange -q --addtag known vg0");
      await versionsAgree(a);
      await a.must("lvchange -an vg0/slow && lvremove -q -y vg0/slow");
    },
  );
  await step(
    "the VG and the global lock of a command keep the others out when lvmlockd dies, until it is back",
    async () => {
      // The part of a command that writes metadata: it has the locks and is not over.
      await holdLock(a, GLOBAL_LOCK);
      await holdLock(a, vgLock("ex"));
      await killLvmlockd(a);
      await b.refused("pvcreate -q -y /dev/sdb", /[Gg]lobal lock failed: held by other host/);
      await b.refused("lvcreate -q -an -n lv3 -L 4M vg0", /VG vg0 lock failed: held by other host/);
      await startLvmlockd(a, { arguments: "" });
      await dumped(a, /lvm_vg0: the VG lock of a command that had it when lvmlockd died is released/);
      // The command may have written metadata whose version it could not store any more.
      await untilLost(a);
      await b.must("lvcreate -q -an -n lv3 -L 4M vg0", { timeout_ms: answered_ms_max });
      await b.until("pvcreate -q -y /dev/sdb", { timeout_ms: answered_ms_max });
      // It was purged, and not left with its lockspace.
      await a.must("dlm_tool ls | grep -q lvm_global");
      await a.must("lvremove -q -y vg0/lv3");
    },
  );
  await locksOfTheDead(steps, [a, b]);
}

/** What commands had locked when lvmlockd died, where none of its VGs or only this one is started. */
async function locksOfTheDead({ step }: Steps, [a, b]: readonly [Host, Host]): Promise<void> {
  await step("so does a shared one, but for commands that read, until lvmlockd is back", async () => {
    await holdLock(a, vgLock("sh"));
    await killLvmlockd(a);
    await b.must("lvs vg0");
    await b.refused("lvcreate -q -an -n lv3 -L 4M vg0", /VG vg0 lock failed: held by other host/);
    await startLvmlockd(a, { arguments: "" });
    await b.until("lvcreate -q -an -n lv3 -L 4M vg0", { timeout_ms: answered_ms_max });
  });
  await step(
    "the global lock of a command keeps the others out in the same way, and is released although no VG is started",
    async () => {
      await a.must("vgchange --lockstop vg0");
      await a.until("! dlm_tool ls | grep -q lvm_global", { timeout_ms: answered_ms_max });
      await holdLock(a, GLOBAL_LOCK);
      await killLvmlockd(a);
      await b.refused("pvcreate -q -y /dev/sdb", /[Gg]lobal lock failed: held by other host/);
      await startLvmlockd(a, { arguments: "" });
      await b.until("pvcreate -q -y /dev/sdb", { timeout_ms: answered_ms_max });
      await a.until("! dlm_tool ls | grep -q lvm_global", { timeout_ms: answered_ms_max });
    },
  );
}

export default [
  scenario(
    "dlm-crash",
    { about: "A host crashes; its locks go to others, and it comes back.", guests: 3 },
    crash,
  ),
  scenario(
    "dlm-fencing",
    { about: "A crashed host's locks stay its own until it is fenced.", guests: 3 },
    fencing,
  ),
  scenario(
    "dlm-split",
    {
      about: "Two hosts are cut off from each other: none gets the other's locks before that is fenced.",
      guests: 2,
    },
    split,
  ),
  scenario(
    "dlm-partition",
    { about: "A host is cut off: it gets nothing, the majority goes on.", guests: 3 },
    partition,
  ),
  scenario(
    "dlm-adoption",
    { about: "lvmlockd is killed and a new one takes its locks over.", guests: 2 },
    adoption,
  ),
];

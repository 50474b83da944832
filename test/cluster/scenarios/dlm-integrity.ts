/** The same work as in sanlock-integrity, on a cluster with the dlm, where lvm announces the versions of VGs as well. */
import assert from "node:assert/strict";
import type { Cluster } from "../lab/cluster.ts";
import type { Host } from "../lab/host.ts";
import { scenario } from "../scenario.ts";
import { rejoinDlm, startDlmDaemons } from "../services/dlm.ts";
import { type KernelBlock, kernelBlock } from "../services/dlm-vg.ts";
import { startLvmlockd } from "../services/lvmlockd.ts";
import { newRecord } from "./integrity/record.ts";
import { checkRecord, checkSeqnos, checkTakeovers } from "./integrity/verdict.ts";
import { install, LVS, round_ms_max, seed, workEverywhere, workThroughCrash } from "./integrity/work.ts";

/**
 * Without fencing, as in dlm-crash: the victim's power is gone before corosync notices, so its locks may be given away at once, and
 * nobody has to acknowledge anything in the middle of the work. What waits for fencing is shown in dlm-fencing.
 */
const kept_s = 0;
/** Without fencing a host that only gets no processor for a token's time loses its locks while it is alive; this machine is not that busy. */
const token_ms = 30_000;
const holds_min = 30;

async function startEverything(lab: Cluster): Promise<void> {
  await startDlmDaemons(lab, { token_ms });
  await lab.host(1).must("vgcreate --shared --locktype dlm vg0 /dev/sda");
  await Promise.all(lab.hosts.slice(1).map((host) => host.must("vgchange --lockstart vg0")));
  await lab.host(1).must(LVS.map((lv) => `lvcreate -q -an -n ${lv} -L 4M vg0`).join(" && "));
  await Promise.all(lab.hosts.map(install));
}

/** Of the node that looks after the VG lock: after a crash that may be any. */
async function findBlock(hosts: readonly Host[]): Promise<KernelBlock> {
  const blocks = await Promise.all(hosts.map((host) => kernelBlock(host).catch(() => null)));
  const masters = blocks.filter((block) => block !== null);
  assert.equal(masters.length, 1, "not exactly one node looks after the VG lock");
  return masters[0] as KernelBlock;
}

export default scenario(
  "dlm-integrity",
  {
    about:
      "Random work and a crash on three hosts of a dlm cluster leave the VG sound and no LV with two owners.",
    guests: 3,
    timeout_ms: 1_800_000,
  },
  async (steps) => {
    const { step } = steps;
    const record = newRecord();
    const lab = await steps.cluster({ hosts: 3, disks: [{ size_mb: 512 }, { size_mb: 64 }] });
    await step("three hosts have the VG started", () => startEverything(lab));
    steps.say(`seed ${seed}`);
    const victim = lab.host(1 + (seed % lab.hosts.length));
    const rejoin = async (host: Host): Promise<void> => {
      await rejoinDlm(host, lab.hosts, { token_ms });
      await startLvmlockd(host, { arguments: "" });
      await host.must("vgchange --lockstart vg0", { timeout_ms: round_ms_max });
    };
    await step(`they work at random, and ${victim.name} crashes and comes back meanwhile`, () =>
      workThroughCrash(lab, 0, { victim, kept_s, rejoin }, record),
    );
    await step("they work on", () => workEverywhere(lab, 1, record));
    await step(
      "no LV was ever active exclusively on one host and at all on another, and nobody wrote into another's",
      () => checkRecord(steps, lab, record, holds_min),
    );
    await step("what the crashed host had exclusively was had by another", () =>
      checkTakeovers(steps, record, 1, kept_s),
    );
    await step("the metadata is sound, and the value block in the kernel has its version", async () => {
      const version = await checkSeqnos(lab);
      assert.deepEqual(await findBlock(lab.hosts), { version, lost: false });
    });
  },
);

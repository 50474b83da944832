/** Three hosts work at random on the same VG, and crash; afterwards everything must add up. */
import assert from "node:assert/strict";
import type { Cluster } from "../lab/cluster.ts";
import type { Host } from "../lab/host.ts";
import { scenario } from "../scenario.ts";
import { deadAfter_ms, IO_TIMEOUT_S } from "../services/sanlock.ts";
import { startDaemons, startDaemonsOnAll } from "../services/sanlock-hosts.ts";
import { newRecord, type Record } from "./integrity/record.ts";
import { checkRecord, checkSeqnos, checkTakeovers } from "./integrity/verdict.ts";
import { install, LVS, round_ms_max, seed, workEverywhere, workThroughCrash } from "./integrity/work.ts";

const CRASHES = 2;
const holds_min = 50;
/** A host lives on without a renewal for eight I/O timeouts, as one that gets no processor does; then sanlock ends what uses its leases. */
const renewal_age_s_max = 8 * IO_TIMEOUT_S;
/** A host's leases are its own for sanlock's time after its last renewal. */
const kept_s = deadAfter_ms() / 1000 - renewal_age_s_max;

async function rejoin(host: Host): Promise<void> {
  await startDaemons(host);
  await host.must("vgchange --lockstart vg0", { timeout_ms: round_ms_max });
}

async function startEverything(lab: Cluster): Promise<void> {
  await startDaemonsOnAll(lab);
  await lab.host(1).must("vgcreate --shared vg0 /dev/sda");
  await Promise.all(lab.hosts.slice(1).map((host) => host.must("vgchange --lockstart vg0")));
  await lab.host(1).must(LVS.map((lv) => `lvcreate -q -an -n ${lv} -L 4M vg0`).join(" && "));
  await Promise.all(lab.hosts.map(install));
}

/**
 * lvm announces no versions of sanlock VGs any more, so it is the global lock's value block that counts: by releases from ex, of which
 * none may be lost in all that has happened.
 */
async function checkGlobalLock(lab: Cluster, { counts }: Record): Promise<void> {
  const versions = await Promise.all(
    lab.hosts.map(async (host) => {
      await host.must("vgs");
      return (await host.must("lvmlockctl --info | grep -o 'LK [GV][LG] .*' | sort")).stdout;
    }),
  );
  const version = Number(/LK GL un ver (\d+)/.exec(versions[0] ?? "")?.[1]);
  const released = counts.get("global") ?? 0;
  assert(
    released > 0 && version >= released,
    `version ${version} after ${released} releases of the global lock`,
  );
  assert.equal(new Set(versions).size, 1, `value blocks differ: ${versions.join(" / ")}`);
}

export default scenario(
  "sanlock-integrity",
  {
    about: "Random work and crashes on three hosts leave the VG sound and no LV with two owners.",
    guests: 3,
    timeout_ms: 1_800_000,
  },
  async (steps) => {
    const { step } = steps;
    const record = newRecord();
    const lab = await steps.cluster({ hosts: 3, disks: [{ size_mb: 1024 }, { size_mb: 64 }] });
    await step("three hosts have the VG started", () => startEverything(lab));
    steps.say(`seed ${seed}`);
    for (let crash = 0; crash < CRASHES; crash++) {
      const victim = lab.host(1 + ((seed + crash) % lab.hosts.length));
      await step(`they work at random, and ${victim.name} crashes and comes back meanwhile`, () =>
        workThroughCrash(lab, crash, { victim, kept_s, rejoin }, record),
      );
    }
    await step("they work on", () => workEverywhere(lab, CRASHES, record));
    await step(
      "no LV was ever active exclusively on one host and at all on another, and nobody wrote into another's",
      () => checkRecord(steps, lab, record, holds_min),
    );
    await step(
      "what a crashed host had exclusively was had by another after sanlock's time, and not before",
      () => checkTakeovers(steps, record, CRASHES, kept_s),
    );
    await step("the metadata is sound, and sequence numbers and value blocks agree", async () => {
      await checkSeqnos(lab);
      await checkGlobalLock(lab, record);
    });
  },
);

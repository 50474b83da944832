/** Three hosts work at random on the same VG, and crash; afterwards everything must add up. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Cluster } from "../lab/cluster.ts";
import type { Host } from "../lab/host.ts";
import { type Steps, scenario } from "../scenario.ts";
import { startDaemons, startDaemonsOnAll } from "../services/sanlock-hosts.ts";
import { describeOverlap, type Interval, intervalsOf, overlaps, parseSamples } from "./integrity/samples.ts";

const WORKERS_PER_HOST = 2;
const work_s = Number(process.env.LVMLOCKD_CLUSTER_INTEGRITY_S ?? 30);
/** Each worker goes on until it has done so much, on a machine that does much else too; but not beyond three times its time. */
const OPERATIONS_MIN = 10;
const activations_min = 10;
const CRASHES = 2;
/** Clocks are compared through the agent, whose way takes up to so long on a busy machine. */
const clock_error_s = 0.7;
/** A start of a VG after a crash, then the rest of the work. */
const round_ms_max = 300_000;

const script = (name: string): string => readFileSync(join(import.meta.dirname, "integrity", name), "utf8");

interface Record {
  readonly counts: Map<string, number>;
  readonly problems: string[];
  readonly intervals: Interval[];
}

async function install(host: Host): Promise<void> {
  await host.write("/root/worker.sh", script("worker.sh"));
  await host.write("/root/tables.pl", script("tables.pl"));
  await host.must("setsid perl /root/tables.pl >/dev/null 2>&1 </dev/null &");
}

/** The guest's clock minus the lab's, at the middle of the shortest of some round trips. */
async function clockAhead_s(host: Host): Promise<number> {
  let best = { trip_s: Number.POSITIVE_INFINITY, ahead_s: 0 };
  for (let attempt = 0; attempt < 5; attempt++) {
    const sent_s = Date.now() / 1000;
    const { stdout } = await host.must("echo $EPOCHREALTIME");
    const trip_s = Date.now() / 1000 - sent_s;
    if (trip_s < best.trip_s) best = { trip_s, ahead_s: Number(stdout) - sent_s - trip_s / 2 };
  }
  return best.ahead_s;
}

/** What the console of this life of the host has recorded. */
async function collectIntervals(host: Host, ahead_s: number, record: Record): Promise<void> {
  const text = readFileSync(host.guest().console_path, "utf8");
  record.intervals.push(...intervalsOf(parseSamples(host.name, text, ahead_s)));
}

async function work(host: Host, seed: number, record: Record): Promise<void> {
  const { rc, stdout } = await host.run(`bash /root/worker.sh ${seed} ${work_s} ${OPERATIONS_MIN}`, {
    timeout_ms: 3 * work_s * 1000 + round_ms_max,
  });
  for (const line of stdout.trim().split("\n")) {
    const [kind, what = "", number] = line.split(" ");
    if (kind === "COUNT") record.counts.set(what, (record.counts.get(what) ?? 0) + Number(number));
    else if (line !== "") record.problems.push(`${host.name}: ${line}`);
  }
  // 255: the host crashed underneath, as it should.
  if (rc !== 0 && rc !== 255) record.problems.push(`${host.name}: a worker ended with ${rc}`);
}

async function workEverywhere(lab: Cluster, seed: number, record: Record): Promise<void> {
  const workers = lab.hosts.flatMap((host) =>
    Array.from({ length: WORKERS_PER_HOST }, (_, index) => work(host, seed + host.id * 10 + index, record)),
  );
  await Promise.all(workers);
}

async function crashOne(lab: Cluster, host: Host, seed: number, record: Record): Promise<void> {
  const ahead_s = await clockAhead_s(host);
  const working = workEverywhere(lab, seed, record);
  await Bun.sleep((work_s * 1000) / 2);
  await host.crash();
  await collectIntervals(host, ahead_s, record);
  await host.boot();
  await startDaemons(host);
  await host.must("vgchange --lockstart vgi", { timeout_ms: round_ms_max });
  await install(host);
  await working;
}

async function checkMetadata(lab: Cluster, { counts }: Record): Promise<void> {
  const [first] = lab.hosts;
  // One more change, so that every host has to notice that what it knows is old.
  await first?.must("lvcreate -an -n last -L 4M vgi");
  const seqnos = await Promise.all(
    lab.hosts.map(async (host) => {
      await host.must("vgck vgi");
      const { stdout } = await host.must("vgs --noheadings -o vg_seqno vgi");
      return stdout.trim();
    }),
  );
  assert.deepEqual(new Set(seqnos).size, 1, `sequence numbers differ: ${seqnos.join(", ")}`);
  // lvm announces no versions of sanlock VGs any more, so it is the global lock's value block that counts: by releases from ex, of which
  // none may be lost in all that has happened.
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

async function checkRecord({ say }: Steps, record: Record): Promise<void> {
  const counts = [...record.counts].sort().map(([what, count]) => `${what} ${count}`);
  say(`${counts.join(", ")}; ${record.intervals.length} exclusive activations seen in dm tables`);
  // Both at once: a lock that was given twice shows in the tables, and where it did harm, in what was written.
  const twice = overlaps(record.intervals, clock_error_s).map(describeOverlap);
  assert.deepEqual([...twice, ...record.problems], []);
  for (const what of ["activate", "share", "deactivate", "refused"])
    assert(record.counts.has(what), `no worker ever came to ${what}`);
  assert(record.intervals.length >= activations_min, "the dm tables were not recorded");
}

export default scenario(
  "sanlock-integrity",
  {
    about: "Random work and crashes on three hosts leave the VG sound and no LV with two owners.",
    guests: 3,
    unforgiving: true,
  },
  async (steps) => {
    const seed = Number(process.env.LVMLOCKD_CLUSTER_SEED ?? Math.floor(Math.random() * 10_000));
    const record: Record = { counts: new Map(), problems: [], intervals: [] };
    const lab = await steps.cluster({ hosts: 3, disks: [{ size_mb: 1024 }, { size_mb: 64 }] });
    await steps.step("three hosts have the VG started", async () => {
      await startDaemonsOnAll(lab);
      await lab.host(1).must("vgcreate --shared vgi /dev/sda");
      await Promise.all(lab.hosts.slice(1).map((host) => host.must("vgchange --lockstart vgi")));
      for (const number of [0, 1, 2, 3])
        await lab
          .host(1)
          .must(`lvcreate -an -n ex${number} -L 4M vgi && lvcreate -an -n sh${number} -L 4M vgi`);
      await Promise.all(lab.hosts.map(install));
    });
    steps.say(`seed ${seed}`);
    for (let crash = 0; crash < CRASHES; crash++) {
      const victim = lab.host(1 + ((seed + crash) % lab.hosts.length));
      await steps.step(`they work at random, and ${victim.name} crashes and comes back meanwhile`, () =>
        crashOne(lab, victim, seed + crash * 100, record),
      );
    }
    await steps.step("they work on", () => workEverywhere(lab, seed + 1000, record));
    await steps.step(
      "no LV was ever active exclusively on two hosts, and nobody wrote into another's",
      async () => {
        for (const host of lab.hosts) await collectIntervals(host, await clockAhead_s(host), record);
        await checkRecord(steps, record);
      },
    );
    await steps.step("the metadata is sound, and sequence numbers and value blocks agree", () =>
      checkMetadata(lab, record),
    );
  },
);

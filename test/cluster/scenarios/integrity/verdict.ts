/** What must hold of the record of an integrity run, and of the VG after it. */
import assert from "node:assert/strict";
import type { Cluster } from "../../lab/cluster.ts";
import { inTime } from "../../lab/failures.ts";
import type { Steps } from "../../scenario.ts";
import { conflicts, describeConflict, takeoversOf, unwitnessed } from "./judge.ts";
import { closeLife, noteClock, type Record } from "./record.ts";

/** Of all holds: they are what a wrong grant shows in. */
const exclusive_share_min = 1 / 4;
/** Shorter holds may fall between two readings of the dm table, of a host that gets no processor for a while. */
const witnessed_s = 1;

/** What every run comes to. Whether a shared LV can be made exclusive is up to the others, so that it may be refused each time. */
const KINDS = [
  "activate",
  "share",
  "to-shared",
  "compared",
  "deactivate",
  "create",
  "remove",
  "refused-lv-lock",
];

function sayRecord({ say }: Steps, { counts, activations, clock_error_s }: Record): void {
  const sorted = [...counts].sort().map(([what, count]) => `${what} ${count}`);
  const seen = (mode: string): number => activations.filter((each) => each.mode === mode).length;
  say(sorted.join(", "));
  say(
    `${seen("ex")} holds exclusive, ${seen("sh")} shared, ${seen("table")} activations in dm tables; clocks to ${clock_error_s.toFixed(3)} s`,
  );
}

/**
 * Closes the record. Both at once: a lock that was given twice shows in the holds and tables, and where it did harm, in what was written.
 * @param holds_min Fewer show little. Workers that are late work longer, see work.ts.
 */
export async function checkRecord(
  steps: Steps,
  lab: Cluster,
  record: Record,
  holds_min: number,
): Promise<void> {
  for (const host of lab.hosts) {
    await noteClock(host, record);
    closeLife(host, null, record);
  }
  sayRecord(steps, record);
  const { activations, counts, problems } = record;
  assert.deepEqual([...conflicts(activations).map(describeConflict), ...problems], []);
  // A run that saw too little proves nothing, for or against.
  for (const what of KINDS) inTime(counts.has(what), `no worker ever came to ${what}`);
  const holds = activations.filter(({ mode }) => mode !== "table");
  const exclusive = holds.filter(({ mode }) => mode === "ex");
  inTime(holds.length >= holds_min, `${holds.length} holds show little`);
  inTime(
    exclusive.length >= holds_min * exclusive_share_min,
    `${exclusive.length} exclusive holds show little`,
  );
  const unseen = unwitnessed(activations, witnessed_s).map(
    ({ lv, host, from_s }) => `${lv} on ${host} at ${from_s}`,
  );
  inTime(unseen.length === 0, `the dm tables do not show what was held: ${unseen.join(", ")}`);
}

/** @param kept_s How long the lock manager keeps a dead host's locks at least. */
export function checkTakeovers({ say }: Steps, record: Record, crashes: number, kept_s: number): void {
  const takeovers = takeoversOf(record.activations);
  for (const { lv, from, to, after_s } of takeovers)
    say(`${lv}, with which ${from} crashed, was active on ${to} ${after_s.toFixed(1)} s after the crash`);
  const hosts = new Set(takeovers.map(({ from }) => from));
  inTime(hosts.size === crashes, "the LVs of a crashed host were never had by another");
  for (const { lv, after_s } of takeovers)
    assert(after_s > kept_s - record.clock_error_s, `${lv} was had ${after_s} s after the crash`);
}

/** All hosts find the metadata sound, and of the same version, which is returned. */
export async function checkSeqnos(lab: Cluster): Promise<number> {
  // One more change, so that every host has to notice that what it knows is old.
  await lab.host(1).must("lvcreate -an -n last -L 4M vg0");
  const seqnos = await Promise.all(
    lab.hosts.map(async (host) => {
      await host.must("vgck vg0");
      return Number((await host.must("vgs --noheadings -o vg_seqno vg0")).stdout);
    }),
  );
  const [seqno = Number.NaN] = seqnos;
  assert.deepEqual(new Set(seqnos), new Set([seqno]), `sequence numbers differ: ${seqnos.join(", ")}`);
  return seqno;
}

/** A host that is cut off while it goes on writing: sanlock's leases alone could not stop it, its reservation key can be taken away. */
import assert from "node:assert/strict";
import type { Cluster } from "../lab/cluster.ts";
import type { Host } from "../lab/host.ts";
import { type Steps, scenario } from "../scenario.ts";
import {
  expectNoLaterWrite,
  expectStopped,
  fence_ms_max,
  firstSector,
  infoOf,
  isStarted,
  keyIn,
  keyNow,
  loseHeartbeat,
  readPvs,
  removalTimes,
  sameKeys,
  startCounting,
  untilNotRemoved,
  untilStopped,
} from "../services/fences.ts";
import { startStorage } from "../services/lio.ts";
import { ANY_LOCK_ARGS, setLockArgs } from "../services/persist-vg.ts";
import { startDaemons } from "../services/sanlock-hosts.ts";

const [SDA, SDB] = ["/dev/sda", "/dev/sdb"] as const;
const PVS = [SDA, SDB] as const;
/** The first host's second way to the PVs: a nexus of its own, of which lvm knows nothing. */
const SECOND_PATH = { [SDA]: "/dev/sdc", [SDB]: "/dev/sdd" } as const;
type Pv = (typeof PVS)[number];

/**
 * How each PV is reserved: a daemon that corrects its key has to keep all of it as it is. The leases are on the first one; the second
 * one can still be read by a host whose key is missing there.
 */
const RESERVATIONS = { [SDA]: "--prtype EAAR", [SDB]: "--prtype WEAR --ptpl" } as const;

/** Registers a key on a PV; without one, as `vgchange --persist start` does before it knows the generation. */
async function startPv(
  host: Host,
  pv: Pv,
  { key = keyIn(host, 0), device = pv as string } = {},
): Promise<void> {
  await host.must(`lvmpersist start --ourkey ${key} ${RESERVATIONS[pv]} --device ${device}`);
}

const NEW_ARGS = "2.0.0:lvmlock:notimeout:persist";

/** Later than this host can be in. */
const LATER_GENERATION = 0xff;

const start_ms_max = 120_000;

async function setUp(lab: Cluster, { step }: Steps): Promise<void> {
  const [a, b] = [lab.host(1), lab.host(2)];
  await step(
    "a VG gets lock args with which failed hosts are cut off by their reservation keys",
    async () => {
      await a.must(`vgcreate --shared --locktype sanlock vg0 ${SDA} ${SDB}`, { timeout_ms: 300_000 });
      await setLockArgs(a, "persist,notimeout", NEW_ARGS);
      const { stdout } = await b.must("vgs --noheadings -o vg_lock_args vg0");
      assert.equal(stdout.trim(), NEW_ARGS);
    },
  );
  await step(
    "it is not started without reservations: lvm has the number, lvmlockd the sentence",
    async () => {
      await a.refused("vgchange --lockstart vg0", /VG vg0 start failed: -215/);
      assert.match(
        (await a.must("lvmlockctl --dump")).stdout,
        /VG vg0 needs persistent reservations, and they are not started here: \/dev\/sda: it is not reserved, so that every host can write; \/dev\/sdb: .*Start them first: vgchange --persist start vg0/,
      );
      assert.equal(await isStarted(a, "vg0"), false);
    },
  );
  await step("nor where one PV has only the other host's key", async () => {
    await startPv(a, SDA);
    await startPv(b, SDB);
    await a.refused("vgchange --lockstart vg0", /VG vg0 start failed: -215/);
    assert.match((await a.must("lvmlockctl --dump")).stdout, /\/dev\/sdb: no key of this host is registered/);
  });
}

/** Keys of this host_id that came through another nexus, as a path that is lost or a session that ended leaves them behind. */
async function otherGenerations(lab: Cluster, { step }: Steps): Promise<void> {
  const [a, b] = [lab.host(1), lab.host(2)];
  const later = keyIn(a, LATER_GENERATION);
  let first = "";
  await step(
    "nor where a key of a later generation of this host is left, which is not removed; one of an earlier generation is",
    async () => {
      await startPv(a, SDB);
      await startPv(a, SDA, { device: SECOND_PATH[SDA] });
      await startPv(a, SDB, { device: SECOND_PATH[SDB], key: later });
      const { stderr } = await a.run("vgchange --lockstart vg0", { timeout_ms: start_ms_max });
      assert.match(stderr, /Lock start failed/);
      await untilStopped(a, "vg0");
      const log = (await a.must("lvmlockctl --dump")).stdout;
      assert.ok(log.includes(`${SDB}: another key of ours is registered as well: ${later}`), log);
      assert.ok(log.includes(`removed ${keyIn(a, 0)}, registered through another path or session`), log);
      const [on_a, on_b] = (await readPvs(a, PVS)).map((pv) => pv.keys ?? []);
      first = on_a?.[0] ?? "";
      assert.deepEqual([on_a?.length, first > keyIn(a, 0), first < later], [1, true, true]);
      assert.deepEqual(on_b?.toSorted(), [first, later, keyIn(b, 0)].toSorted());
    },
  );
  await step(
    "when that key is removed by hand it starts, takes the key of the start before along, and keeps EAAR and WEAR, with and without APTPL",
    async () => {
      await a.must(`lvmpersist remove --ourkey ${first} --removekey ${later} --vg vg0`);
      await startPv(a, SDA, { device: SECOND_PATH[SDA], key: first });
      await startPv(b, SDA);
      for (const host of [a, b]) await host.must("vgchange --lockstart vg0", { timeout_ms: start_ms_max });
      const right = [await keyNow(a, "vg0"), await keyNow(b, "vg0")];
      assert.deepEqual([right.includes(first), right.includes(keyIn(b, 0))], [false, false]);
      assert.deepEqual(await sameKeys(b, PVS), right.toSorted());
      const kept = (await readPvs(a, PVS)).map(({ device, reservation, ptpl }) => [
        device,
        reservation,
        ptpl,
      ]);
      assert.deepEqual(kept, [
        [SDA, "EAAR", 0],
        [SDB, "WEAR", 1],
      ]);
      assert.match((await a.must("lvmlockctl --dump")).stdout, new RegExp(`removed ${first}, registered`));
    },
  );
}

/** The two hosts' keys; asked for while both are well, because a host whose sanlock has stopped may not answer. */
type Keys = readonly [a: string, b: string];

async function notCutOff(lab: Cluster, { step }: Steps, [key_a, key_b]: Keys): Promise<void> {
  const [a, b] = [lab.host(1), lab.host(2)];
  const tells = async (why: RegExp): Promise<void> => {
    const who = (await b.must("lvmlockctl who vg0/lv0")).stdout;
    assert.match(who, new RegExp(`${key_a} +NOT CUT OFF .*${why.source}`));
    // In a pipe these are lvm2's own lines, which have no room for the reason.
    assert.match((await b.must("lvmlockctl --info")).stdout, new RegExp(`PR host_id 1 .* ${key_a} failed`));
    assert.match(
      (await b.must("lvmlockctl --dump")).stdout,
      new RegExp(`could not be cut off: .*${why.source}`),
    );
  };
  await step("one host has two LVs active and writes to one of them", async () => {
    await a.must("lvcreate -aey -n lv0 -L 16M vg0 && lvcreate -aey -n lv1 -L 16M vg0");
    await b.refused("lvchange -aey vg0/lv0", /LV locked by other host: vg0\/lv0/);
    await startCounting(a, "vg0/lv0");
  });
  await step("it loses network and heartbeat, and goes on writing", () =>
    loseHeartbeat(a, () => lab.network.cut(a)),
  );
  await step(
    "the other host, whose own key is missing on one PV, removes nothing, grants nothing, and says why",
    async () => {
      await b.must(`lvmpersist stop --ourkey ${key_b} --device ${SDB}`);
      const { detail, key } = await untilNotRemoved(b, "vg0/lv0", 1);
      assert.equal(key, key_a);
      const why = new RegExp(`${SDB}: our own key ${key_b} is not registered`);
      assert.match(detail, why);
      await tells(why);
      const lists = (await readPvs(b, PVS)).map((pv) => pv.keys?.toSorted());
      assert.deepEqual(lists, [[key_a, key_b].toSorted(), [key_a]]);
    },
  );
  await step("nor does it while one PV is not to be seen", async () => {
    await startPv(b, SDB, { key: key_b });
    await lab.disk(1).fail({ hosts: [b], how: "gone" });
    const { detail } = await untilNotRemoved(b, "vg0/lv0", 2);
    const why = /PV \S+ of VG vg0 is missing on this host/;
    assert.match(detail, why);
    await tells(why);
    const [on_a] = await readPvs(b, [SDA]);
    assert.deepEqual(on_a?.keys?.toSorted(), [key_a, key_b].toSorted());
    await lab.disk(1).restore({ hosts: [b] });
    assert.equal(lab.disk(1).path, SDB);
  });
}

async function cutOff(lab: Cluster, { step, say }: Steps, [key_a, key_b]: Keys): Promise<void> {
  const [a, b] = [lab.host(1), lab.host(2)];
  let taken = "";
  await step("when all is there again, it gets both LVs once lvmlockd has removed the key", async () => {
    const began_ms = performance.now();
    const wait = { timeout_ms: fence_ms_max, every_ms: 1000 };
    await Promise.all(["lv0", "lv1"].map((lv) => b.until(`lvchange -aey vg0/${lv}`, wait)));
    say(`both LVs were had after ${((performance.now() - began_ms) / 1000).toFixed(0)} s`);
    taken = await firstSector(b, "vg0/lv0");
    assert.deepEqual(await sameKeys(b, PVS), [key_b]);
  });
  await step(
    "the first host's next write failed at the device, and nothing of it came after that",
    async () => {
      await expectStopped(a, taken);
      await expectNoLaterWrite(a, b, "vg0/lv0");
    },
  );
  await step(
    "lvmlockctl tells who was cut off, in which generation, and that three attempts were made, each after twice the pause",
    async () => {
      const { fence } = await infoOf(b);
      assert.equal(fence.length, 1, JSON.stringify(fence));
      const [row] = fence;
      assert.deepEqual([row?.host_id, row?.key, row?.state, row?.attempts], [1, key_a, "removed", 3]);
      assert.match((await b.must("lvmlockctl who vg0")).stdout, new RegExp(`${key_a} +cut off`));
      const { begun, failed } = await removalTimes(b);
      assert.deepEqual([begun.length, failed.length], [3, 2]);
      const pauses = failed.map((at, index) => (begun[index + 1] ?? 0) - at);
      say(`the pauses were ${pauses.join(" and ")} s`);
      assert.ok((pauses[0] ?? 0) >= 5 && (pauses[1] ?? 0) >= 10, pauses.join(", "));
    },
  );
}

export default scenario(
  "pr-fencing",
  {
    about:
      "A host that is cut off while it writes loses its key, its lock and its writes, with sanlock 5.1; first its key can't be removed.",
    guests: 3,
    timeout_ms: 1_800_000,
  },
  async (steps) => {
    const lab = await steps.cluster({
      hosts: 2,
      image: "forky",
      lvm_conf: {
        config: ANY_LOCK_ARGS,
        devices: { global_filter: ["a|^/dev/sd[ab]$|", "a|^/dev/mapper/|", "r|.*|"] },
      },
    });
    const hosts = [lab.host(1), lab.host(2)];
    const storage = await startStorage(lab, { luns: 2, size_mb: 400, memory_mb: 1280 });
    for (const lun of [0, 1]) await lab.plug(storage.disk(lun), hosts);
    for (const lun of [0, 1]) await lab.plug(storage.disk(lun, { path: 1 }), [lab.host(1)]);
    await Promise.all(hosts.map((host) => startDaemons(host)));
    await setUp(lab, steps);
    await otherGenerations(lab, steps);
    const keys: Keys = [await keyNow(lab.host(1), "vg0"), await keyNow(lab.host(2), "vg0")];
    await notCutOff(lab, steps, keys);
    await cutOff(lab, steps, keys);
  },
);

/** A host that is cut off while it goes on writing: sanlock's leases alone could not stop it, its reservation key can be taken away. */
import assert from "node:assert/strict";
import { resultOf, showReply } from "../../rig/replies.ts";
import type { Cluster } from "../lab/cluster.ts";
import type { Host } from "../lab/host.ts";
import { type Steps, scenario } from "../scenario.ts";
import { startStorage } from "../services/lio.ts";
import { startDaemons } from "../services/sanlock-hosts.ts";
import { askLvmlockd } from "../services/wire.ts";

const [SDA, SDB] = ["/dev/sda", "/dev/sdb"] as const;
const DEVICES = `--device ${SDA} --device ${SDB}`;

/** How each PV is reserved: a daemon that corrects its key has to keep all of it as it is. */
const RESERVATIONS = { [SDA]: "--prtype WEAR --ptpl", [SDB]: "--prtype EAAR" } as const;

/** What `vgchange --persist start` does on a PV. */
async function startPv(host: Host, device: keyof typeof RESERVATIONS): Promise<void> {
  await host.must(`lvmpersist start --ourkey ${guessedKey(host)} ${RESERVATIONS[device]} --device ${device}`);
}

/** lvmlockd has stopped the VG while its metadata are changed. */
const NO_LOCKS = "--lockopt skipgl,skipvg";

/** lvm's guess before a host has joined the lockspace: no generation. */
const guessedKey = (host: Host): string => `0x100000000000000${host.id}`;

const fence_ms_max = 120_000;

/** Counts in the first sector of the LV until a write fails; /run/acked has the last count that the device took. */
const WRITER = `#!/bin/bash
for ((n = 1; ; n++)); do
  printf '%-512s' "host1 $n" >/run/block
  dd if=/run/block of=/dev/vg0/lv0 bs=512 count=1 oflag=direct 2>/dev/null || break
  echo $n >/run/acked
done
echo $n >/run/writer-failed
`;

/** What lvmpersist reads of a PV, in the words of its report. */
interface PvRow {
  readonly device: string;
  readonly status: string;
  readonly keys: readonly string[] | null;
  readonly reservation: string | null;
  readonly ptpl: number | null;
}

/** The PVs' reservations; the devices are named, because lvm finds no PV that it may not read. */
async function pvs(host: Host): Promise<readonly PvRow[]> {
  const { stdout } = await host.must(`lvmpersist read ${DEVICES} --reportformat json_std`);
  const { report } = JSON.parse(stdout) as { report: readonly [{ device: readonly PvRow[] }] };
  return report[0].device;
}

/** The registered keys, which are the same on all PVs. */
async function keys(host: Host): Promise<readonly string[]> {
  const lists = (await pvs(host)).map((pv) => [...(pv.keys ?? [])].sort());
  const [first = []] = lists;
  for (const list of lists) assert.deepEqual(list, first);
  return first;
}

interface FenceRow {
  readonly host_id: number;
  readonly generation: number;
  readonly key: string;
  readonly state: string;
}

interface InfoReport {
  readonly report: readonly [
    { readonly lockspace: readonly { readonly vg_name: string; readonly generation: number }[] } & {
      readonly fence: readonly FenceRow[];
    },
  ];
}

async function info(host: Host): Promise<InfoReport["report"][0]> {
  const { stdout } = await host.must("lvmlockctl --info --reportformat json_std");
  return (JSON.parse(stdout) as InfoReport).report[0];
}

async function lockspaces(host: Host): Promise<readonly string[]> {
  return (await info(host)).lockspace.map(({ vg_name }) => vg_name).filter((name) => name === "vg0");
}

/** This host's key as its present generation of the VG's lockspace makes it. */
async function keyNow(host: Host): Promise<string> {
  const generation = (await info(host)).lockspace.find(({ vg_name }) => vg_name === "vg0")?.generation ?? 0;
  assert.ok(generation > 0, `${host.name} is in a generation of the lockspace`);
  return `0x1000${`${generation.toString(16).padStart(8, "0")}${host.id.toString(16).padStart(4, "0")}`}`;
}

const NEW_ARGS = "2.0.0:lvmlock:notimeout:persist";

/**
 * What `vgchange --setlockargs persist,notimeout` does. Debian's lvm has no such option, but to lvm the args are a text that it
 * keeps and hands to lvmlockd: so lvmlockd is asked as a newer lvm asks it, and what it answers is put into the metadata.
 */
async function setLockArgs(host: Host): Promise<void> {
  const keys = {
    vg_name: "vg0",
    vg_lock_type: "sanlock",
    vg_lock_args: "1.0.0:lvmlock",
    set_lock_args: "persist,notimeout",
  };
  const before = await askLvmlockd(host, { request: "setlockargs_vg_before", keys });
  assert.equal(resultOf(before), 0, showReply(before));
  const final = await askLvmlockd(host, { request: "setlockargs_vg_final", keys });
  assert.equal(resultOf(final), 0, showReply(final));
  assert.equal(final.get("vg_lock_args"), NEW_ARGS);
  await host.must(`vgcfgbackup ${NO_LOCKS} -f /run/vg0.txt vg0
sed -i 's/lock_args = "1.0.0:lvmlock"/lock_args = "${NEW_ARGS}"/' /run/vg0.txt
vgcfgrestore ${NO_LOCKS} --yes -f /run/vg0.txt vg0`);
}

async function setUp(lab: Cluster, { step }: Steps): Promise<void> {
  const [a, b] = [lab.host(1), lab.host(2)];
  await step(
    "a VG gets lock args with which failed hosts are cut off by their reservation keys",
    async () => {
      await a.must(`vgcreate --shared --locktype sanlock vg0 ${SDA} ${SDB}`, { timeout_ms: 300_000 });
      await setLockArgs(a);
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
      assert.deepEqual(await lockspaces(a), []);
    },
  );
  await step("nor where one PV has only the other host's key", async () => {
    await startPv(b, SDA);
    await startPv(a, SDB);
    await a.refused("vgchange --lockstart vg0", /VG vg0 start failed: -215/);
    assert.match((await a.must("lvmlockctl --dump")).stdout, /\/dev\/sda: no key of this host is registered/);
  });
  await step(
    "with keys of a guessed generation it starts, and they then have the right one: WEAR and EAAR, with and without APTPL",
    async () => {
      await startPv(a, SDA);
      await startPv(b, SDB);
      assert.deepEqual(await keys(a), [guessedKey(a), guessedKey(b)]);
      for (const host of [a, b]) await host.must("vgchange --lockstart vg0", { timeout_ms: 120_000 });
      const right = [await keyNow(a), await keyNow(b)];
      for (const [index, host] of [a, b].entries()) assert.notEqual(right[index], guessedKey(host));
      assert.deepEqual(await keys(b), right.toSorted());
      const kept = (await pvs(a)).map(({ device, reservation, ptpl }) => [device, reservation, ptpl]);
      assert.deepEqual(kept, [
        [SDA, "WEAR", 1],
        [SDB, "EAAR", 0],
      ]);
    },
  );
  await step("one host has an LV active and writes to it", async () => {
    await a.must("lvcreate -aey -n lv0 -L 16M vg0");
    await b.refused("lvchange -aey vg0/lv0", /LV locked by other host: vg0\/lv0/);
    await a.write("/root/writer", WRITER);
    await a.must("chmod +x /root/writer; setsid /root/writer </dev/null >/dev/null 2>&1 & disown");
    await a.until("test $(cat /run/acked) -ge 3", { timeout_ms: 30_000 });
  });
}

async function fence(lab: Cluster, { step, say }: Steps): Promise<void> {
  const [a, b] = [lab.host(1), lab.host(2)];
  let cut_ms = 0;
  const [key_a, key_b] = [await keyNow(a), await keyNow(b)];
  await step("that host loses network and heartbeat, and goes on writing", async () => {
    lab.network.cut(a);
    await a.must("pkill -STOP -x sanlock");
    cut_ms = performance.now();
    const before = Number((await a.must("cat /run/acked")).stdout);
    await a.until(`test $(cat /run/acked) -gt ${before + 2}`, { timeout_ms: 30_000 });
  });
  let taken = "";
  await step("the other host gets the LV once lvmlockd has removed its key from the PV", async () => {
    await b.until("lvchange -aey vg0/lv0", { timeout_ms: fence_ms_max, every_ms: 1000 });
    say(`the LV was had ${((performance.now() - cut_ms) / 1000).toFixed(0)} s after the host was cut off`);
    taken = (await b.must("dd if=/dev/vg0/lv0 bs=512 count=1 iflag=direct")).stdout.trim();
    assert.deepEqual(await keys(b), [key_b]);
  });
  await step(
    "the first host's next write failed at the device, and nothing of it came after that",
    async () => {
      await a.until("test -e /run/writer-failed", { timeout_ms: 20_000 });
      await a.must("dmesg | grep -q 'reservation conflict'");
      const [acked, failed] = (await a.must("cat /run/acked /run/writer-failed")).stdout.trim().split("\n");
      // The write that failed may have been taken just before the device cut the host off; no later one can have been.
      assert.ok([`host1 ${acked}`, `host1 ${failed}`].includes(taken), `${taken} after ${acked}`);
      await b.must("printf 'host2 was here' | dd of=/dev/vg0/lv0 conv=sync oflag=direct");
      await a.refused("dd if=/run/block of=/dev/vg0/lv0 bs=512 count=1 oflag=direct", /error writing/);
      await Bun.sleep(2000);
      assert.match(
        (await b.must("dd if=/dev/vg0/lv0 bs=512 count=1 iflag=direct")).stdout,
        /^host2 was here/,
      );
    },
  );
  await step("lvmlockctl tells who was cut off, in which generation, and that it is done", async () => {
    const { fence } = await info(b);
    assert.equal(fence.length, 1, JSON.stringify(fence));
    assert.deepEqual([fence[0]?.host_id, fence[0]?.key, fence[0]?.state], [1, key_a, "removed"]);
    assert.match((await b.must("lvmlockctl who vg0")).stdout, new RegExp(key_a));
  });
}

export default scenario(
  "pr-fencing",
  {
    about: "A host that is cut off while it writes loses its key, its lock and its writes, with sanlock 5.1.",
    guests: 3,
    timeout_ms: 900_000,
  },
  async (steps) => {
    const lab = await steps.cluster({
      hosts: 2,
      image: "forky",
      // Before 2.03.37 lvm's own check knows of one colon in the lock args.
      lvm_conf: { config: { validate_metadata: "none" } },
    });
    const hosts = [lab.host(1), lab.host(2)];
    const storage = await startStorage(lab, { luns: 2, size_mb: 400, memory_mb: 1280 });
    for (const lun of [0, 1]) await lab.plug(storage.disk(lun), hosts);
    await Promise.all(hosts.map((host) => startDaemons(host)));
    await setUp(lab, steps);
    await fence(lab, steps);
  },
);

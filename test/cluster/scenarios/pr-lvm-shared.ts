/** A newer lvm makes, starts, uses and removes a shared VG with persistent reservations, and our lvmlockd cuts a failed host off. */
import assert from "node:assert/strict";
import type { Cluster } from "../lab/cluster.ts";
import type { Host } from "../lab/host.ts";
import { type Steps, scenario } from "../scenario.ts";
import {
  expectStopped,
  fence_ms_max,
  firstSector,
  infoOf,
  isStarted,
  keyIn,
  keyNow,
  loseHeartbeat,
  readPvs,
  sameKeys,
  startCounting,
} from "../services/fences.ts";
import { startStorage } from "../services/lio.ts";
import { findLvmTree, installLvm } from "../services/newer-lvm.ts";
import { removeVg, startDaemons } from "../services/sanlock-hosts.ts";

const PVS = ["/dev/sda", "/dev/sdb"] as const;
const LOCK_ARGS = "2.0.0:lvmlock:notimeout:persist";
const start_ms_max = 180_000;
const create_ms_max = 300_000;
const others_known_ms_max = 60_000;

/** Where lvm notes the key of its last start. lvm's packages make the directory; without it no key is ever corrected by lvm. */
const KEY_DIRECTORY = "/var/lib/lvm";

async function says(host: Host, script: string, pattern: RegExp): Promise<void> {
  const { stdout, stderr } = await host.must(`${script} </dev/null`, { timeout_ms: start_ms_max });
  assert.match(stdout + stderr, pattern, script);
}

async function vgReport(host: Host): Promise<readonly string[]> {
  const { stdout } = await host.must("vgs --noheadings --separator ' ' -o persist,pr,lockargs vg0");
  return stdout.trim().split(/\s+/);
}

/** The key that lvm has noted, is on every PV, and is that of the present generation: one and the same. */
async function expectRightKey(host: Host): Promise<void> {
  const right = await keyNow(host, "vg0");
  const lists = (await readPvs(host, PVS)).map(({ keys }) =>
    keys?.filter((key) => key.endsWith(keyIn(host, 0).slice(-4))),
  );
  assert.deepEqual(lists, [[right], [right]]);
  // By the VG's uuid: lvm leaves the note of an earlier VG of the name on the hosts that did not remove it.
  const noted = `cat ${KEY_DIRECTORY}/persist_key_vg0_$(vgs --noheadings -o uuid vg0 | tr -d ' -')`;
  assert.equal((await host.must(noted)).stdout.trim(), `key: ${right}`);
  await says(host, "vgchange --persist check vg0", new RegExp(`registered: ${right}[^]*PR is started`));
}

async function start(host: Host): Promise<void> {
  await host.must("vgchange --persist start --lockstart vg0", { timeout_ms: start_ms_max });
  await expectRightKey(host);
}

async function make(lab: Cluster, { step }: Steps): Promise<void> {
  const [a, b] = [lab.host(1), lab.host(2)];
  await step(
    "a shared VG that is there gets reservations and the lock args, and is stopped for that",
    async () => {
      await a.must(`vgcreate --shared --locktype sanlock vg0 ${PVS.join(" ")}`, {
        timeout_ms: create_ms_max,
      });
      await a.must("vgchange --setpersist require vg0");
      await a.refused("lvcreate -an -L4M -n lv vg0", /persistent reservation is not started/);
      await says(a, "vgchange --persist start vg0", new RegExp(`key ${await keyNow(a, "vg0")}`));
      // sanlock needs some seconds before it knows that no other host is there.
      await a.until("vgchange --setlockargs persist,notimeout vg0", { timeout_ms: others_known_ms_max });
      assert.equal(await isStarted(a, "vg0"), false);
      assert.deepEqual(await vgReport(a), ["require", "stopped", LOCK_ARGS]);
    },
  );
  await step("lvm starts no locking in it before its reservations", async () => {
    for (const host of [a, b])
      await host.refused("vgchange --lockstart vg0", /PR should be started before locking/);
  });
  await step(
    "both hosts start reservations and locking in one command, and have the right keys",
    async () => {
      await start(a);
      await start(b);
      assert.deepEqual(await vgReport(b), ["require", "started", LOCK_ARGS]);
    },
  );
  await step(
    "a host that stops both and starts with a wrong guess of its generation has the right one",
    async () => {
      await b.must("vgchange --lockstop --persist stop vg0");
      assert.deepEqual(await sameKeys(a, PVS), [await keyNow(a, "vg0")]);
      await b.must(`echo 'key: ${keyIn(b, 7)}' >$(echo ${KEY_DIRECTORY}/persist_key_vg0_*)`);
      await start(b);
      await b.must(`vgchange --lockstop --persist stop vg0 && rm ${KEY_DIRECTORY}/persist_key_vg0_*`);
      await start(b);
    },
  );
}

async function use(lab: Cluster, { step }: Steps): Promise<void> {
  const [a, b] = [lab.host(1), lab.host(2)];
  await step("an LV lives on both hosts", async () => {
    await a.must("lvcreate -aey -n lv0 -L 16M vg0");
    await b.refused("lvchange -aey vg0/lv0", /LV locked by other host: vg0\/lv0 \(host_id 1\)/);
    await a.must("lvextend -L 20M vg0/lv0 && lvchange -an vg0/lv0");
    await b.must("lvchange -aey vg0/lv0 && lvchange -an vg0/lv0 && lvchange -asy vg0/lv0");
    await a.must("lvchange -asy vg0/lv0");
    await a.refused("lvchange -aey vg0/lv0", /LV locked by other host/);
    for (const host of [a, b]) await host.must("lvchange -an vg0/lv0");
    await b.must("lvcreate -an -n lv1 -L 4M vg0 && lvrename vg0 lv1 lv2 && lvremove -y vg0/lv2");
  });
  await step("the key that a stopped host has left is removed by name, and it starts anew", async () => {
    const key = await keyNow(a, "vg0");
    await a.must("vgchange --lockstop vg0");
    await says(b, `vgchange --persist remove --removekey ${key} vg0`, new RegExp(`removed key ${key}`));
    await a.refused("vgchange --persist check vg0", /PR is not started/);
    await a.refused("vgchange --lockstart vg0", /PR should be started before locking/);
    await start(a);
    assert.notEqual(await keyNow(a, "vg0"), key);
  });
}

async function fence(lab: Cluster, { step, say }: Steps): Promise<void> {
  const [a, b] = [lab.host(1), lab.host(2)];
  const [key_a, key_b] = [await keyNow(a, "vg0"), await keyNow(b, "vg0")];
  await step("the LV of a host that is cut off while it writes is had once its key is removed", async () => {
    await a.must("lvchange -aey vg0/lv0");
    await startCounting(a, "vg0/lv0");
    await loseHeartbeat(a, () => lab.network.cut(a));
    const began_ms = performance.now();
    await b.until("lvchange -aey vg0/lv0", { timeout_ms: fence_ms_max, every_ms: 1000 });
    say(`the LV was had ${((performance.now() - began_ms) / 1000).toFixed(0)} s after the host was cut off`);
    assert.deepEqual(await sameKeys(b, PVS), [key_b]);
    await expectStopped(a, await firstSector(b, "vg0/lv0"));
    const [row, ...more] = (await infoOf(b)).fence;
    assert.deepEqual([row?.key, row?.state, more.length], [key_a, "removed", 0]);
    await says(b, "lvchange -an vg0/lv0 && lvchange -aey vg0/lv0 && lvs vg0", /lv0/);
  });
  await step("that host comes back in another generation, under another key", async () => {
    await a.crash();
    await a.boot();
    lab.network.heal(a);
    await prepare(a);
    await start(a);
    assert.notEqual(await keyNow(a, "vg0"), key_a);
    await a.refused("lvchange -aey vg0/lv0", /LV locked by other host: vg0\/lv0 \(host_id 2\)/);
    await b.must("lvchange -an vg0/lv0");
    await a.must("lvchange -aey vg0/lv0 && lvchange -an vg0/lv0");
  });
}

async function remove(lab: Cluster, { step }: Steps): Promise<void> {
  const [a, b] = [lab.host(1), lab.host(2)];
  const free = async (): Promise<void> => {
    for (const { keys, reservation } of await readPvs(a, PVS))
      assert.deepEqual([keys, reservation], [[], "none"]);
  };
  await step(
    "the VG is removed when the other host has stopped it, and its reservations with it",
    async () => {
      await b.must("vgchange --lockstop --persist stop vg0");
      await removeVg(a, "vg0");
      await free();
    },
  );
  await step(
    "a VG that is made with all of it in one command is started, and can be used and removed",
    async () => {
      const options = "--shared --locktype sanlock --setpersist y --setlockargs persist,notimeout";
      await a.must(`vgcreate ${options} vg0 ${PVS.join(" ")}`, { timeout_ms: create_ms_max });
      await expectRightKey(a);
      assert.deepEqual(await vgReport(a), ["require,autostart", "started", LOCK_ARGS]);
      await start(b);
      await b.must("lvcreate -aey -n lv0 -L 4M vg0 && lvremove -y vg0/lv0");
      await b.must("vgchange --lockstop --persist stop vg0");
      await removeVg(a, "vg0");
      await free();
    },
  );
}

/** A host with the newer lvm and its daemons, after each boot. */
async function prepare(host: Host): Promise<void> {
  await installLvm(host, findLvmTree());
  await host.must(`mkdir -p ${KEY_DIRECTORY}`);
  await startDaemons(host);
}

export default scenario(
  "pr-lvm-shared",
  {
    about:
      "lvm 2.03.37 or newer has a shared VG with reservations, from vgcreate to vgremove; needs a built tree of lvm2.",
    guests: 3,
    only_by_name: true,
    timeout_ms: 1_800_000,
  },
  async (steps) => {
    findLvmTree();
    const lab = await steps.cluster({ hosts: 2, image: "forky", disks: [] });
    const hosts = [lab.host(1), lab.host(2)];
    const storage = await startStorage(lab, { luns: 2, size_mb: 400, memory_mb: 1280 });
    for (const lun of [0, 1]) await lab.plug(storage.disk(lun), hosts);
    await Promise.all(hosts.map(prepare));
    await make(lab, steps);
    await use(lab, steps);
    await fence(lab, steps);
    await remove(lab, steps);
  },
);

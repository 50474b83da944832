/** scsi-pr as the lock manager of two hosts that hand over a whole VG: real lvm, real SCSI, no sanlock and no dlm. */
import assert from "node:assert/strict";
import type { Cluster } from "../lab/cluster.ts";
import { inTime } from "../lab/failures.ts";
import type { Host } from "../lab/host.ts";
import { type Steps, scenario } from "../scenario.ts";
import { type Storage, startStorage } from "../services/lio.ts";
import { killLvmlockd, startLvmlockd } from "../services/lvmlockd.ts";
import { readSyslog, startSyslog } from "../services/syslog.ts";

const KEY_1 = "0x1000000000000001";
const KEY_2 = "0x1000000000000002";
const [SDA, SDB, SDC] = ["/dev/sda", "/dev/sdb", "/dev/sdc"] as const;

/** What lvm.conf has run when a VG is lost: it writes down that it was called, and makes the LV give errors at once. */
const KILL_COMMAND = "/root/kill-vg";
const KILL_SCRIPT = `#!/bin/bash
echo "$1" >>/run/killed
dmsetup wipe_table "$1-lv0"
`;

/**
 * Writes without end: a lot behind 4 MiB, and a count into the first sector, of which /run/acked has the last that the device took.
 * It ends at the first write that fails.
 */
const WRITER = `#!/bin/bash
(while dd if=/dev/zero of=/dev/vg0/lv0 bs=1M seek=4 count=8 oflag=direct 2>/dev/null; do :; done) &
for ((n = 1; ; n++)); do
  printf '%-512s' "host1 $n" >/run/block
  dd if=/run/block of=/dev/vg0/lv0 bs=512 count=1 oflag=direct 2>/dev/null || break
  echo $n >/run/acked
done
echo $n >/run/writer-failed
`;

/** lvmlockd looks every 2 s whether it still has the VG; the rest is for a crowded machine. */
const noticed_s_max = 20;

interface Rig {
  readonly lab: Cluster;
  readonly storage: Storage;
  readonly a: Host;
  readonly b: Host;
}

async function setUp({ cluster }: Steps): Promise<Rig> {
  const lab = await cluster({
    hosts: 2,
    lvm_conf: { global: { use_lvmlockd: 1, use_lvmpolld: 0, lvmlockctl_kill_command: KILL_COMMAND } },
  });
  const storage = await startStorage(lab, { luns: 3, size_mb: 128 });
  const [a, b] = [lab.host(1), lab.host(2)];
  for (const lun of [0, 1, 2]) await lab.plug(storage.disk(lun), [a, b]);
  for (const host of [a, b]) {
    await host.write("/etc/lvm/lvmlockd.conf", 'lock_managers {\n\tdlm = "scsi-pr"\n}\n');
    await host.write(KILL_COMMAND, KILL_SCRIPT);
    await host.must(`chmod +x ${KILL_COMMAND}`);
    await startSyslog(host);
    await startLvmlockd(host, { arguments: "" });
  }
  return { lab, storage, a, b };
}

/** Who holds a device, as sg_persist reads it: "WE 0x…", or "" when nobody does. */
async function holder(host: Host, device: string): Promise<string> {
  const { stdout } = await host.must(`sg_persist -n -r ${device}`);
  const key = /Key=(0x[0-9a-f]+)/.exec(stdout)?.[1];
  if (key === undefined) return "";
  assert.match(stdout, /type: Write Exclusive$/m);
  return `WE ${key}`;
}

async function keys(host: Host, device: string): Promise<readonly string[]> {
  const { stdout } = await host.must(`sg_persist -n -k ${device}`);
  return [...stdout.matchAll(/^\s+(0x[0-9a-f]+)$/gm)].map(([, key]) => key ?? "");
}

const writeTo = (device: string): string =>
  `dd if=/dev/zero of=${device} bs=4k count=1 seek=20000 oflag=direct`;
const dump = "lvmlockctl --dump";

async function createVg({ a, b }: Rig, { step }: Steps): Promise<void> {
  await step("vgcreate --shared makes a VG that one host has: its PVs are reserved for writing", async () => {
    await a.must(`vgcreate --shared --locktype dlm vg0 ${SDA} ${SDB}`);
    for (const device of [SDA, SDB]) {
      assert.equal(await holder(b, device), `WE ${KEY_1}`);
      assert.deepEqual(await keys(b, device), [KEY_1]);
    }
    const { stdout } = await a.must("vgs --noheadings -o vg_lock_type,vg_lock_args vg0");
    assert.match(stdout, /^\s*dlm\s+1\.0\.0:scsi-pr\.write-exclusive\s*$/);
  });
  await step("the other host reads the VG, and the device refuses its writes", async () => {
    const { stderr } = await b.must("vgs vg0");
    assert.match(stderr, /Reading VG vg0 without a lock/);
    await b.refused(writeTo(SDA), /error writing/);
    await b.must("dmesg | grep -q 'reservation conflict'");
    await b.refused("lvcreate -an -n no -L 16M vg0", /Cannot access VG vg0 due to failed lock/);
  });
  await step(
    "the other host's lockstart is refused, and its lvmlockd names key, host_id and devices",
    async () => {
      await b.refused("vgchange --lockstart vg0", /VG vg0 start failed/);
      const { stdout } = await b.must(dump);
      for (const device of [SDA, SDB])
        assert.ok(stdout.includes(`${device} is held by key ${KEY_1} (host_id 1)`), stdout);
      assert.deepEqual(await keys(b, SDA), [KEY_1]);
    },
  );
}

async function useVg({ a, b }: Rig, { step, say }: Steps): Promise<void> {
  await step("LVs are created, activated and written by the host that has the VG", async () => {
    await a.must("lvcreate -aey -n lv0 -L 20M vg0 && echo first | dd of=/dev/vg0/lv0 conv=sync oflag=direct");
  });
  await step("shared activation is refused, and the daemon's log and syslog have the reason", async () => {
    await a.must("lvcreate -an -n lv1 -L 4M vg0");
    await a.refused("lvchange -asy vg0/lv1", /Failed to lock logical volume vg0\/lv1/);
    const reason = /scsi-pr has no shared LV locks.*lvchange -aey/;
    assert.match((await a.must(dump)).stdout, reason);
    assert.match(await readSyslog(a), reason);
    await a.must("lvremove -y vg0/lv1");
  });
  await step(
    "a PV that vgextend adds is reserved soon after, and one that vgreduce removes is released",
    async () => {
      await a.must(`vgextend vg0 ${SDC}`);
      const added = await a.until(`sg_persist -n -r ${SDC} | grep -q ${KEY_1}`, { timeout_ms: 20_000 });
      await b.refused(writeTo(SDC), /error writing/);
      await a.must(`vgreduce vg0 ${SDC}`);
      await a.until(`sg_persist -n -k ${SDC} | grep -q 'NO registered'`, { timeout_ms: 20_000 });
      say(`the added PV was seen reserved ${(added.elapsed_ms / 1000).toFixed(1)} s after vgextend`);
    },
  );
}

async function handOver({ a, b }: Rig, { step }: Steps): Promise<void> {
  await step("a VG with active LVs is not given back", async () => {
    await a.refused("vgchange --lockstop vg0", /LVs must first be deactivated/);
    assert.equal(await holder(b, SDA), `WE ${KEY_1}`);
  });
  await step("lockstop here and lockstart there hand the VG over with its data", async () => {
    await a.must("lvchange -an vg0/lv0 && vgchange --lockstop vg0");
    assert.deepEqual([await keys(a, SDA), await keys(a, SDB)], [[], []]);
    await b.must("vgchange --lockstart vg0 && lvchange -aey vg0/lv0");
    assert.equal((await b.must("dd if=/dev/vg0/lv0 bs=5 count=1")).stdout, "first");
    assert.deepEqual([await holder(a, SDA), await holder(a, SDB)], [`WE ${KEY_2}`, `WE ${KEY_2}`]);
    await a.refused(writeTo(SDB), /error writing/);
  });
  await step("and back", async () => {
    await b.must("lvchange -an vg0/lv0 && vgchange --lockstop vg0");
    await a.must("vgchange --lockstart vg0 && lvchange -aey vg0/lv0");
  });
}

async function restart({ a, b }: Rig, { step }: Steps): Promise<void> {
  await step(
    "while the daemon is dead its VG stays this host's, and the next daemon takes its locks up",
    async () => {
      await killLvmlockd(a);
      assert.equal(await holder(b, SDA), `WE ${KEY_1}`);
      await b.refused("vgchange --lockstart vg0", /VG vg0 start failed/);
      // Its reservation is made one of another type meanwhile, by itself: that is no loss, and is made right again.
      await a.must(
        `sg_persist -n --out --preempt --param-rk=${KEY_1} --param-sark=${KEY_1} --prout-type=3 ${SDA} && sg_persist -n -r ${SDA} | grep -q 'type: Exclusive Access$'`,
      );
      await startLvmlockd(a, { arguments: "" });
      await a.until("lvmlockctl --info | grep -q 'LK LV ex'", { timeout_ms: 30_000 });
      assert.deepEqual([await holder(b, SDA), await holder(b, SDB)], [`WE ${KEY_1}`, `WE ${KEY_1}`]);
      await a.must("test ! -e /run/killed");
      await a.must("lvcreate -an -n lv2 -L 4M vg0 && lvremove -y vg0/lv2");
    },
  );
}

/** A second session of the same initiator: what a host has after its initiator came back under another session name. */
async function newSession({ lab, storage, a, b }: Rig, { step }: Steps): Promise<void> {
  await step("a host whose initiator has a new session is told that, and what to do about it", async () => {
    await a.must("lvchange -an vg0/lv0");
    await killLvmlockd(a);
    for (const lun of [0, 1]) {
      await lab.disk(lun).fail({ hosts: [a], how: "gone" });
      await lab.plug(storage.disk(lun), [a]);
    }
    await startLvmlockd(a, { arguments: "" });
    await a.refused("vgchange --lockstart vg0", /VG vg0 start failed: -16/);
    assert.match((await a.must(dump)).stdout, /own key 0x1000000000000001 .*through another initiator/);
  });
  await step(
    "Linux's target lets it end nothing of its earlier session: it says so and leaves nothing behind",
    async () => {
      await a.refused(
        `lvmlockctl takeover vg0 --yes --removekey ${KEY_1}`,
        /earlier session .* on another host/,
      );
      assert.deepEqual([await holder(b, SDA), await keys(b, SDA)], [`WE ${KEY_1}`, [KEY_1]]);
    },
  );
  await step("another host takes the VG over from that key and hands it back", async () => {
    await b.must(`lvmlockctl takeover vg0 --yes --removekey ${KEY_1}`, { timeout_ms: 60_000 });
    await b.must("vgchange --lockstop vg0");
    await a.must("vgchange --lockstart vg0 && lvchange -aey vg0/lv0");
    assert.deepEqual([await holder(b, SDA), await holder(b, SDB)], [`WE ${KEY_1}`, `WE ${KEY_1}`]);
  });
}

async function takeOverUnderLoad({ a, b }: Rig, { step, say }: Steps): Promise<void> {
  await a.write("/root/writer", WRITER);
  await a.must(
    "rm -f /run/killed; chmod +x /root/writer; setsid /root/writer </dev/null >/dev/null 2>&1 & disown",
  );
  await a.until("test $(cat /run/acked) -ge 3", { timeout_ms: 30_000 });
  await step("a take-over with another key than the holder's changes nothing", async () => {
    await b.refused("lvmlockctl takeover vg0 --yes --removekey 0x1000000000000009", /host_id 1/);
    assert.deepEqual([await keys(b, SDA), await keys(b, SDB)], [[KEY_1], [KEY_1]]);
    await a.must("test ! -e /run/writer-failed");
  });
  let taken = "";
  await step("lvmlockctl takeover cuts the writing host off and starts the VG here", async () => {
    const result = await b.must(`lvmlockctl takeover vg0 --yes --removekey ${KEY_1}`, { timeout_ms: 60_000 });
    say(`the take-over took ${(result.elapsed_ms / 1000).toFixed(1)} s`);
    for (const device of [SDA, SDB]) {
      assert.equal(await holder(b, device), `WE ${KEY_2}`);
      assert.deepEqual(await keys(b, device), [KEY_2]);
    }
    await b.must("lvchange -aey vg0/lv0");
    taken = (await b.must("dd if=/dev/vg0/lv0 bs=512 count=1 iflag=direct")).stdout.trim();
  });
  await step(
    "the first host's next write failed at the device, and nothing of it came after the take-over",
    async () => {
      await a.until("test -e /run/writer-failed", { timeout_ms: 20_000 });
      await a.must("dmesg | grep -q 'reservation conflict'");
      const [acked, failed] = (await a.must("cat /run/acked /run/writer-failed")).stdout.trim().split("\n");
      // The write that failed may have been taken just before the device cut the host off; no later one can have been.
      assert.ok([`host1 ${acked}`, `host1 ${failed}`].includes(taken), `${taken} after ${acked}`);
      await b.must("printf 'host2 was here' | dd of=/dev/vg0/lv0 conv=sync oflag=direct");
      await Bun.sleep(2000);
      assert.match(
        (await b.must("dd if=/dev/vg0/lv0 bs=512 count=1 iflag=direct")).stdout,
        /^host2 was here/,
      );
      await a.refused(writeTo(SDA), /error writing/);
    },
  );
  await step(
    "its lvmlockd noticed within seconds, ran the kill command and says who has the VG",
    async () => {
      await a.until("grep -qx vg0 /run/killed", { timeout_ms: 60_000 });
      const times = (await a.must("stat -c %.3Y /run/writer-failed /run/killed")).stdout.trim().split("\n");
      const [failed_s = 0, killed_s = 0] = times.map(Number);
      const after_s = killed_s - failed_s;
      say(`the kill command ran ${after_s.toFixed(1)} s after the first write that failed`);
      inTime(after_s < noticed_s_max, `that is not within ${noticed_s_max} s`);
      const { stdout } = await a.must("lvmlockctl --info --reportformat json");
      assert.match(stdout, /taken over by key 0x1000000000000002 \(host_id 2\)/);
      await a.until("! lvmlockctl --info | grep -q 'LS dlm lvm_vg0'", { timeout_ms: 20_000 });
      await a.must("dmsetup remove vg0-lv0");
      await a.refused("vgchange --lockstart vg0", /VG vg0 start failed/);
    },
  );
}

async function takeOverOfTheDead({ a, b }: Rig, { step }: Steps): Promise<void> {
  await step(
    "a host whose daemon was dead while its VG was taken over says so when it comes back",
    async () => {
      await b.must("rm -f /run/killed");
      await killLvmlockd(b);
      await a.must(`lvmlockctl takeover vg0 --yes --removekey ${KEY_2}`, { timeout_ms: 60_000 });
      await startLvmlockd(b, { arguments: "" });
      await b.until("grep -qx vg0 /run/killed", { timeout_ms: 30_000 });
      assert.match((await b.must(dump)).stdout, /lost while lvmlockd did not run: .*\(host_id 1\)/);
      await b.must("dmsetup remove vg0-lv0");
    },
  );
}

async function remove({ a, b }: Rig, { step }: Steps): Promise<void> {
  await step("vgremove leaves nothing on the devices", async () => {
    await a.must("lvremove -y vg0 && vgremove vg0");
    assert.deepEqual([await keys(b, SDA), await keys(b, SDB)], [[], []]);
    await b.must(writeTo(SDA));
  });
}

export default scenario(
  "pr-manager",
  {
    about: "scsi-pr hands a VG over between two hosts, takes it over under load, and survives its daemon.",
    guests: 3,
    timeout_ms: 1_200_000,
  },
  async (steps) => {
    const rig = await setUp(steps);
    await createVg(rig, steps);
    await useVg(rig, steps);
    await handOver(rig, steps);
    await restart(rig, steps);
    await newSession(rig, steps);
    await takeOverUnderLoad(rig, steps);
    await takeOverOfTheDead(rig, steps);
    await remove(rig, steps);
  },
);

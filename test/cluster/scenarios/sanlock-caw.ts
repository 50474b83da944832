/** Leases that are kept with SCSI COMPARE AND WRITE (sanlock 5.1), on a disk array that has it, and on 4096-byte sectors. */
import assert from "node:assert/strict";
import type { LockspaceIdentity } from "../../../plugins/contract.ts";
import { good, lockSoon, type Member, openMember, present, refused, VG } from "../../rig/member.ts";
import { resultOf } from "../../rig/replies.ts";
import { lockRequest, startRequest } from "../../rig/requests.ts";
import type { Cluster } from "../lab/cluster.ts";
import type { Host } from "../lab/host.ts";
import { type Steps, scenario } from "../scenario.ts";
import { compareAndWrites, noteCompareAndWrites, type Storage, startStorage } from "../services/lio.ts";
import { startLvmlockd } from "../services/lvmlockd.ts";
import { askMember, awaitMember, GUEST_CONFORMANCE, startMembers } from "../services/members.ts";
import { deadAfter_ms, startSanlock, stopSanlock } from "../services/sanlock.ts";
import { GUEST_BUN } from "../services/sources.ts";
import { askLvmlockd } from "../services/wire.ts";

/** One LUN is used by lvmlockd, with 512-byte sectors; the other by the plugin alone, with 4096-byte ones and the largest leases. */
const LUNS = [
  { vg_name: "narrow", disk: "/dev/sdb", align_mb: 1, set_lock_args: "caw", vg_lock_args: "1.0.0:lvmlock" },
  {
    vg_name: "wide",
    disk: "/dev/sdc",
    align_mb: 8,
    set_lock_args: "caw,notimeout",
    vg_lock_args: "2.0.0:lvmlock:notimeout",
  },
] as const;
const [NARROW, WIDE] = LUNS;
const WIDE_LUN = 1;
/** QEMU's own disk is the first one. */
const PLAIN_DISK = "/dev/sda";

const mebibyte_bytes = 1024 * 1024;
/** The hosts' leases, 64 that are reserved, GL and VG lock, and some LVs. */
const LEASES = 72;
/** Where they begin on the disk. */
const BEGIN_BYTES = mebibyte_bytes;
/** Most of it is never written, and takes no memory of the array. */
const LUN_MB = 640;
const STORAGE_MB = 640;
const table_sector_bytes = 512;

/** The array is emulated too, so that its answers take long on a crowded machine: with 2 s some came late. */
const io_timeout_s = 5;
/** sanlock renews a lease every two I/O timeouts, so the last renewal may be that old when a host dies; a second for the clocks. */
const renewal_age_ms_max = 2 * io_timeout_s * 1000 + 1000;
const patience_ms = 90_000;
/** Each host counts this often. */
const ROUNDS = 15;
const counting_ms_max = 300_000;

/** On the wire. */
const EPROTONOSUPPORT = -93;
const EAGAIN = -11;
/** sanlock's own: the owner has failed, and its leases do not expire. */
const OWNED_NO_TIMEOUT = -249;

interface Stage {
  readonly lab: Cluster;
  readonly steps: Steps;
  readonly storage: Storage;
  /** The VG "wide" on both hosts. */
  readonly members: readonly [Member, Member];
}

/** What stands for a VG's lock LV: sanlock takes an LV only, and looks through it to the disk below. */
async function makeLockDevice(host: Host, vg_name: string, disk: string, sectors: string): Promise<void> {
  const table = `0 ${sectors} linear ${disk} ${BEGIN_BYTES / table_sector_bytes}`;
  await host.must(`dmsetup create ${vg_name}-lvmlock --uuid LVM-${vg_name} --table "${table}"`);
  await host.until(`test -b /dev/mapper/${vg_name}-lvmlock`, { timeout_ms: 10_000 });
}

async function makeLockDevices(host: Host): Promise<void> {
  for (const { vg_name, disk, align_mb } of LUNS)
    await makeLockDevice(
      host,
      vg_name,
      disk,
      String((LEASES * align_mb * mebibyte_bytes) / table_sector_bytes),
    );
}

function wideOn(host: Host): Member {
  const { vg_name, vg_lock_args } = WIDE;
  const identity: LockspaceIdentity = {
    lockspace_name: `lvm_${vg_name}`,
    vg_name,
    vg_uuid: "",
    vg_lock_args,
    lock_type: "sanlock",
    host_id: host.id,
  };
  return openMember(askMember(host), identity);
}

/** What sanlock's own status says of one of its lockspaces. */
async function lockspaceOf(host: Host, lockspace_name: string): Promise<ReadonlyMap<string, string>> {
  const { stdout } = await host.must("sanlock client status -D");
  const own = stdout.split(/^(?=\S)/m).find((part) => part.startsWith(`s ${lockspace_name}:`)) ?? "";
  return new Map([...own.matchAll(/^\s+(\w+)=(\S+)$/gm)].map(([, key = "", value = ""]) => [key, value]));
}

async function wantCompareAndWrite(
  host: Host,
  lockspace_name: string,
  wanted: Readonly<Record<string, string>>,
): Promise<void> {
  const status = await lockspaceOf(host, lockspace_name);
  const found = Object.fromEntries(Object.keys(wanted).map((key) => [key, status.get(key)]));
  assert.deepEqual({ caw: status.get("caw"), ...found }, { caw: "1", ...wanted }, host.name);
}

/** The SCSI disk's number, as sanlock prints it. */
async function deviceNumber(host: Host, disk: string): Promise<string> {
  return (await host.must(`lsblk -dno MAJ:MIN ${disk}`)).stdout.trim();
}

/** init_vg as a newer vgcreate --setlockargs sends it. */
const initVg = (host: Host, vg_name: string, set_lock_args: string) =>
  askLvmlockd(host, {
    request: "init_vg",
    keys: {
      cmd: "vgcreate",
      pid: 1,
      vg_name,
      vg_lock_type: "sanlock",
      vg_lock_args: "lvmlock",
      set_lock_args,
      align_mb: 1,
    },
  });

async function refuseOnPlainDisk({ lab, steps: { step } }: Stage): Promise<void> {
  const a = lab.host(1);
  await step("on a disk without it caw is refused with a number and the reason", async () => {
    await makeLockDevice(a, "plain", PLAIN_DISK, String((LEASES * mebibyte_bytes) / table_sector_bytes));
    const reply = await initVg(a, "plain", "caw");
    assert.equal(resultOf(reply), EPROTONOSUPPORT);
    assert.match(String(reply.get("detail")), /plain-lvmlock is on no device that takes compare-and-write/);
  });
}

async function refuseByConfiguration({ lab, steps: { step }, members }: Stage): Promise<void> {
  const [a, b] = [lab.host(1), lab.host(2)];
  const [first, { handle }] = members;
  await step(
    "a host whose sanlock.conf forbids it can't start a VG that has it, and is told so",
    async () => {
      await sanlockOn(b, "no");
      await Promise.all([a, b].map(makeLockDevices));
      const { vg_name, align_mb, set_lock_args, vg_lock_args } = WIDE;
      const { lockspace_name } = first.identity;
      const call = { vg_name, lockspace_name, align_mb, set_lock_args, vg_lock_args: "lvmlock" };
      const made = await good(first.manager.initVg({ ...call, enable_global_lock: false }));
      assert.equal(made.vg_lock_args, vg_lock_args);
      await good(handle.prepare({ repair: false }));
      const { code, detail } = await refused(handle.join({ adopt: "no", nodelay: false, repair: false }));
      assert.equal(code, "EPROTONOSUPPORT");
      assert.match(detail, /use_compare_and_write of sanlock\.conf .*CAW_CONFIG -282/);
      await stopSanlock(b);
      await sanlockOn(b, "yes");
    },
  );
}

const VG_ARGS = { vg_lock_type: "sanlock", vg_lock_args: NARROW.vg_lock_args };
const NARROW_LV = { vg_name: NARROW.vg_name, lv_name: "lv", lv_uuid: "narrow-lv" };

/** lock_lv as lvchange sends it. */
const lockNarrow = (host: Host, mode: "ex" | "sh" | "un", lv_lock_args: string) =>
  askLvmlockd(
    host,
    lockRequest({ kind: "lv", ...NARROW_LV }, mode, "persistent", { ...VG_ARGS, lv_lock_args }),
  );

/** A VG of 512-byte sectors through lvmlockd's socket. The second host ends up with its LV. Gives the args of the LV's lock. */
async function lockOnNarrow({ lab, steps: { step } }: Stage): Promise<string> {
  const [a, b] = [lab.host(1), lab.host(2)];
  const { vg_name, disk, set_lock_args } = NARROW;
  await step("lvmlockd makes a VG with caw on 512-byte sectors, and both hosts start it", async () => {
    const reply = await initVg(a, vg_name, set_lock_args);
    assert.deepEqual([resultOf(reply), reply.get("vg_lock_args")], [0, NARROW.vg_lock_args]);
    const startOn = (host: Host) =>
      askLvmlockd(host, startRequest(vg_name, { ...VG_ARGS, vg_uuid: vg_name, host_id: host.id }), {
        request: "start_wait",
        keys: { pid: 1 },
      });
    for (const started of await Promise.all([a, b].map(startOn))) assert.equal(resultOf(started), 0);
    for (const host of [a, b])
      await wantCompareAndWrite(host, `lvm_${vg_name}`, {
        sector_size: "512",
        no_timeout: "0",
        caw_dev: await deviceNumber(host, disk),
      });
  });
  let lv_lock_args = "";
  await step("an LV is shared by both, or had by one and refused to the other", async () => {
    const reply = await askLvmlockd(a, { request: "init_lv", keys: { pid: 1, ...NARROW_LV, ...VG_ARGS } });
    lv_lock_args = String(reply.get("lv_lock_args"));
    const lock = async (host: Host, mode: "ex" | "sh" | "un") =>
      resultOf(await lockNarrow(host, mode, lv_lock_args));
    for (const host of [a, b]) assert.equal(await lock(host, "sh"), 0);
    for (const host of [a, b]) assert.equal(await lock(host, "un"), 0);
    assert.equal(await lock(b, "ex"), 0);
    const told = await lockNarrow(a, "ex", lv_lock_args);
    assert.equal(resultOf(told), EAGAIN);
    assert.match(String(told.get("detail")), /host_id 2 \(host2\)/);
  });
  return lv_lock_args;
}

async function lockOnWide({ lab, steps: { step, say }, storage, members }: Stage): Promise<void> {
  const [a, b] = [lab.host(1), lab.host(2)];
  const [first, second] = members;
  await step("leases of 8 MiB on 4096-byte sectors: both hosts have the VG started with it", async () => {
    await Promise.all(members.map((member) => member.start()));
    for (const host of [a, b])
      await wantCompareAndWrite(host, "lvm_wide", {
        sector_size: "4096",
        align_size: String(WIDE.align_mb * mebibyte_bytes),
        no_timeout: "1",
        caw_dev: await deviceNumber(host, WIDE.disk),
        caw_off: String(BEGIN_BYTES),
      });
  });
  await step("every lock and unlock is a COMPARE AND WRITE that the array carries out", async () => {
    const counts = () => Promise.all([a, b].map((host) => compareAndWrites(storage, host, WIDE_LUN)));
    for (const member of members) {
      const before = await counts();
      for (let round = 0; round < 5; round++) {
        await lockSoon(member, VG, "ex");
        await good(member.unlock(VG, "ex"));
      }
      const after = await counts();
      const more = after.map((count, index) => count - (before[index] ?? 0));
      say(`5 times locked and unlocked by host ${member.identity.host_id}: ${more.join(" and ")} commands`);
      const own = more[member.identity.host_id - 1] ?? 0;
      assert.ok(own >= 10, `${own} commands`);
    }
  });
  await step("shared locks are had together, an exclusive one is refused with its owner", async () => {
    await Promise.all(members.map((member) => lockSoon(member, VG, "sh")));
    assert.equal((await refused(first.convert(VG, "sh", "ex"))).code, "EAGAIN");
    await Promise.all(members.map((member) => good(member.unlock(VG, "sh"))));
    await lockSoon(first, VG, "ex");
    const refusal = await refused(second.lock(VG, "ex"));
    say(refusal.detail);
    const { host_id, generation, name } = refusal.owner ?? {};
    assert.deepEqual({ host_id, generation, name }, { host_id: 1, generation: 1, name: "host1" });
    await good(first.unlock(VG, "ex"));
  });
  await step("two hosts count at once in the lock's value block, and no count is lost", async () => {
    const done = await Promise.all(members.map((member, index) => count([a, b][index] ?? a, member)));
    const { value_block } = await good(first.lock(VG, "sh"));
    say(`${2 * ROUNDS} counts, asked again ${done.join(" and ")} times`);
    assert.equal(value_block?.r_version, 2 * ROUNDS);
    await good(first.unlock(VG, "sh"));
  });
  await step("a device that does it no more gives no lock, with a number and the reason", async () => {
    const attribute = `/sys/kernel/config/target/core/fileio_0/lun${WIDE_LUN}/attrib/emulate_caw`;
    await storage.host.must(`echo 0 >${attribute}`);
    const { code, lm_result, detail } = await refused(first.lock(VG, "ex"));
    await storage.host.must(`echo 1 >${attribute}`);
    assert.deepEqual({ code, lm_result }, { code: "EPROTONOSUPPORT", lm_result: -288 }, detail);
    await lockSoon(first, VG, "ex");
    await good(first.unlock(VG, "ex"));
  });
}

/** Counts up on one host; tells how often the lock had to be asked for again. */
async function count(host: Host, { key, identity }: Member): Promise<number> {
  const program = `${GUEST_BUN} run ${GUEST_CONFORMANCE}/count-main.ts`;
  const { stdout } = await host.must(`${program} '${JSON.stringify({ key, identity })}' ${ROUNDS}`, {
    timeout_ms: counting_ms_max,
  });
  return (JSON.parse(stdout) as { refusals: number }).refusals;
}

async function takeOver(stage: Stage, narrow_lv_args: string): Promise<void> {
  const { lab, members, steps } = stage;
  const { step, say } = steps;
  const [a, b] = [lab.host(1), lab.host(2)];
  const [first, second] = members;
  let lv = VG;
  let crashed_ms = 0;
  const since_ms = () => performance.now() - crashed_ms;
  await step("a host crashes while it holds an LV in each VG", async () => {
    lv = await first.newLv("one");
    await lockSoon(second, lv, "ex");
    await b.crash();
    crashed_ms = performance.now();
    assert.equal((await refused(first.lock(lv, "ex"))).owner?.host_id, 2);
  });
  await step("with timeout its LV is had after sanlock's time, and not before", async () => {
    while (resultOf(await lockNarrow(a, "ex", narrow_lv_args)) !== 0) {
      assert.ok(since_ms() < deadAfter_ms({ io_timeout_s }) + patience_ms, "it is never had");
      await Bun.sleep(1000);
    }
    say(`had ${(since_ms() / 1000).toFixed(0)} s after the crash`);
    assert.ok(
      since_ms() > deadAfter_ms({ io_timeout_s }) - renewal_age_ms_max,
      "taken over before the lease ran out",
    );
  });
  await step("without timeout its LV has to be fenced for, and is had once it is declared dead", async () => {
    // The leases of the two VGs were not renewed in the same second.
    let refusal = await refused(first.lock(lv, "ex"));
    for (; refusal.lm_result !== OWNED_NO_TIMEOUT; refusal = await refused(first.lock(lv, "ex"))) {
      assert.ok(since_ms() < deadAfter_ms({ io_timeout_s }) + patience_ms, refusal.detail);
      await Bun.sleep(1000);
    }
    assert.equal(refusal.retry, "after-fence");
    say(refusal.detail);
    const { setHostDead } = first.handle;
    await refused(present(setHostDead?.({ host_id: 2, generation: 7 })));
    assert.equal((await refused(first.lock(lv, "ex"))).retry, "after-fence");
    await good(present(setHostDead?.({ host_id: 2, generation: 1 })));
    while ((await first.lock(lv, "ex")).kind === "refused") {
      assert.ok(
        since_ms() < deadAfter_ms({ io_timeout_s }) + 2 * patience_ms,
        "declared dead, and still refused",
      );
      await Bun.sleep(500);
    }
  });
}

const sanlockOn = (host: Host, use: "yes" | "no"): Promise<void> =>
  startSanlock(host, { io_timeout_s, settings: { use_compare_and_write: use, our_host_name: host.name } });

export default scenario(
  "sanlock-caw",
  {
    about:
      "sanlock 5.1 keeps leases with COMPARE AND WRITE where the disk has it, also on 4096-byte sectors.",
    guests: 3,
    timeout_ms: 900_000,
    // Leases of 8 MiB through an emulated array take the lab's time like no other scenario; what we do for them is ten lines.
    only_by_name: true,
  },
  async (steps) => {
    const lab = await steps.cluster({ hosts: 2, image: "forky", disks: [{ size_mb: 100 }] });
    const [a, b] = [lab.host(1), lab.host(2)];
    const storage = await startStorage(lab, {
      luns: LUNS.length,
      memory_mb: STORAGE_MB,
      size_mb: LUN_MB,
      block_bytes: [512, 4096],
      // sanlock sets FUA and DPO, which only a LUN with a cache takes.
      write_cache: true,
    });
    for (const lun of LUNS.keys()) await lab.plug(storage.disk(lun), [a, b]);
    await noteCompareAndWrites(storage);
    await Promise.all([sanlockOn(a, "yes"), startMembers([a, b], { lock_type: "sanlock" })]);
    await Promise.all([
      ...[a, b].map((host) => startLvmlockd(host, { arguments: `-o ${io_timeout_s}` })),
      awaitMember(a),
      awaitMember(b),
    ]);
    const members = [wideOn(a), wideOn(b)] as const;
    const stage: Stage = { lab, steps, storage, members };
    await refuseOnPlainDisk(stage);
    await refuseByConfiguration(stage);
    let narrow_lv_args = "";
    const narrow = async (): Promise<void> => {
      narrow_lv_args = await lockOnNarrow(stage);
    };
    await steps.together([() => lockOnWide(stage), narrow]);
    await takeOver(stage, narrow_lv_args);
  },
);

/** lvmpersist on real SCSI commands: two hosts, each with its own nexus to the LUNs of an array. */
import assert from "node:assert/strict";
import { PERSIST_EXIT } from "../../../cli/lvmpersist/exit.ts";
import type { Host } from "../lab/host.ts";
import type { Disk } from "../lab/shared-disk.ts";
import { type Steps, scenario } from "../scenario.ts";
import { type Storage, startStorage } from "../services/lio.ts";

/** Keys of lvm's making: of host_id 1 and 2, generation 1, and host 2's next one. */
const KEY_A = "0x1000000000010001";
const KEY_B = "0x1000000000010002";
const KEY_B2 = "0x1000000000020002";

const LUNS = 3;

interface World {
  readonly a: Host;
  readonly b: Host;
  readonly storage: Storage;
  readonly disks: readonly Disk[];
  /** "--device /dev/sda --device …", the same on both hosts. */
  readonly all: string;
  readonly step: Steps["step"];
}

interface DeviceRow {
  readonly device: string;
  readonly status: string;
  readonly result: string;
  readonly keys: readonly string[] | null;
  readonly reservation: string | null;
  readonly holder: string;
  readonly ptpl: number | null;
}

/** Runs lvmpersist and wants this exit status. */
async function persist(host: Host, words: string, exit_status: number = PERSIST_EXIT.ok): Promise<string> {
  const { rc, stdout, stderr } = await host.run(`lvmpersist ${words} </dev/null`);
  assert.equal(rc, exit_status, `lvmpersist ${words} on ${host.name}: ${rc}\n${stdout}${stderr}`);
  return stdout + stderr;
}

async function rows(host: Host, devices: string): Promise<readonly DeviceRow[]> {
  const { stdout } = await host.must(`lvmpersist read ${devices} --reportformat json_std`);
  return JSON.parse(stdout).report[0].device as readonly DeviceRow[];
}

/** Every device has these keys and this reservation, as sg_persist, which is not ours, reads them. */
async function expectOnAll({ a, disks }: World, keys: readonly string[], type: RegExp | null): Promise<void> {
  for (const { path } of disks) {
    // sg_persist takes a unit attention for the answer, and a host whose key was removed has some waiting.
    const script = `sg_persist -n -i -k ${path} && sg_persist -n -i -r ${path}`;
    const { stdout } = await a.until(script, { timeout_ms: 30_000 });
    const found = [...stdout.matchAll(/^ +(0x[0-9a-f]+)$/gm)].map(([, key]) => key).sort();
    assert.deepEqual(found, [...keys].sort(), `keys of ${path}`);
    assert.match(stdout, type ?? /there is NO reservation held/);
  }
}

async function writes(host: Host, path: string): Promise<boolean> {
  const { rc } = await host.run(
    `dd if=/dev/zero of=${path} bs=4096 count=1 seek=8 oflag=direct conv=notrunc`,
  );
  return rc === 0;
}

async function expectWrites({ a, b, disks }: World, by_a: boolean, by_b: boolean): Promise<void> {
  for (const { path } of disks) {
    assert.deepEqual([await writes(a, path), await writes(b, path)], [by_a, by_b], `writes to ${path}`);
  }
}

async function oneHost(world: World): Promise<void> {
  const { a, b, all, step } = world;
  await step("start registers and reserves, and then the other host's writes fail", async () => {
    await persist(a, `devtest ${all}`);
    assert.match(await persist(a, `start --ourkey ${KEY_A} --vg vg0 ${all}`), /started vg0 with key 0x1/);
    await expectOnAll(world, [KEY_A], /Write Exclusive$/m);
    await expectWrites(world, true, false);
  });
  await step("another host's start is a conflict that changes nothing and names the holder", async () => {
    const said = await persist(b, `start --ourkey ${KEY_B} ${all}`, PERSIST_EXIT.conflict);
    assert.match(said, /WE by 0x1000000000010001 \(host_id 1, generation 1\)/);
    await expectOnAll(world, [KEY_A], /Write Exclusive$/m);
  });
  await step("the lines of lvm2's script are printed in a pipe", async () => {
    const said = await persist(b, `read ${all}`);
    for (const { path } of world.disks) {
      assert.ok(said.includes(`Device ${path}: registered keys: ${KEY_A}\n`));
      assert.ok(said.includes(`Device ${path}: reservation: WE holder ${KEY_A}\n`));
    }
    await persist(b, `check-key --key ${KEY_A} ${all}`);
    await persist(b, `check-key --key ${KEY_B} ${all}`, PERSIST_EXIT.not_started);
  });
  await step("start --removekey under load cuts the old holder off in the middle of its writes", async () => {
    const path = world.disks[0]?.path;
    const load = a.run(
      `while dd if=/dev/zero of=${path} bs=64k count=16 oflag=direct 2>&1; do :; done; echo lost`,
    );
    await persist(b, `start --ourkey ${KEY_B} --removekey 0xdead ${all}`, PERSIST_EXIT.not_found);
    const said = await persist(b, `start --ourkey ${KEY_B} --removekey ${KEY_A} ${all}`);
    assert.match(said, /warning: .*host_id 1.* loses 3 of 3 devices/);
    assert.match((await load).stdout, /lost/);
    await expectOnAll(world, [KEY_B], /Write Exclusive$/m);
    await expectWrites(world, false, true);
    // An answer that was lost is no reason for the second try to fail.
    await persist(b, `start --ourkey ${KEY_B} --removekey ${KEY_A} ${all}`);
  });
  await step("stop frees the devices, and again is no failure", async () => {
    await persist(b, `stop --ourkey ${KEY_B} ${all}`);
    await expectOnAll(world, [], null);
    await persist(b, `stop --ourkey ${KEY_B} ${all}`);
    await expectWrites(world, true, true);
  });
}

async function sharedVg(world: World): Promise<void> {
  const { a, b, all, step } = world;
  await step("both hosts start a shared VG at the same time, and both write", async () => {
    await Promise.all([
      persist(a, `start --ourkey ${KEY_A} --access sh ${all}`),
      persist(b, `start --ourkey ${KEY_B} --access sh ${all}`),
    ]);
    await expectOnAll(world, [KEY_A, KEY_B], /Write Exclusive, all registrants/);
    await expectWrites(world, true, true);
  });
  await step("start with a new key of the same host replaces the old one", async () => {
    await persist(b, `start --ourkey ${KEY_B2} --access sh ${all}`);
    await expectOnAll(world, [KEY_A, KEY_B2], /Write Exclusive, all registrants/);
  });
  await step("remove refuses a key that is not there, and an old generation of a host that is", async () => {
    const said = await persist(
      a,
      `remove --ourkey ${KEY_A} --removekey 0xdead ${all}`,
      PERSIST_EXIT.not_found,
    );
    assert.match(said, /nothing was removed/);
    await persist(a, `remove --ourkey ${KEY_A} --removekey ${KEY_B} ${all}`, PERSIST_EXIT.not_found);
    await persist(b, `remove --ourkey 0xbad --removekey ${KEY_A} ${all}`, PERSIST_EXIT.not_started);
    await expectWrites(world, true, true);
  });
  await step("--dry-run shows what remove would do and does not do it", async () => {
    assert.match(await persist(a, `remove --ourkey ${KEY_A} --removekey ${KEY_B2} -n ${all}`), /planned/);
    await expectWrites(world, true, true);
  });
  await step("remove cuts the other host off, and a second removal finds it done", async () => {
    await persist(a, `remove --ourkey ${KEY_A} --removekey ${KEY_B2} --access sh --vg vg0 ${all}`);
    await expectWrites(world, true, false);
    assert.match(
      await persist(a, `remove --ourkey ${KEY_A} --removekey ${KEY_B2} ${all}`),
      /nothing to remove/,
    );
    for (const row of await rows(a, all)) {
      assert.deepEqual([row.keys, row.reservation, row.status], [[KEY_A], "WEAR", "ok"]);
    }
  });
  await step("clear by the host that was cut off opens the devices for all", async () => {
    await persist(b, `clear --ourkey ${KEY_B} ${all}`);
    await expectOnAll(world, [], null);
    await expectWrites(world, true, true);
  });
}

async function everyType(world: World): Promise<void> {
  const { a, b, all, step, disks } = world;
  const reads = async (host: Host): Promise<boolean> =>
    (await host.run(`dd if=${disks[0]?.path} of=/dev/null bs=4096 count=1 iflag=direct`)).rc === 0;
  /** What a host that is not registered, and one that is, may do: SPC-4 table 59. */
  const table = [
    { type: "WE", read: true, registered: false },
    { type: "EA", read: false, registered: false },
    { type: "WERO", read: true, registered: true },
    { type: "EARO", read: false, registered: true },
    { type: "WEAR", read: true, registered: true },
    { type: "EAAR", read: false, registered: true },
  ];
  for (const { type, read, registered } of table) {
    await step(
      `${type}: others ${read ? "read" : "don't read"}, registered ones ${registered ? "write" : "don't"}`,
      async () => {
        await persist(a, `start --ourkey ${KEY_A} --prtype ${type} ${all}`);
        await expectWrites(world, true, false);
        assert.equal(await reads(b), read);
        const joined = registered ? PERSIST_EXIT.ok : PERSIST_EXIT.conflict;
        await persist(b, `start --ourkey ${KEY_B} --prtype ${type} ${all}`, joined);
        await expectWrites(world, true, registered);
        await persist(b, `stop --ourkey ${KEY_B} ${all}`);
        await persist(a, `stop --ourkey ${KEY_A} ${all}`);
        await expectOnAll(world, [], null);
      },
    );
  }
}

/** Every ioctl of a run is a place to be killed at; the next start has to heal what that leaves. */
async function killedAnywhere({ a, step, disks }: World): Promise<void> {
  const device = `--device ${disks[0]?.path}`;
  await step("a start that is killed before any of its commands is completed by the next one", async () => {
    const states = new Set<string>();
    for (let at = 1; ; at++) {
      const { rc } = await a.run(
        `strace -f -o /dev/null -P ${disks[0]?.path} -e trace=ioctl -e inject=ioctl:signal=KILL:when=${at} ` +
          `lvmpersist start --ourkey ${KEY_A} ${device} </dev/null`,
      );
      if (rc === 0) break;
      const [row] = await rows(a, device);
      states.add(`${row?.keys?.length} ${row?.reservation}`);
      await persist(a, `start --ourkey ${KEY_A} ${device}`);
      await persist(a, `stop --ourkey ${KEY_A} ${device}`);
      assert.ok(at < 50, "a start has fewer commands than that");
    }
    assert.deepEqual([...states].sort(), ["0 none", "1 WE", "1 none"], "the states that it was killed in");
    await persist(a, `stop --ourkey ${KEY_A} ${device}`);
  });
}

async function partialFailure(world: World): Promise<void> {
  const { a, all, step, disks } = world;
  const lost = disks[2]?.path ?? "";
  // Several disks get their commands through their sg devices, by write(2); ioctl is for one that has none.
  const { stdout: generic } = await a.must(`ls /sys/block/${lost.split("/").at(-1)}/device/scsi_generic`);
  /** lvmpersist with the commands of the last disk failing from the one with this number on. */
  const failing = (when: string, words: string): string =>
    `strace -f -o /dev/null -P ${lost} -P /dev/${generic.trim()} -e trace=ioctl,write ` +
    `-e inject=ioctl,write:error=EIO:when=${when} lvmpersist ${words} ${all} </dev/null`;
  await step("a start that one device does not take is undone on the others, wherever it fails", async () => {
    let hasBeenUndone = 0;
    for (let at = 1; ; at++) {
      const { rc, stdout } = await a.run(
        failing(String(at), `start --ourkey ${KEY_A} --reportformat json_std`),
      );
      const { device } = JSON.parse(stdout).report[0] as { device: readonly DeviceRow[] };
      if (device.every((row) => row.status === "ok")) break;
      assert.notEqual(rc, PERSIST_EXIT.ok);
      if (device[0]?.result === "undone") hasBeenUndone++;
      for (const row of await rows(a, all)) {
        const said = device.find((one) => one.device === row.device);
        if (said?.result !== "left") assert.deepEqual([row.keys, row.reservation], [[], "none"], row.device);
      }
      await persist(a, `clear --ourkey ${KEY_A} ${all}`);
      assert.ok(at < 50, "a start has fewer commands than that");
    }
    assert.ok(hasBeenUndone >= 2, "some failures came after the other devices had been changed");
    await persist(a, `stop --ourkey ${KEY_A} ${all}`);
  });
  await step("a host that was started stays so when a start with one more device fails", async () => {
    const started = disks
      .slice(0, 2)
      .map(({ path }) => `--device ${path}`)
      .join(" ");
    await persist(a, `start --ourkey ${KEY_A} ${started}`);
    const { rc } = await a.run(failing("9+", `start --ourkey ${KEY_A}`));
    assert.equal(rc, PERSIST_EXIT.partial);
    for (const row of await rows(a, started)) assert.deepEqual([row.keys, row.reservation], [[KEY_A], "WE"]);
    await persist(a, `start --ourkey ${KEY_A} ${all}`);
    await persist(a, `stop --ourkey ${KEY_A} ${all}`);
  });
}

/** Writes a partition table with one partition by hand, because the guests have no program for it. */
function partitionScript(path: string): string {
  const entry = String.raw`\x00\x00\x00\x00\x83\x00\x00\x00\x00\x08\x00\x00\x00\x20\x00\x00`;
  return `( head -c 446 /dev/zero; printf '${entry}'; head -c 48 /dev/zero; printf '\\x55\\xaa' ) |
dd of=${path} bs=512 2>/dev/null && blockdev --rereadpt ${path} && udevadm settle && test -b ${path}1`;
}

async function badDevices({ a, step, disks }: World): Promise<void> {
  const path = disks[0]?.path ?? "";
  await step("what is no whole disk is refused with a sentence of its own", async () => {
    await a.must(
      "modprobe loop && truncate -s 8M /tmp/image && losetup /dev/loop0 /tmp/image && mkdir -p /tmp/directory",
    );
    for (const device of ["/dev/loop0", "/tmp/directory", "/dev/null", "/dev/vda"]) {
      const said = await persist(a, `start --ourkey ${KEY_A} --device ${device}`, PERSIST_EXIT.unsupported);
      assert.ok(said.includes(device));
    }
    await a.must(partitionScript(path));
    assert.match(
      await persist(a, `start --ourkey ${KEY_A} --device ${path}1`, PERSIST_EXIT.unsupported),
      /partition/,
    );
    await a.must(`dd if=/dev/zero of=${path} bs=512 count=1 2>/dev/null; blockdev --rereadpt ${path}`);
    await persist(a, `start --ourkey ${KEY_A} --device /dev/sdzz`, PERSIST_EXIT.device);
    const { rc } = await a.run(
      `setpriv --reuid 65534 --clear-groups lvmpersist start --ourkey 0x1 --device ${path}`,
    );
    assert.equal(rc, PERSIST_EXIT.failure);
  });
}

async function powerLoss(world: World): Promise<void> {
  const { a, b, all, step, storage } = world;
  await step("--ptpl lets the reservation outlive a loss of power of the array", async () => {
    await persist(a, `start --ourkey ${KEY_A} --ptpl ${all}`);
    for (const row of await rows(a, all)) assert.equal(row.ptpl, 1);
    await storage.stop();
    await storage.start();
    await a.until(`lvmpersist check-key --key ${KEY_A} ${all}`, { timeout_ms: 60_000 });
    for (const row of await rows(a, all)) assert.deepEqual([row.keys, row.reservation], [[KEY_A], "WE"]);
    // QEMU's initiator has a new session name after it has connected again: host 1 is not the nexus any more that registered.
    await persist(b, `clear --ourkey ${KEY_B} ${all}`);
  });
}

export default scenario(
  "pr-lvmpersist",
  {
    about: "lvmpersist on real SCSI: every command, two hosts, killed anywhere, devices that fail.",
    guests: 3,
    timeout_ms: 1_800_000,
  },
  async ({ cluster, step }) => {
    const lab = await cluster({ hosts: 2, disks: [] });
    const [a, b] = [lab.host(1), lab.host(2)];
    const storage = await startStorage(lab, { luns: LUNS, size_mb: 16 });
    const disks: Disk[] = [];
    for (let lun = 0; lun < LUNS; lun++) disks.push(await lab.plug(storage.disk(lun), [a, b]));
    const all = disks.map(({ path }) => `--device ${path}`).join(" ");
    const world: World = { a, b, storage, disks, all, step };
    await oneHost(world);
    await sharedVg(world);
    await everyType(world);
    await partialFailure(world);
    await killedAnywhere(world);
    await badDevices(world);
    await powerLoss(world);
  },
);

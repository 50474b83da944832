/** Every command of lvmpersist by two hosts: steps that hold for SCSI disks, NVMe namespaces and multipath maps alike. */
import assert from "node:assert/strict";
import { PERSIST_EXIT } from "../../../../cli/lvmpersist/exit.ts";
import type { Host } from "../../lab/host.ts";
import { MAY, TYPES, type Type } from "../../services/reservation-rules.ts";
import {
  expectOnAll,
  expectWrites,
  KEY_A,
  KEY_B,
  KEY_B2,
  persist,
  report,
  rows,
  typeShown,
  type World,
  withFirst,
} from "./world.ts";

const SHARED = typeShown("WEAR");

/** What `--access ex`, which is also the default, comes to on host a's devices. */
function exclusiveType({ paths_of_a }: World): "WE" | "WEAR" {
  return paths_of_a > 1 ? "WEAR" : "WE";
}

/** Words with which host b, which has one path, reserves as host a did. */
function asHeld(world: World): string {
  return exclusiveType(world) === "WE" ? "" : "--access sh";
}

export async function oneHost(world: World): Promise<void> {
  const { a, b, all, disks, step } = world;
  const type = exclusiveType(world);
  const held = typeShown(type);
  await step("start registers and reserves, and then the other host's writes fail", async () => {
    assert.match(await persist(a, `devtest ${all}`), new RegExp(`supports type ${type}`));
    assert.match(await persist(a, `start --ourkey ${KEY_A} -n ${all}`), /planned/);
    await expectOnAll(world, [], null);
    assert.match(await persist(a, `start --ourkey ${KEY_A} --vg vg0 ${all}`), /started vg0 with key 0x1/);
    await expectOnAll(world, [KEY_A], held);
    await expectWrites(world, true, false);
  });
  await step("another host's start is a conflict that changes nothing and names the holder", async () => {
    const said = await persist(b, `start --ourkey ${KEY_B} ${all}`, PERSIST_EXIT.conflict);
    assert.match(said, /reserved WE.* 0x1000000000010001 \(host_id 1, generation 1\)/);
    await expectOnAll(world, [KEY_A], held);
  });
  await looks(world);
  await step("start --removekey under load cuts the old holder off in the middle of its writes", async () => {
    const path = disks[0]?.path;
    const load = a.run(
      `while dd if=/dev/zero of=${path} bs=64k count=16 oflag=direct 2>&1; do :; done; echo lost`,
    );
    const start = `start --ourkey ${KEY_B} ${asHeld(world)}`;
    await persist(b, `${start} --removekey 0xdead ${all}`, PERSIST_EXIT.not_found);
    const said = await persist(b, `${start} --removekey ${KEY_A} ${all}`);
    assert.ok(said.includes(`loses ${disks.length} of ${disks.length} devices`), said);
    assert.match(said, /warning: .*host_id 1.* loses/);
    assert.match((await load).stdout, /lost/);
    await expectOnAll(world, [KEY_B], held);
    await expectWrites(world, false, true);
    // An answer that was lost is no reason for the second try to fail.
    await persist(b, `${start} --removekey ${KEY_A} ${all}`);
  });
  await step("stop frees the devices, and again is no failure", async () => {
    assert.match(await persist(b, `stop --ourkey ${KEY_B} --dry-run ${all}`), /planned/);
    await expectWrites(world, false, true);
    await persist(b, `stop --ourkey ${KEY_B} ${all}`);
    await expectOnAll(world, [], null);
    await persist(b, `stop --ourkey ${KEY_B} ${all}`);
    await expectWrites(world, true, true);
  });
}

/** What host a reads: these lines, and behind them one for each path of a map, all of them registered. */
function expectRead({ disks, paths_of_a }: World, said: string, lines: string): void {
  assert.ok(said.startsWith(lines), said);
  const paths = paths_of_a > 1 ? paths_of_a * disks.length : 0;
  const shown = new RegExp(`^(Device \\S+: path \\S+: registered ${KEY_A}\n){${paths}}$`);
  assert.match(said.slice(lines.length), shown);
}

/** The commands that change nothing, while host a is started. */
async function looks(world: World): Promise<void> {
  const { a, b, all, disks, step, paths_of_a } = world;
  const type = exclusiveType(world);
  await step("the lines of lvm2's script are printed in a pipe", async () => {
    const keys = disks.map(({ path }) => `Device ${path}: registered keys: ${KEY_A}\n`).join("");
    const holder = type === "WE" ? ` holder ${KEY_A}` : "";
    const reserved = disks.map(({ path }) => `Device ${path}: reservation: ${type}${holder}\n`).join("");
    assert.equal(await persist(b, `read-keys ${all}`), keys);
    assert.equal(await persist(b, `read-reservation ${all}`), reserved);
    const { stdout, stderr } = await a.must(`lvmpersist read --debug ${all}`);
    expectRead(world, stdout, keys + reserved);
    for (const { path } of disks)
      assert.match(stderr, new RegExp(`lvmpersist: ${path}: read keys .*${KEY_A}.* ms`));
    assert.match(
      await persist(b, `check-key --key ${BigInt(KEY_A)} ${all}`),
      new RegExp(`key: ${KEY_A}$`, "m"),
    );
    await persist(b, `check-key --key ${KEY_B} ${all}`, PERSIST_EXIT.not_started);
    await a.must("lvmpersist help | grep -q -e --removekey");
  });
  await step("JSON has a row for each device, and one for each nexus that is registered", async () => {
    const { device, registration } = await report(a, all);
    assert.deepEqual(
      device.map((row) => [row.device, row.status, row.keys, row.reservation, row.holder]),
      disks.map(({ path }) => [path, "ok", [KEY_A], type, type === "WE" ? KEY_A : ""]),
    );
    for (const { path } of disks) {
      const own = registration.filter((row) => row.device === path);
      assert.deepEqual(
        own.map(({ key, host_id, generation }) => [key, host_id, generation]),
        Array(paths_of_a).fill([KEY_A, 1, 1]),
      );
      assert.equal(new Set(own.map(({ initiator }) => initiator)).size, paths_of_a, JSON.stringify(own));
    }
  });
}

export async function sharedVg(world: World): Promise<void> {
  const { a, b, all, step } = world;
  await step("both hosts start a shared VG at the same time, and both write", async () => {
    await Promise.all([
      persist(a, `start --ourkey ${KEY_A} --access sh ${all}`),
      persist(b, `start --ourkey ${KEY_B} --access sh ${all}`),
    ]);
    await expectOnAll(world, [KEY_A, KEY_B], SHARED);
    await expectWrites(world, true, true);
  });
  await step("start with a new key of the same host replaces the old one", async () => {
    await persist(b, `start --ourkey ${KEY_B2} --access sh ${all}`);
    await expectOnAll(world, [KEY_A, KEY_B2], SHARED);
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
    const said = await persist(b, `clear --ourkey ${KEY_B} --dry-run ${all}`);
    assert.match(said, /planned/);
    assert.match(said, /warning: .*these hosts lose their keys.*host_id 1/);
    await expectWrites(world, true, false);
    await persist(b, `clear --ourkey ${KEY_B} ${all}`);
    await expectOnAll(world, [], null);
    await expectWrites(world, true, true);
  });
}

/** What a host that is not registered, and one that is, may do, with real reads and writes of both hosts. */
export async function everyType(world: World, types: readonly Type[] = TYPES): Promise<void> {
  for (const type of types) {
    const isForOnePath = MAY[type].registered !== "read write";
    if (isForOnePath && world.paths_of_a > 1) await refusedOnMap(world, type);
    else await oneType(withFirst(world), type);
  }
}

async function oneType(world: World, type: Type): Promise<void> {
  const { a, b, all, step, disks } = world;
  const reads = async (host: Host): Promise<boolean> =>
    (await host.run(`dd if=${disks[0]?.path} of=/dev/null bs=4096 count=1 iflag=direct`)).rc === 0;
  const read = MAY[type].unregistered === "read";
  const registered = MAY[type].registered === "read write";
  await step(
    `${type}: others ${read ? "read" : "don't read"}, registered ones ${registered ? "write" : "don't"}`,
    async () => {
      await persist(a, `start --ourkey ${KEY_A} --prtype ${type} ${all}`);
      await expectOnAll(world, [KEY_A], typeShown(type));
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

async function refusedOnMap(world: World, type: Type): Promise<void> {
  const { a, all, step } = world;
  await step(`${type} is refused for a map, because only one path could write`, async () => {
    const { unsupported } = PERSIST_EXIT;
    const said = await persist(a, `start --ourkey ${KEY_A} --prtype ${type} ${all}`, unsupported);
    assert.match(said, new RegExp(`with ${type} only one path of a multipath device could write`));
    assert.match(
      await persist(a, `devtest --prtype ${type} ${all}`, unsupported),
      new RegExp(`does not support type ${type} \\(.*only one path`),
    );
    await expectOnAll(world, [], null);
  });
}

/** The device as the PV of a VG, which each host's own lvm finds; `a_pv` and `b_pv` are lvm's names for the one that there is. */
export async function byVg(world: World, { a_pv, b_pv }: { a_pv: string; b_pv: string }): Promise<void> {
  const { a, b, step } = world;
  const unlocked = "--config global/use_lvmlockd=0";
  await step("--vg alone works on the PVs that lvm knows, by every command", async () => {
    await a.must(`vgcreate ${unlocked} vg1 ${a_pv}`);
    await persist(a, `start --ourkey ${KEY_A} --access sh --vg vg1`);
    await expectOnAll(world, [KEY_A], SHARED);
    const lines = `Device ${a_pv}: registered keys: ${KEY_A}\nDevice ${a_pv}: reservation: WEAR\n`;
    expectRead(world, await persist(a, "read --vg vg1"), lines);
    const said = await persist(b, `start --ourkey ${KEY_B} --access sh --vg vg1 --debug`);
    assert.match(said, new RegExp(`lvmpersist: ${b_pv}: register and ignore`));
    await expectWrites(world, true, true);
    await persist(a, `remove --ourkey ${KEY_A} --removekey ${KEY_B} --vg vg1`);
    await expectWrites(world, true, false);
    await persist(b, `check-key --key ${KEY_B} --vg vg1`, PERSIST_EXIT.not_started);
    assert.match(
      await persist(b, `start --ourkey ${KEY_B} --removekey ${KEY_A} --access sh --vg vg1`),
      /warning: vg1: the host with key 0x1000000000010001 .* loses 1 of 1 devices/,
    );
    await expectWrites(world, false, true);
    await persist(b, `clear --ourkey ${KEY_B} --vg vg1`);
    await expectOnAll(world, [], null);
    await a.must(`vgremove ${unlocked} vg1`);
  });
}

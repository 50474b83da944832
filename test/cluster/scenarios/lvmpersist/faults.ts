/** What becomes of a run that is killed, and of one whose devices fail or go away in the middle. */
import assert from "node:assert/strict";
import { PERSIST_EXIT } from "../../../../cli/lvmpersist/exit.ts";
import {
  type ArrayWorld,
  type DeviceRow,
  expectOn,
  expectOnAll,
  KEY_A,
  KEY_B,
  persist,
  rows,
  sgDevice,
  type World,
} from "./world.ts";

/** Every ioctl of a run is a place to be killed at; the next start has to heal what that leaves. */
export async function killedAnywhere({ a, step, disks }: World): Promise<void> {
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

export async function partialFailure(world: World): Promise<void> {
  const { a, all, step, disks } = world;
  const lost = disks[2]?.path ?? "";
  // The ioctl is for a disk that has no sg device.
  const generic = await sgDevice(a, lost);
  /** lvmpersist with the commands of the last disk failing from the one with this number on. */
  const failing = (when: string, words: string): string =>
    `strace -f -o /dev/null -P ${lost} -P ${generic} -e trace=ioctl,write ` +
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
    const { rc } = await a.run(failing("7+", `start --ourkey ${KEY_A}`));
    assert.equal(rc, PERSIST_EXIT.partial);
    for (const row of await rows(a, started)) assert.deepEqual([row.keys, row.reservation], [[KEY_A], "WE"]);
    await persist(a, `start --ourkey ${KEY_A} ${all}`);
    await persist(a, `stop --ourkey ${KEY_A} ${all}`);
  });
}

interface Stopped {
  readonly rc: number;
  readonly device: readonly DeviceRow[];
}

/**
 * lvmpersist on all disks, stopped by a signal when the last one has been sent so many commands; it goes on after `between`. So
 * what happens between two commands happens there each time, however fast the machine is.
 */
async function stoppedAfter(
  { a, disks, all }: World,
  commands: number,
  words: string,
  between: () => Promise<unknown>,
): Promise<Stopped> {
  const generic = await sgDevice(a, disks.at(-1)?.path ?? "");
  await a.must(`rm -f /tmp/trace /tmp/said /tmp/rc
( strace -D -f -o /tmp/trace -P ${generic} -e trace=write -e inject=write:signal=STOP:when=${commands} \\
    lvmpersist ${words} ${all} --reportformat json_std </dev/null >/tmp/said; echo $? >/tmp/rc ) >/tmp/errors 2>&1 & disown`);
  const { stdout: pid } = await a.until(
    "sed -n 's/^\\([0-9]*\\) .*stopped by SIGSTOP.*/\\1/p' /tmp/trace | grep .",
    { timeout_ms: 60_000 },
  );
  await between();
  await a.must(`kill -CONT ${pid.trim().split("\n")[0]}`);
  await a.until("test -s /tmp/rc", { timeout_ms: 60_000 });
  const { stdout } = await a.must("cat /tmp/rc /tmp/said; cat /tmp/errors >&2");
  const [rc = "", ...said] = stdout.split("\n");
  return { rc: Number(rc), device: JSON.parse(said.join("\n")).report[0].device };
}

function expectRows({ device }: Stopped, results: readonly string[], why: RegExp): void {
  const told = JSON.stringify(device, null, 1);
  assert.deepEqual(
    device.map(({ result }) => result),
    results,
    told,
  );
  assert.deepEqual(
    device.map(({ status }) => status),
    ["ok", "ok", "gone"],
    told,
  );
  assert.match(device.at(-1)?.detail ?? "", why, told);
}

/** What `start` sends to a disk: three commands to look at it, three to register and read keys back, three to reserve and read all. */
const LOOKED_AT = 3;
const REGISTERED = 6;

/** The last disk goes away under a run that has begun. What it had registered with the array is seen from the other host. */
export async function goneInTheMiddle(world: ArrayWorld): Promise<void> {
  const { a, b, disks, all, step } = world;
  const last = disks.at(-1);
  assert.ok(last !== undefined);
  const { path } = last;
  const unplug = (): Promise<void> => last.fail({ hosts: [a], how: "gone" });
  const plug = async (): Promise<void> => {
    await last.restore({ hosts: [a] });
    assert.equal(last.path, path, "the disk has its name again");
    await persist(a, `read ${all}`);
  };
  await persist(a, `read ${all}`);
  await step(
    "a disk that is unplugged before it was registered: the others are set back, status 7",
    async () => {
      const stopped = await stoppedAfter(world, LOOKED_AT, `start --ourkey ${KEY_A}`, unplug);
      assert.equal(stopped.rc, PERSIST_EXIT.device);
      expectRows(stopped, ["undone", "undone", "failed"], /the device is gone \(.*ENODEV/);
      for (const disk of disks) await expectOn(b, disk.path, [], null);
      const said = await persist(a, `start --ourkey ${KEY_A} ${all}`, PERSIST_EXIT.device);
      assert.match(said, /start sda:sdc failed on 1 of 3 devices \(gone\); nothing is changed/);
      assert.match(said, new RegExp(`${path} +failed +\\? +${path} does not exist`));
      await plug();
    },
  );
  await step("unplugged between register and reserve it keeps our key: left, status 9", async () => {
    const stopped = await stoppedAfter(world, REGISTERED, `start --ourkey ${KEY_A}`, unplug);
    assert.equal(stopped.rc, PERSIST_EXIT.partial);
    expectRows(stopped, ["undone", "undone", "left"], /it can't be read, so it is not known what it did/);
    for (const disk of disks) await expectOn(b, disk.path, disk === last ? [KEY_A] : [], null);
    await plug();
    await persist(a, `start --ourkey ${KEY_A} ${all}`);
    await expectOnAll(world, [KEY_A], /Write Exclusive$/m);
    await persist(a, `stop --ourkey ${KEY_A} ${all}`);
  });
  await step("remove goes on with the others, and says where the key may still be, status 9", async () => {
    await persist(a, `start --ourkey ${KEY_A} --access sh ${all}`);
    await persist(b, `start --ourkey ${KEY_B} --access sh ${all}`);
    const remove = `remove --ourkey ${KEY_A} --removekey ${KEY_B}`;
    // It looks at keys and reservation only.
    const stopped = await stoppedAfter(world, 2, remove, unplug);
    assert.equal(stopped.rc, PERSIST_EXIT.partial);
    expectRows(stopped, ["done", "done", "left"], /not known whether .* was removed/);
    for (const disk of disks)
      await expectOn(b, disk.path, disk === last ? [KEY_A, KEY_B] : [KEY_A], /all registrants/);
    await plug();
    await persist(a, `${remove} ${all}`);
    await expectOnAll(world, [KEY_A], /all registrants/);
    await persist(a, `stop --ourkey ${KEY_A} ${all}`);
  });
  await lunTakenAway(world);
}

async function lunTakenAway(world: ArrayWorld): Promise<void> {
  const { a, b, storage, disks, all, step } = world;
  await step(
    "a LUN that the array takes away in the middle is told by its sense data, status 7",
    async () => {
      const number = disks.length - 1;
      const lun = `/sys/kernel/config/target/iscsi/*/tpgt_1/lun/lun_${number}`;
      const take = (): Promise<unknown> => storage.host.must(`rm ${lun}/lun${number}`);
      const stopped = await stoppedAfter(world, LOOKED_AT, `start --ourkey ${KEY_A}`, take);
      assert.equal(stopped.rc, PERSIST_EXIT.device);
      expectRows(stopped, ["undone", "undone", "failed"], /logical unit not supported \(5\/25\/00\)/);
      for (const disk of disks.slice(0, -1)) await expectOn(b, disk.path, [], null);
      await storage.host.must(
        `cd ${lun} && ln -s /sys/kernel/config/target/core/fileio_0/lun${number} lun${number}`,
      );
      await persist(a, `read ${all}`);
    },
  );
}

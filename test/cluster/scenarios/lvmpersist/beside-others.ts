/** A namespace in one run with devices of other kinds: a SCSI disk, and a namespace without reservations. */
import assert from "node:assert/strict";
import { PERSIST_EXIT } from "../../../../cli/lvmpersist/exit.ts";
import { startLoopbackLun } from "../../services/loopback-lun.ts";
import {
  expectOn,
  expectOnAll,
  KEY_A,
  KEY_B,
  persist,
  rows,
  sgDevice,
  typeShown,
  type World,
} from "./world.ts";

/** Which of a start's commands to a SCSI disk is its RESERVE: before it three look at it, and five register and read back. */
const RESERVE = 9;

export async function besideOthers(world: World, plain: string): Promise<void> {
  const { a, b, all, step } = world;
  await step("a namespace that can't keep registrations refuses --ptpl, and nothing is begun", async () => {
    const said = await persist(a, `start --ourkey ${KEY_A} --ptpl ${all}`, PERSIST_EXIT.unsupported);
    assert.match(said, /can't keep registrations through a loss of power; start without --ptpl/);
    await expectOnAll(world, [], null);
  });
  await step(
    "a namespace without reservations is told from others, and keeps them from being started",
    async () => {
      const { unsupported, ok } = PERSIST_EXIT;
      const both = `${all} --device ${plain}`;
      assert.match(
        await persist(a, `read --device ${plain}`, unsupported),
        /does not support PR \(.*RESCAP is 0/,
      );
      for (const words of ["devtest", `check-key --key ${KEY_A}`, `stop --ourkey ${KEY_A}`])
        await persist(a, `${words} --device ${plain}`, unsupported);
      const said = await persist(a, `start --ourkey ${KEY_A} ${both}`, unsupported);
      assert.match(said, /failed on 1 of 2 devices \(unsupported\); nothing is changed/);
      await expectOnAll(world, [], null);
      await persist(a, `start --ourkey ${KEY_A} ${all}`);
      const status = (await rows(a, both)).map((row) => [row.status, row.reservation]);
      assert.deepEqual(status, [
        ["ok", "WE"],
        ["unsupported", null],
      ]);
      assert.match(
        await persist(a, `clear --ourkey ${KEY_A} ${both}`, ok),
        /warning: .*not cleared: .*RESCAP is 0/,
      );
      await expectOnAll(world, [], null);
    },
  );
  const disk = await startLoopbackLun(a);
  const both = `${all} --device ${disk}`;
  await step("a namespace and a SCSI disk are started together, or neither is", async () => {
    await persist(b, `start --ourkey ${KEY_B} ${all}`);
    await persist(a, `start --ourkey ${KEY_A} ${both}`, PERSIST_EXIT.conflict);
    await expectOn(a, disk, [], null);
    await persist(b, `stop --ourkey ${KEY_B} ${all}`);
    const generic = await sgDevice(a, disk);
    await a.refused(
      `strace -f -o /dev/null -P ${generic} -e trace=write -e inject=write:error=EIO:when=${RESERVE} ` +
        `lvmpersist start --ourkey ${KEY_A} ${both} </dev/null`,
      /nvme\d+n1 +undone +0 registered, not reserved/,
    );
    await expectOnAll(world, [], null);
    await expectOn(a, disk, [], null);
    await persist(a, `start --ourkey ${KEY_A} ${both}`);
    await expectOnAll(world, [KEY_A], typeShown("WE"));
    await expectOn(a, disk, [KEY_A], typeShown("WE"));
    await persist(a, `stop --ourkey ${KEY_A} ${both}`);
  });
}

/** A start that meets the join of an lvmlockd that was killed during its own start; on a clock that only the waits move. */
import { afterEach, beforeEach, expect, mock, spyOn, test } from "bun:test";
import type { JoinCall } from "../../../plugins/contract.ts";
import { ERRNO } from "../../../plugins/sanlock/return-codes.ts";
import { fakeJoined, VG } from "./fake-client.ts";

const clock = { now_ms: 0 };
beforeEach(() => {
  clock.now_ms = 0;
  spyOn(performance, "now").mockImplementation(() => clock.now_ms);
  spyOn(Bun, "sleep").mockImplementation(async (time) => {
    clock.now_ms += Number(time);
  });
});
afterEach(() => mock.restore());

/** Joins while sanlock is at it until 5 s; after that the lockspace is joined (0) or gone (ENOENT). */
async function meeting(adopt: JoinCall["adopt"], outcome: number, under_way: number = ERRNO.EINPROGRESS) {
  const added: number[] = [];
  let acquired = 0;
  const isUnderWay = (): boolean => clock.now_ms < 5000;
  const { answer, handle } = await fakeJoined(
    {
      addLockspace: () => {
        added.push(isUnderWay() ? under_way : 0);
        return added.at(-1) ?? 0;
      },
      inquireLockspace: () => (isUnderWay() ? ERRNO.EINPROGRESS : outcome),
      acquire: () => {
        acquired++;
        return { rv: ERRNO.ENOENT, owner: null, owner_name: "" };
      },
    },
    {},
    { adopt },
  );
  return { answer, handle, added, acquired };
}

test("it is waited for, and the lockspace is taken up with what may have been left in it", async () => {
  const { answer, handle, added, acquired } = await meeting("if-orphan", 0);
  expect(answer).toMatchObject({ kind: "done" });
  expect(added).toEqual([ERRNO.EINPROGRESS]);
  expect(acquired).toBe(2);
  expect(clock.now_ms).toBe(5000);
  const call = {
    resource: VG,
    mode: "sh",
    adopt: "no",
    repair: false,
    persistent: false,
    patience_ms: 0,
  } as const;
  expect(await handle.lock(call)).not.toMatchObject({ code: "ENOTCONN" });
});

test("the lockspace is joined anew when that join came to nothing", async () => {
  const { answer, added } = await meeting("if-orphan", ERRNO.ENOENT);
  expect([answer.kind, added]).toEqual(["done", [ERRNO.EINPROGRESS, 0]]);
});

test("the end of a leave is waited for in the same way", async () => {
  const { answer, added } = await meeting("if-orphan", ERRNO.ENOENT, ERRNO.EAGAIN);
  expect([answer.kind, added]).toEqual(["done", [ERRNO.EAGAIN, 0]]);
});

test("nothing is joined anew for whoever wants orphans only", async () => {
  const { answer, added } = await meeting("only-orphan", ERRNO.ENOENT);
  expect(answer).toMatchObject({ kind: "refused", code: "EADOPT_NONE" });
  expect(added).toEqual([ERRNO.EINPROGRESS]);
});

test("it is given up after sanlock's slowest join", async () => {
  const { answer } = await fakeJoined(
    { addLockspace: () => ERRNO.EINPROGRESS, inquireLockspace: () => ERRNO.EINPROGRESS },
    {},
    { adopt: "if-orphan" },
  );
  expect(answer).toMatchObject({ kind: "refused", code: "EEXIST", lm_result: ERRNO.EINPROGRESS });
  expect(clock.now_ms).toBe(200_000);
});

test("without adoption the start is refused at once", async () => {
  const { answer } = await meeting("no", 0);
  expect(answer).toMatchObject({ kind: "refused", code: "EEXIST" });
  expect(clock.now_ms).toBe(0);
});

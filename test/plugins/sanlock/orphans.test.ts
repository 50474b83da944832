/** What becomes of the GL and VG locks of commands when lvmlockd dies and is started again; against a client that plays sanlock. */
import { afterEach, beforeEach, describe, expect, mock, spyOn, test } from "bun:test";
import type { Lease, SanlockClient } from "../../../plugins/sanlock/client.ts";
import { ACQUIRE, RES } from "../../../plugins/sanlock/flags.ts";
import { ERRNO } from "../../../plugins/sanlock/return-codes.ts";
import { fakeClient, fakeJoined, LV, VG } from "./fake-client.ts";

/** A sanlock with orphans of these names, shared or not, and what was asked of it. */
async function started(orphans: ReadonlyMap<string, number>, addLockspace: SanlockClient["addLockspace"]) {
  const asked: string[] = [];
  const calls: Partial<SanlockClient> = {
    addLockspace,
    acquire(_sock: number, lease: Lease, resource_flags: number, acquire_flags: number) {
      const orphan = orphans.get(lease.name);
      const isAdoption = (acquire_flags & ACQUIRE.ORPHAN_ONLY) !== 0;
      const hasMode = orphan === (resource_flags & RES.SHARED);
      const found = orphan === undefined ? ERRNO.ENOENT : hasMode ? 0 : ERRNO.EUCLEAN;
      const rv = isAdoption ? found : 0;
      asked.push(`${isAdoption ? "adopt" : "acquire"} ${lease.name} ${resource_flags} ${rv}`);
      return { rv, owner: null, owner_name: "" };
    },
    release(_sock: number, lease: Lease) {
      asked.push(`release ${lease.name}`);
      return 0;
    },
  };
  const { news, handle, answer } = await fakeJoined(calls, {}, { adopt: "if-orphan" });
  expect(answer.kind).toBe("done");
  return { asked, news, handle };
}

const exists = (): number => ERRNO.EEXIST;
const PERSISTENT_SHARED = RES.PERSISTENT | RES.SHARED;

test("a lockspace that an earlier lvmlockd has left has its GL and VG locks released, whatever their mode", async () => {
  const { asked, news } = await started(
    new Map([
      ["GLLK", RES.SHARED],
      ["VGLK", 0],
      ["uuid", 0],
    ]),
    exists,
  );
  expect(asked).toEqual([
    `adopt GLLK ${RES.PERSISTENT} ${ERRNO.EUCLEAN}`,
    `adopt GLLK ${PERSISTENT_SHARED} 0`,
    "release GLLK",
    `adopt VGLK ${RES.PERSISTENT} 0`,
    "release VGLK",
  ]);
  expect(news.filter((one) => one.kind === "log")).toEqual([
    { kind: "log", level: "warning", text: "lvm_vg:GLLK is released: a command had it when lvmlockd died" },
    { kind: "log", level: "warning", text: "lvm_vg:VGLK is released: a command had it when lvmlockd died" },
  ]);
});

test("without such orphans nothing is released and nothing is said", async () => {
  const { asked, news } = await started(new Map(), exists);
  expect(asked.filter((one) => one.startsWith("release"))).toEqual([]);
  expect(news.filter((one) => one.kind === "log")).toEqual([]);
});

test("a lockspace that is joined anew has none to look for", async () => {
  expect((await started(new Map([["VGLK", 0]]), () => 0)).asked).toEqual([]);
});

test("every lock outlives lvmlockd, those of commands too", async () => {
  const { asked, handle } = await started(new Map(), () => 0);
  const call = { adopt: "no", repair: false, persistent: false, patience_ms: 0 } as const;
  await handle.lock({ ...call, resource: VG, mode: "sh" });
  await handle.lock({ ...call, resource: LV, mode: "ex" });
  expect(asked).toEqual([`acquire VGLK ${PERSISTENT_SHARED} 0`, `acquire uuid ${RES.PERSISTENT} 0`]);
});

test("an orphan is waited for while sanlock goes on with the last call of the lvmlockd that died", async () => {
  const answers: number[] = [ERRNO.EBUSY, ERRNO.EEXIST, 0];
  const { handle } = await fakeJoined(
    {
      addLockspace: exists,
      acquire: (_sock: number, lease: Lease) => {
        const rv = lease.name === LV.name ? (answers.shift() ?? ERRNO.ENOENT) : ERRNO.ENOENT;
        return { rv, owner: null, owner_name: "" };
      },
    },
    {},
    { adopt: "if-orphan" },
  );
  const call = { adopt: "only-orphan", repair: false, persistent: true, patience_ms: 0 } as const;
  expect(await handle.lock({ ...call, resource: LV, mode: "ex" })).toMatchObject({
    kind: "done",
    adopted: true,
  });
  expect(answers).toEqual([]);
});

describe("a lock that sanlock has not settled since lvmlockd died", () => {
  const clock = { now_ms: 0 };
  beforeEach(() => {
    clock.now_ms = 0;
    spyOn(performance, "now").mockImplementation(() => clock.now_ms);
    spyOn(Bun, "sleep").mockImplementation(async (time) => {
      clock.now_ms += Number(time);
    });
  });
  afterEach(() => mock.restore());

  /** A VG taken up after an lvmlockd that died, with this I/O timeout, and what sanlock answers about its LV. */
  const takenUp = async (io_timeout_s: number, rv: number) => {
    const { handle } = await fakeJoined(
      {
        addLockspace: exists,
        readLockspace: () => ({ ...fakeClient({}, {}).readLockspace("", 1), io_timeout_s }),
        acquire: (_sock: number, lease: Lease) => ({
          rv: lease.name === LV.name ? rv : ERRNO.ENOENT,
          owner: null,
          owner_name: "",
        }),
      },
      {},
      { adopt: "if-orphan" },
    );
    const call = { resource: LV, mode: "ex", repair: false, persistent: true, patience_ms: 0 } as const;
    return (adopt: "no" | "only-orphan") => handle.lock({ ...call, adopt });
  };

  test("is waited for as long as a lock call of sanlock may take, and is told to be on nobody's books", async () => {
    for (const [io_timeout_s, waited_ms] of [
      [1, 20_000],
      [10, 60_000],
      [40, 240_000],
    ] as const) {
      const lock = await takenUp(io_timeout_s, ERRNO.EBUSY);
      const begin_ms = clock.now_ms;
      const answer = await lock("only-orphan");
      expect(answer).toMatchObject({ kind: "refused", code: "EORPHAN", lm_result: ERRNO.EBUSY });
      expect(answer.kind === "refused" && answer.detail).toContain("this one does not have the lock");
      expect(clock.now_ms - begin_ms).toBe(waited_ms);
    }
  });

  test("is soon asked for again by others, and is not taken for a lost VG before that time is over", async () => {
    const lock = await takenUp(10, ERRNO.EBUSY);
    expect(await lock("no")).toMatchObject({ kind: "refused", code: "EAGAIN", retry: "soon" });
    clock.now_ms += 60_000;
    expect(await lock("no")).toMatchObject({ kind: "refused", code: "EVGKILLED", retry: "never" });
  });

  test("is not waited for in a VG that was joined anew", async () => {
    const { handle } = await fakeJoined({
      acquire: () => ({ rv: ERRNO.EBUSY, owner: null, owner_name: "" }),
    });
    const call = { resource: LV, mode: "ex", repair: false, persistent: true, patience_ms: 0 } as const;
    expect(await handle.lock({ ...call, adopt: "no" })).toMatchObject({ code: "EVGKILLED" });
  });
});

test("the orphan of a command that turns up later gives way to the next command of this host", async () => {
  const asked: number[] = [];
  const answers: number[] = [ERRNO.EUCLEAN, 0, 0];
  const { handle } = await fakeJoined({
    acquire: (_sock: number, _lease: Lease, _resource_flags: number, acquire_flags: number) => {
      asked.push(acquire_flags & ACQUIRE.ORPHAN_ONLY);
      return { rv: answers.shift() ?? ERRNO.EIO, owner: null, owner_name: "" };
    },
  });
  const call = { adopt: "no", repair: false, persistent: false, patience_ms: 0 } as const;
  expect((await handle.lock({ ...call, resource: VG, mode: "ex" })).kind).toBe("done");
  expect(asked).toEqual([0, ACQUIRE.ORPHAN_ONLY, 0]);
});

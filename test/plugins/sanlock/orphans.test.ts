/** What becomes of the GL and VG locks of commands when lvmlockd dies and is started again; against a client that plays sanlock. */
import { expect, test } from "bun:test";
import type { Lease, SanlockClient } from "../../../plugins/sanlock/client.ts";
import { ACQUIRE, RES } from "../../../plugins/sanlock/flags.ts";
import { ERRNO } from "../../../plugins/sanlock/return-codes.ts";
import { fakeJoined, LV, VG } from "./fake-client.ts";

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

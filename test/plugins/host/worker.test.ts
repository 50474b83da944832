import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ManagerAnswer } from "../../../core/locking/api.ts";
import type { Channel, ChannelOptions } from "../../../plugins/host/channel.ts";
import { createWorkerPool, type PoolBounds } from "../../../plugins/host/worker-pool.ts";
import {
  detailOf,
  fixture,
  identity,
  instanceOf,
  JOIN,
  lockArgs,
  nextCallId,
  type TestHost,
  testHost,
} from "./asking.ts";

const scratch = mkdtempSync(join(tmpdir(), "host-worker-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const hosts: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.close()));
});

async function worker(): Promise<TestHost> {
  const host = await testHost({ dlm: fixture("scripted-worker") });
  hosts.push(host);
  return host;
}

let fifos = 0;

/** A FIFO that blocks a worker in a native call until it is released. */
function makeFifo(): { readonly script: string; release(): void } {
  const path = join(scratch, `fifo${fifos++}`);
  if (!Bun.spawnSync(["mkfifo", path]).success) throw new Error("mkfifo failed");
  return { script: `block=${path}`, release: () => writeFileSync(path, "") };
}

/** A pool with small bounds, asked like a host. */
function smallPool(bounds: PoolBounds): {
  readonly logged: string[];
  readonly pool: Channel;
  lock(key: number, resource_name: string): Promise<ManagerAnswer>;
  initVg(vg_name: string): Promise<ManagerAnswer>;
} {
  const logged: string[] = [];
  const options: ChannelOptions = {
    name: "scripted-worker",
    lock_type: "dlm",
    context: { lock_type: "dlm", test_mode: false, io_timeout_s: 0, lvmlockctl_path: "", settings: {} },
    log: (level, text) => logged.push(`${level}: ${text}`),
    news: () => {},
  };
  const pool = createWorkerPool({ kind: "file", path: fixture("scripted-worker") }, options, bounds);
  hosts.push(pool);
  const ask = (target: Parameters<Channel["ask"]>[0]["target"], args: object): Promise<ManagerAnswer> => {
    const { promise, resolve } = Promise.withResolvers<ManagerAnswer>();
    const later = (_id: number, answer: ManagerAnswer): void => resolve(answer);
    const answer = pool.ask({ kind: "ask", call_id: nextCallId(), target, args }, later);
    if (answer !== null) resolve(answer);
    return promise;
  };
  return {
    logged,
    pool,
    lock: (key, name) =>
      ask(
        { kind: "lockspace", lock_type: "dlm", key, identity: identity(key), method: "lock" },
        lockArgs(name),
      ),
    initVg: (vg_name) => ask({ kind: "manager", lock_type: "dlm", method: "initVg" }, { vg_name }),
  };
}

describe("a worker plugin", () => {
  test("gets the calls of a lockspace in one worker, and those of another in another", async () => {
    const host = await worker();
    const first = instanceOf(await host.lock(1, "now"));
    expect(instanceOf(await host.lock(2, "now"))).not.toBe(first);
    expect(instanceOf(await host.lock(1, "soon"))).toBe(first);
    expect(instanceOf(await host.on(1, "unlock"))).toBe(first);
  });

  test("whose one lockspace is stuck in a native call does not delay another one, nor the manager", async () => {
    const host = await worker();
    const fifo = makeFifo();
    const order: string[] = [];
    const note = (what: string) => () => void order.push(what);
    const stuck = host.lock(1, fifo.script).then(note("stuck"));
    const behind = host.lock(1, "now").then(note("behind"));
    await host.lock(2, "now").then(note("other"));
    await host.lock(3, "now").then(note("another"));
    await host.manager("isRunning").then(note("manager"));
    fifo.release();
    await Promise.all([stuck, behind]);
    expect(order).toEqual(["other", "another", "manager", "stuck", "behind"]);
  });

  test("gets calls to the manager beside each other, so that a slow init_vg delays nobody", async () => {
    const host = await worker();
    const fifo = makeFifo();
    const slow = host.manager("initVg", { vg_name: fifo.script });
    expect(await host.manager("initVg", { vg_name: "now" })).toMatchObject({ vg_lock_args: "1.0.0:c1" });
    expect(detailOf(await host.manager("isRunning"))).toBe("done");
    fifo.release();
    expect(detailOf(await slow)).toBe("done");
  });

  test("gets init_lv in the worker of the VG's lockspace, where findFreeLock has left its find", async () => {
    const host = await worker();
    const home = instanceOf(await host.lock(1, "now"));
    const started = { lockspace_name: "lvm_vg1", started: true };
    expect(instanceOf(await host.manager("initLv", started))).toBe(home);
    const elsewhere = { lockspace_name: "lvm_unstarted", started: false };
    expect(instanceOf(await host.manager("initLv", elsewhere))).not.toBe(home);
  });

  test("is used again for another lockspace when its own is forgotten", async () => {
    const host = await worker();
    const first = instanceOf(await host.lock(1, "now"));
    host.forgetLockspace("dlm", 1);
    expect(instanceOf(await host.lock(2, "now"))).toBe(first);
    expect(instanceOf(await host.lock(1, "now"))).not.toBe(first);
  });

  test("that keeps something of a forgotten lockspace is left to the next one of that name", async () => {
    const host = await worker();
    const first = instanceOf(await host.lock(1, "keep=lvm_vg1"));
    host.forgetLockspace("dlm", 1);
    expect(instanceOf(await host.lock(2, "now"))).not.toBe(first);
    expect(instanceOf(await host.lock(3, "now", "lvm_vg1"))).toBe(first);
    host.forgetLockspace("dlm", 3);
    expect(instanceOf(await host.lock(4, "now", "lvm_vg1"))).toBe(first);
  });

  test("that has let go of it is used again for any", async () => {
    const host = await worker();
    const first = instanceOf(await host.lock(1, "keep=lvm_vg1"));
    const second = instanceOf(await host.lock(2, "now"));
    host.forgetLockspace("dlm", 1);
    expect(instanceOf(await host.lock(3, "let-go=lvm_vg1", "lvm_vg1"))).toBe(first);
    host.forgetLockspace("dlm", 3);
    expect(instanceOf(await host.lock(4, "now"))).toBe(first);
    expect(instanceOf(await host.lock(5, "now", "lvm_vg1"))).not.toBe(second);
  });

  const failures: [string, RegExp][] = [
    ["throw", /^ELMERR .*thrown on request/],
    ["reject", /^ELMERR .*rejected on request/],
    ["wrong", /^ELMERR .*breaks the contract/],
    ["function", /^ELMERR .*can't leave the worker/],
  ];
  for (const [script, refusal] of failures) {
    test(`that misbehaves (${script}) is refused with ELMERR and stays in its worker`, async () => {
      const host = await worker();
      const before = instanceOf(await host.lock(1, "now"));
      expect(detailOf(await host.lock(1, script))).toMatch(refusal);
      expect(instanceOf(await host.lock(1, "now"))).toBe(before);
    });
  }

  test("sends news across, and nonsense is only logged", async () => {
    const host = await worker();
    await host.lock(1, "news=lvm_x");
    expect(host.news).toEqual([{ kind: "progress", lockspace_name: "lvm_x", text: "half way", eta_ms: 500 }]);
    expect(host.logged).toContain("info: scripted-worker: a line");
    expect(host.logged.at(-1)).toContain("break the contract");
  });
});

describe("a worker that dies", () => {
  for (const [script, reason] of [
    ["die", "died on request"],
    ["exit", "it ended itself"],
  ] as const) {
    test(`(${script}) fails its call; the waiting ones go on in a new worker, where the lockspace is joined again`, async () => {
      const host = await worker();
      await host.on(1, "join", JOIN);
      const before = await host.lock(1, "now");
      expect(before).toMatchObject({ adopted: false });
      const [died, next] = await Promise.all([host.lock(1, script), host.lock(1, "now")]);
      expect(detailOf(died)).toBe(`ELMERR the worker of the lock manager scripted-worker died: ${reason}`);
      expect(next).toMatchObject({ kind: "done", adopted: true });
      expect(instanceOf(next)).not.toBe(instanceOf(before));
      expect(host.logged).toHaveLength(1);
      expect(host.news).toEqual([]);
    });
  }

  for (const kind of ["gl", "vg"] as const)
    test(`in the lock call of a ${kind}, which it may have granted, has that released before anything else is called`, async () => {
      const host = await worker();
      await host.on(1, "join", JOIN);
      const died = host.on(1, "lock", lockArgs("die", kind));
      const waiting = host.lock(1, "news=lvm_x");
      expect(detailOf(await died)).toStartWith("ELMERR");
      await waiting;
      const resource = { kind, name: "die", lv_lock_args: "" };
      const release = { resource, from: "ex", r_version: 0, free_vg: false };
      expect(host.logged.slice(1, 3)).toEqual([
        `info: scripted-worker: unlock ${JSON.stringify(release)}`,
        "info: scripted-worker: a line",
      ]);
    });

  test("in the lock call of an LV, or of what was to be adopted, leaves that as it is", async () => {
    const host = await worker();
    await host.on(1, "join", JOIN);
    await host.lock(1, "die");
    await host.on(1, "lock", { ...lockArgs("die", "vg"), adopt: "if-orphan" });
    await host.lock(1, "now");
    expect(host.logged.filter((line) => line.includes("unlock"))).toEqual([]);
  });

  test("does not touch the lockspaces of other workers", async () => {
    const host = await worker();
    const other = instanceOf(await host.lock(2, "now"));
    await host.lock(1, "die");
    expect(instanceOf(await host.lock(2, "now"))).toBe(other);
  });

  test("and whose lockspace can't be joined again reports the lockspace as lost", async () => {
    const host = await worker();
    const never = { vg_name: "never-again" };
    await host.on(1, "join", JOIN, never);
    await host.on(1, "lock", lockArgs("die"), never);
    await host.on(1, "lock", lockArgs("now"), never);
    expect(host.news).toEqual([{ kind: "lockspace-lost", lockspace_name: "lvm_vg1", reason: "not again" }]);
  });

  test("while nobody asks it anything is replaced at once, because its lockspace must stay joined", async () => {
    const host = await worker();
    const never = { vg_name: "never-again" };
    await host.on(1, "join", JOIN, never);
    await host.on(1, "lock", lockArgs("doom"), never);
    while (host.news.length === 0) await Bun.sleep(1);
    expect(host.news).toMatchObject([{ kind: "lockspace-lost", reason: "not again" }]);
    expect(host.logged[0]).toContain("died: died afterwards");
  });

  test("keeps nothing of a forgotten lockspace any more", async () => {
    const host = await worker();
    await host.lock(1, "keep=lvm_vg1");
    host.forgetLockspace("dlm", 1);
    await host.lock(2, "die", "lvm_vg1");
    host.forgetLockspace("dlm", 2);
    const next = instanceOf(await host.lock(3, "now"));
    expect(instanceOf(await host.lock(4, "now", "lvm_vg1"))).not.toBe(next);
  });

  test("before it answered anything fails all that waits for it, instead of dying again and again", async () => {
    const host = await worker();
    const answers = await Promise.all([host.lock(1, "exit"), host.lock(1, "exit"), host.lock(1, "now")]);
    expect(answers.map((answer) => detailOf(answer).slice(0, 6))).toEqual(["ELMERR", "ELMERR", "ELMERR"]);
    expect(host.logged).toHaveLength(1);
    expect(detailOf(await host.lock(1, "now"))).toBe("done");
  });
});

describe("a pool at its bound", () => {
  const bounds: PoolBounds = { workers: 2, manager_workers: 2, stalled_ms: -1 };

  test("lets lockspaces share workers, says so, and avoids a stalled one", async () => {
    const { lock, logged } = smallPool(bounds);
    const fifo = makeFifo();
    const stuck = lock(1, fifo.script);
    const second = instanceOf(await lock(2, "now"));
    expect(logged).toEqual([]);
    expect(instanceOf(await lock(3, "now"))).toBe(second);
    expect(instanceOf(await lock(4, "now"))).toBe(second);
    expect(logged[0]).toContain("more than 2 lockspaces are started");
    fifo.release();
    await stuck;
  });

  test("refuses a new lockspace when every worker is stalled", async () => {
    const { lock } = smallPool(bounds);
    const fifos = [makeFifo(), makeFifo()];
    const stuck = fifos.map(({ script }, index) => lock(index, script));
    expect(detailOf(await lock(3, "now"))).toMatch(/^EMANAGER all 2 workers .* are stuck/);
    for (const fifo of fifos) fifo.release();
    await Promise.all(stuck);
    expect(detailOf(await lock(3, "now"))).toBe("done");
  });

  test("lets calls to the manager wait for a free worker, and refuses them when all are stalled", async () => {
    const fifos = [makeFifo(), makeFifo()];
    const patient = smallPool({ ...bounds, stalled_ms: 60_000 });
    const running = fifos.map(({ script }) => patient.initVg(script));
    const waiting = patient.initVg("now");
    for (const fifo of fifos) fifo.release();
    expect((await Promise.all([...running, waiting])).map(detailOf)).toEqual(["done", "done", "done"]);

    const impatient = smallPool(bounds);
    const again = fifos.map(({ script }) => impatient.initVg(script));
    expect(detailOf(await impatient.initVg("now"))).toMatch(/^EMANAGER all 2 workers/);
    for (const fifo of fifos) fifo.release();
    await Promise.all(again);
  });

  test("closes while calls wait: those are refused, the running one is finished", async () => {
    const { lock, pool } = smallPool(bounds);
    const fifo = makeFifo();
    const running = lock(1, fifo.script);
    const waiting = lock(1, "now");
    const closing = pool.close();
    expect(detailOf(await waiting)).toBe("EMANAGER lvmlockd is ending");
    fifo.release();
    expect(detailOf(await running)).toBe("done");
    await closing;
  });
});

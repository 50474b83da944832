/**
 * What lvm is told when sanlock, its storage or this host's configuration fails: through whole daemons and real sanlock, each failure
 * is answered in bounded time with its own number and a sentence that says what to do, and leaves everything else at work.
 */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { closeSync, mkdirSync, openSync, rmSync, truncateSync, writeSync } from "node:fs";
import { type ErrorName, wireResult } from "../../core/errors.ts";
import { type ReplyFields, resultOf } from "../rig/replies.ts";
import { MIB } from "./cluster.ts";
import {
  type Client,
  createVg,
  type Daemons,
  type DaemonsOptions,
  initVg,
  startDaemons,
  startVg,
} from "./daemons.ts";
import { reportOf } from "./report.ts";
import { failDisk, hangDisk, mendDisk } from "./sanlock-daemon.ts";

// sanlock takes more than a minute to find out that a host_id is in use.
setDefaultTimeout(150_000);

/** Longest answer to a request that does not wait for sanlock's clocks: the wait for the lock LV's device has ten seconds. */
const ANSWER_MS = 15_000;

/** A test with hosts of its own. The tests run beside each other, because some wait for sanlock's clocks. */
function withHosts(
  host_count: number,
  options: DaemonsOptions,
  run: (daemons: Daemons, client: Client) => Promise<void>,
): () => Promise<void> {
  return async () => {
    const daemons = await startDaemons(host_count, options);
    try {
      await run(daemons, await daemons.client(0));
    } finally {
      await daemons.close();
    }
  };
}

const VG = { vg_lock_type: "sanlock", vg_lock_args: "1.0.0:lvmlock" };
const startKeys = (vg_name: string, host_id = 1) => ({ ...VG, vg_name, vg_uuid: "u", version: 1, host_id });

/** The refusal of a request: its number's name, and what is said about it. */
async function expectRefused(
  answer: Promise<ReplyFields>,
  error: ErrorName,
  detail: string | RegExp,
): Promise<void> {
  const began_ms = performance.now();
  const reply = await answer;
  expect([resultOf(reply), String(reply.get("detail"))]).toEqual([
    wireResult(error),
    expect.stringMatching(detail),
  ]);
  expect(performance.now() - began_ms).toBeLessThan(ANSWER_MS);
}

/** What was noted for `lvmlockctl --info` about a VG. */
async function incidents(client: Client, vg_name: string): Promise<string[]> {
  const { incident } = await reportOf(client);
  return incident.filter((row) => row.vg_name === vg_name).map(({ code, text }) => `${code}: ${text}`);
}

async function lockAndUnlock(client: Client, vg_name: string): Promise<void> {
  expect(await client.result("lock_vg", { vg_name, mode: "ex" })).toBe(0);
  expect(await client.result("lock_vg", { vg_name, mode: "un" })).toBe(0);
}

describe("sanlock's daemon", () => {
  test.concurrent(
    "that does not run: every request that needs it says what to start, and works when that is done",
    withHosts(1, {}, async (daemons, client) => {
      await daemons.cluster.sanlock[0]?.kill();
      const advice = /systemctl start wdmd sanlock/;
      daemons.cluster.makeLeaseFile("vg0");
      const init = { vg_name: "vg0", ...VG, vg_lock_args: "lvmlock", align_mb: 0 };
      await expectRefused(client.ask("init_vg", init), "EMANAGER", advice);
      await expectRefused(client.ask("start_vg", startKeys("vg0")), "EMANAGER", advice);
      expect(await client.result("start_wait")).toBe(0);
      expect(await client.result("running_lm")).toBe(wireResult("ENOLCK"));
      const global = await client.ask("lock_gl", { mode: "ex" });
      expect([resultOf(global), String(global.get("result_flags"))]).toEqual([
        wireResult("ENOLS"),
        expect.stringContaining("NO_GL_LS"),
      ]);
      expect(await incidents(client, "vg0")).toEqual([expect.stringMatching(advice)]);
      await daemons.cluster.restartSanlock(0);
      await createVg(daemons, "vg0", [0]);
      await lockAndUnlock(client, "vg0");
    }),
  );

  test.concurrent(
    "that dies under held locks and is started again: the VG is lost and says so; dropped and started anew it works",
    withHosts(1, {}, async (daemons, client) => {
      await createVg(daemons, "vg0", [0]);
      const lv = { ...VG, vg_name: "vg0", lv_name: "one", lv_uuid: "uuid-one" };
      const made = await client.ask("init_lv", { ...lv, prev_lv_args: "none" });
      const lv_lock_args = String(made.get("lv_lock_args"));
      const lock = { ...lv, lv_lock_args, opts: "persistent", mode: "ex" };
      expect(await client.result("lock_lv", lock)).toBe(0);
      await daemons.cluster.restartSanlock(0);
      await expectRefused(
        client.ask("lock_vg", { vg_name: "vg0", mode: "ex" }),
        "EVGKILLED",
        /systemctl start/,
      );
      expect(await client.result("lock_vg", { vg_name: "vg0", mode: "ex" })).toBe(wireResult("EVGKILLED"));
      expect(await client.result("lock_lv", { ...lock, mode: "un" })).toBe(0);
      expect(await incidents(client, "vg0")).toContainEqual(expect.stringMatching(/systemctl start/));
      expect(await client.result("drop_vg", { vg_name: "vg0" })).toBe(0);
      await startVg(daemons, 0, "vg0");
      expect(await client.result("lock_lv", lock)).toBe(0);
      await lockAndUnlock(client, "vg0");
    }),
  );
});

describe("a host_id", () => {
  test.concurrent(
    "that is missing, or that no host can have, is named with where to set it",
    withHosts(1, { host_ids: false }, async (daemons, client) => {
      await initVg(daemons, "vg0", [0]);
      await expectRefused(
        client.ask("start_vg", startKeys("vg0", 0)),
        "EHOSTID",
        /local\/host_id in lvmlocal.conf/,
      );
      for (const host_id of [2001, -1])
        await expectRefused(
          client.ask("start_vg", startKeys("vg0", host_id)),
          "EHOSTID",
          `host_id ${host_id} is not in 1..2000`,
        );
      expect(await client.result("start_vg", startKeys("vg0", 2000))).toBe(0);
      expect(await client.result("start_wait")).toBe(0);
      await lockAndUnlock(client, "vg0");
    }),
  );

  test.concurrent(
    "that another host uses is told after sanlock's minute; meanwhile another VG of the same daemon is not delayed",
    withHosts(2, {}, async (daemons) => {
      await Promise.all([createVg(daemons, "shared", [0]), createVg(daemons, "own", [1])]);
      const second = await daemons.client(1);
      const waiting = await daemons.client(1);
      expect(await waiting.result("start_vg", startKeys("shared", 1))).toBe(0);
      let slowest_ms = 0;
      let rounds = 0;
      const starting = wireResult("ESTARTING");
      while ((await second.result("query_lock_vg", { vg_name: "shared" })) === starting) {
        const began_ms = performance.now();
        await lockAndUnlock(second, "own");
        slowest_ms = Math.max(slowest_ms, performance.now() - began_ms);
        rounds += 1;
        await Bun.sleep(200);
      }
      expect(await waiting.result("start_wait")).toBe(wireResult("EHOSTID"));
      expect(await incidents(second, "shared")).toEqual([
        expect.stringMatching(/^EHOSTID: .*another host uses host_id 1 .*local\/host_id in lvmlocal.conf/),
      ]);
      // The minute has room for some 300 of them.
      expect(rounds).toBeGreaterThan(30);
      expect(slowest_ms).toBeLessThan(5000);
      await lockAndUnlock(await daemons.client(0), "shared");
    }),
  );
});

/** What makes the leases of a VG unreadable, and how a start is refused then. */
const UNREADABLE: readonly {
  readonly how: string;
  readonly error: ErrorName;
  readonly detail: RegExp;
  break(path: string): void;
}[] = [
  {
    how: "on a disk that hangs",
    error: "EIOTIMEOUT",
    detail: /can't be read: .*timed? ?out/i,
    break: hangDisk,
  },
  {
    how: "on a disk with I/O errors",
    error: "ELOCKIO",
    detail: /can't be read: .*Input\/output error/,
    break: failDisk,
  },
  {
    how: "on a disk that has lost them",
    error: "ELOCKREPAIR",
    detail: /the lease of host_id 1/,
    break: (path) => overwrite(path, 0, 2 * MIB),
  },
  {
    how: "on a device of size zero",
    error: "ELOCKIO",
    detail: /ends before the lease of host_id 1/,
    break: (path) => truncateSync(path, 0),
  },
  {
    how: "where the device is missing",
    error: "EARGS",
    detail: /does not exist: is the VG's lock LV active\?/,
    break: (path) => rmSync(path),
  },
  {
    how: "where something else is in the device's place",
    error: "EDEVOPEN",
    detail: /can't be (opened|read)/,
    break(path) {
      rmSync(path);
      mkdirSync(path);
    },
  },
];

function overwrite(path: string, begin: number, end: number): void {
  const fd = openSync(path, "r+");
  writeSync(fd, new Uint8Array(end - begin).fill(0xa5), 0, end - begin, begin);
  closeSync(fd);
}

describe("leases that can't be read", () => {
  test.concurrent(
    "are each told with their reason, and another VG is used meanwhile",
    withHosts(1, { sanlock: { disks_can_hang: true } }, async (daemons, client) => {
      await createVg(daemons, "sound", [0]);
      for (const [index, { how, error, detail, break: breakLeases }] of UNREADABLE.entries()) {
        const vg_name = `broken${index}`;
        await initVg(daemons, vg_name, [0], 1);
        breakLeases(daemons.cluster.leaseFile(vg_name));
        const starting = await daemons.client(0);
        const refused = expectRefused(starting.ask("start_vg", startKeys(vg_name)), error, detail).catch(
          (cause: unknown) => {
            throw new Error(`leases ${how}: ${cause instanceof Error ? cause.message : cause}`);
          },
        );
        await Promise.all([refused, lockAndUnlock(client, "sound")]);
        expect(await incidents(client, vg_name)).toEqual([expect.stringMatching(new RegExp(`^${error}: `))]);
      }
    }),
  );

  test.concurrent(
    "under a started VG refuse the lock and nothing else, and it is had when they can be read again",
    withHosts(1, { sanlock: { disks_can_hang: true } }, async (daemons, client) => {
      await createVg(daemons, "vg0", [0]);
      await createVg(daemons, "sound", [0]);
      const path = daemons.cluster.leaseFile("vg0");
      failDisk(path);
      await expectRefused(
        client.ask("lock_vg", { vg_name: "vg0", mode: "ex" }),
        "ELOCKIO",
        /Input\/output error/,
      );
      await lockAndUnlock(client, "sound");
      mendDisk(path);
      await lockAndUnlock(client, "vg0");
      overwrite(path, 66 * MIB, 66 * MIB + 512);
      await expectRefused(client.ask("lock_vg", { vg_name: "vg0", mode: "ex" }), "ELOCKREPAIR", /./);
      expect(await client.result("lock_vg", { vg_name: "vg0", mode: "ex", opts: "repair" })).toBe(0);
      expect(await client.result("lock_vg", { vg_name: "vg0", mode: "un" })).toBe(0);
      await lockAndUnlock(client, "vg0");
    }),
  );
});

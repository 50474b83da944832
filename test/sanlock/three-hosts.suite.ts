/** Three hosts, each with lvmlockd and a real sanlock: the global lock in its VG, and a counter that all three increment. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { wireResult } from "../../core/errors.ts";
import type { ReplyFields } from "../rig/replies.ts";
import { resultOf } from "../rig/replies.ts";
import { type Client, createVg, type Daemons, initVg, startDaemons, startVg } from "./daemons.ts";

setDefaultTimeout(90_000);

let daemons: Daemons;
let clients: Client[];

beforeAll(async () => {
  daemons = await startDaemons(3);
  clients = await Promise.all([0, 1, 2].map((host) => daemons.client(host)));
});
afterAll(() => daemons.close());

function at(host: number): Client {
  const client = clients[host];
  if (client === undefined) throw new RangeError(`there is no host ${host}`);
  return client;
}

const NAMES = { vg_lock_type: "sanlock", vg_lock_args: "1.0.0:lvmlock" };
const flags = (reply: ReplyFields): string => String(reply.get("result_flags") ?? "");

/** What lvmlockctl --info says on a host. */
function info(host: number): string {
  const program = [process.execPath, "run", join(import.meta.dir, "../../cli/main.ts"), "lvmlockctl"];
  const run = Bun.spawnSync([
    ...program,
    "--info",
    "--reportformat",
    "basic",
    "--socket",
    daemons.daemons[host]?.socket_path ?? "",
  ]);
  return run.stdout.toString() + run.stderr.toString();
}

async function stop(vg_name: string, hosts: readonly number[]): Promise<void> {
  for (const host of hosts) expect(await at(host).result("stop_vg", { vg_name })).toBe(0);
}

/** What vgremove asks of lvmlockd. */
async function removeVg(vg_name: string): Promise<ReplyFields> {
  expect(await at(0).result("lock_vg", { vg_name, mode: "ex" })).toBe(0);
  // Until sanlock has seen the leases of those that left go free, lvm tells people to try again.
  while ((await at(0).result("busy_vg", { vg_name })) !== 0) await Bun.sleep(200);
  const freed = await at(0).ask("free_vg", { vg_name, ...NAMES });
  expect(resultOf(freed)).toBe(0);
  return freed;
}

describe("the global lock", () => {
  test("goes with the VG that is removed, which is reported with what mends it", async () => {
    await createVg(daemons, "holder", [0, 1]);
    await createVg(daemons, "other", [0, 1]);
    expect(await at(0).result("lock_gl", { mode: "ex" })).toBe(0);
    expect(await at(0).result("lock_gl", { mode: "un" })).toBe(0);
    await stop("holder", [1]);
    expect(flags(await removeVg("holder"))).toContain("WARN_GL_REMOVED");
    const refused = await at(0).ask("lock_gl", { mode: "sh" });
    expect(resultOf(refused)).toBe(wireResult("ENOLS"));
    expect(flags(refused)).toContain("NO_GL_LS");
    expect(info(0)).toMatch(/No started VG holds the global lock\..*lvmlockctl --gl-enable other/s);
    expect(await at(0).result("enable_gl", { vg_name: "other" })).toBe(0);
    for (const host of [0, 1]) {
      expect(await at(host).result("lock_gl", { mode: "ex" })).toBe(0);
      expect(await at(host).result("lock_gl", { mode: "un" })).toBe(0);
    }
    expect(info(0)).not.toContain("No started VG");
    await stop("other", [0, 1]);
  });

  test("that went with its VG is found again in a VG with an enabled one that is started", async () => {
    await createVg(daemons, "went", [0]);
    await createVg(daemons, "left-over", [0]);
    expect(flags(await removeVg("went"))).toContain("WARN_GL_REMOVED");
    expect(flags(await at(0).ask("busy_vg", { vg_name: "left-over" }))).toContain("WARN_GL_REMOVED");
    // A host that has no VG started makes its first one with the global lock enabled.
    await createVg(daemons, "mending", [1]);
    await startVg(daemons, 0, "mending");
    expect(flags(await at(0).ask("busy_vg", { vg_name: "left-over" }))).not.toContain("WARN_GL_REMOVED");
    expect(await at(0).result("lock_gl", { mode: "ex" })).toBe(0);
    expect(await at(0).result("lock_gl", { mode: "un" })).toBe(0);
    expect(info(0)).not.toContain("No started VG");
    await stop("left-over", [0]);
    await stop("mending", [0, 1]);
  });

  test("in two VGs, made by hosts that did not know of each other, is found by the one that starts both", async () => {
    await initVg(daemons, "left", [1]);
    await initVg(daemons, "right", [2]);
    await Promise.all([startVg(daemons, 0, "left"), startVg(daemons, 0, "right")]);
    const locked = await at(0).ask("lock_gl", { mode: "ex" });
    expect(resultOf(locked)).toBe(0);
    expect(flags(locked)).toContain("DUP_GL_LS");
    expect(await at(0).result("lock_gl", { mode: "un" })).toBe(0);
    const told = info(0);
    expect(told).toMatch(/Several VGs hold the global lock: (left, right|right, left)\./);
    const disable = /lvmlockctl --gl-disable (left|right)/.exec(told)?.[1] ?? "";
    expect(await at(0).result("disable_gl", { vg_name: disable })).toBe(0);
    const again = await at(0).ask("lock_gl", { mode: "ex" });
    expect([resultOf(again), flags(again)]).toEqual([0, "none"]);
    expect(await at(0).result("lock_gl", { mode: "un" })).toBe(0);
    expect(info(0)).not.toContain("Several VGs");
    await stop("left", [0]);
    await stop("right", [0]);
  });
});

test("a counter that three hosts increment under the VG lock loses no update", async () => {
  const ROUNDS = 200;
  const path = join(daemons.cluster.directory, "counter");
  writeFileSync(path, "0");
  await createVg(daemons, "counted", [0, 1, 2]);
  const count = async (host: number): Promise<void> => {
    for (let round = 0; round < ROUNDS; round++) {
      while ((await at(host).result("lock_vg", { vg_name: "counted", mode: "ex" })) !== 0) await Bun.sleep(5);
      const value = Number(readFileSync(path, "utf8"));
      await Bun.sleep(0);
      writeFileSync(path, String(value + 1));
      expect(await at(host).result("lock_vg", { vg_name: "counted", mode: "un" })).toBe(0);
    }
  };
  await Promise.all([0, 1, 2].map(count));
  expect(Number(readFileSync(path, "utf8"))).toBe(3 * ROUNDS);
});

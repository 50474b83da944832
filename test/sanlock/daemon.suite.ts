/** lvmlockd over real sanlock: two hosts, their clients, and what lvm asks of them. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { wireResult } from "../../core/errors.ts";
import { resultOf } from "../rig/replies.ts";
import { type Client, createVg, type Daemons, lvLock, newLv, startPair, startVg, vgKeys } from "./daemons.ts";

setDefaultTimeout(60_000);

let daemons: Daemons;
let first: Client;
let second: Client;

beforeAll(async () => {
  ({ daemons, first, second } = await startPair());
});
afterAll(() => daemons.close());

const vg = (mode: string, more: object = {}) => ({ mode, vg_name: "vg0", ...more });
const lv = (name: string, mode: string, lv_lock_args: string) => lvLock("vg0", name, mode, lv_lock_args);

describe("two lvmlockd", () => {
  for (const request of ["lock_gl", "lock_vg"] as const) {
    for (const [held, wanted] of [
      ["sh", "sh"],
      ["sh", "ex"],
      ["ex", "sh"],
      ["ex", "ex"],
    ] as const) {
      test(`${request} held ${held} by one, wanted ${wanted} by the other`, async () => {
        const keys = (mode: string) => (request === "lock_gl" ? { mode } : vg(mode));
        expect(await first.result(request, keys(held))).toBe(0);
        const asked = second.ask(request, { ...keys(wanted), max_retries: 0 });
        const answer = await asked;
        if (held === "sh" && wanted === "sh") {
          expect(resultOf(answer)).toBe(0);
        } else {
          expect(resultOf(answer)).toBe(wireResult("EAGAIN"));
          // What was refused before is granted within milliseconds of its release.
          const again = second.result(request, keys(wanted));
          await Bun.sleep(30);
          expect(await first.result(request, keys("un"))).toBe(0);
          expect(await again).toBe(0);
        }
        if (held === "sh" && wanted === "sh") expect(await first.result(request, keys("un"))).toBe(0);
        expect(await second.result(request, keys("un"))).toBe(0);
      });
    }
  }

  test("each tells its own state in the VG", async () => {
    for (const [client, host_id] of [
      [first, "1"],
      [second, "2"],
    ] as const) {
      const status = await client.ask("vg_status", { vg_name: "vg0" });
      expect(resultOf(status)).toBe(0);
      expect([status.get("owner_host_id"), status.get("owner_generation")].map(String)).toEqual([
        host_id,
        "1",
      ]);
      expect(String(status.get("owner_state"))).toMatch(/^(UNKNOWN|LIVE)$/);
    }
  });

  test("a VG that the other host has started as well is busy", async () => {
    expect(await first.result("busy_vg", { vg_name: "vg0", vg_lock_type: "sanlock" })).toBe(
      wireResult("EBUSY"),
    );
  });

  test("an LV that is active on one host is refused on the other, with its owner", async () => {
    const args = await newLv(first, "vg0", "one");
    expect(await first.result("lock_lv", lv("one", "ex", args))).toBe(0);
    const answer = await second.ask("lock_lv", lv("one", "ex", args));
    expect(resultOf(answer)).toBe(wireResult("EAGAIN"));
    expect([...answer].join(" ")).toContain("owner_host_id,1");
    expect(await first.result("lock_lv", lv("one", "un", args))).toBe(0);
    expect(await second.result("lock_lv", lv("one", "ex", args))).toBe(0);
    expect(await second.result("lock_lv", lv("one", "un", args))).toBe(0);
  });

  test("a client that dies with a lock gives it to the other host", async () => {
    const doomed = await daemons.client(0);
    expect(await doomed.result("lock_vg", vg("ex"))).toBe(0);
    const waiting = second.result("lock_vg", vg("ex"));
    doomed.close();
    expect(await waiting).toBe(0);
    expect(await second.result("lock_vg", vg("un"))).toBe(0);
  });
});

describe("after kill -9 and a restart", () => {
  test("lvmlockd answers at once, has what it held, and the other host can't get it until it is released", async () => {
    const kept = await newLv(second, "vg0", "kept");
    const shared = await newLv(second, "vg0", "shared");
    expect(await second.result("lock_lv", lv("kept", "ex", kept))).toBe(0);
    expect(await second.result("lock_lv", lv("shared", "sh", shared))).toBe(0);
    await daemons.restart(1);
    second = await daemons.client(1);
    const query = (name: string) => ({ vg_name: "vg0", lv_uuid: `uuid-${name}`, lv_name: name });
    while ((await second.result("query_lock_vg", { vg_name: "vg0" })) !== 0) await Bun.sleep(20);
    const mode = async (name: string) => (await second.ask("query_lock_lv", query(name))).get("mode");
    expect([await mode("kept"), await mode("shared")]).toEqual(["ex", "sh"]);
    expect(await first.result("lock_lv", lv("kept", "sh", kept))).toBe(wireResult("EAGAIN"));
    expect(await second.result("lock_lv", lv("kept", "un", kept))).toBe(0);
    expect(await second.result("lock_lv", lv("shared", "un", shared))).toBe(0);
    expect(await first.result("lock_lv", lv("kept", "ex", kept))).toBe(0);
    expect(await first.result("lock_lv", lv("kept", "un", kept))).toBe(0);
  });
});

describe("a VG", () => {
  test("whose start fails says so to the command that waits for it", async () => {
    await expect(startVg(daemons, 0, "nowhere")).rejects.toThrow(/does not exist|-212/);
  });

  test("that is lost is killed by lvmlockctl --kill, answers EVGKILLED, and delays nobody else", async () => {
    await createVg(daemons, "vgk", [0]);
    expect(await first.result("kill_vg", { vg_name: "vgk" })).toBe(0);
    expect(await first.result("lock_vg", { mode: "ex", vg_name: "vgk" })).toBe(wireResult("EVGKILLED"));
    expect(await first.result("lock_vg", vg("ex"))).toBe(0);
    expect(await first.result("lock_vg", vg("un"))).toBe(0);
    expect(await first.result("drop_vg", { vg_name: "vgk" })).toBe(0);
    await startVg(daemons, 0, "vgk");
    expect(await first.result("lock_vg", { mode: "ex", vg_name: "vgk" })).toBe(0);
    expect(await first.result("lock_vg", { mode: "un", vg_name: "vgk" })).toBe(0);
  });

  test("is removed while nobody else has it, and the other host is told", async () => {
    await createVg(daemons, "vgr", [0, 1]);
    expect(await first.result("lock_vg", { mode: "ex", vg_name: "vgr" })).toBe(0);
    expect(await first.result("busy_vg", { vg_name: "vgr" })).toBe(wireResult("EBUSY"));
    expect(await second.result("stop_vg", { vg_name: "vgr" })).toBe(0);
    // The C daemon of Debian 13 never answers this one.
    const freed = first.result("free_vg", vgKeys("vgr"));
    expect(await freed).toBe(0);
    await expect(startVg(daemons, 1, "vgr")).rejects.toThrow(new RegExp(String(wireResult("EREMOVED"))));
  });
});

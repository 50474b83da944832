/**
 * What a person is told of another host's lock, of a join that failed and of a sanlock that hangs: lvmlockctl against two lvmlockd over
 * real sanlock daemons.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { ERRORS, wireResult } from "../../core/errors.ts";
import { type RunResult, runProgram } from "../cli/stub-daemon.ts";
import { connectAndGreet } from "../rig/connection.ts";
import { parseReply, resultOf } from "../rig/replies.ts";
import { encodeRequest } from "../rig/requests.ts";
import { type Client, clientOf, createVg, type Daemons, startDaemons } from "./daemons.ts";

// A join against another host's lease takes sanlock 8 I/O timeouts and the watchdog's 60 s.
setDefaultTimeout(120_000);

let daemons: Daemons;
let first: Client;
let second: Client;

beforeAll(async () => {
  daemons = await startDaemons(2);
  await Promise.all([createVg(daemons, "vg0", [0, 1]), createVg(daemons, "vg1", [0])]);
  first = await daemons.client(0);
  second = await daemons.client(1);
});
afterAll(() => daemons.close());

const lvOf = (lv_lock_args: string, mode: string) => ({
  mode,
  vg_name: "vg0",
  lv_name: "lv0",
  lv_uuid: "uuid-lv0",
  vg_lock_type: "sanlock",
  vg_lock_args: "1.0.0:lvmlock",
  lv_lock_args,
  opts: "persistent",
});

async function newLv(): Promise<string> {
  const keys = { vg_name: "vg0", vg_lock_type: "sanlock", vg_lock_args: "1.0.0:lvmlock" };
  expect(await first.result("find_free_lock", { ...keys, lv_size_bytes: 0 })).toBe(0);
  const names = { lv_name: "lv0", lv_uuid: "uuid-lv0", prev_lv_args: "none" };
  return String((await first.ask("init_lv", { ...keys, ...names })).get("lv_lock_args"));
}

/** lvmlockctl on one of the hosts. */
function ctl(host: number, ...words: string[]): Promise<RunResult> {
  const socket_path = daemons.daemons[host]?.socket_path ?? "";
  return runProgram("lvmlockctl", ["--socket", socket_path, ...words]);
}

const table = async (host: number): Promise<string> =>
  (await ctl(host, "--info", "--reportformat", "basic")).stdout;

/** What is in --info for scripts. */
async function report(
  host: number,
): Promise<Record<"waiter" | "refusal" | "incident" | "lockspace", object[]>> {
  return JSON.parse((await ctl(host, "--info", "--reportformat", "json_std")).stdout).report[0];
}

describe("the owner of a refused lock", () => {
  test("is named by who and --info on the refused host, until that host has the lock", async () => {
    const args = await newLv();
    expect(await first.result("lock_lv", lvOf(args, "ex"))).toBe(0);
    expect(await second.result("lock_lv", lvOf(args, "ex"))).toBe(wireResult("EAGAIN"));

    const held =
      /vg0\/lv0 held by host_id 1( \(host1\))?, generation 1, state (LIVE|UNKNOWN), last renewal at \d+ of its clock, refused ex [\d.]+ s ago, at \d\d:\d\d:\d\d\n {2}host_id 1 .*holds it/;
    const who = await ctl(1, "who", "vg0/lv0");
    expect(who.stdout).toStartWith("vg0/lv0 is held by nobody on this host.\n");
    expect(who.stdout).toMatch(held);
    expect(await table(1)).toMatch(held);
    expect((await report(1)).refusal).toMatchObject([
      { vg_name: "vg0", lv_name: "lv0", kind: "lv", mode: "ex", owner_host_id: 1, owner_generation: 1 },
    ]);
    expect((await ctl(0, "who", "vg0/lv0")).stdout).not.toContain("held by host_id");

    expect(await first.result("lock_lv", lvOf(args, "un"))).toBe(0);
    expect(await second.result("lock_lv", lvOf(args, "ex"))).toBe(0);
    expect((await report(1)).refusal).toEqual([]);
    expect(await second.result("lock_lv", lvOf(args, "un"))).toBe(0);
  });

  test("is named beside the request that waits for it", async () => {
    expect(await first.result("lock_vg", { mode: "ex", vg_name: "vg0" })).toBe(0);
    const waiting = second.result("lock_vg", { mode: "ex", vg_name: "vg0", max_retries: 30 });
    let text = "";
    while (!text.includes("WAITING FOR") || text.includes("manager is being asked"))
      text = (await ctl(1, "who", "vg0")).stdout;
    expect(text).toMatch(
      /vg0 +ex .*host_id 1( \(host1\))?, generation 1, state \w+ holds it, tried \d+ times/,
    );
    expect((await report(1)).waiter).toMatchObject([{ owner_host_id: 1, waits_for: "remote" }]);
    expect(await first.result("lock_vg", { mode: "un", vg_name: "vg0" })).toBe(0);
    expect(await waiting).toBe(0);
    expect(await second.result("lock_vg", { mode: "un", vg_name: "vg0" })).toBe(0);
  });
});

test("who and --info answer while sanlock hangs, and say what is waited for", async () => {
  daemons.cluster.sanlock[1]?.signal("SIGSTOP");
  const locking = second.result("lock_vg", { mode: "ex", vg_name: "vg0" });
  const who = await ctl(1, "who", "vg0");
  const info = await table(1);
  daemons.cluster.sanlock[1]?.signal("SIGCONT");
  expect(who.stdout).toMatch(/vg0 +ex .*the lock manager is being asked/);
  expect(info).toMatch(/vg0 +ex .*the lock manager is being asked/);
  expect(await locking).toBe(0);
  expect(await second.result("lock_vg", { mode: "un", vg_name: "vg0" })).toBe(0);
});

test("a join whose host_id another host uses is told to the waiting command and in --info, and delays no other VG", async () => {
  const keys = { vg_lock_type: "sanlock", vg_lock_args: "1.0.0:lvmlock", vg_uuid: "u", version: 1 };
  const starter = await connectAndGreet(daemons.daemons[1]?.socket_path ?? "");
  expect(await clientOf(starter).result("start_vg", { ...keys, vg_name: "vg1", host_id: 1 })).toBe(0);
  starter.send(
    encodeRequest({ request: "start_wait", keys: { cmd: "test", pid: process.pid, opts: "none" } }),
  );
  expect(await table(1)).toMatch(/vg1 +sanlock +sanlock +joining/);
  expect(await second.result("lock_vg", { mode: "ex", vg_name: "vg0" })).toBe(0);
  expect(await second.result("lock_vg", { mode: "un", vg_name: "vg0" })).toBe(0);

  expect(resultOf(parseReply(await starter.reply(100_000)))).toBe(wireResult("EHOSTID"));
  const sentence = "another host uses host_id 1 in lvm_vg1";
  const { incident, lockspace } = await report(1);
  expect(incident).toMatchObject([
    { vg_name: "vg1", code: "EHOSTID", text: expect.stringContaining(sentence) },
  ]);
  expect(lockspace).toMatchObject([{ vg_name: "vg0" }]);
  const text = await table(1);
  expect(text).toContain(`! vg1: start of lvm_vg1 failed: ${sentence}`);
  expect(text).toContain(ERRORS.EHOSTID.remedy);
  starter.close();
});

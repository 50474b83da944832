/**
 * vgchange --setlockargs as lvm asks for it: setlockargs_vg_before stops the VG when nobody else has it, setlockargs_vg_final gives
 * the new args. Through whole daemons and real sanlock, on this system's version and on newer ones.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { wireResult } from "../../core/errors.ts";
import { resultOf } from "../rig/replies.ts";
import {
  type Client,
  type Daemons,
  lvLock,
  newLv,
  startPair,
  startVg,
  untilAlone,
  vgKeys,
} from "./daemons.ts";

setDefaultTimeout(120_000);

const version = Bun.spawnSync(["/usr/sbin/sanlock", "version"]).stdout.toString().trim();
const [major = 0, minor = 0] = version.split(".").map(Number);
/** Declaring hosts dead, which persist and notimeout stand on, came with sanlock 4.2. */
const knowsDeath = major > 4 || (major === 4 && minor >= 2);

let daemons: Daemons;
let first: Client;
let second: Client;

beforeAll(async () => {
  ({ daemons, first, second } = await startPair());
});
afterAll(() => daemons.close());

const WITHOUT_TIMEOUT = "2.0.0:lvmlock:notimeout";
const change = (set_lock_args: string, vg_lock_args?: string) => ({
  ...vgKeys("vg0", vg_lock_args),
  set_lock_args,
});

/** The VG lock of vg0 is taken and given back. */
async function lockAndUnlock(client: Client): Promise<void> {
  for (const mode of ["ex", "un"]) expect(await client.result("lock_vg", { mode, vg_name: "vg0" })).toBe(0);
}

/** What vgchange --setlockargs does once setlockargs_vg_before may stop the VG. */
async function changeArgs(set_lock_args: string, vg_lock_args?: string): Promise<string> {
  const wanted = change(set_lock_args, vg_lock_args);
  expect(await untilAlone(() => first.result("setlockargs_vg_before", wanted))).toBe(0);
  const final = await first.ask("setlockargs_vg_final", wanted);
  expect(resultOf(final)).toBe(0);
  return String(final.get("vg_lock_args"));
}

if (!knowsDeath) {
  test("args that this sanlock can't do are refused before anything is stopped", async () => {
    const answer = await first.result("setlockargs_vg_before", change("persist,notimeout"));
    expect(answer).toBe(wireResult("EPROTONOSUPPORT"));
    await lockAndUnlock(first);
  });
} else {
  test("the args of a VG stay while another host has it", async () => {
    expect(await first.result("setlockargs_vg_before", change("notimeout"))).toBe(wireResult("EBUSY"));
    await lockAndUnlock(first);
  });

  test("the args of a VG stay while an LV is locked", async () => {
    const args = await newLv(first, "vg0", "one");
    expect(await first.result("lock_lv", lvLock("vg0", "one", "ex", args))).toBe(0);
    expect(await first.result("setlockargs_vg_before", change("notimeout"))).toBe(wireResult("ENOTEMPTY"));
    expect(await first.result("lock_lv", lvLock("vg0", "one", "un", args))).toBe(0);
    await lockAndUnlock(first);
  });

  test("the args of a VG change once it is nobody else's, every host starts it with the new ones, and back", async () => {
    expect(await second.result("stop_vg", { vg_name: "vg0" })).toBe(0);
    expect(await changeArgs("notimeout")).toBe(WITHOUT_TIMEOUT);
    expect(await first.result("lock_vg", { mode: "ex", vg_name: "vg0" })).toBe(wireResult("ENOLS"));
    await Promise.all([0, 1].map((host) => startVg(daemons, host, "vg0", WITHOUT_TIMEOUT)));
    await lockAndUnlock(first);
    await lockAndUnlock(second);
    expect(await second.result("stop_vg", { vg_name: "vg0" })).toBe(0);
    expect(await changeArgs("timeout", WITHOUT_TIMEOUT)).toBe("1.0.0:lvmlock");
    await Promise.all([0, 1].map((host) => startVg(daemons, host, "vg0")));
    await lockAndUnlock(second);
  });

  test("with persist the args demand reservations, without which no host starts the VG", async () => {
    expect(await second.result("stop_vg", { vg_name: "vg0" })).toBe(0);
    const vg_lock_args = await changeArgs("persist,notimeout");
    expect(vg_lock_args).toBe("2.0.0:lvmlock:notimeout:persist");
    for (const host of [0, 1]) await expect(startVg(daemons, host, "vg0", vg_lock_args)).rejects.toThrow();
  });
}

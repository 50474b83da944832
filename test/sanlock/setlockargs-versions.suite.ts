/**
 * vgchange --setlockargs as lvm asks for it: setlockargs_vg_before stops the VG when nobody else has it, setlockargs_vg_final gives
 * the new args. Through whole daemons and real sanlock, on this system's version and on newer ones.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { wireResult } from "../../core/errors.ts";
import { resultOf } from "../rig/replies.ts";
import { type Client, createVg, type Daemons, startDaemons, startVg } from "./daemons.ts";

setDefaultTimeout(120_000);

const version = Bun.spawnSync(["/usr/sbin/sanlock", "version"]).stdout.toString().trim();
const [major = 0, minor = 0] = version.split(".").map(Number);
/** Declaring hosts dead, which persist and notimeout stand on, came with sanlock 4.2. */
const knowsDeath = major > 4 || (major === 4 && minor >= 2);

let daemons: Daemons;
let first: Client;
let second: Client;

beforeAll(async () => {
  daemons = await startDaemons(2);
  await createVg(daemons, "vg0", [0, 1]);
  first = await daemons.client(0);
  second = await daemons.client(1);
});
afterAll(() => daemons.close());

const change = (set_lock_args: string, vg_lock_args = "1.0.0:lvmlock") => ({
  vg_name: "vg0",
  vg_lock_type: "sanlock",
  vg_lock_args,
  set_lock_args,
});

const start = (client: Client, host_id: number, vg_lock_args: string) =>
  client.result("start_vg", {
    vg_name: "vg0",
    vg_lock_type: "sanlock",
    vg_lock_args,
    vg_uuid: "u",
    version: 1,
    host_id,
  });

/** sanlock counts a host that has left for up to two I/O timeouts more. */
async function untilAlone(ask: () => Promise<number>): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const result = await ask();
    if (result !== wireResult("EBUSY")) return result;
    await Bun.sleep(300);
  }
  return wireResult("EBUSY");
}

if (!knowsDeath) {
  test("args that this sanlock can't do are refused before anything is stopped", async () => {
    expect(await first.result("setlockargs_vg_before", change("persist,notimeout"))).toBe(
      wireResult("EPROTONOSUPPORT"),
    );
    expect(await first.result("lock_vg", { mode: "ex", vg_name: "vg0" })).toBe(0);
    expect(await first.result("lock_vg", { mode: "un", vg_name: "vg0" })).toBe(0);
  });
} else {
  test("the args of a VG change once no other host has it and no LV is locked, and every host starts it with the new ones", async () => {
    const wanted = change("persist,notimeout");
    expect(await first.result("setlockargs_vg_before", wanted)).toBe(wireResult("EBUSY"));
    expect(await first.result("lock_vg", { mode: "ex", vg_name: "vg0" })).toBe(0);
    expect(await first.result("lock_vg", { mode: "un", vg_name: "vg0" })).toBe(0);

    expect(await second.result("stop_vg", { vg_name: "vg0" })).toBe(0);
    expect(await untilAlone(() => first.result("setlockargs_vg_before", wanted))).toBe(0);
    const final = await first.ask("setlockargs_vg_final", wanted);
    expect(resultOf(final)).toBe(0);
    const vg_lock_args = String(final.get("vg_lock_args"));
    expect(vg_lock_args).toBe("2.0.0:lvmlock:notimeout:persist");

    // The hosts have no reservations here, so that their daemons refuse to start what demands them; timeout and nopersist lead back.
    const started = await start(first, 1, vg_lock_args);
    const waited = started === 0 ? await first.result("start_wait", {}) : started;
    expect(waited).not.toBe(0);
    const back = await first.ask("setlockargs_vg_final", change("timeout,nopersist", vg_lock_args));
    expect(resultOf(back)).toBe(0);
    expect(String(back.get("vg_lock_args"))).toBe("1.0.0:lvmlock");
    await Promise.all([startVg(daemons, 0, "vg0"), startVg(daemons, 1, "vg0")]);
    expect(await second.result("lock_vg", { mode: "ex", vg_name: "vg0" })).toBe(0);
    expect(await second.result("lock_vg", { mode: "un", vg_name: "vg0" })).toBe(0);
  });
}

/** A whole daemon, a lock manager whose owner has failed, and an lvmpersist that is a process of its own. */
import { afterEach, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { encodeRequest, lockRequest, startRequest } from "../rig/requests.ts";
import { makeScratch } from "../rig/scratch.ts";
import { lvUuid, resultOf, startInProcess, type TestDaemon, vgUuid } from "./kit/in-process.ts";

const OWN_OLD = "0x1000000000060001";
const OWN = "0x1000000000070001";
const FAILED = "0x1000000000030005";
const kit = (name: string): string => new URL(`./kit/${name}`, import.meta.url).pathname;

const scratch = makeScratch("fencing");
let daemon: TestDaemon | null = null;
afterEach(async () => {
  await daemon?.destroy();
  daemon = null;
});

/** A daemon on a PV with these keys, and what starting VG vg0 said. */
async function startOn(keys: readonly string[]) {
  const path = scratch.file("keys");
  writeFileSync(path, JSON.stringify(keys));
  const program = process.execPath;
  daemon = await startInProcess({
    config: { test_mode: false, lock_managers: { sanlock: kit("failing-owner-manager.ts") } },
    surroundings: {
      lvmpersist: { program, words: ["run", kit("played-lvmpersist.ts"), path], argv0: program },
    },
  });
  const client = await daemon.connect();
  const options = {
    vg_lock_type: "sanlock",
    vg_lock_args: "2.0.0:lvmlock:persist:notimeout",
    vg_uuid: vgUuid("vg0"),
    host_id: 1,
  };
  const started = await client.ask(encodeRequest(startRequest("vg0", options)));
  const waited = await client.ask(encodeRequest({ request: "start_wait", keys: { pid: process.pid } }));
  return {
    client,
    started,
    result: resultOf(started) || resultOf(waited),
    keysNow: (): string[] => JSON.parse(readFileSync(path, "utf8")),
    setKeys: (now: readonly string[]) => writeFileSync(path, JSON.stringify(now)),
  };
}

const takeLv = (): string => {
  const args = { vg_lock_type: "sanlock", vg_lock_args: "none", lv_lock_args: "none" };
  const lv = { kind: "lv", vg_name: "vg0", lv_name: "taken", lv_uuid: lvUuid("taken") } as const;
  return encodeRequest(lockRequest(lv, "ex", "persistent,", args));
};

describe("a daemon whose VG needs reservations", () => {
  test("corrects its key, and cuts off the host that failed while it held the lock", async () => {
    const { client, result, keysNow } = await startOn([OWN_OLD, FAILED]);
    expect(result).toBe(0);
    expect(keysNow()).toEqual([FAILED, OWN]);
    expect(resultOf(await client.ask(takeLv()))).toBe(0);
    expect(keysNow()).toEqual([OWN]);
    expect(daemon?.logged.join("\n")).toContain("is cut off: its key is on no PV any more");
  });

  test("does not give a lock away at once when somebody else has removed the key, and says what it waits for", async () => {
    const { client, setKeys } = await startOn([OWN, FAILED]);
    setKeys([OWN]);
    let reply = "";
    const asked = client.ask(takeLv()).then((text) => {
      reply = text;
    });
    const why = "/dev/played: its key was gone before we came to remove it";
    while (daemon?.logged.join("\n").includes(why) === false) await Bun.sleep(10);
    await Bun.sleep(200);
    expect(reply).toBe("");
    await daemon?.destroy();
    daemon = null;
    await asked.catch(() => undefined);
    expect(reply).not.toContain("op_result = 0");
  });

  test("says why a host could not be cut off, and grants nothing", async () => {
    const { client, setKeys } = await startOn([OWN, FAILED]);
    setKeys([OWN, FAILED, "stuck"]);
    const reply = await client.ask(takeLv());
    expect(resultOf(reply)).toBe(-11);
    expect(reply).toContain("/dev/played: its key 0x1000000000030005 of generation 3 is still registered");
  });

  test("does not start it without a key of its own", async () => {
    const { result, started } = await startOn([FAILED]);
    expect(result).toBe(-215);
    expect(started).toContain("vgchange --persist start vg0");
  });
});

/** Persistent reservations on a multipath map: one LUN over two paths, with the real multipathd. */
import assert from "node:assert/strict";
import { PERSIST_EXIT } from "../../../cli/lvmpersist/exit.ts";
import type { Host } from "../lab/host.ts";
import { scenario } from "../scenario.ts";
import { startStorage } from "../services/lio.ts";
import {
  awaitPaths,
  breakSecondPath,
  configureMultipath,
  failSoon,
  logIn,
  logOut,
  openSecondPath,
  startInitiator,
  startMultipathd,
} from "../services/multipath.ts";
import { bringBoth, can, want } from "../services/reservation-rules.ts";
import { type Answer, reservation, reservations } from "../services/reservations.ts";
import { byVg, everyType, oneHost, sharedVg } from "./lvmpersist/commands.ts";
import { expectOn, KEY_A, KEY_B, persist, rows, typeShown, type World } from "./lvmpersist/world.ts";

/** The state of each path with key A, in the order of their names. */
async function states(host: Host, map: string): Promise<string[]> {
  return stateWords(await reservation(host, map, "readNexuses", { key: KEY_A }));
}

function stateWords(answer: Answer | undefined): string[] {
  return ((answer?.nexuses ?? []) as { state: string }[]).map(({ state }) => state);
}

/** The LUN under a name that both hosts have for it: the map of host a, and the one path of host b. */
const LUN = "/dev/lun";
const on_lun = `--device ${LUN}`;
const shared = `--access sh ${on_lun}`;
const SHARED = typeShown("WEAR");

export default scenario(
  "pr-multipath",
  {
    about: "Persistent reservations on one LUN over two paths, with the real multipathd, by lvmpersist too.",
    guests: 3,
    timeout_ms: 1_800_000,
  },
  async ({ cluster, step, say }) => {
    const lab = await cluster({ hosts: 2, disks: [] });
    const [a, b] = [lab.host(1), lab.host(2)];
    const { host: storage } = await startStorage(lab, { reached_by: "guests" });
    await openSecondPath(storage);
    await bringBoth({ a, b });
    await Promise.all([a, b].map(startInitiator));
    for (const path of [1, 2] as const) await logIn(a, storage, path);
    await logIn(b, storage, 1);
    const other = "/dev/sda";
    await configureMultipath(a, null);
    const map = await startMultipathd(a);
    await awaitPaths(a, 2);
    await a.must(`ln -s ${map} ${LUN}`);
    await b.must(`ln -s ${other} ${LUN}`);
    const world: World = { a, b, disks: [{ path: LUN }], all: on_lun, paths_of_a: 2, step };
    /** What host b sees, which has nothing to do with multipath. */
    const wantKeys = (keys: readonly string[]): Promise<void> =>
      expectOn(b, other, keys, keys.length === 0 ? null : SHARED);

    await step(
      "without reservation_key in multipath.conf nothing is done, and the remedy is named",
      async () => {
        const said = await persist(a, `start --ourkey ${KEY_A} ${on_lun}`, PERSIST_EXIT.failure);
        assert.match(said, /multipath.conf needs `reservation_key file`/);
        say(said.trim());
        await wantKeys([]);
        await a.must("! grep -q ^0x /etc/multipath/prkeys");
      },
    );
    await step("with a fixed reservation_key only that key is taken", async () => {
      await configureMultipath(a, KEY_A);
      await a.must("multipathd reconfigure");
      await a.until(`multipathd getprkey map mpatha | grep -x ${KEY_A}`, { timeout_ms: 60_000 });
      await persist(a, `start --ourkey 0x1009 ${on_lun}`, PERSIST_EXIT.failure);
      await persist(a, `start --ourkey ${KEY_A} ${on_lun}`);
      await wantKeys([KEY_A, KEY_A]);
      await persist(a, `stop --ourkey ${KEY_A} ${on_lun}`);
      await wantKeys([]);
    });
    await configureMultipath(a, "file");
    await a.must("multipathd reconfigure");
    await a.until("multipathd getprkey map mpatha | grep -x none", { timeout_ms: 60_000 });
    await oneHost(world);
    await sharedVg(world);
    await everyType(world, ["WE", "EAAR"]);
    await byVg(world, { a_pv: map, b_pv: other });
    await step(
      "every path is registered and can write, and multipathd keeps the key and --ptpl",
      async () => {
        await persist(a, `start --ourkey ${KEY_A} --ptpl ${on_lun}`);
        await wantKeys([KEY_A, KEY_A]);
        want("paths", await states(a, map), ["registered", "registered"]);
        for (const device of [map, "/dev/sda", "/dev/sdb"]) want(device, await can(a, device), "read write");
        await a.must("grep -qi '^0x10*10001' /etc/multipath/prkeys");
        await a.must("multipathd getprkey map mpatha | grep -x 0x1000000000010001:aptpl");
        await a.must("multipathd getprstatus map mpatha | grep -x set");
        await a.must(`mpathpersist -i -k ${map} | grep -c ${KEY_A} | grep -x 2`);
        for (const row of await rows(a, on_lun)) assert.deepEqual([row.reservation, row.ptpl], ["WEAR", 1]);
        await persist(a, `start --ourkey ${KEY_A} ${on_lun}`);
        for (const row of await rows(a, on_lun)) assert.deepEqual([row.keys, row.ptpl], [[KEY_A], 0]);
      },
    );
    await step("the map is one device under its other names, and its paths are no devices", async () => {
      const said = await persist(a, `check-key --key ${KEY_A} --device ${map} --device /dev/dm-0`);
      assert.match(said, /\/dev\/dm-0 is the same device as/);
      assert.match(
        await persist(a, `start --ourkey ${KEY_A} --device /dev/sdb`, PERSIST_EXIT.unsupported),
        /sdb is one path of the multipath map mpatha, .*name \/dev\/mapper\/mpatha/,
      );
    });
    await step("a path is lost: reported as lost, everything is read, and writing goes on", async () => {
      await breakSecondPath(storage);
      await awaitPaths(a, 1);
      want("paths", await states(a, map), ["registered", "lost"]);
      await persist(a, `check-key --key ${KEY_A} ${on_lun}`);
      want("the map", await can(a, map), "read write");
    });
    await step("the path returns and is registered", async () => {
      await openSecondPath(storage);
      await awaitPaths(a, 2);
      want("paths", await states(a, map), ["registered", "registered"]);
    });
    await step(
      "a path that is new to the target is registered by multipathd with the key that it was told",
      async () => {
        await logOut(a, storage, 2);
        await logIn(a, storage, 2);
        await awaitPaths(a, 2);
        // The nexus of the earlier login is still registered beside the two of now.
        await b.until(`[ $(sg_persist -n -k ${other} | grep -c ${KEY_A}) = 3 ]`, { timeout_ms: 60_000 });
        want("paths", await states(a, map), ["registered", "registered"]);
        want("the map", await can(a, map), "read write");
      },
    );
    await step("a path without its registration is reported, and repaired", async () => {
      const path = (await a.must("ls /sys/block/dm-0/slaves | tail -1")).stdout.trim();
      await a.must(`sg_persist -n --out --register-ignore --param-sark=0 /dev/${path}`);
      want("paths", await states(a, map), ["registered", "unregistered"]);
      const { repaired } = await reservation(a, map, "repairNexuses", { key: KEY_A });
      want("repaired", repaired, [`/dev/${path}`]);
      want("paths", await states(a, map), ["registered", "registered"]);
    });
    await step("stop with a lost path leaves nothing of us on the device", async () => {
      await breakSecondPath(storage);
      await awaitPaths(a, 1);
      await persist(a, `stop --ourkey ${KEY_A} ${on_lun}`);
      await wantKeys([]);
      want("the other host", await can(b, other), "read write");
      await a.must("multipathd getprkey map mpatha | grep -x none");
      await a.must("multipathd getprstatus map mpatha | grep -x unset");
    });
    await step(
      "start without the lost path registers the other one, and multipathd this one when it returns",
      async () => {
        await persist(a, `start --ourkey ${KEY_A} ${on_lun}`);
        await wantKeys([KEY_A]);
        await openSecondPath(storage);
        await awaitPaths(a, 2);
        await b.until(`[ $(sg_persist -n -k ${other} | grep -c ${KEY_A}) = 2 ]`, { timeout_ms: 60_000 });
        want("paths", await states(a, map), ["registered", "registered"]);
      },
    );
    await step(
      "removed by another host while a path is lost, none writes, and no return or repair brings the key back",
      async () => {
        await breakSecondPath(storage);
        await awaitPaths(a, 1);
        await persist(b, `start --ourkey ${KEY_B} ${shared}`);
        await persist(b, `remove --ourkey ${KEY_B} --removekey ${KEY_A} ${on_lun}`);
        await openSecondPath(storage);
        await awaitPaths(a, 2);
        const [nexuses, repair] = await reservations(a, map, [
          ["readNexuses", { key: KEY_A }],
          ["repairNexuses", { key: KEY_A }],
        ]);
        want("paths", stateWords(nexuses), ["unregistered", "unregistered"]);
        want("repaired", repair?.repaired, []);
        want("the map", await can(a, map), "read");
        await wantKeys([KEY_B]);
      },
    );
    await step(
      "without multipathd nothing is registered, while the others can be removed and we can stop",
      async () => {
        await persist(a, `start --ourkey ${KEY_A} ${shared}`);
        await a.must("multipathd shutdown; sleep 1");
        say((await persist(a, `start --ourkey 0x1009 ${shared}`, PERSIST_EXIT.failure)).trim());
        await wantKeys([KEY_A, KEY_A, KEY_B]);
        await persist(a, `remove --ourkey ${KEY_A} --removekey ${KEY_B} ${on_lun}`);
        await wantKeys([KEY_A, KEY_A]);
        await persist(a, `stop --ourkey ${KEY_A} ${on_lun}`);
        await wantKeys([]);
      },
    );
    await step("when the array goes away, so says the answer", async () => {
      await failSoon(a);
      await storage.crash();
      const start_ms = performance.now();
      const said = await persist(a, `read ${on_lun}`, PERSIST_EXIT.device);
      say(`${said.trim()} (after ${((performance.now() - start_ms) / 1000).toFixed(1)} s)`);
    });
  },
);

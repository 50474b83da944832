/** Persistent reservations on a multipath map: one LUN over two paths, with the real multipathd. */
import type { Host } from "../lab/host.ts";
import { scenario } from "../scenario.ts";
import { startStorage } from "../services/lio.ts";
import {
  awaitPaths,
  breakSecondPath,
  configureMultipath,
  logIn,
  logOut,
  openSecondPath,
  startInitiator,
  startMultipathd,
} from "../services/multipath.ts";
import { bringBoth, can, KEY_A, KEY_B, want } from "../services/reservation-rules.ts";
import { type Answer, refusedReservation, reservation, reservations } from "../services/reservations.ts";

/** The state of each path with key A, in the order of their names. */
async function states(host: Host, map: string): Promise<string[]> {
  return stateWords(await reservation(host, map, "readNexuses", { key: KEY_A }));
}

function stateWords(answer: Answer | undefined): string[] {
  return ((answer?.nexuses ?? []) as { state: string }[]).map(({ state }) => state);
}

async function wantKeys(host: Host, device: string, expected: readonly string[]): Promise<void> {
  const { keys } = await reservation(host, device, "readKeys");
  want("keys", keys, expected);
}

const register = { to: KEY_A, aptpl: false };

export default scenario(
  "pr-multipath",
  { about: "Persistent reservations on one LUN over two paths, with the real multipathd.", guests: 3 },
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

    await step(
      "without reservation_key in multipath.conf nothing is registered, and the remedy is named",
      async () => {
        const detail = await refusedReservation(a, map, "failed", "registerAndIgnore", register);
        if (!detail.includes("reservation_key file")) throw new Error(detail);
        say(detail);
        await wantKeys(a, map, []);
        await a.must("! grep -q ^0x /etc/multipath/prkeys");
      },
    );
    await step("with a fixed reservation_key only that key is taken", async () => {
      await configureMultipath(a, KEY_A);
      await a.must("multipathd reconfigure");
      await a.until(`multipathd getprkey map mpatha | grep -x ${KEY_A}`, { timeout_ms: 20_000 });
      await refusedReservation(a, map, "failed", "registerAndIgnore", { to: "0x1009", aptpl: false });
      await reservation(a, map, "registerAndIgnore", register);
      await reservation(a, map, "register", { from: KEY_A, to: "0x0", aptpl: false });
      await wantKeys(a, map, []);
    });
    await step(
      "with `reservation_key file` every path is registered, and multipathd keeps the key",
      async () => {
        await configureMultipath(a, "file");
        await a.must("multipathd reconfigure");
        await a.until("multipathd getprkey map mpatha | grep -x none", { timeout_ms: 20_000 });
        await reservation(a, map, "registerAndIgnore", register);
        await wantKeys(b, other, [KEY_A, KEY_A]);
        want("paths", await states(a, map), ["registered", "registered"]);
        await a.must(
          "grep -q '^0x0*1001 ' /etc/multipath/prkeys && multipathd getprstatus map mpatha | grep -x set",
        );
        await a.must(`mpathpersist -i -k ${map} | grep -c ${KEY_A} | grep -x 2`);
      },
    );
    await step("the map is found under its other names", async () => {
      await wantKeys(a, "/dev/dm-0", [KEY_A, KEY_A]);
    });
    await step("WE is refused for two paths, WEAR keeps the other host out and both paths in", async () => {
      say(await refusedReservation(a, map, "unsupported", "reserve", { key: KEY_A, type: "WE" }));
      await reservation(a, map, "reserve", { key: KEY_A, type: "WEAR" });
      want("the other host", await can(b, other), "read");
      for (const device of [map, "/dev/sda", "/dev/sdb"]) want(device, await can(a, device), "read write");
    });
    await step("a path is lost: reported as lost, and writing goes on", async () => {
      await breakSecondPath(storage);
      await awaitPaths(a, 1);
      want("paths", await states(a, map), ["registered", "lost"]);
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
        await b.until("[ $(sg_persist -n -k /dev/sda | grep -c 0x1001) = 3 ]", { timeout_ms: 20_000 });
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
    await step("unregistering with a lost path leaves nothing of us on the device", async () => {
      await breakSecondPath(storage);
      await awaitPaths(a, 1);
      await reservation(a, map, "register", { from: KEY_A, to: "0x0", aptpl: false });
      await wantKeys(b, other, []);
      want("the other host", await can(b, other), "read write");
      await a.must(
        "multipathd getprkey map mpatha | grep -x none; multipathd getprstatus map mpatha | grep -x unset",
      );
      await openSecondPath(storage);
      await awaitPaths(a, 2);
      await wantKeys(b, other, []);
    });
    await step("taken over by another host, no path writes, and no repair brings the key back", async () => {
      await reservation(a, map, "registerAndIgnore", register);
      await reservation(a, map, "reserve", { key: KEY_A, type: "WEAR" });
      await reservation(b, other, "registerAndIgnore", { to: KEY_B, aptpl: false });
      await reservation(b, other, "preempt", { key: KEY_B, remove: KEY_A, type: "WEAR", abort: true });
      const [nexuses, repair] = await reservations(a, map, [
        ["readNexuses", { key: KEY_A }],
        ["repairNexuses", { key: KEY_A }],
      ]);
      want("paths", stateWords(nexuses), ["unregistered", "unregistered"]);
      want("repaired", repair?.repaired, []);
      want("the map", await can(a, map), "read");
      await wantKeys(b, other, [KEY_B]);
    });
    await step("without multipathd nothing is registered", async () => {
      await a.must("multipathd shutdown; sleep 1");
      say(await refusedReservation(a, map, "failed", "registerAndIgnore", register));
      await wantKeys(a, map, [KEY_B]);
    });
    await step("when the array goes away, so says the answer", async () => {
      await storage.crash();
      const start_ms = performance.now();
      const [answer] = await reservations(a, map, [["readKeys"]], { timeout_ms: 120_000 });
      want("kind", answer?.kind, "gone");
      say(`${answer?.detail ?? ""} (after ${((performance.now() - start_ms) / 1000).toFixed(1)} s)`);
    });
  },
);

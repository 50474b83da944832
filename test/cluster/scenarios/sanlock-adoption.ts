/** lvmlockd is killed while LVs are active: the next one takes over its locks, and nobody gets in between. */
import assert from "node:assert/strict";
import type { Host } from "../lab/host.ts";
import { scenario } from "../scenario.ts";
import { keepsCommandLock } from "../services/adopting.ts";
import { killLvmlockd, startLvmlockd } from "../services/lvmlockd.ts";
import { startDaemonsOnAll } from "../services/sanlock-hosts.ts";

const ROUNDS = 3;
const lockedElsewhere = /LV locked by other host/;

/** Stands in thin_check, which a large pool keeps busy for minutes, until it is told to go on. */
const SLOW_CHECK = `#!/bin/bash
touch /run/checking
until test -e /run/go-on; do sleep 0.1; done
`;

/** The lock is there, the device comes long after it: by then the next lvmlockd runs. */
async function activatesLate(a: Host, b: Host): Promise<void> {
  await a.must(
    "lvcreate -q --type thin-pool -L 16M -n pool vg0 && lvcreate -q -V 16M --thinpool pool -n thin vg0",
  );
  await a.must("lvchange -an vg0/thin vg0/pool");
  await a.write("/usr/local/sbin/slow-check", SLOW_CHECK);
  await a.must("chmod +x /usr/local/sbin/slow-check");
  const check = "--config 'global/thin_check_executable=\"/usr/local/sbin/slow-check\"'";
  const work = a.run(`timeout 300 lvchange ${check} -aey vg0/thin`, { timeout_ms: 320_000 });
  await a.until("test -e /run/checking", { timeout_ms: 60_000 });
  await killLvmlockd(a);
  await startLvmlockd(a);
  await a.must("touch /run/go-on");
  await work;
  await a.until("vgs vg0", { timeout_ms: 60_000 });
  await a.must("dmsetup info -c vg0-thin");
  await b.refused("lvchange -aey vg0/thin", lockedElsewhere);
  await a.must("lvchange -an vg0/thin vg0/pool");
  await b.must("lvchange -aey vg0/thin && lvchange -an vg0/thin vg0/pool");
}

export default scenario(
  "sanlock-adoption",
  {
    about: "A killed lvmlockd's locks stay, and its successor adopts them.",
    guests: 2,
    timeout_ms: 1_500_000,
  },
  async ({ cluster, step, say }) => {
    const lab = await cluster({ hosts: 2, disks: [{ size_mb: 1024 }] });
    const [a, b] = [lab.host(1), lab.host(2)];
    await step("a host has LVs active, exclusively, shared, and one inactive", async () => {
      await startDaemonsOnAll(lab);
      await a.must("vgcreate --shared vg0 /dev/sda");
      await b.must("vgchange --lockstart vg0");
      for (const name of ["ex", "sh", "gone", "free"]) await a.must(`lvcreate -an -n ${name} -L 16M vg0`);
      await a.must("lvchange -aey vg0/ex && lvchange -asy vg0/sh && lvchange -aey vg0/gone");
    });
    await step("lvmlockd is killed: its LV locks stay, and no command had others", async () => {
      await killLvmlockd(a);
      await b.refused("lvchange -aey vg0/ex", lockedElsewhere);
      await b.refused("lvchange -aey vg0/sh", lockedElsewhere);
      await b.must("lvchange -asy vg0/sh && lvchange -an vg0/sh");
      await b.must("lvchange -aey vg0/free && lvchange -an vg0/free");
      await b.must("lvcreate -an -n meanwhile -L 16M vg0");
    });
    await step("the next lvmlockd adopts them, and lvm goes on", async () => {
      // Deactivated behind lvmlockd's back: its lock has to go.
      await a.must("dmsetup remove vg0-gone");
      await startLvmlockd(a);
      const { elapsed_ms } = await a.until("lvs vg0", { timeout_ms: 60_000 });
      say(`the first lvs after the start took ${(elapsed_ms / 1000).toFixed(1)} s`);
      await b.refused("lvchange -aey vg0/ex", lockedElsewhere);
      await b.refused("lvchange -aey vg0/sh", lockedElsewhere);
      const { stdout } = await a.must("lvs --noheadings -o lv_name vg0");
      assert.match(stdout, /meanwhile/);
    });
    await step("the lock of an LV that was no longer active is released", async () => {
      await b.until("lvchange -aey vg0/gone", { timeout_ms: 30_000 });
      await a.refused("lvchange -aey vg0/gone", lockedElsewhere);
      await b.must("lvchange -an vg0/gone");
    });
    await step("adopted locks are released, converted and taken again like others", async () => {
      await a.must("lvchange -an vg0/ex");
      await b.must("lvchange -aey vg0/ex");
      await a.refused("lvchange -aey vg0/ex", lockedElsewhere);
      await a.must("lvchange -an vg0/sh && lvchange -aey vg0/sh");
      await b.refused("lvchange -asy vg0/sh", lockedElsewhere);
    });
    await step(
      "a command that was writing keeps the VG lock until it has ended, though the next lvmlockd runs",
      () => keepsCommandLock(a, b),
    );
    await step("an LV that a command activates after the next lvmlockd has started keeps its lock", () =>
      activatesLate(a, b),
    );
    await step(`killed ${ROUNDS} times in the middle of commands, it comes back each time`, async () => {
      for (let round = 0; round < ROUNDS; round++) {
        const work = a.run(
          `for i in 1 2 3 4; do timeout 20 lvcreate -q -aey -n r${round}-$i -L 4M vg0; done; true`,
        );
        await Bun.sleep(300 + 700 * Math.random());
        await killLvmlockd(a);
        await work;
        await startLvmlockd(a);
        await a.until("vgs vg0", { timeout_ms: 60_000 });
      }
      await a.must("lvcreate -an -n last -L 4M vg0");
      // Whatever each command came to, every active LV is locked and every inactive one is not.
      const { stdout } = await a.must("lvs --noheadings -o lv_name,lv_active vg0");
      for (const line of stdout.trim().split("\n")) {
        const [name = "", active] = line.trim().split(/\s+/);
        if (!name.startsWith("r")) continue;
        if (active === "active") await b.refused(`lvchange -aey vg0/${name}`, lockedElsewhere);
        else await b.must(`lvchange -aey vg0/${name} && lvchange -an vg0/${name}`);
      }
    });
    await step("both hosts stop cleanly, and the metadata is sound", async () => {
      for (const host of lab.hosts) await host.must("vgck vg0");
      for (const host of lab.hosts) await host.must("lvchange -an vg0 && vgchange --lockstop vg0");
    });
  },
);

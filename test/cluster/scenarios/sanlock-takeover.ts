/** What becomes of the locks of a host that dies, of one whose sanlock dies, and of a virtual machine that is paused. No watchdogs. */
import assert from "node:assert/strict";
import type { Host } from "../lab/host.ts";
import { scenario } from "../scenario.ts";
import { deadAfter_ms } from "../services/sanlock.ts";
import { startDaemons, startDaemonsOnAll } from "../services/sanlock-hosts.ts";
import { ENOUGH, readFirst, startWriting } from "../services/writer.ts";

/** sanlock renews a lease every two I/O timeouts, so the last renewal may be that old when a host dies; a second for the clocks. */
const renewal_age_ms_max = 5_000;
/** sanlock looks at other hosts now and then, and the machine under the guests may be busy. */
const patience_ms = 60_000;

/** Tries until the host gets the LV; returns when, counted from `since_ms`. */
async function takeOver(host: Host, lv: string, since_ms: number): Promise<number> {
  const timeout_ms = deadAfter_ms() + patience_ms;
  await host.until(`lvchange -aey ${lv}`, { timeout_ms, every_ms: 1000 });
  return performance.now() - since_ms;
}

export default scenario(
  "sanlock-takeover",
  { about: "A crashed host's LVs can be had after sanlock's time, and not before.", guests: 3 },
  async ({ cluster, step, say }) => {
    const lab = await cluster({ hosts: 3, disks: [{ size_mb: 1024 }] });
    const [a, b, c] = [lab.host(1), lab.host(2), lab.host(3)];
    await step("three hosts have the VG started; two have an LV each, active exclusively", async () => {
      await startDaemonsOnAll(lab);
      await a.must("vgcreate --shared vg0 /dev/sda");
      await a.must("lvcreate -aey -n of-a -L 16M vg0");
      await Promise.all([b, c].map((host) => host.must("vgchange --lockstart vg0")));
      await b.must("lvcreate -aey -n of-b -L 16M vg0");
      await c.refused("lvchange -aey vg0/of-a", /LV locked by other host: vg0\/of-a/);
    });
    let crashed_ms = 0;
    await step("one host crashes: its LV is refused at first, and other LVs go on", async () => {
      await a.crash();
      crashed_ms = performance.now();
      await c.refused("lvchange -aey vg0/of-a", /LV locked by other host: vg0\/of-a/);
      await c.must("lvcreate -an -n more -L 16M vg0");
      await b.must("lvchange -aey vg0/more && lvchange -an vg0/more");
    });
    await step("it is had after sanlock's time, and not before", async () => {
      const took_ms = await takeOver(c, "vg0/of-a", crashed_ms);
      say(
        `taken over ${(took_ms / 1000).toFixed(1)} s after the crash; sanlock's time is ${deadAfter_ms() / 1000} s`,
      );
      assert(took_ms > deadAfter_ms() - renewal_age_ms_max, "taken over before the lease ran out");
    });
    await step(
      "the crashed host boots, starts the VG again, and gets its LV once it is given back",
      async () => {
        await a.boot();
        await startDaemons(a);
        await a.must("vgchange --lockstart vg0", { timeout_ms: 200_000 });
        await a.refused("lvchange -aey vg0/of-a", /LV locked by other host: vg0\/of-a/);
        await c.must("lvchange -an vg0/of-a");
        await a.must("lvchange -aey vg0/of-a");
      },
    );
    let killed_ms = 0;
    await step("sanlock is killed on another host: lvm commands there fail soon and say why", async () => {
      await b.must("kill -9 $(pgrep -o -x sanlock)");
      killed_ms = performance.now();
      const { rc, stderr, elapsed_ms } = await b.run("lvcreate -an -n no -L 16M vg0", { timeout_ms: 60_000 });
      assert.notEqual(rc, 0, "a lock was granted without sanlock");
      assert.notEqual(rc, 124, "lvcreate hangs");
      say(
        `lvcreate fails after ${(elapsed_ms / 1000).toFixed(1)} s: ${stderr.trim().split("\n").join(" / ")}`,
      );
      const { stdout } = await b.must("lvmlockctl --info --reportformat json");
      assert.match(stdout, /the sanlock daemon does not run on this host/);
    });
    let frozen_ms = 0;
    await step("a host is paused as a virtual machine is, while it writes: its LV is refused", async () => {
      await startWriting(a, "vg0/of-a");
      await a.freeze();
      frozen_ms = performance.now();
      await c.refused("lvchange -aey vg0/of-a", /LV locked by other host: vg0\/of-a/);
    });
    await step("the LVs of both are had by others after sanlock's time, and not before", async () => {
      const both = await Promise.all([
        takeOver(c, "vg0/of-b", killed_ms),
        takeOver(c, "vg0/of-a", frozen_ms),
      ]);
      const times = both.map((took_ms) => `${(took_ms / 1000).toFixed(1)} s`);
      say(`taken over ${times[0]} after sanlock's death, and ${times[1]} after the pause`);
      for (const took_ms of both)
        assert(took_ms > deadAfter_ms() - renewal_age_ms_max, "taken over before the lease ran out");
    });
    await step(
      "the paused host writes on, as nothing in it has noticed; what it asks for is refused",
      async () => {
        await c.must(`echo ${c.name} | dd of=/dev/vg0/of-a bs=512 conv=sync oflag=direct status=none`);
        await a.resume();
        await a.must("true");
        // No clock of that host has noticed the pause, so nothing in it can stop the writer: see docs/fencing.md.
        say(
          `a second later the LV has the words of ${await Bun.sleep(1000).then(() => readFirst(c, "vg0/of-a"))}`,
        );
        await a.must("lvs vg0");
        await a.must(`touch ${ENOUGH}; sleep 1; lvchange -an vg0/of-a`);
        await a.refused("lvchange -aey vg0/of-a", /LV locked by other host: vg0\/of-a/);
      },
    );
    await step("with sanlock started again, the VG is dropped and started again", async () => {
      await b.must("dmsetup remove vg0-of--b");
      await b.must("lvmlockctl --drop vg0");
      await b.must("sanlock daemon && sleep 1");
      await b.must("vgchange --lockstart vg0", { timeout_ms: 200_000 });
      await b.refused("lvchange -aey vg0/of-b", /LV locked by other host: vg0\/of-b/);
      await c.must("lvchange -an vg0/of-b");
      await b.must("lvchange -aey vg0/of-b");
    });
    await step("nothing of the VG was damaged", async () => {
      for (const host of lab.hosts) await host.must("vgck vg0");
    });
  },
);

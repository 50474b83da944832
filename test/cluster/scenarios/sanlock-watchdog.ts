/** With a watchdog behind sanlock: a host that hangs and one that loses sanlock are reset before others get their LVs. */
import assert from "node:assert/strict";
import { scenario } from "../scenario.ts";
import { deadAfter_ms } from "../services/sanlock.ts";
import { startDaemonsOnAll } from "../services/sanlock-hosts.ts";
import { ENOUGH, readFirst, startWriting } from "../services/writer.ts";

const sanlock = { watchdog: true } as const;
const patience_ms = 90_000;
/** Two renewals are missed; sanlock gives the lease up after 8 I/O timeouts, which are 16 s, from the last one. */
const short_hang_ms = 8_000;
/** softdog's timeout is 60 s, and wdmd stops petting it when sanlock's clients fail. */
const reset_ms_max = 90_000;

export default scenario(
  "sanlock-watchdog",
  { about: "Hosts that hang or lose sanlock are reset before others get their LVs.", guests: 3 },
  async ({ cluster, step, together, say }) => {
    const lab = await cluster({ hosts: 3, disks: [{ size_mb: 1024 }] });
    const [hung, orphaned, taker] = [lab.host(1), lab.host(2), lab.host(3)];
    await step(
      "three hosts with watchdogs have the VG started, two of them write to an LV each",
      async () => {
        await startDaemonsOnAll(lab, { sanlock });
        await hung.must("vgcreate --shared vg0 /dev/sda");
        await hung.must("lvcreate -aey -n one -L 16M vg0");
        await Promise.all([orphaned, taker].map((host) => host.must("vgchange --lockstart vg0")));
        await orphaned.must("lvcreate -aey -n two -L 16M vg0");
        await startWriting(hung, "vg0/one");
        await startWriting(orphaned, "vg0/two");
      },
    );
    await step("a host that hangs for less than sanlock's time keeps its LV and goes on", async () => {
      hung.hang();
      const goesOn = Bun.sleep(short_hang_ms).then(() => hung.resume());
      const refusing = taker.refused("lvchange -aey vg0/one", /LV locked by other host/);
      await Promise.all([goesOn, refusing]);
      await hung.must("lvs vg0 && lvcreate -q -an -n later -L 4M vg0");
      await taker.refused("lvchange -aey vg0/one", /LV locked by other host/);
      await hung.must("dd if=/dev/zero of=/dev/vg0/one bs=512 count=1 oflag=direct status=none; sleep 1");
      assert.equal(await readFirst(hung, "vg0/one"), hung.name, "its writer does not go on");
    });
    const since_ms = performance.now();
    const elapsed_s = (): string => ((performance.now() - since_ms) / 1000).toFixed(1);
    const timeout_ms = deadAfter_ms(sanlock) + patience_ms;
    hung.hang();
    await orphaned.must("kill -9 $(pgrep -o -x sanlock)");
    await together([
      () =>
        step(
          "the host that lost sanlock is reset by its watchdog, and only then another one gets its LV",
          async () => {
            const at = (): number => performance.now();
            const [down_ms, taken_ms] = await Promise.all([
              orphaned.down(reset_ms_max).then(at),
              taker.until("lvchange -aey vg0/two", { timeout_ms, every_ms: 2000 }).then(at),
            ]);
            say(`its LV was taken over after ${((taken_ms - since_ms) / 1000).toFixed(1)} s`);
            assert(down_ms < taken_ms, "the LV was active on two hosts");
          },
        ),
      () =>
        step("the LV of the host that hangs is taken over after sanlock's time", async () => {
          await taker.until("lvchange -aey vg0/one", { timeout_ms, every_ms: 2000 });
          say(`its LV was taken over after ${elapsed_s()} s`);
        }),
    ]);
    await step("the hung host comes back, and is reset before it writes anything", async () => {
      await startWriting(taker, "vg0/one");
      await taker.must(`sleep 1; touch ${ENOUGH}; sleep 1`);
      assert.equal(await readFirst(taker, "vg0/one"), taker.name);
      await hung.resume();
      await hung.down(30_000);
      assert.equal(await readFirst(taker, "vg0/one"), taker.name);
    });
    await step("nothing of the VG was damaged", () =>
      taker.must("vgck vg0 && lvcreate -an -n after -L 16M vg0"),
    );
  },
);

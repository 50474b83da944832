/** The whole life of a shared VG on sanlock, as lvmlockd(8) tells it, on two hosts. */
import { scenario } from "../scenario.ts";
import { startLvmlockd } from "../services/lvmlockd.ts";
import { startSanlock } from "../services/sanlock.ts";

export default scenario(
  "sanlock-life",
  { about: "The whole life of a shared VG on sanlock, as lvmlockd(8) tells it.", guests: 2 },
  async ({ cluster, step }) => {
    const lab = await cluster({ hosts: 2, disks: [{ size_mb: 1024 }, { size_mb: 512 }, { size_mb: 512 }] });
    const [a, b] = [lab.host(1), lab.host(2)];
    await step("sanlock and lvmlockd start on both hosts", () =>
      Promise.all(
        lab.hosts.map(async (host) => {
          await startSanlock(host);
          await startLvmlockd(host);
        }),
      ),
    );
    await step("the first shared VG is created, with the global lock in it", async () => {
      await a.must("vgcreate --shared vg0 /dev/sda");
      await a.must("lvmlockctl -i");
    });
    await step("reading without a lock warns on the host that has not started it", async () => {
      await b.must("vgs vg0");
    });
    await step("the other host starts it", () => b.must("vgchange --lockstart vg0"));
    await step("lvcreate", () => a.must("lvcreate -an -n lv0 -L 32M vg0"));
    await step("lv -aey", () => a.must("lvchange -aey vg0/lv0"));
    await step("conflict", () => b.refused("lvchange -aey vg0/lv0", /locked by other host/));
    await step("deact", () => a.must("lvchange -an vg0/lv0"));
    await step("lockstop b", () => b.must("vgchange --lockstop vg0"));
    await step("vgremove", () => a.must("lvremove -y vg0/lv0; until vgremove -y vg0; do sleep 1; done"));
  },
);

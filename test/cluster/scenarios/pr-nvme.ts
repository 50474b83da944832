/** Persistent reservations on NVMe: two hosts attached to a namespace of Linux's own target, over TCP. */
import { scenario } from "../scenario.ts";
import { killLvmlockd, startLvmlockd } from "../services/lvmlockd.ts";
import { startNvmeStorage } from "../services/nvme-storage.ts";
import { bringBoth, KEY_A, KEY_B, preemptUnderLoad, TYPES, want } from "../services/reservation-rules.ts";
import { refusedReservation, reservation } from "../services/reservations.ts";
import { besideOthers } from "./lvmpersist/beside-others.ts";
import { byVg, everyType, oneHost, sharedVg } from "./lvmpersist/commands.ts";
import { persist, report, type World } from "./lvmpersist/world.ts";

/** The first host's key, as scsi-pr makes it of its host_id. */
const VG_KEY_A = "0x1000000000000001";

export default scenario(
  "pr-nvme",
  {
    about:
      "Every persistent reservation command on NVMe, from two hosts, by lvmpersist and beside nvme-cli; a VG of scsi-pr.",
    guests: 3,
    timeout_ms: 1_800_000,
  },
  async ({ cluster, step }) => {
    const lab = await cluster({
      hosts: 2,
      disks: [],
      image: "forky",
      lvm_conf: { devices: { use_devicesfile: 0, global_filter: ["a|^/dev/nvme|", "r|.*|"] } },
    });
    const [a, b] = [lab.host(1), lab.host(2)];
    const storage = await startNvmeStorage(lab);
    const device = await storage.connect(a);
    want("both hosts call it the same", await storage.connect(b), device);
    await bringBoth({ a, b });
    await step("the namespace takes all types, and can't persist", async () => {
      const { capabilities } = await reservation(a, device, "readCapabilities");
      const persists = { capable: false, active: false };
      want("capabilities", capabilities, { types: TYPES, persist_through_power_loss: persists });
      const refused = { to: KEY_A, aptpl: true };
      await refusedReservation(a, device, "unsupported", "registerAndIgnore", refused);
    });
    const world: World = { a, b, disks: [{ path: device }], all: `--device ${device}`, paths_of_a: 1, step };
    await oneHost(world);
    await sharedVg(world);
    await everyType(world);
    await byVg(world, { a_pv: device, b_pv: device });
    await besideOthers(world, await storage.addPlainNamespace([a, b]));
    await step("preempt and abort under load: not one write of the preempted host lands later", async () => {
      await preemptUnderLoad({ a, b, device });
      await refusedReservation(b, device, "conflict", "reserve", { key: KEY_B, type: "WERO" });
      await reservation(a, device, "clear", { key: KEY_A });
    });
    await step("nvme-cli reads what we write", async () => {
      await reservation(a, device, "registerAndIgnore", { to: KEY_A, aptpl: false });
      await reservation(a, device, "reserve", { key: KEY_A, type: "WERO" });
      await reservation(a, device, "release", { key: KEY_A, type: "WERO" });
      await reservation(a, device, "reserve", { key: KEY_A, type: "EARO" });
      const { stdout } = await b.must(`nvme resv-report ${device} --eds -o json`);
      const report = JSON.parse(stdout) as { rtype: number; regctlext: { rkey: number; rcsts: number }[] };
      want("rtype", report.rtype, 4);
      want(
        "rkey",
        report.regctlext.map(({ rkey, rcsts }) => [rkey, rcsts]),
        [[0x1001, 1]],
      );
    });
    await step("we read what nvme-cli writes", async () => {
      await b.must(`nvme resv-register ${device} --nrkey=0x1002 --rrega=0`);
      await b.must(`nvme resv-acquire ${device} --crkey=0x1002 --prkey=0x1001 --rtype=5 --racqa=2`);
      const { keys } = await reservation(a, device, "readKeys");
      want("keys", keys, [KEY_B]);
      const { reservation: held } = await reservation(a, device, "readReservation");
      want("reservation", held, { type: "WEAR", key: "0x0" });
    });
    await step("a host with two controllers is registered once, and loses both at once", async () => {
      await storage.connect(a);
      await reservation(a, device, "registerAndIgnore", { to: KEY_A, aptpl: false });
      const { keys } = await reservation(b, device, "readKeys");
      want("keys", (keys as string[]).toSorted(), [KEY_A, KEY_B]);
      const { registration } = await report(b, world.all);
      // Linux's target makes a controller at each connection, and such ones are not told apart: a row is a host's.
      want("registrations", registration.map(({ key }) => key).toSorted(), [KEY_A, KEY_B]);
      await reservation(b, device, "preempt", { key: KEY_B, remove: KEY_A, type: "WEAR", abort: true });
      for (let time = 0; time < 4; time += 1)
        await a.refused(`dd if=/dev/zero of=${device} bs=4k count=1 oflag=direct 2>/dev/null`, /^$/);
    });
    await step(
      "scsi-pr has a VG on it, through both controllers, until another host takes it over",
      async () => {
        await reservation(b, device, "clear", { key: KEY_B });
        for (const host of [a, b]) {
          await host.write("/etc/lvm/lvmlockd.conf", 'lock_managers {\n\tdlm = "scsi-pr"\n}\n');
          await startLvmlockd(host, { arguments: "" });
        }
        await a.must(`vgcreate --shared --locktype dlm vg0 ${device} && lvcreate -aey -n lv0 -L 8M vg0`);
        const write = "dd if=/dev/zero of=/dev/vg0/lv0 bs=4k count=1 oflag=direct";
        for (let time = 0; time < 4; time += 1) await a.must(write);
        await b.refused("vgchange --lockstart vg0", /VG vg0 start failed: -16/);
        await persist(b, `check-key --key ${VG_KEY_A} --vg vg0`);
        await killLvmlockd(a);
        await startLvmlockd(a, { arguments: "" });
        await a.until("lvmlockctl --info | grep -q 'LK LV ex'", { timeout_ms: 30_000 });
        await b.must(`lvmlockctl takeover vg0 --yes --removekey ${VG_KEY_A}`, { timeout_ms: 60_000 });
        await a.refused(write, /error writing/);
        await a.until("lvmlockctl --dump | grep -q 'taken over by key 0x1000000000000002'", {
          timeout_ms: 20_000,
        });
        await b.must(`lvchange -aey vg0/lv0 && ${write} && lvremove -y vg0 && vgremove vg0`);
        const { keys } = await reservation(b, device, "readKeys");
        want("keys", keys, []);
        await a.must("dmsetup remove --force vg0-lv0; lvmlockctl --drop vg0");
      },
    );
    await step("a namespace that was disconnected is gone", async () => {
      await storage.disconnect(a);
      await refusedReservation(a, device, "gone", "readKeys");
    });
  },
);

/** The memory of a guest that has booted, in a file: a guest made from it is there in a second, where a boot takes more than ten. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { makeDiskFile } from "../lab/disks.ts";
import { openNetwork } from "../lab/network.ts";
import { PRODUCT_DISK_MB } from "../lab/product.ts";
import { type Guest, type Machine, machineArguments, startGuest } from "../lab/qemu.ts";
import { makeScratch } from "../lab/scratch.ts";
import { cached, keyOf } from "./cache.ts";
import { run } from "./command.ts";

/** Emulation on a machine that does much else at the same time; 11 s when it does nothing else. */
const boot_ms_max = 240_000;
const migration_poll_ms = 20;
const STATE = "state";

/** What every scenario runs is read once, so that the snapshot has it in its page cache. */
const WARM_UP = `
lvm version; vgs; lvs; pvs; sanlock --version; sanlock client status; wdmd -h; lvmlockd -h; lvmlockctl -h
corosync -v; corosync-quorumtool -s; dlm_controld -h; dlm_tool status; sg_persist --version; dmsetup ls; lsblk
modprobe -a dlm configfs softdog; rmmod softdog; blockdev --flushbufs /dev/vdb
udevadm settle; sync; echo 1 >/proc/sys/vm/compact_memory; true`;

async function save(guest: Guest, path: string): Promise<void> {
  await guest.qmp.execute("stop");
  await guest.qmp.execute("migrate-set-parameters", { "max-bandwidth": 2 ** 32 });
  await guest.qmp.execute("migrate", { uri: `exec:cat >'${path}'` });
  for (;;) {
    const { status } = (await guest.qmp.execute("query-migrate")) as { readonly status?: string };
    if (status === "completed") return;
    if (status === "failed" || status === "cancelled")
      throw new Error(`The snapshot was not written: ${status}`);
    await Bun.sleep(migration_poll_ms);
  }
}

async function make(machine: Machine, directory: string): Promise<void> {
  const scratch = makeScratch();
  const network = await openNetwork(scratch.file("network"));
  try {
    const product_disk = scratch.file("product");
    makeDiskFile(product_disk, PRODUCT_DISK_MB);
    const place = { directory: scratch.path, name: "base", id: 99, network_path: network.path, product_disk };
    const guest = await startGuest(machine, place, null);
    try {
      const { rc, stderr } = await guest.agent.run(WARM_UP, boot_ms_max);
      if (rc !== 0)
        throw new Error(
          `The guest does not boot (${rc}): ${stderr}${await Bun.file(guest.console_path).text()}`,
        );
      await save(guest, join(directory, STATE));
    } finally {
      await guest.kill();
    }
  } finally {
    network.close();
    scratch.remove();
  }
}

let qemu_version: Promise<string> | null = null;

/** What `-incoming` takes. */
export async function findSnapshot(machine: Machine): Promise<string> {
  qemu_version ??= run(["qemu-system-x86_64", "--version"]);
  const parts = [
    await qemu_version,
    machine.image,
    String(PRODUCT_DISK_MB),
    readFileSync(import.meta.path),
    ...machineArguments(machine),
  ];
  const directory = await cached({
    kind: "snapshot",
    key: keyOf(parts),
    make: (unfinished) => make(machine, unfinished),
  });
  return `exec:cat '${join(directory, STATE)}'`;
}

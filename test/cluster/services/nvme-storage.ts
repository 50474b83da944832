/** A host that is an NVMe array: Linux's own NVMe target over TCP, whose namespaces have reservations from Linux 6.13 on. */
import type { Cluster } from "../lab/cluster.ts";
import type { Host } from "../lab/host.ts";

const SUBSYSTEM = "nqn.2026-01.lab:storage";
const PORT = 4420;
const connect_ms_max = 60_000;

export interface NvmeStorage {
  readonly host: Host;
  /**
   * Connects a host, as an NVMe host of its own, and gives the path of the first namespace. Connected again it has one more
   * controller, as through a second cable, to the same namespace.
   */
  connect(host: Host): Promise<string>;
  /** Adds a namespace whose reservations are not enabled, and gives its path, which is the same on all hosts that are connected. */
  addPlainNamespace(hosts: readonly Host[]): Promise<string>;
  disconnect(host: Host): Promise<void>;
}

function namespaceScript(
  number: number,
  { size_mb, reservations }: { size_mb: number; reservations: boolean },
): string {
  return `S=/sys/kernel/config/nvmet/subsystems/${SUBSYSTEM}; N=$S/namespaces/${number}; L=/dev/loop${number}
mkdir $N; truncate -s ${size_mb}M /tmp/namespace${number}; losetup $L /tmp/namespace${number}
echo -n $L >$N/device_path; echo ${reservations ? 1 : 0} >$N/resv_enable; echo 1 >$N/enable`;
}

function startScript(address: string, size_mb: number): string {
  return `set -e
modprobe -a nvmet nvmet-tcp
C=/sys/kernel/config/nvmet; S=$C/subsystems/${SUBSYSTEM}
mkdir $S; echo 1 >$S/attr_allow_any_host
${namespaceScript(1, { size_mb, reservations: true })}
mkdir $C/ports/1; echo -n ipv4 >$C/ports/1/addr_adrfam; echo -n tcp >$C/ports/1/addr_trtype
echo -n ${address} >$C/ports/1/addr_traddr; echo -n ${PORT} >$C/ports/1/addr_trsvcid
ln -s $S $C/ports/1/subsystems/`;
}

/** Starts the array as one more host of the cluster; its image must have a kernel of 6.13 or later. */
export async function startNvmeStorage(
  lab: Cluster,
  { size_mb = 64 }: { size_mb?: number } = {},
): Promise<NvmeStorage> {
  const storage = await lab.addHost({ name: "storage", disks: [], image: "forky" });
  await storage.must(`modprobe loop; ${startScript(storage.address, size_mb)}`);
  return {
    host: storage,
    connect: async (host) => {
      // A host's identity: QEMU clones have the same system uuid, which nvme-cli would make it from.
      const id = `00000000-0000-4000-8000-00000000000${host.id}`;
      const { stdout } = await host.must(
        `modprobe nvme-tcp
nvme connect -t tcp -a ${storage.address} -s ${PORT} -n ${SUBSYSTEM} -I ${id} -q nqn.2014-08.org.nvmexpress:uuid:${id} -D
for i in {1..100}; do ls /dev/nvme*n1 && exit 0; sleep 0.1; done 2>/dev/null; exit 1`,
        { timeout_ms: connect_ms_max },
      );
      return stdout.trim().split("\n").at(-1) ?? "";
    },
    addPlainNamespace: async (hosts) => {
      await storage.must(`set -e; ${namespaceScript(2, { size_mb, reservations: false })}`);
      // Hosts number namespaces in the order in which they find them.
      const find = "ls /dev/nvme*n2";
      const found = await Promise.all(hosts.map((host) => host.until(find, { timeout_ms: connect_ms_max })));
      return found[0]?.stdout.trim() ?? "";
    },
    disconnect: async (host) => void (await host.must(`nvme disconnect -n ${SUBSYSTEM}`)),
  };
}

/** A host that is a storage array: Linux's own SCSI target (LIO) over iSCSI, with every persistent reservation command. */
import { createServer } from "node:net";
import type { Cluster } from "../lab/cluster.ts";
import type { CustomDisk } from "../lab/disks.ts";
import type { Host } from "../lab/host.ts";

const TARGET = "iqn.2026-01.lab:storage";
const GUEST_PORT = 3260;
/** Tells the interface to the outside from the cluster's; which of them is eth0 depends on the machine's buses. */
const OUTSIDE_MAC = "52:54:00:88:00:01";
const megabyte_bytes = 1024 * 1024;

/** A disk of the array, as `lab.plug` takes it. Each host that it is plugged into is an initiator of its own. */
export interface Storage {
  readonly host: Host;
  /** The LUN's disk. With `path` the host has a further, separate nexus to it, as a second cable would make. */
  disk(lun: number, options?: { readonly path?: number }): CustomDisk;
  /** Ends the target: every nexus is lost and nothing answers any more. */
  stop(): Promise<void>;
  /** Starts it again, as after a loss of power: with the registrations that were made to persist, and without the others. */
  start(): Promise<void>;
}

/** A port that nobody listens on just now. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("There is no free port");
  return address.port;
}

type Luns = Required<Pick<StorageOptions, "luns" | "size_mb" | "block_bytes" | "write_cache">>;

function startScript({ luns, size_mb, block_bytes, write_cache }: Luns): string {
  const cache = write_cache ? ",fd_buffered_io=1" : "";
  return `set -e
for I in eth0 eth1; do
  ip link show $I 2>/dev/null | grep -q ${OUTSIDE_MAC} || continue
  ip addr flush dev $I; ip addr add 10.0.2.15/24 dev $I; ip link set $I up
done
modprobe -a target_core_mod target_core_file iscsi_target_mod
C=/sys/kernel/config/target; mkdir -p /var/target/pr /var/target/alua /etc/target $C/iscsi
T=$C/iscsi/${TARGET}/tpgt_1; mkdir -p $T
for ((n = 0; n < ${luns}; n++)); do
  [ -e /tmp/lun$n ] || truncate -s ${size_mb}M /tmp/lun$n
  D=$C/core/fileio_0/lun$n; mkdir -p $D
  echo fd_dev_name=/tmp/lun$n,fd_dev_size=${size_mb * megabyte_bytes}${cache} >$D/control
  echo LAB-LIO-$n >$D/wwn/vpd_unit_serial
  echo 1 >$D/enable
  blocks=(${block_bytes.join(" ")}); echo \${blocks[n]:-512} >$D/attrib/block_size
  # The kernel writes registrations that persist into this file; giving them back to it is left to whoever starts the target.
  P=/var/target/pr/aptpl_LAB-LIO-$n
  if [ -e $P ]; then
    awk '/^PR_REG_START/ {line = ""; next} /^PR_REG_END/ {print line; next} {line = line (line == "" ? "" : ",") $0}' $P |
      while read -r registration; do echo -n "$registration" >$D/pr/res_aptpl_metadata; done
  fi
  mkdir $T/lun/lun_$n; ln -s $D $T/lun/lun_$n/lun$n
done
mkdir $T/np/0.0.0.0:${GUEST_PORT}
for a in authentication=0 generate_node_acls=1 demo_mode_write_protect=0 cache_dynamic_acls=1; do
  echo \${a#*=} >$T/attrib/\${a%=*}
done
echo 1 >$T/enable`;
}

const STOP_SCRIPT = `
C=/sys/kernel/config/target; T=$C/iscsi/${TARGET}/tpgt_1
echo 0 >$T/enable
rmdir $T/np/*; rm -f $T/lun/*/lun*; rmdir $T/lun/*; rmdir $T; rmdir $C/iscsi/${TARGET}; rmdir $C/core/fileio_0/*; true`;

export interface StorageOptions {
  readonly luns?: number;
  readonly size_mb?: number;
  /** The logical blocks of each LUN; those that are not named have 512 bytes. */
  readonly block_bytes?: readonly (512 | 4096)[];
  /** The LUNs have a write cache, and with it take the FUA and DPO bits. */
  readonly write_cache?: boolean;
  /**
   * `qemu`: the hosts' emulated SCSI controllers are the initiators, and a LUN is a disk that `lab.plug` takes. `guests`: the hosts
   * log in by themselves over the cluster's network, where connections can be cut; `disk` is not for these.
   */
  readonly reached_by?: "qemu" | "guests";
  /** What is written to the disks stays in the storage's memory, and at most half of that is for them. */
  readonly memory_mb?: number;
}

/** The array's name, for hosts that log in by themselves. */
export const STORAGE_TARGET = TARGET;

/** Starts the array as one more host of the cluster. It sees none of the cluster's disks. */
export async function startStorage(lab: Cluster, options: StorageOptions = {}): Promise<Storage> {
  const { luns = 1, size_mb = 64, block_bytes = [], write_cache = false } = options;
  const { reached_by = "qemu", memory_mb } = options;
  const port = await freePort();
  const outside = {
    devices: ["-device", `virtio-net-pci,netdev=out,mac=${OUTSIDE_MAC},romfile=`],
    backends: ["-netdev", `user,id=out,restrict=on,hostfwd=tcp:127.0.0.1:${port}-:${GUEST_PORT}`],
  };
  const host = await lab.addHost({
    name: "storage",
    disks: [],
    ...(memory_mb === undefined ? {} : { memory_mb }),
    ...(reached_by === "qemu" ? outside : {}),
  });
  const start = async (): Promise<void> =>
    void (await host.must(startScript({ luns, size_mb, block_bytes, write_cache })));
  await start();
  return {
    host,
    start,
    stop: async () => void (await host.must(STOP_SCRIPT)),
    disk: (lun, { path = 0 } = {}) => ({
      kind: "custom",
      protocol: (host_id) => ({
        driver: "iscsi",
        transport: "tcp",
        portal: `127.0.0.1:${port}`,
        target: TARGET,
        lun,
        "initiator-name": `iqn.2026-01.lab:host${host_id}${path === 0 ? "" : `-path${path}`}`,
      }),
      device: { driver: "scsi-block" },
    }),
  };
}

const TRACING = "/sys/kernel/tracing";
const COMPARE_AND_WRITE = "0x89";

/** From now on the array's kernel notes each COMPARE AND WRITE that it carries out. */
export async function noteCompareAndWrites({ host }: Storage): Promise<void> {
  await host.must(`mountpoint -q ${TRACING} || mount -t tracefs tracefs ${TRACING}
cd ${TRACING}/events/target/target_sequencer_start && echo 'opcode == ${COMPARE_AND_WRITE}' >filter && echo 1 >enable`);
}

/** How many came since then: from one of the hosts, for one LUN. */
export async function compareAndWrites({ host }: Storage, from: Host, lun: number): Promise<number> {
  const line = `:host${from.id} -> LUN 0*${lun} `;
  const { stdout } = await host.must(`grep -c '${line}' ${TRACING}/trace || true`);
  return Number(stdout);
}

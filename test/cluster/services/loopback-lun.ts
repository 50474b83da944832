/** A SCSI disk with persistent reservations inside one host: Linux's own target, reached by its loopback instead of a network. */
import type { Host } from "../lab/host.ts";

const [PORT, INITIATOR] = ["naa.5001405000000001", "naa.5001405000000002"];
const megabyte_bytes = 1024 * 1024;

/** Makes the disk and gives its path. No other host sees it. */
export async function startLoopbackLun(
  host: Host,
  { size_mb = 16 }: { size_mb?: number } = {},
): Promise<string> {
  const { stdout } = await host.must(`set -e
modprobe -a target_core_mod target_core_file tcm_loop
mkdir -p /var/target/pr /var/target/alua /etc/target; truncate -s ${size_mb}M /tmp/lun
C=/sys/kernel/config/target; D=$C/core/fileio_0/lun; T=$C/loopback/${PORT}/tpgt_1
mkdir -p $D $T
echo fd_dev_name=/tmp/lun,fd_dev_size=${size_mb * megabyte_bytes} >$D/control; echo 1 >$D/enable
echo ${INITIATOR} >$T/nexus
mkdir $T/lun/lun_0; ln -s $D $T/lun/lun_0/lun
for i in {1..100}; do ls /sys/class/scsi_disk/*/device/block && exit 0; sleep 0.1; done 2>/dev/null; exit 1`);
  return `/dev/${stdout.trim()}`;
}

/** What turns a clone of the snapshot into a host of its own. */
import type { ImageKind } from "../image/kinds.ts";
import { LVM_CONFIG_DEFAULTS, type LvmConfig, mergeLvmConfig, printLvmConfig } from "./lvm-config.ts";
import { macAddress } from "./qemu.ts";

/** Whose lvmlockd the host has under /usr/sbin. The C programs are in /opt/c where ours have their place. */
export type Daemon = "ours" | "c";

export interface HostSpec {
  readonly image?: ImageKind;
  readonly memory_mb?: number;
  readonly cpus?: number;
  readonly daemon?: Daemon;
  /** Over LVM_CONFIG_DEFAULTS, setting by setting. */
  readonly lvm_conf?: LvmConfig;
  /** Over `local { host_id }`. */
  readonly lvmlocal_conf?: (host_id: number) => LvmConfig;
  /** Further QEMU arguments: see Machine in qemu.ts. */
  readonly devices?: readonly string[];
  readonly backends?: readonly string[];
}

export const networkAddress = (id: number): string => `10.77.0.${id}`;

/** Names in /etc/hosts, whether these hosts are there or not. */
const HOSTS_NAMED = 9;

/** By its links, as a package would have it. */
const INSTALL_OURS = `
blockdev --flushbufs /dev/vdb && mount -r -t ext4 /dev/vdb /opt/lvmlockd || exit
for program in lvmlockd lvmlockctl; do mv /usr/sbin/$program /opt/c/ || exit; done
for program in lvmlockd lvmlockctl lvmpersist; do ln -sf /opt/lvmlockd/$program /usr/sbin/$program || exit; done`;

function namesOf(id: number, name: string): string {
  const peers = Array.from(
    { length: HOSTS_NAMED },
    (_, index) => `${networkAddress(index + 1)} host${index + 1}`,
  );
  return ["127.0.0.1 localhost", ...peers, `${networkAddress(id)} ${name}`].join("\n");
}

export function identityScript(id: number, name: string, spec: HostSpec): string {
  const lvmlocal = mergeLvmConfig({ local: { host_id: id } }, spec.lvmlocal_conf?.(id) ?? {});
  return `
echo ${name} >/proc/sys/kernel/hostname
date -s @${(Date.now() / 1000).toFixed(3)} >/dev/null
printf '%032x\\n' ${0xabc000 + id} >/etc/machine-id
ip link set eth0 down && ip link set eth0 address ${macAddress(id)} up && ip addr flush dev eth0 || exit
ip addr add ${networkAddress(id)}/24 dev eth0
mkdir -p /etc/lvm /opt/c /opt/lvmlockd
cat >/etc/hosts <<'END'
${namesOf(id, name)}
END
cat >/etc/lvm/lvm.conf <<'END'
${printLvmConfig(mergeLvmConfig(LVM_CONFIG_DEFAULTS, spec.lvm_conf ?? {}))}END
cat >/etc/lvm/lvmlocal.conf <<'END'
${printLvmConfig(lvmlocal)}END
${(spec.daemon ?? "ours") === "ours" ? INSTALL_OURS : ""}
true`;
}

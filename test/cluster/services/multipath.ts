/** Hosts that log in to the storage array by themselves, over two connections, and put multipathd on top. */
import type { Host } from "../lab/host.ts";
import { STORAGE_TARGET } from "./lio.ts";

/** The second network of array and hosts; the first is the cluster's own. */
const SECOND = (id: number): string => `10.78.0.${id}`;
const login_ms_max = 60_000;
const settle_ms_max = 60_000;

/** Gives the array its second address: the end of every second path. */
export async function openSecondPath(storage: Host): Promise<void> {
  await storage.must(`ip addr add ${SECOND(storage.id)}/24 dev eth0`);
}

/** Takes it away: connections over it break, and nothing answers there. */
export async function breakSecondPath(storage: Host): Promise<void> {
  await storage.must(`ip addr del ${SECOND(storage.id)}/24 dev eth0`);
}

/** Starts the initiator. */
export async function startInitiator(host: Host): Promise<void> {
  await host.must(`ip addr add ${SECOND(host.id)}/24 dev eth0
mkdir -p /etc/iscsi /run/lock/iscsi; echo InitiatorName=iqn.2026-01.lab:${host.name} >/etc/iscsi/initiatorname.iscsi
modprobe -a iscsi_tcp dm-multipath dm-service-time scsi_dh_alua
setsid iscsid -f </dev/null >/var/log/iscsid.log 2>&1 &
for i in {1..50}; do iscsiadm -m session >/dev/null 2>&1; [ $? = 21 ] && exit 0; sleep 0.1; done; exit 1`);
}

interface LossTimes {
  /** Without an answer to a ping for so long the connection counts as lost. */
  readonly ping_s: number;
  /** Lost for so long, the path fails what is under way. */
  readonly replacement_s: number;
}

/**
 * A scenario waits for the second path to be lost. The first one stays, and must not be lost because a host that shares its
 * processor with others stood still for some seconds.
 */
const LOSS: { readonly [path in 1 | 2]: LossTimes } = {
  1: { ping_s: 10, replacement_s: 20 },
  2: { ping_s: 2, replacement_s: 3 },
};

/** From now on also the first path fails soon when it is lost. */
export async function failSoon(host: Host): Promise<void> {
  await host.must("for t in /sys/class/iscsi_session/*/recovery_tmo; do echo 3 >$t; done");
}

/** Logs in over the first or the second network. Each login is an I_T nexus of its own. */
export async function logIn(host: Host, storage: Host, path: 1 | 2): Promise<void> {
  const portal = path === 1 ? storage.address : SECOND(storage.id);
  const node = `iscsiadm -m node -T ${STORAGE_TARGET} -p ${portal}`;
  const { ping_s, replacement_s } = LOSS[path];
  await host.must(
    `${node} -o new
${node} -o update -n node.session.timeo.replacement_timeout -v ${replacement_s}
${node} -o update -n 'node.conn[0].timeo.noop_out_interval' -v 1
${node} -o update -n 'node.conn[0].timeo.noop_out_timeout' -v ${ping_s}
${node} --login && udevadm settle`,
    { timeout_ms: login_ms_max },
  );
}

export async function logOut(host: Host, storage: Host, path: 1 | 2): Promise<void> {
  const portal = path === 1 ? storage.address : SECOND(storage.id);
  await host.must(`iscsiadm -m node -T ${STORAGE_TARGET} -p ${portal} --logout`, {
    timeout_ms: login_ms_max,
  });
}

/** multipath.conf with this line about reservation keys, or without one. */
export async function configureMultipath(host: Host, reservation_key: string | null): Promise<void> {
  await host.write(
    "/etc/multipath.conf",
    `defaults {
  find_multipaths no
  user_friendly_names yes
  polling_interval 1
  max_polling_interval 1
  path_checker tur
  ${reservation_key === null ? "" : `reservation_key ${reservation_key}`}
}
overrides {
  no_path_retry fail
}
`,
  );
}

/** Starts multipathd and waits for the map, whose path it returns. */
export async function startMultipathd(host: Host): Promise<string> {
  await host.must("setsid multipathd -d -s </dev/null >/var/log/multipathd.log 2>&1 &");
  await host.until("test -b /dev/mapper/mpatha", { timeout_ms: settle_ms_max });
  return "/dev/mapper/mpatha";
}

/** Waits until so many paths of the map work. */
export async function awaitPaths(host: Host, count: number): Promise<void> {
  await host.until(`[ $(multipathd show paths raw format %t:%T | grep -c ^active:ready) = ${count} ]`, {
    timeout_ms: settle_ms_max,
    every_ms: 1000,
  });
}

/** corosync and dlm_controld in the guests: a real cluster with quorum, whose name can be changed. */
import type { Cluster } from "../lab/cluster.ts";
import type { Host } from "../lab/host.ts";
import { startLvmlockd } from "./lvmlockd.ts";

export interface DlmOptions {
  readonly cluster_name?: string;
  /**
   * How long a silent node counts as alive. corosync's own default is 1 s plus 650 ms for each node beyond the second; emulated hosts
   * are silent for seconds while others work.
   */
  readonly token_ms?: number;
  /**
   * knet is corosync's own default, and what clusters have. Its threads hand every packet to each other, so that it takes twice the
   * processor under emulation: a start of two hosts 17 s, with udpu 6 s. Scenarios in which the network is not the point use that.
   */
  readonly transport?: "knet" | "udpu";
  /** A node that fails has to be fenced before its locks are given to others. Nothing fences it here but `dlm_tool fence_ack`. */
  readonly fencing?: boolean;
}

export const CLUSTER_NAME = "lab";
const token_ms_default = 8000;
const ready_ms_max = 150_000;

function corosyncConfig(
  hosts: readonly Host[],
  { cluster_name = CLUSTER_NAME, token_ms, transport = "udpu" }: DlmOptions,
): string {
  const nodes = hosts.map(
    ({ id, name, address }) =>
      `  node {\n    nodeid: ${id}\n    name: ${name}\n    ring0_addr: ${address}\n  }\n`,
  );
  // Two nodes: the one that is left goes on, as in every cluster of two. With more, the majority does.
  const two = hosts.length === 2 ? "  two_node: 1\n  wait_for_all: 0\n" : "";
  return `totem {
  version: 2
  cluster_name: ${cluster_name}
  transport: ${transport}
${transport === "knet" ? "  crypto_cipher: none\n  crypto_hash: none\n" : ""}  token: ${token_ms ?? token_ms_default}
}
nodelist {
${nodes.join("")}}
quorum {
  provider: corosync_votequorum
${two}}
logging {
  to_syslog: no
  to_logfile: yes
  logfile: /var/log/corosync.log
}
`;
}

/**
 * Nobody can fence an emulated host from inside, so fencing is off unless it is the point: a node that has gone counts as fenced at
 * once. What the dlm does about quorum does not depend on it.
 */
function dlmConfig({ fencing = false }: DlmOptions): string {
  return `enable_fencing=${fencing ? 1 : 0}\nlog_debug=1\n`;
}

async function startCorosync(host: Host, config: string, options: DlmOptions): Promise<void> {
  await host.must("mkdir -p /etc/corosync /etc/dlm /var/lib/corosync /var/log/corosync");
  await host.write("/etc/corosync/corosync.conf", config);
  await host.write("/etc/dlm/dlm.conf", dlmConfig(options));
  await host.must("modprobe dlm && corosync");
}

/** Starts corosync and dlm_controld on the hosts and waits until all of them have found each other. */
export async function startDlm(hosts: readonly Host[], options: DlmOptions = {}): Promise<void> {
  await startCorosyncOnAll(hosts, options);
  await Promise.all(hosts.map(startControld));
}

/** Starts corosync alone, and waits until the hosts have found each other. */
export async function startCorosyncOnAll(hosts: readonly Host[], options: DlmOptions = {}): Promise<void> {
  const config = corosyncConfig(hosts, options);
  await Promise.all(hosts.map((host) => startCorosync(host, config, options)));
  await Promise.all(hosts.map((host) => waitForNodes(host, hosts.length)));
}

/** Starts corosync and dlm_controld on a host that has come back, with the configuration of `hosts`. */
export async function rejoinDlm(host: Host, hosts: readonly Host[], options: DlmOptions = {}): Promise<void> {
  await startCorosync(host, corosyncConfig(hosts, options), options);
  await waitForNodes(host, hosts.length);
  await startControld(host);
}

async function waitForNodes(host: Host, nodes: number): Promise<void> {
  await host.until(`corosync-quorumtool -s 2>/dev/null | grep -q '^Nodes: *${nodes}$'`, {
    timeout_ms: ready_ms_max,
  });
}

/** Starts dlm_controld where corosync runs. */
export async function startControld(host: Host): Promise<void> {
  await host.must("dlm_controld");
  await host.until("dlm_tool status | grep -q 'quorate 1'", { timeout_ms: ready_ms_max });
  await host.until("test -s /sys/kernel/config/dlm/cluster/cluster_name", { timeout_ms: ready_ms_max });
}

/** Ends dlm_controld and corosync, which needs all lockspaces left before. */
export async function stopDlm(host: Host): Promise<void> {
  // dlm_controld has a helper process of the same name, which is younger and ends with it.
  await host.must(
    "for name in dlm_controld corosync; do kill -TERM $(pgrep -o -x $name); while pgrep -x $name >/dev/null; do sleep 0.1; done; done",
    { timeout_ms: ready_ms_max },
  );
}

/** Waits until a host sees this many nodes in its half of the cluster. */
export async function untilNodes(host: Host, nodes: number): Promise<void> {
  await waitForNodes(host, nodes);
}

/** corosync, dlm_controld and lvmlockd on all hosts. */
export async function startDlmDaemons(lab: Cluster, options: DlmOptions = {}): Promise<void> {
  await startDlm(lab.hosts, options);
  await Promise.all(lab.hosts.map((host) => startLvmlockd(host, { arguments: "" })));
}

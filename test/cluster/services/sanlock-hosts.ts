/** Hosts with sanlock and lvmlockd on them, as most scenarios want them. */
import type { Cluster } from "../lab/cluster.ts";
import type { Host } from "../lab/host.ts";
import { type LvmlockdOptions, startLvmlockd } from "./lvmlockd.ts";
import { type SanlockOptions, startSanlock } from "./sanlock.ts";

export interface DaemonOptions {
  readonly sanlock?: SanlockOptions;
  readonly lvmlockd?: LvmlockdOptions;
}

export async function startDaemons(host: Host, options: DaemonOptions = {}): Promise<void> {
  await startSanlock(host, options.sanlock);
  await startLvmlockd(host, options.lvmlockd);
}

export async function startDaemonsOnAll(lab: Cluster, options: DaemonOptions = {}): Promise<void> {
  await Promise.all(lab.hosts.map((host) => startDaemons(host, options)));
}

/** sanlock shows a host as gone only when its lease has been quiet for a while, so this is tried again. */
const others_stopped_ms_max = 30_000;

/** Removes a VG that the other hosts have stopped. */
export async function removeVg(host: Host, vg: string): Promise<void> {
  await host.until(`vgremove -q -ff -y ${vg}`, { timeout_ms: others_stopped_ms_max });
}

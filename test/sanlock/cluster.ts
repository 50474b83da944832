/** Some hosts, each with its own sanlock daemon, that share lease files in memory. */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type HostOptions, startHost, type TestHost } from "./host.ts";
import { IO_TIMEOUT_S, type SanlockDaemon, type SanlockOptions, startSanlock } from "./sanlock-daemon.ts";

export const MIB = 1024 * 1024;
/** The name of the lock LV, which vgcreate sends to init_vg. */
export const LOCK_LV = "lvmlock";
/** Room for the GL and the VG lock and for this many LVs. */
const LVS = 64;

export interface Cluster {
  readonly directory: string;
  readonly sanlock: readonly SanlockDaemon[];
  readonly hosts: TestHost[];
  /** Makes the file that stands for the VG's lock LV and gives its path. */
  makeLeaseFile(vg_name: string, lvs?: number): string;
  leaseFile(vg_name: string): string;
  /** Puts the leases of a VG that is made later on a device. */
  useDevice(vg_name: string, device_path: string): void;
  /** Kills a host process and starts another one in its place, as a daemon that crashed and was started again. */
  restartHost(index: number): Promise<TestHost>;
  /** The same for sanlock. */
  restartSanlock(index: number): Promise<void>;
  /** The lines that sanlock's kill path was called with. */
  killCalls(): Promise<string[]>;
  close(): Promise<void>;
}

const SHARED_MEMORY = "/dev/shm";

export interface ClusterOptions {
  /** More settings of the plugin. */
  readonly settings?: object;
  /** sanlock's I/O timeout for these hosts. */
  readonly io_timeout_s?: number;
  /** Another module than the plugin itself, by its absolute path. */
  readonly plugin?: string;
  /** False for sanlock daemons alone. */
  readonly hosts?: boolean;
  readonly sanlock?: SanlockOptions;
}

export async function startCluster(
  host_count: number,
  cluster_options: ClusterOptions = {},
): Promise<Cluster> {
  const directory = mkdtempSync(join(SHARED_MEMORY, "lockd-sanlock-"));
  const kill_script = join(directory, "killpath");
  const kill_file = join(directory, "killed");
  writeFileSync(kill_script, `#!/bin/sh\necho "$@" >> ${kill_file}\n`);
  chmodSync(kill_script, 0o755);
  const options: HostOptions = {
    settings: {
      lease_path_template: join(directory, "{vg}-{lv}"),
      info_directory: directory,
      ...cluster_options.settings,
    },
    io_timeout_s: cluster_options.io_timeout_s ?? IO_TIMEOUT_S,
    lvmlockctl_path: kill_script,
    plugin: cluster_options.plugin ?? "sanlock",
  };
  const numbers = Array.from({ length: host_count }, (_, index) => index);
  const sanlock: SanlockDaemon[] = [];
  for (const index of numbers)
    sanlock.push(await startSanlock(directory, `host${index + 1}`, cluster_options.sanlock));
  const at = (index: number): SanlockDaemon => {
    const daemon = sanlock[index];
    if (daemon === undefined) throw new RangeError(`there is no host ${index}`);
    return daemon;
  };
  const wanted = cluster_options.hosts === false ? [] : numbers;
  const hosts = await Promise.all(wanted.map((index) => startHost(at(index), options)));
  const leaseFile = (vg_name: string): string =>
    join(directory, `${vg_name.replaceAll("-", "--")}-${LOCK_LV}`);
  return {
    directory,
    sanlock,
    hosts,
    leaseFile,
    makeLeaseFile(vg_name, lvs = LVS) {
      const path = leaseFile(vg_name);
      if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) return path;
      writeFileSync(path, "");
      truncateSync(path, (67 + lvs) * MIB);
      return path;
    },
    useDevice: (vg_name, device_path) => symlinkSync(device_path, leaseFile(vg_name)),
    async restartHost(index) {
      await hosts[index]?.kill();
      const host = await startHost(at(index), options);
      hosts[index] = host;
      return host;
    },
    async restartSanlock(index) {
      await at(index).kill();
      rmSync(join(directory, `host${index + 1}`), { recursive: true });
      sanlock[index] = await startSanlock(directory, `host${index + 1}`, cluster_options.sanlock);
    },
    async killCalls() {
      return existsSync(kill_file) ? (await Bun.file(kill_file).text()).trim().split("\n") : [];
    },
    async close() {
      await Promise.all(hosts.map((host) => host.kill()));
      await Promise.all(sanlock.map((daemon) => daemon.kill()));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

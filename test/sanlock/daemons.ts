/** Whole hosts: each a sanlock daemon and an lvmlockd that serves its clients with it. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Connection, connectAndGreet } from "../rig/connection.ts";
import { type DaemonSetup, type RunningDaemon, startDaemon } from "../rig/daemon.ts";
import { parseReply, type ReplyFields, resultOf } from "../rig/replies.ts";
import { encodeRequest } from "../rig/requests.ts";
import { type Cluster, type ClusterOptions, startCluster } from "./cluster.ts";
import { IO_TIMEOUT_S } from "./sanlock-daemon.ts";

/** A client of one lvmlockd, with the requests that lvm sends. */
export interface Client {
  ask(request: string, keys?: Readonly<Record<string, string | number>>): Promise<ReplyFields>;
  /** op_result of the same. */
  result(request: string, keys?: Readonly<Record<string, string | number>>): Promise<number>;
  close(): void;
}

export interface Daemons {
  readonly cluster: Cluster;
  readonly daemons: RunningDaemon[];
  client(host: number): Promise<Client>;
  /** Kills an lvmlockd without a goodbye and starts another one over the same files. */
  restart(host: number): Promise<void>;
  close(): Promise<void>;
}

/** Starts hosts 1, 2, ... */
export async function startDaemons(
  host_count: number,
  options: Pick<ClusterOptions, "sanlock"> & Pick<DaemonSetup, "program" | "socket_path"> = {},
): Promise<Daemons> {
  const cluster = await startCluster(host_count, {
    hosts: false,
    ...(options.sanlock === undefined ? {} : { sanlock: options.sanlock }),
  });
  const config_dir = join(cluster.directory, "etc");
  mkdirSync(config_dir);
  const template = join(cluster.directory, "{vg}-{lv}");
  writeFileSync(
    join(config_dir, "lvmlockd.conf"),
    `daemon { lock_manager = "sanlock" }\nsanlock { lease_path_template = "${template}" }\n`,
  );
  const start = (host: number): Promise<RunningDaemon> => {
    const directory = join(cluster.directory, `lvmlockd${host}`);
    mkdirSync(directory, { recursive: true });
    return startDaemon({
      flavour: "ours",
      options: ["--config-dir", config_dir, "-i", String(host + 1), "-o", String(IO_TIMEOUT_S)],
      socket_path: options.socket_path ?? join(directory, "socket"),
      pid_file: join(directory, "pid"),
      env: { ...cluster.sanlock[host]?.env },
      ...(options.program === undefined ? {} : { program: options.program }),
    });
  };
  const daemons = await Promise.all(Array.from({ length: host_count }, (_, host) => start(host)));
  const at = (host: number): RunningDaemon => {
    const daemon = daemons[host];
    if (daemon === undefined) throw new RangeError(`there is no host ${host}`);
    return daemon;
  };
  return {
    cluster,
    daemons,
    client: async (host) => clientOf(await connectAndGreet(at(host).socket_path)),
    async restart(host) {
      await at(host).destroy();
      daemons[host] = await start(host);
    },
    async close() {
      await Promise.all(daemons.map((daemon) => daemon.destroy()));
      await cluster.close();
    },
  };
}

/** The requests of lvm over a connection. */
export function clientOf(connection: Connection): Client {
  const ask = async (
    request: string,
    keys: Readonly<Record<string, string | number>> = {},
  ): Promise<ReplyFields> => {
    const sent = encodeRequest({ request, keys: { cmd: "test", pid: process.pid, opts: "none", ...keys } });
    return parseReply(await connection.ask(sent));
  };
  return {
    ask,
    result: async (request, keys) => resultOf(await ask(request, keys)),
    close: () => connection.close(),
  };
}

/** Makes a VG on the first of these hosts, as vgcreate does, and starts it on all of them at once. */
export async function createVg(daemons: Daemons, vg_name: string, hosts: readonly number[]): Promise<void> {
  await initVg(daemons, vg_name, hosts);
  await Promise.all(hosts.map((host) => startVg(daemons, host, vg_name)));
}

/** Makes a VG, with room for `lvs` LVs, without starting it. */
export async function initVg(
  daemons: Daemons,
  vg_name: string,
  hosts: readonly number[],
  lvs?: number,
): Promise<void> {
  daemons.cluster.makeLeaseFile(vg_name, lvs);
  const maker = await daemons.client(hosts[0] ?? 0);
  const made = await maker.ask("init_vg", {
    vg_name,
    vg_lock_type: "sanlock",
    vg_lock_args: "lvmlock",
    set_lock_args: "none",
    align_mb: 0,
  });
  if (resultOf(made) !== 0) throw new Error(`init_vg: ${[...made].join(" ")}`);
  maker.close();
}

/** Starts a VG on a host and waits until it is started. */
export async function startVg(daemons: Daemons, host: number, vg_name: string): Promise<void> {
  const client = await daemons.client(host);
  await startThrough(client, host, vg_name);
  client.close();
}

/** The same for any client, also one of the C daemon. */
export async function startThrough(client: Client, host: number, vg_name: string): Promise<void> {
  for (const [request, keys] of [
    [
      "start_vg",
      {
        vg_name,
        vg_lock_type: "sanlock",
        vg_lock_args: "1.0.0:lvmlock",
        vg_uuid: "u",
        version: 1,
        host_id: host + 1,
      },
    ],
    ["start_wait", {}],
  ] as const) {
    const answer = await client.ask(request, keys);
    if (resultOf(answer) !== 0) throw new Error(`${request}: ${[...answer].join(" ")}`);
  }
}

/** Whole hosts: each a sanlock daemon and an lvmlockd that serves its clients with it. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { wireResult } from "../../core/errors.ts";
import { type Connection, connectAndGreet } from "../rig/connection.ts";
import { type DaemonSetup, type RunningDaemon, startDaemon } from "../rig/daemon.ts";
import { parseReply, type ReplyFields, resultOf } from "../rig/replies.ts";
import { encodeRequest } from "../rig/requests.ts";
import { type Cluster, type ClusterOptions, startCluster } from "./cluster.ts";
import { behindDevices, type FakeLv } from "./fake-devices.ts";
import { IO_TIMEOUT_S } from "./sanlock-daemon.ts";

/** What a VG has without options. */
const VG_LOCK_ARGS = "1.0.0:lvmlock";

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
  /** `deadline_ms` for one that is to wait longer than the rig's deadline for a reply. */
  client(host: number, deadline_ms?: number): Promise<Client>;
  /** kill -9 of an lvmlockd; `restart` starts the next one. */
  kill(host: number): Promise<void>;
  /** Kills an lvmlockd without a goodbye, when it still runs, and starts another one over the same files. */
  restart(host: number): Promise<void>;
  close(): Promise<void>;
}

export interface DaemonsOptions
  extends Pick<ClusterOptions, "sanlock">,
    Pick<DaemonSetup, "program" | "socket_path"> {
  /**
   * The LVs that are active as lvmlockd sees it. Without them it sees no device-mapper at all and takes over every lock that an
   * earlier one held: the tests' LVs are in no device-mapper, also where the machine has one.
   */
  readonly active_lvs?: readonly FakeLv[];
  /** False for hosts whose configuration has no host_id. */
  readonly host_ids?: boolean;
  /** True for an lvmlockd whose VGs of lock type dlm are served by the embedded lock manager, which never waits. */
  readonly local_as_dlm?: boolean;
  /** What sanlock is to take the sectors of plain files for. */
  readonly sector_size?: 512 | 4096;
}

const LVMLOCKD = [process.execPath, "run", join(import.meta.dir, "../../cli/main.ts"), "lvmlockd"];

/** Starts hosts 1, 2, ... */
export async function startDaemons(host_count: number, options: DaemonsOptions = {}): Promise<Daemons> {
  const cluster = await startCluster(host_count, {
    hosts: false,
    ...(options.sanlock === undefined ? {} : { sanlock: options.sanlock }),
  });
  const config_dir = join(cluster.directory, "etc");
  mkdirSync(config_dir);
  const template = join(cluster.directory, "{vg}-{lv}");
  writeFileSync(
    join(config_dir, "lvmlockd.conf"),
    `${options.local_as_dlm ? 'lock_managers { dlm = "local" }' : 'daemon { lock_manager = "sanlock" }'}
sanlock {
  lease_path_template = "${template}"
  lease_file_sector_size = ${options.sector_size ?? 512}
}
`,
  );
  const start = (host: number): Promise<RunningDaemon> => {
    const directory = join(cluster.directory, `lvmlockd${host}`);
    mkdirSync(directory, { recursive: true });
    const host_id = options.host_ids === false ? [] : ["-i", String(host + 1)];
    return startDaemon({
      flavour: "ours",
      options: ["--config-dir", config_dir, ...host_id, "-o", String(IO_TIMEOUT_S)],
      socket_path: options.socket_path ?? join(directory, "socket"),
      pid_file: join(directory, "pid"),
      env: { ...cluster.sanlock[host]?.env },
      program: behindDevices(options.program ?? LVMLOCKD, options.active_lvs ?? null),
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
    client: async (host, deadline_ms) => clientOf(await connectAndGreet(at(host).socket_path), deadline_ms),
    kill: (host) => at(host).destroy(),
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
export function clientOf(connection: Connection, deadline_ms?: number): Client {
  const ask = async (
    request: string,
    keys: Readonly<Record<string, string | number>> = {},
  ): Promise<ReplyFields> => {
    const sent = encodeRequest({ request, keys: { cmd: "test", pid: process.pid, opts: "none", ...keys } });
    connection.send(sent);
    return parseReply(await connection.reply(deadline_ms));
  };
  return {
    ask,
    result: async (request, keys) => resultOf(await ask(request, keys)),
    close: () => connection.close(),
  };
}

export interface Pair {
  readonly daemons: Daemons;
  readonly first: Client;
  readonly second: Client;
}

/** Two hosts, with a client of each, that have VG vg0 started. */
export async function startPair(): Promise<Pair> {
  const daemons = await startDaemons(2);
  await createVg(daemons, "vg0", [0, 1]);
  return { daemons, first: await daemons.client(0), second: await daemons.client(1) };
}

/** The keys that name a VG and its lock manager. */
export const vgKeys = (vg_name: string, vg_lock_args = VG_LOCK_ARGS) => ({
  vg_name,
  vg_lock_type: "sanlock",
  vg_lock_args,
});

/** An LV's keys and the lock mode that is asked for, as for the activation of an LV. */
export const lvLock = (vg_name: string, name: string, mode: string, lv_lock_args: string) => ({
  ...vgKeys(vg_name),
  mode,
  lv_name: name,
  lv_uuid: `uuid-${name}`,
  lv_lock_args,
  opts: "persistent",
});

/** Makes an LV's lease, as lvcreate does, and gives its lock args. */
export async function newLv(client: Client, vg_name: string, name: string): Promise<string> {
  const keys = vgKeys(vg_name);
  await must(client, "find_free_lock", { ...keys, lv_size_bytes: 0 });
  const lv = { lv_name: name, lv_uuid: `uuid-${name}`, prev_lv_args: "none" };
  return String((await must(client, "init_lv", { ...keys, ...lv })).get("lv_lock_args"));
}

/** Asks again until another host that has left is not counted any more, which sanlock does for up to two I/O timeouts. */
export async function untilAlone(ask: () => Promise<number>): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const result = await ask();
    if (result !== wireResult("EBUSY")) return result;
    await Bun.sleep(300);
  }
  return wireResult("EBUSY");
}

/** The reply to a request that has to be good. */
export async function must(
  client: Client,
  request: string,
  keys: Readonly<Record<string, string | number>> = {},
): Promise<ReplyFields> {
  const answer = await client.ask(request, keys);
  if (resultOf(answer) !== 0) throw new Error(`${request}: ${[...answer].join(" ")}`);
  return answer;
}

/** Makes a VG on the first of these hosts, as vgcreate does, and starts it on all of them at once. */
export async function createVg(
  daemons: Daemons,
  vg_name: string,
  hosts: readonly number[],
  vg_uuid?: string,
): Promise<void> {
  await initVg(daemons, vg_name, hosts);
  await Promise.all(hosts.map((host) => startVg(daemons, host, vg_name, undefined, vg_uuid)));
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
  await must(maker, "init_vg", { ...vgKeys(vg_name, "lvmlock"), set_lock_args: "none", align_mb: 0 });
  maker.close();
}

/** Starts a VG on a host and waits until it is started. */
export async function startVg(
  daemons: Daemons,
  host: number,
  vg_name: string,
  vg_lock_args?: string,
  vg_uuid?: string,
): Promise<void> {
  const client = await daemons.client(host);
  await startThrough(client, host, vg_name, vg_lock_args, vg_uuid);
  client.close();
}

/** The same for any client, also one of the C daemon. */
export async function startThrough(
  client: Client,
  host: number,
  vg_name: string,
  vg_lock_args?: string,
  vg_uuid = "u",
): Promise<void> {
  await must(client, "start_vg", {
    ...vgKeys(vg_name, vg_lock_args),
    vg_uuid,
    version: 1,
    host_id: host + 1,
  });
  await must(client, "start_wait");
}

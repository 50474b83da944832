/** The working parts of the daemon wired to each other: lock managers, core, drain loop, clients, and the requests of the shell itself. */
import { createPluginHost, type PluginHost } from "../../plugins/host/host.ts";
import { wireResult } from "../errors.ts";
import type { Locking } from "../locking/api.ts";
import { createLocking } from "../locking/locking.ts";
import { createReplyEncoder } from "../wire/encode.ts";
import { OP_NUMBER, type Reply, type Request } from "../wire/message.ts";
import { deviceStates } from "./active-lvs.ts";
import { afterCommands } from "./after-commands.ts";
import { type Clients, createClients } from "./clients.ts";
import type { DaemonConfig } from "./config.ts";
import type { Connection } from "./connection.ts";
import type { Surroundings } from "./daemon.ts";
import { type Adopted, createEffects, type Effects, type EffectsOptions } from "./effects.ts";
import { globalLockPlace } from "./info/json.ts";
import type { DaemonRow } from "./info/report.ts";
import { createInfoRequests } from "./info/requests.ts";
import type { Journal } from "./journal/file.ts";
import { firstReservedFd } from "./open-files.ts";
import type { Reservations } from "./reservations/reservations.ts";

/** What the daemon as a whole is told. */
export interface ShellEvents {
  adopted(effect: Adopted): void;
  quit(): void;
  stay(vg_names: readonly string[]): void;
}

export interface Shell {
  readonly managers: PluginHost;
  readonly locking: Locking;
  readonly effects: Effects;
  readonly clients: Clients;
  /** For reports: how far adoption is. */
  setAdoption(adoption: DaemonRow["adoption"]): void;
}

const HELLO: Reply = Object.freeze({ shape: "hello", result: 0 });

/** Loads the lock managers and wires everything up. Nothing happens before a socket listens or an event is handed in. */
export async function createShell(
  config: DaemonConfig,
  surroundings: Surroundings,
  journal: Journal,
  events: ShellEvents,
): Promise<Shell> {
  const { log, now_ms } = surroundings;
  const managers = await loadManagers(config, surroundings, (lockspace_name, reason) =>
    effects.handle({ kind: "lockspace-lost", lockspace_name, reason }),
  );
  const locking = createLocking({
    managers: managers.managers,
    gl_type: config.gl_type,
    host_id: config.host_id,
    test_mode: config.test_mode,
    wait_limit_ms: config.wait_limit_ms,
    seed: crypto.getRandomValues(new Uint32Array(1))[0] ?? 1,
    debug: log.isDebugging(),
  });
  const reply = (client_id: number, answer: Reply): void => clients.reply(client_id, answer);
  const reservations = reservationWork(surroundings);
  const lookAtDevices: EffectsOptions["deviceStates"] = (vg_uuid, lv_uuids) =>
    deviceStates(vg_uuid, lv_uuids, surroundings.sys);
  const asked = afterCommands({
    managers,
    place: { directory: config.lvm_lock_directory, proc_locks: "/proc/locks" },
    isConnected: (pid) => clients.connections.values().some((connection) => connection.pid === pid),
    log,
    keepsWaiting: (vg_name, text) => effects.handle({ kind: "adoption-waits", vg_name, text }),
  });
  const work = { locking, managers: asked, reservations, journal, deviceStates: lookAtDevices };
  const effects = createEffects({ ...work, log, now_ms, reply, ...events });
  let served = 0;
  let adoption: DaemonRow["adoption"] = config.adopt ? "running" : "off";
  const started_ms = now_ms();

  function daemonRow(): DaemonRow {
    return {
      pid: process.pid,
      version: surroundings.version,
      socket_path: config.socket_path,
      uptime_s: Math.round((now_ms() - started_ms) / 1000),
      test_mode: config.test_mode,
      ...globalLockPlace(locking.lockspaces(), config.gl_type),
      adoption,
    };
  }

  async function reload(client_id: number): Promise<void> {
    const result = (await surroundings.reload()) ? 0 : wireResult("EINVAL");
    reply(client_id, { shape: "short", op: OP_NUMBER.reload, result });
  }

  /** What the core need not know of is answered here, everything else there. */
  function request(connection: Connection, received: Request): void {
    const { client_id } = connection;
    served++;
    if (received.name === "hello") reply(client_id, HELLO);
    else if (received.name === "reload") void reload(client_id);
    else if (!info.handle(connection, received))
      effects.handle({ kind: "request", client_id, request: received });
  }

  const clients = createClients({
    events: {
      opened: (client_id, pid) => effects.handle({ kind: "client-opened", client_id, pid }),
      request,
      closed(client_id, delivered) {
        if (!delivered) effects.handle({ kind: "undelivered", client_id });
        effects.handle({ kind: "client-closed", client_id });
      },
    },
    encode: createReplyEncoder({ dialect: config.dialect }),
    log,
    now_ms,
    admission: {
      own_uid: surroundings.own_uid,
      first_reserved_fd: firstReservedFd(surroundings.open_files_limit),
    },
    defect: surroundings.defect,
  });
  const info = createInfoRequests({
    locking,
    connections: clients.connections,
    log,
    dialect: config.dialect,
    now_ms,
    served: () => served,
    daemonRow,
    reply,
  });
  return {
    managers,
    locking,
    effects,
    clients,
    setAdoption(state) {
      adoption = state;
    },
  };
}

/** Loaded when it is first wanted: most hosts have no VG that needs it, and the first client waits for what is loaded at the start. */
function reservationWork({ lvmpersist, key_directory, log }: Surroundings): EffectsOptions["reservations"] {
  let made: Promise<Reservations> | null = null;
  const make = async (): Promise<Reservations> => {
    const [{ createReservations }, { lvmpersistRunner }] = await Promise.all([
      import("./reservations/reservations.ts"),
      import("./reservations/lvmpersist.ts"),
    ]);
    return createReservations({ run: lvmpersistRunner(lvmpersist), key_directory, log });
  };
  return (ask, later) => {
    made ??= make();
    void made.then((reservations) => reservations.ask(ask, later));
  };
}

async function loadManagers(
  config: DaemonConfig,
  { log, lvmlockctl_path }: Surroundings,
  lost: (lockspace_name: string, reason: string) => void,
): Promise<PluginHost> {
  const managers = await createPluginHost({
    lock_managers: config.lock_managers,
    config_directory: config.config_directory,
    test_mode: config.test_mode,
    io_timeout_s: config.io_timeout_s,
    lvmlockctl_path,
    settings: config.manager_settings,
    log: log.write,
    news(lock_type, news) {
      if (news.kind === "lockspace-lost") lost(news.lockspace_name, news.reason);
      else log.info(`${lock_type}:${news.lockspace_name}: ${news.text}`);
    },
  });
  for (const { lock_type, detail } of managers.problems)
    log.warning(`VGs of lock type ${lock_type} can't be used: ${detail}`);
  return managers;
}

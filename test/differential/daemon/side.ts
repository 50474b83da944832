import { type Connection, connect, connectAndGreet } from "../../rig/connection.ts";
import type { RunningDaemon } from "../../rig/daemon.ts";
import { openDumpSocket } from "../../rig/dump-socket.ts";
import { parseReply, type ReplyFields, resultOf } from "../../rig/replies.ts";
import { encodeRequest, HELLO, type RequestSpec, vgRequest } from "../../rig/requests.ts";
import type { SharedType } from "./generate.ts";

/** One of the two daemons under comparison with the clients of the sequence that is being run. */
export interface Side {
  readonly daemon: RunningDaemon;
  /** Sends and, unless the request may wait for another client, stays until the reply is there to be taken. */
  ask(client: number, bytes: string, mayWait: boolean): Promise<void>;
  /** Sends, expecting nothing. */
  send(client: number, bytes: string): Promise<void>;
  close(client: number): void;
  /** Closes the clients that wait for nothing. */
  closeAnswered(): void;
  /** How many clients are connected. */
  clients(): number;
  /** True when a reply is there to be taken. */
  answered(client: number): boolean;
  /** The next reply of a client that nobody has taken. */
  take(client: number): ReplyFields | undefined;
  /**
   * Returns when the daemon has worked off all that was sent to it before: a client that has no reply then is kept waiting.
   * `rounds` above 1 are for work that makes more work, such as a grant to a client that is gone.
   */
  settle(vg_names: readonly string[], rounds: number): Promise<void>;
  /** Waits until none of the VGs is starting or stopping any more. */
  steady(vg_names: readonly string[]): Promise<void>;
  /** The info text, as lvmlockctl gets it. One side at a time: there is one socket for it on a machine. */
  info(): Promise<string>;
  /** A request of the harness itself, from a client that holds nothing. */
  order(spec: RequestSpec): Promise<ReplyFields>;
}

/** Replies take some 50 us; after this long the settling below finds out for certain whether there will be one. */
const PATIENCE_MS = 2;

/** A lockspace of the C daemon's test mode starts in 3 s (sanlock); longer means that it never will. */
const STEADY_DEADLINE_MS = 15_000;

const ESTALE = -116;
const ESTARTING = -211;

/**
 * Hello round trips of a connection younger than all others after which the C daemon has read and noticed everything from
 * the older ones: one for the poll round that may have begun too early, one that sees them, one behind that in the queue.
 */
const HELLOS = 3;

/** The C daemon's lockspace of the global lock under dlm is "lvm_global", which a VG named "global" addresses. */
const GLOBAL = "global";

export async function openSide(daemon: RunningDaemon, lock_type: SharedType): Promise<Side> {
  const clients = new Map<number, Connection>();
  const arrived = new Map<number, string[]>();
  const waiting = new Set<number>();
  const harness = await connectAndGreet(daemon.socket_path);
  let probe: Connection | null = null;

  /** Clients get in line behind older ones, so the probe must be the youngest. */
  const retireProbe = (): void => {
    probe?.close();
    probe = null;
  };
  const connectionOf = async (client: number): Promise<Connection> => {
    const known = clients.get(client);
    if (known !== undefined) return known;
    retireProbe();
    const connection = await connect(daemon.socket_path);
    clients.set(client, connection);
    return connection;
  };
  const keep = (client: number, reply: string | undefined): void => {
    if (reply === undefined) return;
    arrived.set(client, [...(arrived.get(client) ?? []), reply]);
    waiting.delete(client);
  };
  const collect = (): void => {
    for (const [client, connection] of clients)
      for (let reply = connection.take(); reply !== undefined; reply = connection.take()) keep(client, reply);
  };
  const close = (client: number): void => {
    clients.get(client)?.close();
    clients.delete(client);
    arrived.delete(client);
    waiting.delete(client);
  };
  const order = async (spec: RequestSpec): Promise<ReplyFields> =>
    parseReply(await harness.ask(encodeRequest(spec)));

  const untilSteady = async (vg_name: string): Promise<void> => {
    const deadline = Date.now() + STEADY_DEADLINE_MS;
    for (;;) {
      const result = resultOf(await order(vgRequest("query_lock_vg", vg_name)));
      if (result !== ESTALE && result !== ESTARTING) return;
      if (Date.now() > deadline) throw new Error(`VG ${vg_name} is neither started nor stopped: ${result}`);
      await Bun.sleep(1);
    }
  };

  const settleOnce = async (vg_names: readonly string[]): Promise<void> => {
    probe ??= await connectAndGreet(daemon.socket_path);
    for (let count = 0; count < HELLOS; count++) await probe.ask(HELLO);
    // The C daemon's worker thread looks for the global lock of sanlock; its queue is first come, first served.
    if (lock_type === "sanlock") await order({ request: "running_lm", keys: { pid: process.pid } });
    // The first query may be answered in the middle of a batch of the lockspace's thread, the second only after it.
    for (const vg_name of [...vg_names, GLOBAL]) {
      await untilSteady(vg_name);
      await order(vgRequest("query_lock_vg", vg_name));
    }
    // Replies on other connections were written before the last one above; the event loop must still hand them over.
    for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
    collect();
  };

  return {
    daemon,
    ask: async (client, bytes, mayWait) => {
      const connection = await connectionOf(client);
      connection.send(bytes);
      waiting.add(client);
      keep(client, mayWait ? await connection.replyWithin(PATIENCE_MS) : await connection.reply());
    },
    send: async (client, bytes) => (await connectionOf(client)).send(bytes),
    close,
    closeAnswered: () => {
      for (const client of [...clients.keys()].filter((client) => !waiting.has(client))) close(client);
    },
    clients: () => clients.size,
    answered: (client) => (arrived.get(client)?.length ?? 0) > 0,
    take: (client) => {
      const reply = arrived.get(client)?.shift();
      return reply === undefined ? undefined : parseReply(reply);
    },
    settle: async (vg_names, rounds) => {
      for (let round = 0; round < rounds; round++) await settleOnce(vg_names);
    },
    steady: async (vg_names) => {
      for (const vg_name of [...vg_names, GLOBAL]) await untilSteady(vg_name);
    },
    order,
    info: async () => {
      const socket = await openDumpSocket();
      try {
        const reply = parseReply(await harness.ask(encodeRequest({ request: "info", keys: {} }, "simple")));
        return await socket.text(Number(reply.get("dump_len")));
      } finally {
        socket.close();
      }
    },
  };
}

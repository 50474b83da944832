import type { ManagerAnswer } from "../../../core/locking/api.ts";
import type { LockManager, LockspaceHandle, LockspaceIdentity } from "../../../plugins/contract.ts";
import {
  type AskRemote,
  nextKey,
  type RemoteLockspace,
  remoteHandle,
  remoteManager,
} from "../../rig/remote-manager.ts";
import { GREETING, MEMBER_PORT, type MemberAnswer, type MemberAsk } from "./messages.ts";

/** A member on another host, as the suite sees it. */
export interface RemoteMember {
  readonly ask: AskRemote;
  readonly manager: LockManager;
  /** Leaves the lockspaces that were joined through this connection, and has the member forget them. */
  leaveAll(): Promise<void>;
  /** Kills the member's process and closes the connection. */
  kill(): Promise<void>;
  close(): void;
}

/** Connects to a member, as soon as it is there. */
export async function connectMember(address: string): Promise<RemoteMember> {
  const waiting = new Map<number, (answer: ManagerAnswer) => void>();
  const { socket, closed } = await connectSoon(address, (line) => {
    const { id, answer } = JSON.parse(line) as MemberAnswer;
    waiting.get(id)?.(answer);
    waiting.delete(id);
  });
  let last_id = 0;
  const send = (ask: MemberAsk): void => {
    socket.write(`${JSON.stringify(ask)}\n`);
  };
  const ask: AskRemote = (method, args, lockspace) => {
    const id = ++last_id;
    const { promise, resolve } = Promise.withResolvers<ManagerAnswer>();
    waiting.set(id, resolve);
    send({ id, method, args, lockspace });
    return promise;
  };
  const opened: { readonly lockspace: RemoteLockspace; readonly handle: LockspaceHandle }[] = [];
  const manager = remoteManager(ask, { manager_methods: ["refreshLv"] });
  const openLockspace = (identity: LockspaceIdentity): LockspaceHandle => {
    const lockspace = { key: nextKey(), identity };
    const handle = remoteHandle(ask, lockspace);
    opened.push({ lockspace, handle });
    return handle;
  };
  return {
    ask,
    manager: { ...manager, openLockspace },
    async leaveAll() {
      for (const { lockspace, handle } of opened) {
        await handle.leave({ free_vg: false });
        // Else the next test would find this one's worker taken, and start another, as no daemon does.
        send({ id: 0, method: "forget", args: {}, lockspace });
      }
    },
    async kill() {
      send({ id: 0, method: "die", args: {}, lockspace: null });
      await closed;
    },
    close: () => socket.end(),
  };
}

const connect_again_ms = 100;

interface Connection {
  readonly socket: Bun.Socket<undefined>;
  readonly closed: Promise<void>;
}

async function connectSoon(address: string, take: (line: string) => void): Promise<Connection> {
  for (;;) {
    const connection = await tryToConnect(address, take);
    if (connection !== null) return connection;
    // It is starting, or ending.
    await Bun.sleep(connect_again_ms);
  }
}

/** Null for a member that is not there, or that went before it greeted. */
async function tryToConnect(address: string, take: (line: string) => void): Promise<Connection | null> {
  const { promise: closed, resolve: close } = Promise.withResolvers<void>();
  const { promise: greeted, resolve: greet } = Promise.withResolvers<boolean>();
  let rest = "";
  const handler: Bun.SocketHandler<undefined> = {
    data(_socket, chunk) {
      const lines = (rest + chunk.toString()).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (line === GREETING) greet(true);
        else take(line);
      }
    },
    close() {
      close();
      greet(false);
    },
  };
  try {
    const socket = await Bun.connect({ hostname: address, port: MEMBER_PORT, socket: handler });
    return (await greeted) ? { socket, closed } : null;
  } catch {
    return null;
  }
}

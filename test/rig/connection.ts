import { HELLO, TERMINATOR } from "./requests.ts";

/** The daemon closed the connection while a reply was awaited. */
export class ConnectionClosed extends Error {
  override name = "ConnectionClosed";
}

/** One client of a daemon, byte for byte: nothing is sent or understood on its own. */
export interface Connection {
  send(bytes: string): void;
  /** Replies that have arrived and were not taken yet. */
  waiting(): number;
  /** The next reply with its terminator cut off, when it is already here. */
  take(): string | undefined;
  /** The next reply; fails when the connection ends first, or (last resort) after the deadline. */
  reply(deadline_ms?: number): Promise<string>;
  /** The next reply, or undefined when none came within `patience_ms`: the daemon may be keeping the client waiting. */
  replyWithin(patience_ms: number): Promise<string | undefined>;
  /** Send, and wait for the reply. */
  ask(bytes: string): Promise<string>;
  /** True as soon as the daemon has ended the connection. */
  ended(): boolean;
  close(): void;
}

/** Far beyond the C daemon's slowest answer (a sanlock start in test mode takes it one second): only a hang gets here. */
export const REPLY_DEADLINE_MS = 20_000;

interface Awaiting {
  readonly resolve: (reply: string) => void;
  readonly reject: (error: Error) => void;
}

/** The rest of what could not be written at once. */
function makeWriter() {
  let rest: Uint8Array = new Uint8Array();
  const drain = (socket: Bun.Socket): void => {
    while (rest.length > 0) {
      const written = socket.write(rest);
      if (written <= 0) return;
      rest = rest.subarray(written);
    }
  };
  return {
    drain,
    write: (socket: Bun.Socket, bytes: string): void => {
      rest = Buffer.concat([rest, Buffer.from(bytes, "latin1")]);
      drain(socket);
    },
  };
}

/** Connects to the socket at `path`; fails when nobody listens there. */
export async function connect(path: string): Promise<Connection> {
  const replies: string[] = [];
  const writer = makeWriter();
  let received = "";
  let over = false;
  let awaiting: Awaiting | null = null;

  const deliver = (): void => {
    const reply = awaiting === null ? undefined : replies.shift();
    if (awaiting === null || reply === undefined) return;
    awaiting.resolve(reply);
    awaiting = null;
  };
  const receive = (text: string): void => {
    received += text;
    for (let end = received.indexOf(TERMINATOR); end !== -1; end = received.indexOf(TERMINATOR)) {
      replies.push(received.slice(0, end));
      received = received.slice(end + TERMINATOR.length);
    }
    deliver();
  };
  const finish = (): void => {
    over = true;
    awaiting?.reject(new ConnectionClosed(`the daemon closed a connection to ${path}`));
    awaiting = null;
  };

  const socket = await Bun.connect({
    unix: path,
    socket: {
      binaryType: "buffer",
      data: (_socket, chunk) => receive(chunk.toString("latin1")),
      drain: writer.drain,
      close: finish,
      end: finish,
      error: finish,
    },
  });

  /** Waits until a reply is here; after `patience_ms` it gives `late` to the caller. */
  const awaitReply = <T>(patience_ms: number, late: () => T): Promise<string | T> => {
    const here = replies.shift();
    if (here !== undefined) return Promise.resolve(here);
    if (over) return Promise.reject(new ConnectionClosed(`the daemon closed a connection to ${path}`));
    if (awaiting !== null) return Promise.reject(new Error("two waits for one reply"));
    const { promise, resolve, reject } = Promise.withResolvers<string | T>();
    const timer = setTimeout(() => {
      awaiting = null;
      try {
        resolve(late());
      } catch (error) {
        reject(error);
      }
    }, patience_ms);
    awaiting = { resolve, reject };
    return promise.finally(() => clearTimeout(timer));
  };
  const reply = (deadline_ms = REPLY_DEADLINE_MS): Promise<string> =>
    awaitReply(deadline_ms, (): string => {
      throw new Error(`no reply within ${deadline_ms} ms on ${path}`);
    });
  const send = (bytes: string): void => writer.write(socket, bytes);
  return {
    send,
    reply,
    replyWithin: (patience_ms) => awaitReply(patience_ms, () => undefined),
    waiting: () => replies.length,
    take: () => replies.shift(),
    ask: (bytes) => {
      send(bytes);
      return reply();
    },
    ended: () => over,
    close: () => {
      over = true;
      // `end` would wait for unsent bytes; a client that dies does not.
      socket.terminate();
    },
  };
}

/** Connects and says hello, as every lvm command does. */
export async function connectAndGreet(path: string): Promise<Connection> {
  const connection = await connect(path);
  await connection.ask(HELLO);
  return connection;
}

/** lvmlockctl's end of the socket: one request, one reply, in order. */
import { DEADLINES } from "../../core/deadlines.ts";
import { ERRORS, EXIT } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { decodeReply, encodeRequest, type RequestKeys } from "../../core/wire/client-codec.ts";
import { createFrameAssembler } from "../../core/wire/frame.ts";

/** The keys of a reply; a key that is missing or of the other type is null. */
export interface DaemonReply {
  number(key: string): number | null;
  text(key: string): string | null;
}

/** A failure of the conversation itself: a sentence for a person, and the exit status that fits it. */
export interface TalkFailure {
  readonly kind: "failed";
  readonly message: string;
  readonly exit_status: number;
}

export type Answer = { readonly kind: "reply"; readonly reply: DaemonReply } | TalkFailure;

export interface DaemonConnection {
  /** Sends a request without waiting. */
  send(name: string, keys: RequestKeys): void;
  /** The next reply; null when there was none in time, and it may still come. A null deadline waits as long as it takes. */
  next(deadline_ms: number | null): Promise<Answer | null>;
  /** Sends a request and waits for its reply; a missed deadline is a failure. */
  ask(name: string, keys: RequestKeys, deadline_ms: number | null): Promise<Answer>;
  close(): void;
}

export type ConnectAnswer =
  | { readonly kind: "connected"; readonly connection: DaemonConnection }
  | TalkFailure;

/** Connects and says hello; anything that is not a lvmlockd of protocol version 1 is refused. */
export async function connectDaemon(socket_path: string): Promise<ConnectAnswer> {
  const opened = await openSocket(socket_path);
  if (opened.kind === "failed") return opened;
  const { connection } = opened;
  const hello = await connection.ask("hello", {}, DEADLINES.ctl_hello_ms);
  if (hello.kind === "failed") {
    connection.close();
    return hello;
  }
  const protocol = hello.reply.text("protocol");
  const version = hello.reply.number("version");
  if (protocol === "lvmlockd" && version === 1) return opened;
  connection.close();
  const found = `${protocol ?? "an unknown protocol"} version ${version ?? "?"}`;
  return failure(
    `${socket_path} speaks ${found}, not lvmlockd version 1. Is it the socket of another program?`,
    EXIT.unsupported,
  );
}

export function failure(message: string, exit_status: number): TalkFailure {
  return { kind: "failed", message, exit_status };
}

async function openSocket(socket_path: string): Promise<ConnectAnswer> {
  const inbox = createInbox();
  try {
    const socket = await Bun.connect({
      unix: socket_path,
      socket: {
        binaryType: "buffer",
        data: (_socket, chunk) => inbox.receive(chunk),
        end: () => inbox.end(),
        close: () => inbox.end(),
        error: () => inbox.end(),
      },
    });
    const send = (name: string, keys: RequestKeys): void => {
      // A request is some hundred bytes and the socket's buffer is empty: it goes out in one piece.
      socket.write(encodeRequest(name, keys, { spelling: name === "hello" ? "simple" : "lvm" }));
    };
    const next = (deadline_ms: number | null): Promise<Answer | null> => inbox.next(deadline_ms);
    const ask = async (name: string, keys: RequestKeys, deadline_ms: number | null): Promise<Answer> => {
      send(name, keys);
      return (await next(deadline_ms)) ?? noAnswer(name, deadline_ms ?? 0);
    };
    return { kind: "connected", connection: { send, next, ask, close: () => socket.end() } };
  } catch (error) {
    return connectFailure(socket_path, error);
  }
}

function noAnswer(request: string, deadline_ms: number): TalkFailure {
  return failure(
    `lvmlockd did not answer "${request}" within ${deadline_ms / 1000} s. It may be stuck, or of lvm2 and too old to know ` +
      "the request; look at its log (journalctl -u lvmlockd).",
    EXIT.not_running,
  );
}

function connectFailure(socket_path: string, error: unknown): TalkFailure {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "ENOENT" || code === "ECONNREFUSED" || code === "ENOTDIR") {
    const cause = code === "ECONNREFUSED" ? "nobody listens on" : "there is no socket";
    return failure(
      `lvmlockd does not run: ${cause} ${socket_path}. ${ERRORS.ELOCKD.remedy} Another socket is named with --socket.`,
      EXIT.not_running,
    );
  }
  if (code === "EACCES" || code === "EPERM") {
    return failure(
      `${socket_path} may only be used by its owner, mostly root. Run it as root.`,
      EXIT.failure,
    );
  }
  const reason = error instanceof Error ? error.message : String(error);
  return failure(`can't connect to ${socket_path}: ${reason}`, EXIT.not_running);
}

/** Replies as they come in, and the one caller that waits for the next. */
interface Inbox {
  receive(chunk: Buffer): void;
  end(): void;
  next(deadline_ms: number | null): Promise<Answer | null>;
}

const replyLimits = {
  request_size_bytes: LIMITS.ctl_reply_size_bytes,
  idle_frame_buffer_size_bytes: LIMITS.idle_frame_buffer_size_bytes,
};

function createInbox(): Inbox {
  const answers: Answer[] = [];
  let isOver = false;
  let wake: (() => void) | null = null;
  const frames = createFrameAssembler(
    (bytes, start, end) => answers.push(readReply(bytes, start, end)),
    replyLimits,
  );
  const end = (): void => {
    isOver = true;
    wake?.();
  };
  const receive = (chunk: Buffer): void => {
    if (isOver || frames.push(chunk) === "ok") {
      wake?.();
      return;
    }
    answers.push(failure("lvmlockd sent a reply without end", EXIT.failure));
    end();
  };
  const next = async (deadline_ms: number | null): Promise<Answer | null> => {
    if (answers.length === 0 && !isOver) {
      await new Promise<void>((resolve) => {
        const timer = deadline_ms === null ? null : setTimeout(resolve, deadline_ms);
        wake = () => {
          if (answers.length === 0 && !isOver) return;
          if (timer !== null) clearTimeout(timer);
          resolve();
        };
      });
      wake = null;
    }
    const gone = isOver
      ? failure("lvmlockd closed the connection without an answer", EXIT.not_running)
      : null;
    return answers.shift() ?? gone;
  };
  return { receive, end, next };
}

function readReply(bytes: Buffer, start: number, end: number): Answer {
  const decoded = decodeReply(bytes, start, end);
  if (!decoded.ok)
    return failure(`lvmlockd sent a reply that can't be read: ${decoded.detail}`, EXIT.failure);
  const { keys } = decoded;
  const reply: DaemonReply = {
    number: (key) => {
      const value = keys.get(key);
      return typeof value === "number" ? value : null;
    },
    text: (key) => {
      const value = keys.get(key);
      return typeof value === "string" ? value : null;
    },
  };
  return { kind: "reply", reply };
}

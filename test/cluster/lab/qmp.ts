/** QEMU's machine protocol: JSON lines over a unix socket, one answer per command, events in between. */
import { connect, type Socket } from "node:net";

/** Commands answer in milliseconds; a QEMU that does not within this is stopped (SIGSTOP) or gone. */
const answer_ms_max = 30_000;

export interface Qmp {
  /** Runs one command; fails with QEMU's own description. */
  execute(command: string, args?: object): Promise<unknown>;
  /** Resolves when the event arrives; only one that arrives after the call counts. */
  event(name: string, timeout_ms: number): Promise<void>;
  close(): void;
}

interface Answer {
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
  readonly event?: string;
}

/** Connects once the socket is there; `alive` says whether it still may come. */
export async function connectWhenThere(path: string, alive: () => boolean): Promise<Socket> {
  for (;;) {
    const socket = await new Promise<Socket | null>((resolve) => {
      const attempt = connect(path);
      attempt.once("connect", () => resolve(attempt));
      attempt.once("error", () => resolve(null));
    });
    if (socket !== null) return socket;
    if (!alive()) throw new Error(`QEMU ended before its socket ${path} was there`);
    await Bun.sleep(5);
  }
}

/** Hands out whole lines. */
export function onLines(socket: Socket, take: (line: string) => void): void {
  let rest = "";
  socket.setEncoding("utf8");
  socket.on("data", (chunk) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) take(line);
  });
}

export async function openQmp(path: string, alive: () => boolean): Promise<Qmp> {
  const socket = await connectWhenThere(path, alive);
  const answers: ((answer: Answer) => void)[] = [];
  const listeners = new Set<(event: string) => void>();
  onLines(socket, (line) => {
    const answer = JSON.parse(line) as Answer;
    if (answer.event !== undefined) for (const listener of listeners) listener(answer.event);
    else if ("return" in answer || "error" in answer) answers.shift()?.(answer);
  });
  socket.on("error", () => undefined);
  socket.on("close", () => {
    for (const answer of answers.splice(0)) answer({ error: { desc: "QEMU has ended" } });
  });

  const execute = async (command: string, args: object = {}): Promise<unknown> => {
    const { promise, resolve } = Promise.withResolvers<Answer>();
    answers.push(resolve);
    const late = setTimeout(() => resolve({ error: { desc: "no answer" } }), answer_ms_max);
    if (socket.destroyed) resolve({ error: { desc: "QEMU has ended" } });
    else socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    const answer = await promise;
    clearTimeout(late);
    if (answer.error !== undefined)
      throw new Error(`QMP ${command} ${JSON.stringify(args)}: ${answer.error.desc}`);
    return answer.return;
  };

  const event = async (name: string, timeout_ms: number): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const listener = (arrived: string): void => {
      if (arrived === name) resolve();
    };
    listeners.add(listener);
    const late = setTimeout(() => reject(new Error(`QMP event ${name} did not come`)), timeout_ms);
    try {
      await promise;
    } finally {
      clearTimeout(late);
      listeners.delete(listener);
    }
  };

  await execute("qmp_capabilities");
  return { execute, event, close: () => socket.destroy() };
}

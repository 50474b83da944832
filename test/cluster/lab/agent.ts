/**
 * The channel to the agent in a guest (image/guest/agent.pl): scripts go in, results come out, any number at the same time.
 *
 *   host to guest:  "<id> <timeout_ms> <bytes>\n" and the script
 *   guest to host:  "<id> <status> <elapsed_us> <bytes of stdout> <bytes of stderr>\n" and both
 */
import type { Socket } from "node:net";
import { connectWhenThere } from "./qmp.ts";

/** What a script did. `rc` is 124 when it was ended for its time, and 255 when the host went away underneath it. */
export interface Result {
  readonly rc: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Measured in the guest, without the way there and back. */
  readonly elapsed_ms: number;
}

export interface Agent {
  run(script: string, timeout_ms: number): Promise<Result>;
  close(): void;
}

/** The agent itself ends a script at its timeout; when even that does not answer, the guest hangs. */
const agent_margin_ms = 15_000;

interface Header {
  readonly id: string;
  readonly rc: number;
  readonly elapsed_ms: number;
  readonly stdout_bytes: number;
  readonly stderr_bytes: number;
}

function parseHeader(line: string): Header {
  const [id = "", rc, elapsed_us, stdout_bytes, stderr_bytes] = line.split(" ");
  return {
    id,
    rc: Number(rc),
    elapsed_ms: Number(elapsed_us) / 1000,
    stdout_bytes: Number(stdout_bytes),
    stderr_bytes: Number(stderr_bytes),
  };
}

/** Cuts the stream into answers. */
function answerReader(
  take: (header: Header, stdout: string, stderr: string) => void,
): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      const end = rest.indexOf(10);
      if (end < 0) return;
      const header = parseHeader(rest.toString("latin1", 0, end));
      const stderr_at = end + 1 + header.stdout_bytes;
      const next = stderr_at + header.stderr_bytes;
      if (rest.length < next) return;
      take(header, rest.toString("utf8", end + 1, stderr_at), rest.toString("utf8", stderr_at, next));
      rest = rest.subarray(next);
    }
  };
}

const gone: Result = { rc: 255, stdout: "", stderr: "the host went away", elapsed_ms: 0 };

export async function openAgent(path: string, alive: () => boolean): Promise<Agent> {
  const socket: Socket = await connectWhenThere(path, alive);
  const waiting = new Map<string, (result: Result) => void>();
  // A snapshot can have the guest's agent in it that is just about to remove what belonged to the first command of that life. Clones
  // whose first command had the same id lost their script to it (seen: status 127, and nothing said).
  const life = crypto.randomUUID().slice(0, 8);
  let count = 0;
  const read = answerReader((header, stdout, stderr) => {
    waiting.get(header.id)?.({ rc: header.rc, stdout, stderr, elapsed_ms: header.elapsed_ms });
  });
  socket.on("data", read);
  socket.on("error", () => undefined);
  socket.on("close", () => {
    for (const resolve of waiting.values()) resolve(gone);
  });

  const run = async (script: string, timeout_ms: number): Promise<Result> => {
    if (socket.destroyed) return gone;
    const id = `${life}-${++count}`;
    const { promise, resolve } = Promise.withResolvers<Result>();
    waiting.set(id, resolve);
    const late = setTimeout(
      () => resolve({ rc: 124, stdout: "", stderr: "the guest gives no answer", elapsed_ms: timeout_ms }),
      timeout_ms + agent_margin_ms,
    );
    const bytes = Buffer.from(script);
    socket.write(Buffer.concat([Buffer.from(`${id} ${Math.ceil(timeout_ms)} ${bytes.length}\n`), bytes]));
    const result = await promise;
    clearTimeout(late);
    waiting.delete(id);
    return result;
  };
  return { run, close: () => socket.destroy() };
}

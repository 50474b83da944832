/** A daemon made of fixed answers, and lvmlockctl run against it as a process of its own. */
import { join } from "node:path";
import { decodeReply } from "../../core/wire/client-codec.ts";
import { createFrameAssembler, TERMINATOR } from "../../core/wire/frame.ts";
import { makeScratch, type Scratch } from "../rig/scratch.ts";

/** A request as the stub got it. */
export type StubRequest = ReadonlyMap<string, string | number>;

/** The body of a reply; null for a daemon that says nothing. */
export type StubAnswer = (request: StubRequest) => string | null;

export const HELLO_REPLY = 'response = "OK"\nresult = 0\nprotocol = "lvmlockd"\nversion = 1\n';

export interface StubDaemon {
  readonly scratch: Scratch;
  readonly socket_path: string;
  /** What was asked, in order, hello included. */
  readonly requests: StubRequest[];
  stop(): void;
}

/** Listens in a scratch directory; hello is answered as lvmlockd does unless `answer` does it. */
export function startStub(answer: StubAnswer): StubDaemon {
  const scratch = makeScratch("stub");
  const socket_path = scratch.file("socket");
  const requests: StubRequest[] = [];
  const listener = Bun.listen<{ receive: (chunk: Buffer) => void }>({
    unix: socket_path,
    socket: {
      binaryType: "buffer",
      open(socket) {
        const frames = createFrameAssembler((bytes, start, end) => {
          const decoded = decodeReply(bytes, start, end);
          const request: StubRequest = decoded.ok ? decoded.keys : new Map();
          requests.push(request);
          const reply = answer(request) ?? (request.get("request") === "hello" ? HELLO_REPLY : null);
          if (reply !== null) socket.write(reply + TERMINATOR);
        });
        socket.data = { receive: (chunk) => frames.push(chunk) };
      },
      data: (socket, chunk) => socket.data.receive(chunk),
    },
  });
  const stop = (): void => {
    listener.stop(true);
    scratch.remove();
  };
  return { scratch, socket_path, requests, stop };
}

/** A reply of the ordinary shape with this op_result. */
export function resultReply(op_result: number, more = ""): string {
  return `response = "OK"\nop = 21\nlock_type = "dlm"\nop_result = ${op_result}\nlm_result = 0\nresult_flags = "none"\n${more}`;
}

export interface RunResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exit_status: number;
}

/** The entry of the programs. */
export const MAIN = join(import.meta.dir, "../../cli/main.ts");

/** Runs one of the programs with nothing on standard input, and waits for its end. */
export async function runProgram(
  program: string,
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<RunResult> {
  const child = Bun.spawn(
    [process.execPath, "--config=/dev/null", "--no-env-file", MAIN, program, ...words],
    {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      env: { ...process.env, ...env },
    },
  );
  const [stdout, stderr, exit_status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { stdout, stderr, exit_status };
}

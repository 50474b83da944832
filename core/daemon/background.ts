/**
 * Going to the background. A forked Bun dies at once (measured: bun:ffi's fork gives a child that faults), so the daemon starts
 * itself anew in a session of its own, and the first process waits on a pipe until that one serves, or says why it does not.
 */
import { spawn } from "node:child_process";
import { closeSync, writeSync } from "node:fs";
import { EXIT } from "../errors.ts";
import { ownCall } from "./own-program.ts";

/** Tells the second process that it is the one, and on which descriptor the first one listens. */
const MARK = "LVMLOCKD_READY_FD";
const READY_FD = 3;
/** The line that says "serving"; everything else on the pipe is for the person who typed the command. */
const READY = "\u0001ready";

/** The way back to the process that a person started. */
export interface Caller {
  /** Shows a line to the person; nothing once `ready` was said. */
  say(line: string): void;
  /** The daemon serves: the person gets the prompt back. */
  ready(): void;
}

/** Non-null in a process that was started by `startInBackground`. */
export function callerOf(env: Readonly<Record<string, string | undefined>>): Caller | null {
  if (env[MARK] !== String(READY_FD)) return null;
  let open = true;
  const put = (text: string): void => {
    if (!open) return;
    try {
      writeSync(READY_FD, text);
    } catch {
      // Nobody waits any more, and that does not concern the daemon.
      open = false;
    }
  };
  return {
    say: (line) => put(line.endsWith("\n") ? line : `${line}\n`),
    ready() {
      put(`${READY}\n`);
      if (open) closeSync(READY_FD);
      open = false;
    },
  };
}

/** Starts this program again in the background; the answer is its exit status, or 0 when it serves. */
export function startInBackground(): Promise<number> {
  const { program, words, argv0 } = ownCall();
  const { promise, resolve } = Promise.withResolvers<number>();
  const child = spawn(program, words, {
    argv0,
    detached: true,
    env: { ...process.env, [MARK]: String(READY_FD) },
    stdio: ["ignore", "ignore", "ignore", "pipe"],
  });
  let heard = "";
  const pipe = child.stdio[READY_FD];
  pipe?.on("data", (bytes: Buffer) => {
    heard += bytes.toString();
    const lines = heard.split("\n");
    heard = lines.pop() ?? "";
    for (const line of lines) {
      if (line === READY) resolve(EXIT.ok);
      else process.stderr.write(`${line}\n`);
    }
  });
  child.on("error", (error) => {
    process.stderr.write(`lvmlockd could not be started in the background: ${error.message}\n`);
    resolve(EXIT.failure);
  });
  child.on("exit", (code) => resolve(code ?? EXIT.failure));
  return promise;
}

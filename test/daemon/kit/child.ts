/** A daemon in a process of its own, for everything that only a whole process has: signals, limits, kill -9. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { connectAndGreet } from "../../rig/connection.ts";
import type { Scratch } from "../../rig/scratch.ts";

const MAIN = join(import.meta.dirname, "child-main.ts");

export interface Child {
  readonly pid: number;
  readonly exited: Promise<number>;
  output(): string;
  kill(signal: NodeJS.Signals): void;
}

export interface ChildSetup {
  /** Fields of DaemonOptions. */
  readonly options?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  /** Shell words before the command, for limits: "ulimit -n 64;". */
  readonly before?: string;
}

/** The shell words that run the daemon with its files in the scratch directory. */
export function childCommand(scratch: Scratch, options: Readonly<Record<string, unknown>> = {}): string[] {
  const all = {
    test_mode: true,
    foreground: true,
    socket_path: scratch.file("socket"),
    pid_file: scratch.file("pid"),
    adopt_file: scratch.file("journal"),
    config_dir: scratch.path,
    ...options,
  };
  return [process.execPath, "run", MAIN, JSON.stringify(all)];
}

/** Starts it; it may not answer yet. */
export function spawnChild(scratch: Scratch, setup: ChildSetup = {}): Child {
  const log = scratch.file(`output-${Math.random()}`);
  const words = childCommand(scratch, setup.options);
  const script = `${setup.before ?? ""} exec "$0" "$@" >${log} 2>&1`;
  const child = Bun.spawn(["/bin/bash", "-c", script, ...words], {
    cwd: scratch.path,
    env: { ...process.env, JOURNAL_STREAM: undefined, ...setup.env },
    stdin: "ignore",
  });
  return {
    pid: child.pid,
    exited: child.exited,
    output: () => (existsSync(log) ? readFileSync(log, "utf8") : ""),
    kill: (signal) => child.kill(signal),
  };
}

/** Waits until the daemon answers a hello; throws with its output when it ends instead. */
export async function answering(child: Child, scratch: Scratch): Promise<void> {
  let ended = false;
  void child.exited.then(() => {
    ended = true;
  });
  while (!ended) {
    try {
      (await connectAndGreet(scratch.file("socket"))).close();
      return;
    } catch {
      await Bun.sleep(3);
    }
  }
  throw new Error(`the daemon ended:\n${child.output()}`);
}

export async function startChild(scratch: Scratch, setup: ChildSetup = {}): Promise<Child> {
  const child = spawnChild(scratch, setup);
  await answering(child, scratch);
  return child;
}

/** The daemons that are compared, each started fresh for one measurement in a scratch directory of its own. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Cpus, pinned } from "./generator.ts";
import { requireProgram } from "./requirements.ts";

const PROJECT_DIRECTORY = dirname(import.meta.dir);
const MAIN = join(PROJECT_DIRECTORY, "cli", "main.ts");
const COMPILED = join(PROJECT_DIRECTORY, "dist", "lvmlockd");

/** `ours` is what `bun run lvmlockd` runs, `compiled` the executable of `bun run build`, `floor` the bare loop. */
export const RIVAL_NAMES = ["c", "ours", "compiled", "floor"] as const;
export type RivalName = (typeof RIVAL_NAMES)[number];

/** A rival that fails says nothing about our daemon; ours may never. */
export function isOurs(name: RivalName | null): boolean {
  return name === "ours" || name === "compiled";
}

/** How long a daemon has to listen. */
const START_TIMEOUT_MS = 10_000;
const POLL_MS = 2;
const END_IS_HEARD_MS = 1000;
const LAST_WORDS_LENGTH = 2000;

export interface RunningRival {
  readonly name: RivalName;
  readonly pid: number;
  readonly socket_path: string;
  /** For a measurement that failed: whether the daemon still runs, and its last words. */
  readonly describe: () => Promise<string>;
  /** Nobody has ended it yet: a daemon that has gone died by itself. */
  readonly hasDied: () => boolean;
  /** Ends the process and removes its scratch directory. */
  stop(): Promise<void>;
}

/** The rivals that can be started here. Ours are left out before they exist, so that C and floor can be measured alone. */
export function presentRivals(): RivalName[] {
  return RIVAL_NAMES.filter((name) => {
    if (name === "ours") return existsSync(MAIN);
    return name === "compiled" ? existsSync(COMPILED) : true;
  });
}

/** The command line of a rival in test mode with its files in `directory`. The journal of ours is on, C's adopt file off. */
export function rivalCommand(name: RivalName, directory: string): string[] {
  const socketPath = join(directory, "socket");
  const common = ["--test", "--foreground", "-g", "dlm", "-s", socketPath, "-p", join(directory, "pid")];
  const journal = ["--adopt", "1", "--adopt-file", join(directory, "adopt")];
  switch (name) {
    case "c":
      return [requireProgram("c_daemon"), ...common, "--adopt", "0"];
    case "ours":
      return [process.execPath, "run", MAIN, "lvmlockd", ...common, ...journal];
    case "compiled":
      return [COMPILED, ...common, ...journal];
    case "floor":
      return [process.execPath, "run", join(import.meta.dir, "floor.ts"), socketPath];
  }
}

/** A scratch directory, of mode 0700 as mkdtemp makes it, with the socket path in it short enough for sun_path. */
export function scratchDirectory(): { readonly path: string; readonly socket_path: string } {
  const path = mkdtempSync(join(tmpdir(), "lvmlockd-bench-"));
  return { path, socket_path: join(path, "socket") };
}

/** Starts a rival on these CPUs and waits until it accepts connections. Throws with its output when it does not. */
export async function startRival(name: RivalName, cpus: Cpus): Promise<RunningRival> {
  const scratch = scratchDirectory();
  const child = Bun.spawn(pinned(cpus, rivalCommand(name, scratch.path)), {
    cwd: scratch.path,
    stdin: "ignore",
    stdout: "ignore",
    stderr: Bun.file(join(scratch.path, "stderr")),
  });
  const stderr = (): Promise<string> => Bun.file(join(scratch.path, "stderr")).text();
  const stop = async (): Promise<void> => {
    // Nothing is to be kept, and the C daemon does not heed SIGTERM while lockspaces are started.
    child.kill("SIGKILL");
    await child.exited;
    rmSync(scratch.path, { recursive: true, force: true });
  };
  if (!(await waitForListener(scratch.socket_path, child))) {
    const complaint = await stderr();
    await stop();
    throw new Error(`${name} does not listen on its socket: ${complaint.trim() || "it said nothing"}`);
  }
  const describe = async (): Promise<string> => {
    // A daemon that is dying has hung up before its parent hears of its end.
    await Promise.race([child.exited, Bun.sleep(END_IS_HEARD_MS)]);
    const words = (await stderr()).slice(-LAST_WORDS_LENGTH).trim();
    const state = child.signalCode ?? (child.exitCode === null ? "running" : `exit ${child.exitCode}`);
    return `${name}, pid ${child.pid}: ${state}; its last words: ${words || "none"}`;
  };
  const hasDied = (): boolean => child.exitCode !== null || child.signalCode !== null;
  return { name, pid: child.pid, socket_path: scratch.socket_path, describe, hasDied, stop };
}

/** Starts these rivals, hands them to `measure`, and stops them whatever happens. */
export async function withRivals(
  names: readonly RivalName[],
  cpus: Cpus,
  measure: (daemons: readonly (readonly [RivalName, RunningRival])[]) => Promise<void>,
): Promise<void> {
  const daemons: [RivalName, RunningRival][] = [];
  try {
    for (const name of names) daemons.push([name, await startRival(name, cpus)]);
    await measure(daemons);
  } catch (error) {
    // Whatever else has failed: one of ours that died beside it, under load or not, is what has to be told.
    const ours = daemons.filter(([name, daemon]) => isOurs(name) && daemon.hasDied());
    if (ours.length === 0) throw error;
    throw new Error((await Promise.all(ours.map(([, daemon]) => daemon.describe()))).join("\n"), {
      cause: error,
    });
  } finally {
    await Promise.all(daemons.map(([, daemon]) => daemon.stop()));
  }
}

async function waitForListener(socketPath: string, child: Bun.Subprocess): Promise<boolean> {
  const giveUpAt_ms = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < giveUpAt_ms && child.exitCode === null) {
    if (existsSync(socketPath) && (await accepts(socketPath))) return true;
    await Bun.sleep(POLL_MS);
  }
  return false;
}

async function accepts(socketPath: string): Promise<boolean> {
  try {
    const socket = await Bun.connect({ unix: socketPath, socket: { data() {} } });
    socket.end();
    return true;
  } catch {
    // The file appears at bind(), a moment before listen(): refused until then.
    return false;
  }
}

import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { connectAndGreet } from "./connection.ts";
import { makeScratch } from "./scratch.ts";

/** The C daemon that Debian's lvm2-lockd installs, or the one of this repository. */
export type Flavour = "c" | "ours";

export interface DaemonSetup {
  readonly flavour: Flavour;
  /** More options for the command line, for instance ["--test", "-g", "dlm"]. */
  readonly options: readonly string[];
  /** Where the socket and the pid file are to be; a scratch directory of its own when left out. */
  readonly socket_path?: string;
  readonly pid_file?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** What is run instead of this repository's entry point, for instance the compiled executable. */
  readonly program?: readonly string[];
}

export interface RunningDaemon {
  readonly flavour: Flavour;
  readonly pid: number;
  readonly socket_path: string;
  readonly pid_file: string;
  /** What it wrote to standard output and error so far. */
  output(): string;
  /** Settles with the exit status, or 128 + the signal's number. */
  readonly exited: Promise<number>;
  kill(signal: NodeJS.Signals): void;
  /** kill -9, wait until it is gone, remove the scratch directory. */
  destroy(): Promise<void>;
}

export interface LaunchedDaemon extends RunningDaemon {
  /** True when it has answered a hello, false when it ended or stayed silent. */
  ready(): Promise<boolean>;
}

const ROOT = join(import.meta.dirname, "..", "..");
const C_DAEMON = "/usr/sbin/lvmlockd";

/** How long a daemon may take to answer its first hello on a busy machine; ours is meant to need a tenth of a second. */
const READY_DEADLINE_MS = 30_000;

function commandOf(setup: DaemonSetup, socket_path: string, pid_file: string): string[] {
  const program =
    setup.flavour === "c"
      ? [process.env.LVMLOCKD_TEST_C_DAEMON ?? C_DAEMON]
      : (setup.program ?? [process.execPath, "run", join(ROOT, "cli", "main.ts"), "lvmlockd"]);
  if (setup.flavour === "c" && !existsSync(program[0] as string))
    throw new Error(`${program[0]} is missing: install lvm2-lockd, the C daemon that ours is compared with`);
  return [...program, ...setup.options, "-f", "-s", socket_path, "-p", pid_file];
}

/** Asks until the daemon says hello, or is gone, or the deadline has passed. */
async function waitUntilReady(socket_path: string, exited: () => boolean): Promise<boolean> {
  const deadline = Date.now() + READY_DEADLINE_MS;
  while (Date.now() < deadline && !exited()) {
    try {
      (await connectAndGreet(socket_path)).close();
      return true;
    } catch {
      await Bun.sleep(3);
    }
  }
  return false;
}

/** Daemons that are to die with this process, however it ends. */
const alive = new Set<Bun.Subprocess>();
process.on("exit", () => {
  for (const child of alive) child.kill("SIGKILL");
});

/** Starts a daemon in the foreground without waiting for it. */
export function launchDaemon(setup: DaemonSetup): LaunchedDaemon {
  const scratch = makeScratch(setup.flavour);
  const socket_path = setup.socket_path ?? scratch.file("socket");
  const pid_file = setup.pid_file ?? scratch.file("pid");
  const log_file = scratch.file("output");
  const log_fd = openSync(log_file, "w");
  const child = Bun.spawn(commandOf(setup, socket_path, pid_file), {
    cwd: scratch.path,
    env: { ...process.env, ...setup.env },
    stdin: "ignore",
    stdout: log_fd,
    stderr: log_fd,
  });
  closeSync(log_fd);
  alive.add(child);
  let gone = false;
  const exited = child.exited.then((status) => {
    gone = true;
    alive.delete(child);
    return status;
  });
  return {
    flavour: setup.flavour,
    pid: child.pid,
    socket_path,
    pid_file,
    output: () => (existsSync(log_file) ? readFileSync(log_file, "utf8") : ""),
    exited,
    kill: (signal) => child.kill(signal),
    ready: () => waitUntilReady(socket_path, () => gone),
    destroy: async () => {
      child.kill("SIGKILL");
      await exited;
      scratch.remove();
    },
  };
}

/** Starts a daemon in the foreground and returns when it has answered a hello; fails with its output when it does not. */
export async function startDaemon(setup: DaemonSetup): Promise<RunningDaemon> {
  const daemon = launchDaemon(setup);
  if (await daemon.ready()) return daemon;
  const said = daemon.output();
  await daemon.destroy();
  throw new Error(`${setup.flavour} daemon did not start:\n${said}`);
}

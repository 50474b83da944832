/** Real sanlock daemons on this machine, each with its own run directory, without watchdog and without privileges. */
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildShim } from "./shim.ts";

/** All of sanlock's times are multiples of it. */
export const IO_TIMEOUT_S = 1;

export interface SanlockDaemon {
  readonly pid: number;
  /** What clients of this daemon need in their environment. */
  readonly env: Readonly<Record<string, string>>;
  signal(name: NodeJS.Signals): void;
  /** Kills it and waits until it is gone. */
  kill(): Promise<void>;
  log(): string;
}

/** Makes the disk behind a lease file hang for sanlock daemons that were started with `disks_can_hang`. */
export function hangDisk(path: string): void {
  writeFileSync(`${path}.hung`, "");
}

/** The same with I/O errors instead. */
export function failDisk(path: string): void {
  writeFileSync(`${path}.failing`, "");
}

/** Lets the disk work again. I/O that was begun while it hung stays lost. */
export function mendDisk(path: string): void {
  for (const mark of ["hung", "failing"]) rmSync(`${path}.${mark}`, { force: true });
}

export interface SanlockOptions {
  /** True where `hangDisk` or `failDisk` is used. */
  readonly disks_can_hang?: boolean;
  /** Calls that it works on at once, 8 by default. A join takes one of them for its whole time (max_worker_threads). */
  readonly worker_threads?: number;
  /** More of its environment, which the programs that it starts inherit. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts a daemon and waits until it listens. */
export async function startSanlock(
  directory: string,
  host_name: string,
  options: SanlockOptions = {},
): Promise<SanlockDaemon> {
  const run_directory = join(directory, host_name);
  mkdirSync(run_directory, { recursive: true });
  const env = { SANLOCK_RUN_DIR: run_directory, SANLOCK_PRIVILEGED: "0" };
  const log_path = join(run_directory, "log");
  const log = openSync(log_path, "a");
  const words = ["daemon", "-D", "-w", "0", "-h", "0", "-l", "0", "-U", "root", "-G", "root"];
  const more = ["-e", host_name, "-o", String(IO_TIMEOUT_S), "-L", "-1", "-S", "-1"];
  const threads = options.worker_threads === undefined ? [] : ["-t", String(options.worker_threads)];
  const daemon = Bun.spawn(["/usr/sbin/sanlock", ...words, ...more, ...threads], {
    env: {
      ...process.env,
      ...env,
      ...options.env,
      LD_PRELOAD: buildShim(directory),
      ...(options.disks_can_hang ? { TEST_HUNG_DISKS: "1" } : {}),
    },
    stdin: "ignore",
    stdout: "ignore",
    stderr: log,
  });
  closeSync(log);
  const socket = join(run_directory, "sanlock.sock");
  while (!existsSync(socket)) {
    if (daemon.exitCode !== null) throw new Error(`sanlock ended: ${readFileSync(log_path, "utf8")}`);
    await Bun.sleep(5);
  }
  return {
    pid: daemon.pid,
    env,
    signal: (name) => daemon.kill(name),
    async kill() {
      daemon.kill("SIGKILL");
      await daemon.exited;
    },
    log: () => readFileSync(log_path, "utf8"),
  };
}

/** Real sanlock daemons on this machine, each with its own run directory, without watchdog and without privileges. */
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";

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

/** Compiles the library that keeps the daemon from failing over limits that it may not raise. Once per directory. */
export function buildNoLimits(directory: string): string {
  const library = join(directory, "no-limits.so");
  if (existsSync(library)) return library;
  const source = join(import.meta.dir, "no-limits.c");
  const built = Bun.spawnSync(["gcc", "-shared", "-fPIC", "-o", library, source]);
  if (!built.success) throw new Error(`gcc: ${built.stderr.toString()}`);
  return library;
}

/** Starts a daemon and waits until it listens. */
export async function startSanlock(directory: string, host_name: string): Promise<SanlockDaemon> {
  const run_directory = join(directory, host_name);
  mkdirSync(run_directory, { recursive: true });
  const env = { SANLOCK_RUN_DIR: run_directory, SANLOCK_PRIVILEGED: "0" };
  const log_path = join(run_directory, "log");
  const log = openSync(log_path, "a");
  const words = ["daemon", "-D", "-w", "0", "-h", "0", "-l", "0", "-U", "root", "-G", "root"];
  const more = ["-e", host_name, "-o", String(IO_TIMEOUT_S), "-L", "-1", "-S", "-1"];
  const daemon = Bun.spawn(["/usr/sbin/sanlock", ...words, ...more], {
    env: { ...process.env, ...env, LD_PRELOAD: buildNoLimits(directory) },
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

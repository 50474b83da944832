/** The load generator: built from bench/load/*.c when needed, run as a child process, read by its line of JSON. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import * as v from "valibot";
import { requireProgram } from "./requirements.ts";
import type { RivalName, RunningRival } from "./rivals.ts";

const SOURCE_DIRECTORY = join(import.meta.dir, "load");
const CACHE_DIRECTORY = join(dirname(import.meta.dir), ".cache", "bench");

/** Which CPUs a process may use: the machine's last one, or all of them. */
export type Cpus = "one" | "all";

/** A load that did not come through. `rival`: the daemon under it; null for one that the generator started itself. */
export class DaemonFailure extends Error {
  constructor(
    message: string,
    readonly rival: RivalName | null,
  ) {
    super(message);
  }
}

/** What a load is about; without a name where the generator starts the daemon itself. */
type Loaded = Pick<RunningRival, "socket_path" | "describe"> & { readonly name: RivalName | null };

export interface LoadCommand {
  readonly daemon: Loaded;
  readonly args: readonly string[];
  readonly cpus: Cpus;
}

const LoadResultSchema = v.object({
  requests: v.number(),
  passes: v.number(),
  requests_per_s: v.number(),
  /** 0 when no --daemon-pid was given. */
  cpu_per_request_us: v.number(),
  p50_us: v.number(),
  p99_us: v.number(),
  max_us: v.number(),
});

const InfoResultSchema = v.object({ infos: v.number(), truncated: v.number(), size_bytes: v.number() });
const StartupResultSchema = v.object({ first_reply_ms: v.number() });
const PreparedSchema = v.object({ lockspaces: v.number(), lv_locks: v.number() });

export type LoadResult = v.InferOutput<typeof LoadResultSchema>;
export type InfoResult = v.InferOutput<typeof InfoResultSchema>;

/** Starts lockspaces and takes persistent LV locks, which stay when the generator has gone. */
export async function prepare(command: LoadCommand): Promise<void> {
  await run("prepare", command, PreparedSchema);
}

/** Runs one of the closed-loop scenarios: vg, cycle, lv-lock, lv-unlock. */
export function runLoad(scenario: string, command: LoadCommand): Promise<LoadResult> {
  return run(scenario, command, LoadResultSchema);
}

/** Reads info in a loop for as long as --seconds says. */
export function runInfoLoop(command: LoadCommand): Promise<InfoResult> {
  return run("info", command, InfoResultSchema);
}

/** Milliseconds from starting `daemon` (a command line) to its reply to the first hello; the daemon is ended again. */
export async function timeStartup(socketPath: string, daemon: readonly string[]): Promise<number> {
  const describe = async (): Promise<string> => `${daemon.join(" ")}, started by the generator`;
  const command: LoadCommand = {
    daemon: { name: null, socket_path: socketPath, describe },
    args: ["--", ...daemon],
    cpus: "all",
  };
  return (await run("startup", command, StartupResultSchema)).first_reply_ms;
}

async function run<T>(
  scenario: string,
  command: LoadCommand,
  schema: v.GenericSchema<unknown, T>,
): Promise<T> {
  const argv = ["--scenario", scenario, "--socket", command.daemon.socket_path, ...command.args];
  const child = Bun.spawn(pinned(command.cpus, [generatorPath(), ...argv]), {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [output, complaint, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (status !== 0) {
    const why = complaint.trim() || `exit ${status}`;
    const { daemon } = command;
    const message = `load generator, scenario ${scenario}: ${why}\n${await daemon.describe()}`;
    throw new DaemonFailure(message, daemon.name);
  }
  return v.parse(schema, JSON.parse(output));
}

/** A command line that runs on these CPUs only. */
export function pinned(cpus: Cpus, command: readonly string[]): string[] {
  if (cpus === "all") return [...command];
  return [requireProgram("taskset"), "--cpu-list", String(lastCpu()), ...command];
}

/** The highest CPU this process may run on: the first ones of a machine serve most of its interrupts. */
function lastCpu(): number {
  const status = readFileSync("/proc/self/status", "utf8");
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? "0";
  return Number(list.split(/[,-]/).at(-1));
}

let builtPath: string | null = null;

function generatorPath(): string {
  builtPath ??= build();
  return builtPath;
}

/** The compiled generator is kept under a name made from its sources, so that an edited source is never run stale. */
function build(): string {
  const files = readdirSync(SOURCE_DIRECTORY)
    .filter((name) => /\.[ch]$/.test(name))
    .sort();
  const hash = new Bun.CryptoHasher("sha256");
  for (const file of files) hash.update(readFileSync(join(SOURCE_DIRECTORY, file)));
  const path = join(CACHE_DIRECTORY, `load-${hash.digest("hex").slice(0, 16)}`);
  if (existsSync(path)) return path;
  mkdirSync(CACHE_DIRECTORY, { recursive: true });
  compile(
    files.filter((name) => name.endsWith(".c")),
    path,
  );
  return path;
}

function compile(files: readonly string[], path: string): void {
  const unfinishedPath = `${path}.${process.pid}`;
  const sources = files.map((file) => join(SOURCE_DIRECTORY, file));
  const command = [
    requireProgram("compiler"),
    "-O2",
    "-Wall",
    "-Wextra",
    "-o",
    unfinishedPath,
    ...sources,
    "-lm",
  ];
  const result = Bun.spawnSync(command, { stdout: "inherit", stderr: "pipe" });
  if (result.exitCode !== 0)
    throw new Error(`compiling the load generator failed:\n${result.stderr.toString()}`);
  renameSync(unfinishedPath, path);
}

/** A daemon inside the test's own process: real socket, real journal, test-mode lock managers, no signals. */
import type { DaemonConfig } from "../../../core/daemon/config.ts";
import {
  type Daemon,
  type StartAnswer,
  type Surroundings,
  startDaemon,
} from "../../../core/daemon/daemon.ts";
import { createLog } from "../../../core/daemon/log/log.ts";
import { type Connection, connectAndGreet } from "../../rig/connection.ts";
import { encodeRequest, lockRequest, startRequest } from "../../rig/requests.ts";
import { makeScratch, type Scratch } from "../../rig/scratch.ts";

export interface TestDaemon {
  readonly daemon: Daemon;
  readonly config: DaemonConfig;
  readonly scratch: Scratch;
  /** Notices, warnings and errors so far. */
  readonly logged: string[];
  connect(): Promise<Connection>;
  /** Ends it as kill -9 would as far as its files are concerned, and removes the directory. */
  destroy(): Promise<void>;
}

export interface TestDaemonSetup {
  readonly config?: Partial<DaemonConfig>;
  readonly surroundings?: Partial<Surroundings>;
  /** The directory of an earlier daemon. */
  readonly scratch?: Scratch;
}

/** What `startInProcess` starts with, for tests that expect a failure. */
export async function tryInProcess(
  setup: TestDaemonSetup,
): Promise<{ answer: StartAnswer; config: DaemonConfig; scratch: Scratch; logged: string[] }> {
  const scratch = setup.scratch ?? makeScratch("daemon");
  const logged: string[] = [];
  const config: DaemonConfig = {
    socket_path: scratch.file("socket"),
    pid_file: scratch.file("pid"),
    journal_path: scratch.file("journal"),
    adopt: true,
    test_mode: true,
    syslog_priority: "warning",
    gl_type: null,
    host_id: 0,
    io_timeout_s: 0,
    lock_managers: { dlm: "local", sanlock: "local" },
    manager_settings: {},
    wait_limit_ms: 0,
    config_directory: scratch.path,
    lvm_lock_directory: scratch.path,
    dialect: "2.03.40",
    ...setup.config,
  };
  const now_ms = () => performance.now();
  const print = { level: "notice", sink: (line: string) => void logged.push(line.trimEnd()) } as const;
  const answer = await startDaemon(config, {
    log: createLog({ print, syslog: null, syslog_priority: "warning", now_ms }),
    env: {},
    own_uid: process.geteuid?.() ?? 0,
    open_files_limit: 20_000,
    boot_id: "test-boot",
    sys: scratch.file("no-sys"),
    version: "0.0.0",
    lvmlockctl_path: "",
    lvmpersist: { program: "/bin/false", words: [], argv0: "false" },
    key_directory: scratch.file("no-keys"),
    now_ms,
    reload: async () => true,
    defect: (error) => {
      throw error;
    },
    ...setup.surroundings,
  });
  return { answer, config, scratch, logged };
}

export async function startInProcess(setup: TestDaemonSetup = {}): Promise<TestDaemon> {
  const { answer, config, scratch, logged } = await tryInProcess(setup);
  if (answer.kind === "failed") throw new Error(`the daemon did not start: ${answer.reason}`);
  const { daemon } = answer;
  await daemon.ready;
  return {
    daemon,
    config,
    scratch,
    logged,
    connect: () => connectAndGreet(config.socket_path),
    async destroy() {
      daemon.leave();
      await daemon.ended;
      scratch.remove();
    },
  };
}

/** The op_result of a reply; NaN when it has none. */
export function resultOf(reply: string): number {
  return Number(/^(?:op_result|result) = (-?\d+)$/m.exec(reply)?.[1] ?? Number.NaN);
}

/** Starts a dlm VG in test mode, as lockstart does. */
export async function startVg(connection: Connection, vg_name: string): Promise<void> {
  const options = { vg_lock_type: "dlm", vg_lock_args: "1.0.0:test", vg_uuid: vgUuid(vg_name), host_id: 0 };
  const result = resultOf(await connection.ask(encodeRequest(startRequest(vg_name, options))));
  if (result !== 0 && result !== -17 && result !== -211)
    throw new Error(`start_vg of ${vg_name} says ${result}`);
  await connection.ask(encodeRequest({ request: "start_wait", keys: { pid: process.pid } }));
}

export function vgUuid(vg_name: string): string {
  return `VGVGVG-${vg_name}`.padEnd(38, "v");
}

export function lvUuid(lv_name: string): string {
  return `LVLVLV-${lv_name}`.padEnd(38, "l");
}

/** The bytes of a lock_vg. */
export function lockVg(vg_name: string, mode: string): string {
  return encodeRequest(lockRequest({ kind: "vg", vg_name }, mode));
}

/** The bytes of a lock_lv, persistent as an activation's. */
export function lockLv(vg_name: string, lv_name: string, mode: string, opts = "persistent,"): string {
  const args = { vg_lock_type: "dlm", vg_lock_args: "1.0.0:test", lv_lock_args: "dlm" };
  const target = { kind: "lv", vg_name, lv_name, lv_uuid: lvUuid(lv_name) } as const;
  return encodeRequest(lockRequest(target, mode, opts, args));
}

/** Waits until `done` is true; a test that waits too long is ended by the runner. */
export async function until(done: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await done())) await Bun.sleep(2);
}

interface ReportedLocks {
  readonly lock: readonly { vg_name: string; kind: string; lv_uuid: string; mode: string; pid: number }[];
  readonly waiter: readonly { vg_name: string }[];
  readonly client: readonly { client_id: number }[];
}

/** What info_json says, through a connection of its own. */
export async function report(socket_path: string): Promise<ReportedLocks> {
  const connection = await connectAndGreet(socket_path);
  const reply = await connection.ask(encodeRequest({ request: "info_json", keys: {} }, "simple"));
  connection.close();
  const text = /^text = "((?:[^"\\]|\\.)*)"$/ms.exec(reply)?.[1]?.replace(/\\(.)/g, "$1") ?? "";
  return (JSON.parse(text) as { report: [ReportedLocks] }).report[0];
}

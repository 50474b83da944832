import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hideDeviceMapper } from "../rig/without-device-mapper.ts";

export interface Finished {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** This machine's lvm, seeing only the test's devices. */
export interface LvmHost {
  readonly devices: readonly string[];
  /** Runs an lvm command, whatever it ends with. */
  lvm(...words: string[]): Promise<Finished>;
  /** Runs an lvm command that has to succeed; gives what it printed. */
  ok(...words: string[]): Promise<string>;
  /** The stock lvmlockctl; it has to succeed. */
  lvmlockctl(...words: string[]): Promise<string>;
}

/** lvm itself has no time limit on a lock: only a command that hangs gets here. */
const COMMAND_DEADLINE_MS = 20_000;

const SOCKET_PATH = "/run/lvm/lvmlockd.socket";
const PID_FILE = "/run/lvmlockd.pid";
/** The paths that lvm and lvmlockctl were compiled with. */
export const FIXED_PATHS = { socket_path: SOCKET_PATH, pid_file: PID_FILE } as const;

function lvmConf(devices: readonly string[]): string {
  const accepted = devices.map((device) => `"a|^${device}$|"`).join(", ");
  return `devices {
  scan = [ "/dev" ]
  use_devicesfile = 0
  obtain_device_list_from_udev = 0
  external_device_info_source = "none"
  global_filter = [ ${accepted}, "r|.*|" ]
}
global { use_lvmlockd = 1 activation = 0 event_activation = 0 use_lvmpolld = 0 }
activation { udev_sync = 0 udev_rules = 0 monitoring = 0 }
backup { backup = 0 archive = 0 }
`;
}

async function finish(words: readonly string[], env: Record<string, string>): Promise<Finished> {
  const child = Bun.spawn([...words], {
    env: { ...process.env, ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: COMMAND_DEADLINE_MS,
    killSignal: "SIGKILL",
  });
  const [stdout, stderr, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { status, stdout, stderr };
}

async function succeed(words: readonly string[], env: Record<string, string>): Promise<string> {
  const { status, stdout, stderr } = await finish(words, env);
  if (status !== 0) throw new Error(`${words.join(" ")} ended with ${status}:\n${stdout}${stderr}`);
  return stdout;
}

/** Puts an empty directory at /run and lvm's configuration into `scratch_path`. Only inside the test's own namespaces. */
export async function prepareLvmHost(scratch_path: string, devices: readonly string[]): Promise<LvmHost> {
  await succeed(["mount", "-t", "tmpfs", "tmpfs", "/run"], {});
  // With activation = 0 no LV is in device-mapper, and locks of LVs that are not there are not adopted.
  hideDeviceMapper();
  // The C daemon and lvm expect what the system's boot makes.
  for (const directory of ["/run/lvm", "/run/lock/lvm"]) mkdirSync(directory, { recursive: true });
  const system_dir = join(scratch_path, "etc");
  mkdirSync(system_dir);
  writeFileSync(join(system_dir, "lvm.conf"), lvmConf(devices));
  writeFileSync(join(system_dir, "lvmlocal.conf"), "local { host_id = 1 }\n");
  const env = { LVM_SYSTEM_DIR: system_dir, LVM_SUPPRESS_FD_WARNINGS: "1" };
  return {
    devices,
    lvm: (...words) => finish(["/usr/sbin/lvm", ...words], env),
    ok: (...words) => succeed(["/usr/sbin/lvm", ...words], env),
    lvmlockctl: (...words) => succeed(["/usr/sbin/lvmlockctl", ...words], env),
  };
}

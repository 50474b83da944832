import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import {
  type ConfigAnswer,
  type DaemonConfig,
  type Runner,
  resolveConfig,
} from "../../core/daemon/config.ts";
import { type DaemonOptions, DEFAULT_OPTIONS } from "../../core/daemon/options.ts";
import { readStartSettings } from "../../core/daemon/settings.ts";
import type { UserDirectory } from "../../core/daemon/user-directory.ts";
import { loadStartConfig } from "../../grammar/start.ts";
import { makeScratch } from "../rig/scratch.ts";

const ROOT: Runner = { uid: 0, directory: "/home/me", env: {} };

async function resolveWith(
  options: Partial<DaemonOptions>,
  runner: Partial<Runner> = {},
  own_text: string | null = null,
  findDirectory?: () => UserDirectory,
): Promise<ConfigAnswer> {
  const loaded = await loadStartConfig({
    system_dir: "",
    own_file: "/etc/lvm/lvmlockd.conf",
    hostname: "host",
    read_file: () =>
      own_text === null ? { kind: "missing" } : { kind: "read", bytes: Buffer.from(own_text) },
  });
  return resolveConfig({ ...DEFAULT_OPTIONS, ...options }, loaded, { ...ROOT, ...runner }, findDirectory);
}

async function configOf(...how: Parameters<typeof resolveWith>): Promise<DaemonConfig> {
  const answer = await resolveWith(...how);
  if (answer.kind === "wrong") throw new Error(answer.problem);
  return answer.config;
}

describe("paths", () => {
  test("are those built into lvm for root", async () => {
    expect(await configOf({})).toMatchObject({
      socket_path: "/run/lvm/lvmlockd.socket",
      pid_file: "/run/lvmlockd.pid",
      journal_path: "/run/lvm/lvmlockd.adopt",
    });
  });

  test("lie in a directory of their own for another user", async () => {
    const find = (): UserDirectory => ({ kind: "directory", path: "/run/user/1000", note: "told" });
    const answer = await resolveWith({}, { uid: 1000 }, null, find);
    expect(answer).toMatchObject({
      note: "told",
      config: {
        socket_path: "/run/user/1000/lvm/lvmlockd.socket",
        pid_file: "/run/user/1000/lvm/lvmlockd.pid",
        journal_path: "/run/user/1000/lvm/lvmlockd.adopt",
      },
    });
    const nowhere = await resolveWith({}, { uid: 1000 }, null, () => ({ kind: "none", problem: "why" }));
    expect(nowhere).toEqual({ kind: "wrong", problem: "why" });
  });

  test("need no such directory when socket and pid file are named", async () => {
    const never = (): UserDirectory => {
      throw new Error("nobody may ask");
    };
    const named = { socket_path: "/t/s", pid_file: "/t/p" };
    expect(await resolveWith(named, { uid: 1000 }, null, never)).toMatchObject({
      config: { journal_path: "/t/lvmlockd.adopt" },
    });
  });

  test("come from the option before the variable before the file, relative ones from the caller's directory", async () => {
    const env = { LVM_LVMLOCKD_SOCKET: "/env/socket", LVM_LVMLOCKD_PIDFILE: "/env/pid" };
    const file = 'daemon { socket_path = "/file/socket" pid_file = "/file/pid" adopt_file = "/file/adopt" }';
    expect((await configOf({}, {}, file)).socket_path).toBe("/file/socket");
    expect((await configOf({}, {}, file)).journal_path).toBe("/file/adopt");
    expect((await configOf({}, { env }, file)).pid_file).toBe("/env/pid");
    expect((await configOf({ socket_path: "here/socket" }, { env }, file)).socket_path).toBe(
      "/home/me/here/socket",
    );
  });
});

describe("lock managers", () => {
  test("are those of the settings by default, and none is the embedded one", async () => {
    expect((await configOf({})).lock_managers).toEqual({ sanlock: "sanlock", dlm: "dlm" });
  });

  test("named on the command line serve one lock type, so that vgcreate --shared finds exactly one", async () => {
    expect((await configOf({ lock_manager: "local" })).lock_managers).toEqual({ dlm: "local" });
    expect((await configOf({ lock_manager: "sanlock" })).lock_managers).toEqual({ sanlock: "sanlock" });
    expect((await configOf({ lock_manager: "/opt/lm.ts" })).lock_managers).toEqual({ dlm: "/opt/lm.ts" });
  });

  test("of the test mode are embedded and serve what Debian's C daemon knows", async () => {
    expect((await configOf({ test_mode: true, lock_manager: "sanlock" })).lock_managers).toEqual({
      dlm: "local",
      sanlock: "local",
    });
  });
});

describe("the host id", () => {
  test("is read from its file, past comments", async () => {
    const scratch = makeScratch("hostid");
    const host_id_file = scratch.file("id");
    writeFileSync(host_id_file, "# host_id = 1\n host_id = 17 # ours\n");
    expect((await configOf({ host_id_file })).host_id).toBe(17);
    writeFileSync(host_id_file, "host_id = 2001\n");
    expect(await resolveWith({ host_id_file })).toMatchObject({ kind: "wrong" });
    writeFileSync(host_id_file, "nothing\n");
    expect(await resolveWith({ host_id_file })).toMatchObject({ kind: "wrong" });
    expect(await resolveWith({ host_id_file: scratch.file("none") })).toMatchObject({ kind: "wrong" });
    scratch.remove();
  });

  test("of the command line goes before all", async () => {
    expect((await configOf({ host_id: 3, host_id_file: "/nonexistent" })).host_id).toBe(3);
  });
});

test("without a file of ours the start loads no parser", async () => {
  const scratch = makeScratch("nofile");
  const answer = await readStartSettings({ ...DEFAULT_OPTIONS, config_dir: scratch.path }, ROOT);
  expect(answer.kind).toBe("config");
  scratch.remove();
});

test("scsi-pr gets its own section and lvm's host_id, under the lock type that it serves", async () => {
  const scratch = makeScratch("scsi-pr");
  const write = (name: string, text: string): void => writeFileSync(`${scratch.path}/${name}`, text);
  write("lvmlocal.conf", "local {\n\thost_id = 7\n}\n");
  write(
    "lvmlockd.conf",
    'lock_managers {\n\tdlm = "scsi-pr"\n}\nscsi_pr {\n\tpvs = "vg0:/dev/disk/by-id/x"\n}\n',
  );
  const answer = await readStartSettings({ ...DEFAULT_OPTIONS, config_dir: scratch.path }, ROOT);
  expect(answer.kind === "config" && answer.config.manager_settings.dlm).toEqual({
    lvm_path: "/usr/sbin/lvm",
    pvs: ["vg0:/dev/disk/by-id/x"],
    host_id: 7,
  });
  write("lvmlocal.conf", "local {");
  const unreadable = await readStartSettings({ ...DEFAULT_OPTIONS, config_dir: scratch.path }, ROOT);
  expect(unreadable.kind === "config" && unreadable.config.manager_settings.dlm?.host_id).toBe(0);
  scratch.remove();
});

test("another manager gets the settings of the lock type that it serves, and a built-in one keeps its own", async () => {
  const scratch = makeScratch("theirs");
  writeFileSync(
    `${scratch.path}/lvmlockd.conf`,
    'lock_managers {\n\tdlm = "/etc/lvm/plugins/memory.ts"\n}\n' +
      'lock_manager_settings {\n\tdlm {\n\t\tserver = "a"\n\t}\n\tsanlock {\n\t\tlease_file_sector_size = 4096\n\t}\n}\n',
  );
  const answer = await readStartSettings({ ...DEFAULT_OPTIONS, config_dir: scratch.path }, ROOT);
  if (answer.kind !== "config") throw new Error(answer.problems.join("\n"));
  expect(answer.config.manager_settings.dlm).toEqual({ server: "a" });
  expect(answer.config.manager_settings.sanlock?.lease_file_sector_size).toBe(512);
  scratch.remove();
});

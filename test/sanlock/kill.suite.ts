/**
 * Storage that is lost under the daemon as it is installed: sanlock itself starts our lvmlockctl, which runs the administrator's
 * command. Over real sanlock and the compiled executables.
 */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { wireResult } from "../../core/errors.ts";
import { makeScratch, type Scratch } from "../rig/scratch.ts";
import { type Client, createVg, type Daemons, initVg, startDaemons, startVg } from "./daemons.ts";

setDefaultTimeout(90_000);

let build: Scratch;

beforeAll(() => {
  build = makeScratch("sanlock-kill");
  const script = join(import.meta.dir, "../../scripts/build.ts");
  const built = Bun.spawnSync([process.execPath, "run", script, build.path]);
  if (!built.success) throw new Error(`the build failed: ${built.stderr}`);
});
afterAll(() => build.remove());

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

interface Host {
  readonly daemons: Daemons;
  readonly client: Client;
  /** What the kill command wrote down. */
  readonly commands: () => string;
  /** Lets the kill command end. */
  release(): void;
}

/** One host with two started VGs, "lost" with an LV that is active and "sound", and a kill command that ends so when it is released. */
async function startHost(exit_status: number): Promise<Host> {
  const lvm_dir = mkdtempSync("/dev/shm/lockd-sanlock-kill-");
  const [command, written, released] = ["offline", "commands", "released"].map((name) => join(lvm_dir, name));
  if (command === undefined || written === undefined || released === undefined) throw new Error("names");
  writeFileSync(
    command,
    `#!/bin/sh\necho "$@" >> ${written}\nwhile ! test -e ${released}; do sleep 0.05; done\nexit ${exit_status}\n`,
  );
  chmodSync(command, 0o755);
  writeFileSync(
    join(lvm_dir, "lvm.conf"),
    `global { lvmlockctl_kill_command = "${command} --deactivate" }\n`,
  );
  // sanlock gives its own environment to the program of the kill path; where lvmlockd is installed the standard places hold.
  const daemons = await startDaemons(1, {
    program: [join(build.path, "lvmlockd")],
    sanlock: { env: { LVM_SYSTEM_DIR: lvm_dir, LVM_LVMLOCKD_SOCKET: join(lvm_dir, "socket") } },
    socket_path: join(lvm_dir, "socket"),
  });
  closing.push(async () => {
    writeFileSync(released, "");
    await daemons.close();
    rmSync(lvm_dir, { recursive: true });
  });
  await createVg(daemons, "sound", [0]);
  await createVg(daemons, "lost", [0]);
  return {
    daemons,
    client: await daemons.client(0),
    commands: () => (existsSync(written) ? readFileSync(written, "utf8") : ""),
    release: () => writeFileSync(released, ""),
  };
}

const lockVg = (vg_name: string, mode: string) => ({ vg_name, mode });
const VG = { vg_name: "lost", vg_lock_type: "sanlock", vg_lock_args: "1.0.0:lvmlock" };

async function activateLv(client: Client): Promise<object> {
  const lv = { ...VG, lv_name: "one", lv_uuid: "uuid-one" };
  const made = await client.ask("init_lv", { ...lv, prev_lv_args: "none" });
  const lock = { ...lv, lv_lock_args: String(made.get("lv_lock_args")), opts: "persistent" };
  expect(await client.result("lock_lv", { ...lock, mode: "ex" })).toBe(0);
  return lock;
}

/** Loses the storage and waits for the kill command; the other VG is used all the time. */
async function loseStorage({ daemons, client, commands }: Host): Promise<number> {
  truncateSync(daemons.cluster.leaseFile("lost"), 0);
  let rounds = 0;
  while (commands() === "") {
    expect(await client.result("lock_vg", lockVg("sound", "ex"))).toBe(0);
    expect(await client.result("lock_vg", lockVg("sound", "un"))).toBe(0);
    rounds += 1;
    await Bun.sleep(50);
  }
  return rounds;
}

describe("a VG whose lock storage is lost", () => {
  test("is killed by sanlock's call of lvmlockctl; its locks are dropped when the kill command succeeds", async () => {
    const host = await startHost(0);
    const { client, daemons, commands } = host;
    const lock = await activateLv(client);
    // On a busy machine few; a VG that had to wait for the lost one would be through with its first when all is over.
    expect(await loseStorage(host)).toBeGreaterThan(1);
    // The command runs: new locks are refused at once, an unlock is taken, and the other VG goes on.
    expect(commands()).toBe("--deactivate lost\n");
    expect(await client.result("lock_vg", lockVg("lost", "ex"))).toBe(wireResult("EVGKILLED"));
    expect(await client.result("lock_lv", { ...lock, mode: "ex" })).toBe(wireResult("EVGKILLED"));
    expect(await client.result("lock_vg", lockVg("sound", "ex"))).toBe(0);
    expect(await client.result("lock_vg", lockVg("sound", "un"))).toBe(0);
    host.release();
    while ((await client.result("query_lock_vg", { vg_name: "lost" })) !== wireResult("ENOLS"))
      await Bun.sleep(50);
    // sanlock has let go of the lockspace because nothing is held in it any more, and has killed nobody.
    const sanlock = daemons.cluster.sanlock[0];
    while (!/all pids clear/.test(sanlock?.log() ?? "")) await Bun.sleep(50);
    expect(await client.result("lock_vg", lockVg("sound", "ex"))).toBe(0);
    expect(await client.result("lock_vg", lockVg("sound", "un"))).toBe(0);
    // With storage again the VG can be started.
    await initVg(daemons, "lost", [0]);
    await startVg(daemons, 0, "lost");
    expect(await client.result("lock_vg", lockVg("lost", "ex"))).toBe(0);
  });

  test("stays killed when the command fails, says what to do and how long there is, and is dropped by hand", async () => {
    const host = await startHost(3);
    const { client, daemons } = host;
    await activateLv(client);
    await loseStorage(host);
    host.release();
    const said = (): string => daemons.cluster.sanlock[0]?.log() ?? "";
    while (!said().includes("lvmlockctl --drop lost")) await Bun.sleep(50);
    expect(said()).toContain("The kill command of VG lost failed");
    const left_s = Number(
      /Deactivate the LVs of VG lost now, within (\d+) seconds: then the watchdog/.exec(said())?.[1],
    );
    expect(left_s).toBeGreaterThan(0);
    expect(left_s).toBeLessThanOrEqual(50);
    expect(await client.result("lock_vg", lockVg("lost", "ex"))).toBe(wireResult("EVGKILLED"));
    const drop = Bun.spawnSync([
      join(build.path, "lvmlockctl"),
      "--drop",
      "lost",
      "--stderr",
      "--socket",
      daemons.daemons[0]?.socket_path ?? "",
    ]);
    expect(drop.exitCode).toBe(0);
    expect(await client.result("query_lock_vg", { vg_name: "lost" })).toBe(wireResult("ENOLS"));
    expect(await client.result("lock_vg", lockVg("sound", "ex"))).toBe(0);
  });
});

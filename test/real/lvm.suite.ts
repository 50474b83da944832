import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connectAndGreet } from "../rig/connection.ts";
import { type Flavour, type RunningDaemon, startDaemon } from "../rig/daemon.ts";
import { encodeRequest, lockRequest } from "../rig/requests.ts";
import { FIXED_PATHS, type LvmHost, prepareLvmHost } from "./lvm-host.ts";

// Started by main.ts in namespaces of its own. The tests of a daemon build on each other, as an administrator's day does.

const devices = (process.env.LVMLOCKD_TEST_DEVICES ?? "").split(",");
const scratch_path = process.env.LVMLOCKD_TEST_SCRATCH ?? "";
if (scratch_path === "") throw new Error("run test/real/main.ts: it makes the devices and the namespaces");

const [first = "", second = "", third = ""] = devices;
const TEST_MS = 120_000;

interface Served {
  readonly name: string;
  readonly flavour: Flavour;
  readonly options: readonly string[];
  /** vg_lock_args that the lock manager writes. */
  readonly args: RegExp;
  /** The LV locks outlive a killed daemon. */
  readonly adopts: boolean;
}

const SERVED: readonly Served[] = [
  {
    name: "the C daemon in test mode",
    flavour: "c",
    options: ["-T", "-g", "dlm"],
    args: /^1\.0\.0:test$/,
    adopts: false,
  },
  {
    name: "our daemon in test mode",
    flavour: "ours",
    options: ["--test", "-g", "dlm"],
    args: /^1\.0\.0:test$/,
    adopts: true,
  },
  {
    name: "our daemon with the local lock manager",
    flavour: "ours",
    options: ["--lock-manager", "local"],
    args: /^1\.0\.0:\S+$/,
    adopts: true,
  },
];

const only = process.env.LVMLOCKD_TEST_FLAVOUR;
let host: LvmHost;
let daemon: RunningDaemon;
const start = async ({ flavour, options }: Served): Promise<void> => {
  daemon = await startDaemon({ flavour, options, ...FIXED_PATHS });
};
const field = async (name: string, ...what: string[]): Promise<string[]> =>
  (await host.ok("vgs", "--noheadings", "-o", name, ...what)).trim().split(/\s+/);
const lvNames = async (vg: string): Promise<string[]> =>
  (await host.ok("lvs", "--noheadings", "-o", "lv_name", vg)).split(/\s+/).filter((name) => name !== "");
/** The LV locks that are held; info also lists the unlocked ones ("un") that the daemon has not forgotten yet. */
const lvLocks = async (): Promise<string[]> =>
  (await host.lvmlockctl("--info")).split("\n").filter((line) => /^LK LV (sh|ex) /.test(line));

beforeAll(async () => {
  host = await prepareLvmHost(scratch_path, devices);
});
afterAll(async () => daemon?.destroy());

function preparing(served: Served): void {
  test(
    "vgcreate --shared makes a VG and starts its lockspace",
    async () => {
      await start(served);
      await host.ok("vgcreate", "-y", "--shared", "vg0", first);
      expect(await field("lock_type", "vg0")).toEqual(["dlm"]);
      expect((await field("lock_args", "vg0"))[0]).toMatch(served.args);
      expect(await host.lvmlockctl("--info")).toContain("LS dlm lvm_vg0");
    },
    TEST_MS,
  );
  test(
    "lockstart of a started VG succeeds",
    async () => {
      await host.ok("vgchange", "--lockstart", "vg0");
      await host.ok("vgchange", "--lockstart");
    },
    TEST_MS,
  );
  test(
    "lvcreate -an makes an LV that is not locked",
    async () => {
      await host.ok("lvcreate", "-an", "-Zn", "-L8M", "-n", "lv0", "vg0");
      expect(await lvNames("vg0")).toEqual(["lv0"]);
      expect(await lvLocks()).toEqual([]);
    },
    TEST_MS,
  );
}

function locking(served: Served): void {
  test(
    "activation takes the LV's lock in the mode asked for, deactivation releases it",
    async () => {
      await host.ok("lvchange", "-aey", "vg0/lv0");
      expect(await lvLocks()).toEqual([expect.stringMatching(/^LK LV ex /)]);
      await host.ok("lvextend", "-L+4M", "vg0/lv0");
      await host.ok("lvchange", "-an", "vg0/lv0");
      expect(await lvLocks()).toEqual([]);
      await host.ok("lvchange", "-asy", "vg0/lv0");
      expect(await lvLocks()).toEqual([expect.stringMatching(/^LK LV sh /)]);
      expect((await host.lvm("lvextend", "-L+4M", "vg0/lv0")).status).not.toBe(0);
      await host.ok("lvchange", "-an", "vg0/lv0");
    },
    TEST_MS,
  );
  test(
    "commands that run at the same time take turns",
    async () => {
      const names = ["p0", "p1", "p2", "p3", "p4", "p5"];
      await Promise.all(names.map((name) => host.ok("lvcreate", "-an", "-Zn", "-l1", "-n", name, "vg0")));
      expect((await lvNames("vg0")).sort()).toEqual(["lv0", ...names]);
      await Promise.all(names.map((name) => host.ok("lvremove", "-y", `vg0/${name}`)));
      expect(await lvNames("vg0")).toEqual(["lv0"]);
    },
    TEST_MS,
  );
  test(
    "a command waits until another one has released the VG",
    async () => {
      const holder = await connectAndGreet(FIXED_PATHS.socket_path);
      await holder.ask(encodeRequest(lockRequest({ kind: "vg", vg_name: "vg0" }, "ex")));
      let finished = false;
      const waiting = host.ok("lvcreate", "-an", "-Zn", "-l1", "-n", "late", "vg0").then(() => {
        finished = true;
      });
      const shown = await waitForWaiter();
      expect({ finished, shown }).toEqual({ finished: false, shown: true });
      holder.close();
      await waiting;
      await host.ok("lvremove", "-y", "vg0/late");
    },
    TEST_MS,
  );
  if (served.adopts)
    test(
      "LV locks are held again after the daemon was killed and started anew",
      async () => {
        await host.ok("lvchange", "-aey", "vg0/lv0");
        const held = await lvLocks();
        daemon.kill("SIGKILL");
        await daemon.exited;
        await start(served);
        expect(await lvLocks()).toEqual(held);
        await host.ok("lvchange", "-an", "vg0/lv0");
        expect(await lvLocks()).toEqual([]);
      },
      TEST_MS,
    );
}

/** True when the daemon shows a request that waits for the VG's lock ("LW" of lvmlockctl --info), asked again and again. */
async function waitForWaiter(): Promise<boolean> {
  for (let count = 0; count < 200; count++) if (/^LW VG/m.test(await host.lvmlockctl("--info"))) return true;
  return false;
}

function changing(): void {
  test(
    "vgrename moves the lockspace to the new name",
    async () => {
      await host.ok("vgrename", "vg0", "vg1");
      await host.ok("vgchange", "--lockstart", "vg1");
      const info = await host.lvmlockctl("--info");
      expect(info).toContain("LS dlm lvm_vg1");
      expect(info).not.toContain("LS dlm lvm_vg0");
    },
    TEST_MS,
  );
  test(
    "lvremove removes the LV",
    async () => {
      await host.ok("lvremove", "-y", "vg1/lv0");
      expect(await lvNames("vg1")).toEqual([]);
    },
    TEST_MS,
  );
  test(
    "vgextend and vgreduce work on a shared VG",
    async () => {
      await host.ok("vgextend", "-y", "vg1", second);
      expect(await field("pv_count", "vg1")).toEqual(["2"]);
      await host.ok("vgreduce", "vg1", second);
      expect(await field("pv_count", "vg1")).toEqual(["1"]);
    },
    TEST_MS,
  );
  test(
    "--locktype none and back",
    async () => {
      await host.ok("vgchange", "--locktype", "none", "vg1");
      expect(await field("lock_type", "vg1")).toEqual([""]);
      await host.ok("vgchange", "--locktype", "dlm", "vg1");
      await host.ok("vgchange", "--lockstart", "vg1");
      expect(await field("lock_type", "vg1")).toEqual(["dlm"]);
    },
    TEST_MS,
  );
}

function ending(): void {
  test(
    "a stopped VG can be read but not changed",
    async () => {
      await host.ok("vgchange", "--lockstop", "vg1");
      const { status, stderr } = await host.lvm("vgs", "vg1");
      expect({ status, stderr }).toEqual({ status: 0, stderr: expect.stringContaining("without a lock") });
      expect((await host.lvm("lvcreate", "-an", "-Zn", "-l1", "-n", "no", "vg1")).status).not.toBe(0);
      await host.ok("vgchange", "--lockstart", "vg1");
      await host.ok("lvcreate", "-an", "-Zn", "-l1", "-n", "yes", "vg1");
    },
    TEST_MS,
  );
  test(
    "two shared VGs live side by side",
    async () => {
      await host.ok("vgcreate", "-y", "--shared", "vg2", third);
      expect((await field("vg_name")).sort()).toEqual(["vg1", "vg2"]);
      await host.ok("vgremove", "-y", "vg2");
      expect(await field("vg_name")).toEqual(["vg1"]);
    },
    TEST_MS,
  );
  test(
    "vgremove removes the VG with its LVs and ends its lockspace",
    async () => {
      await host.ok("vgremove", "-y", "vg1");
      expect(await field("vg_name")).toEqual([""]);
      await host.ok("pvremove", "-y", ...devices);
      expect(await host.lvmlockctl("--info")).not.toContain("LS dlm lvm_vg1");
    },
    TEST_MS,
  );
  test(
    "stock lvmlockctl shows the log, stops the lockspaces and ends the daemon",
    async () => {
      expect(await host.lvmlockctl("--dump")).toMatch(/^\d+ /m);
      await host.lvmlockctl("--stop-lockspaces");
      await host.lvmlockctl("--quit");
      expect(await daemon.exited).toBe(0);
    },
    TEST_MS,
  );
}

describe.each(SERVED.filter(({ flavour }) => only === undefined || flavour === only))("$name", (served) => {
  preparing(served);
  locking(served);
  changing();
  ending();
});

/** What a worker or an lvmlockd leaves behind in the kernel when it ends, and what the next one makes of it. Runs on a host of a real cluster. */
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import type { Adopt, LockspaceHandle, LockspaceIdentity, ResourceRef } from "../../../plugins/contract.ts";
import { formatVgLockArgs } from "../../../plugins/dlm/lock-args.ts";
import definition from "../../../plugins/dlm/plugin.ts";

const lockspace_name = "lvm_left";
const IDENTITY: LockspaceIdentity = {
  lockspace_name,
  vg_name: "left",
  vg_uuid: "",
  vg_lock_args: formatVgLockArgs("lab") ?? "",
  lock_type: "dlm",
  host_id: 1,
};
const LV: ResourceRef = { kind: "lv", name: "lv-uuid", lv_lock_args: "" };
/** systemd does this where it runs. */
const MOUNT_DEBUGFS = "mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug";
const test_timeout_ms = 120_000;
/** Some looks of the lockspace's watch, each of which does one step of a release. */
const released_ms_max = 30_000;

/** A worker of its own: it knows nothing of the others, and what they have open in the kernel is closed when it joins. */
async function worker(): Promise<LockspaceHandle> {
  const opened = await definition.open({
    lock_type: "dlm",
    test_mode: false,
    io_timeout_s: 0,
    lvmlockctl_path: "",
    settings: {},
    news: () => {},
  });
  if (opened.kind === "refused") throw new Error(opened.detail);
  return opened.manager.openLockspace(IDENTITY);
}

const join = (handle: LockspaceHandle, adopt: Adopt) => handle.join({ adopt, nodelay: false, repair: false });
const lock = (handle: LockspaceHandle) =>
  handle.lock({ resource: LV, mode: "ex", adopt: "no", repair: false, persistent: true, patience_ms: 0 });
const unlock = (handle: LockspaceHandle) =>
  handle.unlock({ resource: LV, from: "ex", r_version: 0, free_vg: false });
const leave = (handle: LockspaceHandle) => handle.leave({ free_vg: false });

/** As a member that comes or goes would: requests to the kernel block from 0 to 1. */
function setRunning(is_running: boolean): void {
  writeFileSync(`/sys/kernel/dlm/${lockspace_name}/control`, is_running ? "1" : "0");
}

export function leftBehind(): void {
  describe("what was left behind in the kernel", () => {
    test(
      "the lock of a worker that died, released while the lockspace is stopped, is free when that goes on",
      async () => {
        const first = await worker();
        expect(await join(first, "no")).toMatchObject({ kind: "done" });
        expect(await lock(first)).toMatchObject({ kind: "done" });
        const next = await worker();
        await next.prepare({ repair: false, kept: "joined" });
        expect(await join(next, "if-orphan")).toMatchObject({ kind: "done" });
        setRunning(false);
        const unlocked = await unlock(next);
        setRunning(true);
        expect(unlocked).toMatchObject({ kind: "done" });
        const until_ms = performance.now() + released_ms_max;
        let locked = await lock(next);
        while (locked.kind === "refused" && performance.now() < until_ms) {
          await Bun.sleep(500);
          locked = await lock(next);
        }
        expect(locked).toMatchObject({ kind: "done" });
        expect(await leave(next)).toMatchObject({ kind: "done" });
      },
      test_timeout_ms,
    );

    test(
      "a lockspace without a lock in it is had by any start, one with an orphan by none that does not adopt",
      async () => {
        Bun.spawnSync(["sh", "-c", MOUNT_DEBUGFS]);
        const first = await worker();
        expect(await join(first, "no")).toMatchObject({ kind: "done" });
        const second = await worker();
        expect(await join(second, "no")).toMatchObject({ kind: "done" });
        expect(await lock(second)).toMatchObject({ kind: "done" });
        const third = await worker();
        expect(await join(third, "no")).toMatchObject({ code: "EEXIST" });
        expect(await join(third, "if-orphan")).toMatchObject({ kind: "done" });
        expect(await leave(third)).toMatchObject({ kind: "done" });
      },
      test_timeout_ms,
    );
  });
}

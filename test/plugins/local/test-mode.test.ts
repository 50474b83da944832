import { describe, expect, test } from "bun:test";
import { lockLvPath } from "../../../plugins/local/test-mode-rules.ts";
import { initCall, initLvCall, openLocal, vgIdentity, vgLock } from "./opening.ts";

const zero = { layout: 0, flags: 0, r_version: 0 };

describe("test mode for dlm", () => {
  const open = () => openLocal({ lock_type: "dlm", test_mode: true });

  test("makes VGs of the cluster test, and starts any", async () => {
    const manager = await open();
    expect(await manager.initVg(initCall)).toMatchObject({
      vg_lock_args: "1.0.0:test",
      global_lock: "not-here",
    });
    for (const vg_lock_args of ["1.0.0:other", "", "garbage"]) {
      const handle = manager.openLockspace(vgIdentity({ vg_lock_args, host_id: 0 }));
      expect(await handle.prepare({ repair: false })).toMatchObject({ kind: "done", lm_result: 0 });
    }
    expect(await manager.initLv(initLvCall)).toMatchObject({ lv_lock_args: "" });
  });

  test("keeps the value block as dlm does: layout at the first release, version, and removal of the VG", async () => {
    const { lock, unlock, convert } = vgLock((await open()).openLockspace(vgIdentity()));
    expect(await lock("sh")).toMatchObject({ value_block: zero });
    await unlock("sh", 5);
    expect(await lock("ex")).toMatchObject({ value_block: zero });
    await unlock("ex", 0);
    expect(await lock("ex")).toMatchObject({ value_block: { layout: 0x0101, flags: 0, r_version: 0 } });
    await convert("ex", "sh", 7);
    await unlock("sh");
    expect(await lock("ex")).toMatchObject({ value_block: { r_version: 7 } });
    await unlock("ex", 8, true);
    expect(await lock("sh")).toMatchObject({ value_block: { layout: 0x0101, flags: 1, r_version: 8 } });
  });
});

describe("test mode for idm", () => {
  test("leaves the lock args of a VG as they were sent", async () => {
    const manager = await openLocal({ lock_type: "idm", test_mode: true });
    expect(await manager.initVg(initCall)).toMatchObject({ vg_lock_args: "lvmlock" });
  });
});

describe("test mode for sanlock", () => {
  const open = (pathExists = (_path: string) => true) =>
    openLocal({ lock_type: "sanlock", test_mode: true, pathExists });

  test("makes the lock args from the lock LV's name", async () => {
    const manager = await open();
    expect(await manager.initVg(initCall)).toMatchObject({
      kind: "done",
      vg_lock_args: "1.0.0:lvmlock",
      lm_result: 0,
    });
    for (const vg_lock_args of ["", "none", "x".repeat(58)])
      expect(await manager.initVg({ ...initCall, vg_lock_args })).toMatchObject({
        code: "EARGS",
        lm_result: 0,
      });
    expect(await manager.initVg({ ...initCall, vg_lock_args: "x".repeat(57) })).toMatchObject({
      kind: "done",
    });
  });

  test("hands out lease offsets from 67 MiB on, one MiB apart, for all VGs together", async () => {
    const manager = await open();
    for (const offset of [70254592, 71303168, 72351744])
      expect(await manager.initLv(initLvCall)).toMatchObject({ lv_lock_args: `1.0.0:${offset}` });
    expect(await manager.initLv({ ...initLvCall, vg_lock_args: "lvmlock" })).toMatchObject({
      code: "EPERM",
      lm_result: -1,
    });
    expect(await manager.initLv(initLvCall)).toMatchObject({ lv_lock_args: "1.0.0:73400320" });
  });

  test("renames a VG whose lock args are complete", async () => {
    const manager = await open();
    const rename = (vg_lock_args: string) =>
      manager.renameVg({ vg_name: "b", lockspace_name: "lvm_b", vg_lock_args });
    expect(await rename("1.0.0:lvmlock")).toMatchObject({ kind: "done", vg_lock_args: "1.0.0:lvmlock" });
    expect(await rename("none")).toMatchObject({ code: "EINVAL" });
    expect(await rename("lvmlock")).toMatchObject({ code: "EPERM", lm_result: -1 });
  });

  test("starts a VG that has readable args, its lock LV and a host_id of 1 to 2000, checked in this order", async () => {
    const looked: string[] = [];
    let exists = true;
    const manager = await open((path) => {
      looked.push(path);
      return exists;
    });
    const prepare = (more: Parameters<typeof vgIdentity>[0]) =>
      manager.openLockspace(vgIdentity({ vg_name: "my-vg", ...more })).prepare({ repair: false });
    for (const vg_lock_args of ["", "lvmlock", "1.0:lvmlock", "2.0.0:lvmlock"])
      expect(await prepare({ vg_lock_args, host_id: 0 })).toMatchObject({ code: "EARGS", lm_result: -212 });
    expect(looked).toEqual([]);
    for (const host_id of [0, 2001, -1])
      expect(await prepare({ host_id })).toMatchObject({ code: "EHOSTID", lm_result: -213 });
    for (const host_id of [1, 2000]) expect(await prepare({ host_id })).toMatchObject({ kind: "done" });
    exists = false;
    expect(await prepare({ host_id: 0 })).toMatchObject({ code: "EARGS", lm_result: -212 });
    expect(new Set(looked)).toEqual(new Set(["/dev/mapper/my--vg-lvmlock"]));
  });

  test("names the lock LV's device as device-mapper does", () => {
    expect(lockLvPath("a-b", "lvm-lock")).toBe("/dev/mapper/a--b-lvm--lock");
  });

  test("locks an LV only with readable lock args", async () => {
    const handle = (await open()).openLockspace(vgIdentity());
    const lock = (lv_lock_args: string) =>
      handle.lock({
        resource: { kind: "lv", name: "u1", lv_lock_args },
        mode: "ex",
        adopt: "no",
        repair: false,
        persistent: true,
        patience_ms: 0,
      });
    expect(await lock("1.0.0:70254592")).toMatchObject({ kind: "done", value_block: null });
    for (const lv_lock_args of ["", "none", "1.0:5", "2.0.0:5"])
      expect(await lock(lv_lock_args)).toMatchObject({ code: "EPERM", lm_result: -1, retry: "never" });
  });

  test("keeps the value block as C does: only a version, and only when ex is released", async () => {
    const { lock, unlock, convert } = vgLock((await open()).openLockspace(vgIdentity()));
    await lock("ex");
    await unlock("ex", 0);
    expect(await lock("ex")).toMatchObject({ value_block: zero });
    await convert("ex", "sh", 7);
    await convert("sh", "ex");
    await unlock("ex", 8, true);
    expect(await lock("sh")).toMatchObject({ value_block: { layout: 0x0101, flags: 0, r_version: 8 } });
  });

  test("gives the global lock to the first VG that is made or started, until that is left", async () => {
    const manager = await open();
    const join = { adopt: "no", nodelay: false, repair: false } as const;
    const first = manager.openLockspace(vgIdentity({ lockspace_name: "lvm_1" }));
    const second = manager.openLockspace(vgIdentity({ lockspace_name: "lvm_2" }));
    expect(await first.prepare({ repair: false })).toMatchObject({ global_lock: "enabled" });
    expect(await second.prepare({ repair: false })).toMatchObject({ global_lock: "disabled" });
    await first.join(join);
    await first.leave({ free_vg: false });
    // A search finds it in any VG, also where it was disabled.
    await second.setGlobalLock?.({ enabled: false, ex_disable: false });
    expect(await second.hasGlobalLock?.()).toEqual({ kind: "done", enabled: true });
    expect(await first.prepare({ repair: false })).toMatchObject({ global_lock: "disabled" });
  });
});

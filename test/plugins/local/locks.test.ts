import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { HeldMode, ResourceKind } from "../../../plugins/contract.ts";
import { initCall, openLocal, vgIdentity, vgLock } from "./opening.ts";

const global_identity = { vg_name: "", vg_lock_args: "" };

describe("local locks", () => {
  test("hand out the same frozen answer for each grant until the value block changes", async () => {
    const { lock, unlock } = vgLock((await openLocal()).openLockspace(vgIdentity(global_identity)));
    const first = await lock("ex");
    await unlock("ex", 0);
    // The first release of ex gives the block its layout.
    const second = await lock("ex");
    await unlock("ex", 0);
    const third = await lock("sh");
    expect(second).not.toBe(first);
    expect(third).toBe(second);
    expect(Object.isFrozen(third)).toBe(true);
  });

  test("answer without a promise", async () => {
    const handle = (await openLocal()).openLockspace(vgIdentity(global_identity));
    expect(handle.prepare({ repair: false })).not.toBeInstanceOf(Promise);
    expect(vgLock(handle).lock("ex")).not.toBeInstanceOf(Promise);
    expect(vgLock(handle).unlock("ex")).not.toBeInstanceOf(Promise);
  });

  test("of an LV that is called like the VG's lock are not the VG's lock", async () => {
    const handle = (await openLocal()).openLockspace(vgIdentity(global_identity));
    const resource = { kind: "lv", name: "VGLK", lv_lock_args: "" } as const;
    await vgLock(handle).lock("ex");
    expect(await handle.convert({ resource, from: "ex", mode: "sh", r_version: 3 })).toMatchObject({
      code: "ENOENT",
    });
    await vgLock(handle).unlock("ex", 4);
    expect(await vgLock(handle).lock("sh")).toMatchObject({ value_block: { r_version: 4 } });
  });

  test("follow a simple model through any sequence of calls", async () => {
    const step = fc.record({
      call: fc.constantFrom("lock", "unlock", "convert"),
      kind: fc.constantFrom<ResourceKind>("gl", "vg", "lv"),
      name: fc.constantFrom("a", "b"),
      mode: fc.constantFrom<HeldMode>("sh", "ex"),
      r_version: fc.integer({ min: 0, max: 5 }),
    });
    const manager = await openLocal();
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const handle = manager.openLockspace(vgIdentity(global_identity));
        const modes = new Map<string, HeldMode>();
        const versions = new Map<string, number>();
        for (const { call, kind, name, mode, r_version } of steps) {
          const resource = { kind, name, lv_lock_args: "" };
          const key = kind === "lv" ? name : kind;
          const from = modes.get(key) ?? "sh";
          const stores = modes.get(key) === "ex" && r_version > 0 && kind !== "lv";
          if (call === "lock") {
            const call = {
              resource,
              mode,
              adopt: "no",
              repair: false,
              persistent: false,
              patience_ms: 0,
            } as const;
            const answer = await handle.lock(call);
            const block = answer.kind === "done" ? answer.value_block : undefined;
            expect(kind === "lv" ? block : block?.r_version).toBe(
              kind === "lv" ? null : (versions.get(key) ?? 0),
            );
            modes.set(key, mode);
          } else if (call === "unlock") {
            expect(await handle.unlock({ resource, from, r_version, free_vg: false })).toMatchObject({
              kind: "done",
            });
            if (stores) versions.set(key, r_version);
            modes.delete(key);
          } else {
            const answer = await handle.convert({ resource, from, mode, r_version });
            expect(answer.kind).toBe(modes.has(key) ? "done" : "refused");
            if (stores) versions.set(key, r_version);
            if (modes.has(key)) modes.set(key, mode);
          }
        }
      }),
    );
  });
});

describe("the global lock under lock type sanlock", () => {
  test("is in the first VG; disabling it by hand is remembered when it is searched for", async () => {
    const manager = await openLocal({ lock_type: "sanlock" });
    const args = await manager.initVg({ ...initCall, lockspace_name: "lvm_1" });
    expect(args).toMatchObject({ global_lock: "enabled" });
    const vg_lock_args = args.kind === "done" ? args.vg_lock_args : "";
    const [first, second] = ["lvm_1", "lvm_2"].map((lockspace_name) =>
      manager.openLockspace(vgIdentity({ lockspace_name, vg_lock_args })),
    );
    expect(await second?.prepare({ repair: false })).toMatchObject({ global_lock: "disabled" });
    expect(await second?.hasGlobalLock?.()).toMatchObject({ enabled: false });
    await first?.setGlobalLock?.({ enabled: false, ex_disable: true });
    expect(await first?.hasGlobalLock?.()).toMatchObject({ enabled: false });
    expect(await second?.hasGlobalLock?.()).toMatchObject({ enabled: true });
  });
});

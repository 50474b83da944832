import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ManagerNews } from "../../../plugins/contract.ts";
import { machineIdentity } from "../../../plugins/local/identity.ts";
import { parseLockArgs, whyForeign } from "../../../plugins/local/lock-args.ts";
import { initCall, openLocal, vgIdentity } from "./opening.ts";

const scratch = mkdtempSync(join(tmpdir(), "local-identity-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const machine = (name: string, id: string): string => {
  writeFileSync(join(scratch, name), `${id}\n`);
  return join(scratch, name);
};
const here = machine("here", "0123456789abcdef0123456789abcdef");
const there = machine("there", "fedcba9876543210fedcba9876543210");

describe("this machine's identity", () => {
  test("is twelve hex digits that do not show the machine id, and the same each time", () => {
    const { name, source } = machineIdentity(here);
    expect(name).toMatch(/^local\.[0-9a-f]{12}$/);
    expect("0123456789abcdef0123456789abcdef").not.toContain(name.slice(6));
    expect(source).toBe("machine-id");
    expect(machineIdentity(here).name).toBe(name);
    expect(machineIdentity(there).name).not.toBe(name);
  });

  test("comes from the host name without a machine id, and that is said", async () => {
    for (const path of [
      join(scratch, "none"),
      machine("empty", ""),
      machine("first-boot", "uninitialized"),
    ]) {
      expect(machineIdentity(path).source).toBe("hostname");
      const news: ManagerNews[] = [];
      await openLocal({ machine_id_path: path, news: (item) => news.push(item) });
      expect(news).toMatchObject([
        { kind: "log", level: "warning", text: expect.stringContaining("host name") },
      ]);
    }
  });

  test("is in the lock args of a new VG, within LVM's 64 characters", async () => {
    const manager = await openLocal({ machine_id_path: here });
    const answer = await manager.initVg(initCall);
    expect(answer).toMatchObject({
      vg_lock_args: `1.0.0:${machineIdentity(here).name}`,
      global_lock: "not-here",
    });
  });
});

describe("starting a VG", () => {
  const cases: [string, string, RegExp][] = [
    [
      "made under local on another machine",
      `1.0.0:${machineIdentity(there).name}`,
      /under the local lock manager on another machine \(local\.[0-9a-f]{12}; this one is local\.[0-9a-f]{12}\)/,
    ],
    ["of a dlm cluster", "1.0.0:alpha", /belongs to dlm cluster "alpha"/],
    ["without lock args", "", /has no lock args/],
    ["with lock args that say none", "none", /has no lock args/],
    ["with lock args that can't be read", "garbage", /can't be read/],
    ["of a newer lvmlockd", "2.0.0:alpha", /newer lvmlockd \(version 2\)/],
  ];
  for (const [what, vg_lock_args, sentence] of cases) {
    test(`${what} is refused with the reason`, async () => {
      const manager = await openLocal({ machine_id_path: here });
      const prepared = await manager.openLockspace(vgIdentity({ vg_lock_args })).prepare({ repair: false });
      expect(prepared).toMatchObject({
        kind: "refused",
        code: "EARGS",
        detail: expect.stringMatching(sentence),
      });
    });
  }

  test("of sanlock is refused with its lock args", () => {
    expect(whyForeign("1.0.0:lvmlock", "sanlock", "local.0")).toContain(
      'belongs to sanlock ("1.0.0:lvmlock")',
    );
  });

  test("of its own is allowed, as is the lockspace of the global lock, which has no args", async () => {
    const manager = await openLocal({ machine_id_path: here });
    const own = vgIdentity({ vg_lock_args: `1.0.0:${machineIdentity(here).name}` });
    const global = vgIdentity({ vg_name: "", vg_lock_args: "", lockspace_name: "lvm_global" });
    for (const identity of [own, global])
      expect(await manager.openLockspace(identity).prepare({ repair: false })).toMatchObject({
        kind: "done",
      });
  });

  test("made elsewhere is not renamed here either", async () => {
    const manager = await openLocal({ machine_id_path: here });
    const call = { vg_name: "b", lockspace_name: "lvm_b", vg_lock_args: "1.0.0:alpha" };
    expect(await manager.renameVg(call)).toMatchObject({ kind: "refused", code: "EARGS" });
  });
});

describe("lock args", () => {
  test("are read as lvmlockd reads them", () => {
    expect(parseLockArgs("1.0.0:lvmlock")).toEqual({ major: 1, body: "lvmlock" });
    expect(parseLockArgs("1.0.0:lvmlock:notimeout")).toEqual({ major: 1, body: "notimeout" });
    expect(parseLockArgs("x.y.z:")).toEqual({ major: 0, body: "" });
    expect(parseLockArgs("1.0:lvmlock")).toBeNull();
    expect(parseLockArgs("1.0.0")).toBeNull();
    expect(parseLockArgs("")).toBeNull();
  });
});

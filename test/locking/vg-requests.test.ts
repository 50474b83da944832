import { describe, expect, test } from "bun:test";
import { wireResult } from "../../core/errors.ts";
import type { RequestName } from "../../core/wire/message.ts";
import { argsOf, done, granted, refused } from "./manager.ts";
import { makeRig, type NormalReply, type Rig } from "./rig.ts";

const VG = { vg_name: "vg" };
const EVGKILLED = wireResult("EVGKILLED");

function started(): Rig {
  const rig = makeRig();
  rig.startVg();
  rig.newCalls();
  return rig;
}

describe("busy_vg, free_vg and rename_vg_before", () => {
  test("are EBUSY while other hosts have the VG started, with how many", () => {
    for (const name of ["busy_vg", "free_vg", "rename_vg_before"] as const) {
      const rig = started();
      rig.script("hosts", () => done({ others: 2, unknown: false }));
      expect(rig.client().send(name, VG)).toMatchObject({
        result: wireResult("EBUSY"),
        detail: "2 other hosts have the VG started",
      });
      expect(rig.lockspace()?.state).toBe("started");
    }
  });

  test("say HOSTS_UNKNOWN when the lock manager does not know yet", () => {
    const rig = started();
    rig.script("hosts", () => done({ others: 1, unknown: true }));
    const reply = rig.client().send("busy_vg", VG) as NormalReply;
    expect(reply.flags.hosts_unknown).toBe(true);
  });

  test("tell the lock manager's refusal", () => {
    const rig = started();
    rig.script("hosts", () => refused("ENOTCONN"));
    expect(rig.client().ask("free_vg", VG)).toBe(wireResult("ENOTCONN"));
    expect(rig.lockspace()?.state).toBe("started");
  });

  test("busy_vg only asks", () => {
    const rig = started();
    expect(rig.client().ask("busy_vg", VG)).toBe(0);
    expect(argsOf(rig.calls("hosts")[0] as never).notify).toBe(false);
    expect(rig.lockspace()?.state).toBe("started");
  });

  test("rename_vg_before stops the VG under its old name, rename_vg_final has the leases renamed", () => {
    const rig = started();
    const a = rig.client();
    a.vg("ex");
    expect(a.ask("rename_vg_before", VG)).toBe(0);
    expect(rig.lockspace()).toBeUndefined();
    const fields = { vg_name: "new", vg_lock_type: "dlm", vg_lock_args: "1.0.0:x" } as const;
    expect(a.ask("rename_vg_final", fields)).toBe(0);
    expect(argsOf(rig.calls("renameVg")[0] as never)).toMatchObject({
      vg_name: "new",
      lockspace_name: "lvm_new",
    });
    rig.startVg("new");
    expect(a.vg("un")).toBe(wireResult("ENOLS"));
  });

  test("the second of two that would end the VG is told that it is stopping", () => {
    const rig = started();
    rig.hold("hosts");
    const [a, b] = [rig.client(), rig.client()];
    a.ask("free_vg", VG);
    b.ask("rename_vg_before", VG);
    rig.answer(done({ others: 0 }));
    rig.answer(done({ others: 0 }));
    expect(b.result()).toBe(wireResult("ESTALE"));
    rig.answer(done({ others: 0 }));
    expect(a.result()).toBe(0);
  });
});

describe("lock args", () => {
  test("setlockargs_vg_before asks whether they may change, wants no LV locks and no other host, and stops the VG", () => {
    const rig = started();
    const a = rig.client();
    a.vg("ex");
    a.lv("lv1", "ex");
    expect(a.ask("setlockargs_vg_before", { ...VG, set_lock_args: "persist" })).toBe(wireResult("ENOTEMPTY"));
    a.lv("lv1", "un");
    rig.newCalls();
    expect(a.ask("setlockargs_vg_before", { ...VG, set_lock_args: "persist" })).toBe(0);
    expect(rig.newCalls().slice(0, 2)).toEqual(["allowLockArgs", "hosts"]);
    expect(rig.lockspace()).toBeUndefined();
  });

  test("setlockargs_vg_before is refused also when an LV is locked while the lock manager is asked", () => {
    const rig = started();
    rig.hold("hosts");
    const a = rig.client();
    a.ask("setlockargs_vg_before", { ...VG, set_lock_args: "persist" });
    rig.client().lv("lv1", "ex", { persistent: true });
    rig.answer(done({ others: 0 }));
    expect(a.result()).toBe(wireResult("ENOTEMPTY"));
    expect(rig.resource("lv1")?.mode).toBe("ex");
  });

  test("setlockargs_vg_before tells a refusal of the args", () => {
    const rig = started();
    rig.script("allowLockArgs", () => refused("EPROTONOSUPPORT"));
    expect(rig.client().ask("setlockargs_vg_before", VG)).toBe(wireResult("EPROTONOSUPPORT"));
    expect(rig.lockspace()?.state).toBe("started");
  });

  test("setlockargs_vg_final waits for the VG to be gone, then returns the args that were made", () => {
    const rig = started();
    const a = rig.client();
    const fields = { ...VG, vg_lock_type: "dlm", vg_lock_args: "1.0.0:x", set_lock_args: "persist" } as const;
    expect(a.ask("setlockargs_vg_final", fields)).toBe(wireResult("EAGAIN"));
    a.ask("stop_vg", VG);
    rig.script("setLockArgs", () => done({ vg_lock_args: "1.0.0:x:persist" }));
    expect(a.send("setlockargs_vg_final", fields)).toMatchObject({
      shape: "args",
      vg_lock_args: "1.0.0:x:persist",
    });
  });

  test("init_vg returns the VG's args and passes on what the command wants", () => {
    const rig = makeRig();
    const reply = rig.client().send("init_vg", {
      vg_name: "vg",
      vg_lock_type: "dlm",
      vg_lock_args: "lvmlock",
      set_lock_args: "notimeout",
      align_mb: 8,
      opts: { enable: true },
    });
    expect(reply).toMatchObject({
      shape: "args",
      op: 3,
      result: 0,
      vg_lock_args: "1.0.0:made",
      lv_lock_args: "none",
    });
    expect(rig.calls("initVg")[0]?.args).toEqual({
      vg_name: "vg",
      lockspace_name: "lvm_vg",
      vg_lock_args: "lvmlock",
      set_lock_args: "notimeout",
      align_mb: 8,
      enable_global_lock: true,
    });
  });

  test("init_vg of a started VG is EEXIST", () => {
    const rig = started();
    expect(rig.client().ask("init_vg", { vg_name: "vg", vg_lock_type: "dlm" })).toBe(wireResult("EEXIST"));
  });

  test("init_lv uses the args of the started VG, and refuses a lock type that is not the VG's", () => {
    const rig = started();
    const a = rig.client();
    const lv = { vg_name: "vg", lv_uuid: "u", lv_name: "n", vg_lock_args: "stale", prev_lv_args: "p" };
    expect(a.send("init_lv", { ...lv, vg_lock_type: "dlm" })).toMatchObject({
      lv_lock_args: "1.0.0:70254592",
    });
    expect(argsOf(rig.calls("initLv")[0] as never)).toMatchObject({
      vg_lock_args: "1.0.0:x",
      prev_lv_args: "p",
      started: true,
    });
    expect(a.ask("init_lv", { ...lv, vg_lock_type: "sanlock" })).toBe(wireResult("EINVAL"));
  });

  test("a refused init echoes the args of the request", () => {
    const rig = makeRig();
    rig.script("initVg", () => refused("EARGS", { lm_result: -212 }));
    const fields = { vg_name: "vg", vg_lock_type: "dlm", vg_lock_args: "given" } as const;
    expect(rig.client().send("init_vg", fields)).toMatchObject({
      shape: "args",
      result: wireResult("EARGS"),
      lm_result: -212,
      vg_lock_args: "given",
    });
  });
});

describe("questions", () => {
  test("query_lock tells the mode that the lock manager holds for this host", () => {
    const rig = started();
    const a = rig.client();
    const query = { vg_name: "vg", lv_uuid: "lv1", vg_lock_type: "dlm" } as const;
    expect(a.send("query_lock_lv", query)).toEqual({
      shape: "query",
      op: 23,
      result: 0,
      lock_type: "dlm",
      mode: "un",
    });
    a.lv("lv1", "ex", { persistent: true });
    expect(a.send("query_lock_lv", query)).toMatchObject({ mode: "ex" });
    expect(a.send("query_lock_vg", VG)).toMatchObject({ mode: "un" });
    a.vg("sh");
    expect(a.send("query_lock_vg", VG)).toMatchObject({ mode: "sh" });
    expect(rig.resource("lv2")).toBeUndefined();
  });

  test("query_lock of a VG that is not started is ENOLS in its own shape", () => {
    const reply = makeRig().client().send("query_lock_lv", { vg_name: "vg", lv_uuid: "u", mode: "ex" });
    expect(reply).toMatchObject({ shape: "query", result: wireResult("ENOLS"), mode: "ex" });
  });

  test("vg_status tells this host's own state, ENOENT without the VG", () => {
    const rig = started();
    const owner = { host_id: 4, generation: 2, timestamp_s: 10, state: "LIVE", name: "" };
    rig.script("status", () => done({ lm_result: 1, owner }));
    expect(rig.client().send("vg_status", VG)).toMatchObject({
      shape: "status",
      result: 0,
      lm_result: 1,
      owner,
    });
    expect(rig.client().send("vg_status", { vg_name: "other" })).toMatchObject({
      shape: "status",
      result: wireResult("ENOENT"),
    });
  });

  test("find_free_lock asks the lock manager for a lease of the LV's size", () => {
    const rig = started();
    expect(rig.client().ask("find_free_lock", { ...VG, lv_size_bytes: 4096 })).toBe(0);
    expect(rig.calls("findFreeLock")[0]?.args).toEqual({ lv_size_bytes: 4096 });
    rig.script("findFreeLock", () => refused("EMSGSIZE"));
    expect(rig.client().ask("find_free_lock", VG)).toBe(wireResult("EMSGSIZE"));
  });

  test("free_lv gives the lease of the LV back, also of one that was never locked", () => {
    const rig = started();
    const lv = { ...VG, lv_uuid: "lv1", lv_lock_args: "1.0.0:99" };
    expect(rig.client().ask("free_lv", lv)).toBe(0);
    expect(argsOf(rig.calls("freeLv")[0] as never).resource).toEqual({
      kind: "lv",
      name: "lv1",
      lv_lock_args: "1.0.0:99",
    });
  });

  test("refresh_lv goes to a lock manager that can reach the other hosts", () => {
    const rig = started();
    expect(rig.client().ask("refresh_lv", { lv_uuid: "u", path: "/dev/vg/lv" })).toBe(0);
    expect(rig.calls("refreshLv")[0]?.args).toEqual({ lv_uuid: "u", path: "/dev/vg/lv" });
    const none = makeRig({ managers: {} });
    expect(none.client().ask("refresh_lv", { lv_uuid: "u", path: "p" })).toBe(wireResult("EPROTONOSUPPORT"));
  });
});

describe("kill_vg and drop_vg", () => {
  test("a killed VG takes unlock, stop, free_lv and drop, and refuses the rest with EVGKILLED", () => {
    const rig = started();
    const a = rig.client();
    a.vg("ex");
    expect(a.ask("kill_vg", VG)).toBe(0);
    expect(rig.lockspace()).toMatchObject({ killed: true, killed_reason: "lvmlockctl --kill" });
    for (const name of [
      "vg_update",
      "rename_vg_before",
      "query_lock_vg",
      "query_lock_lv",
      "find_free_lock",
    ] as const) {
      expect([name, a.ask(name, { ...VG, lv_uuid: "u" })]).toEqual([name, EVGKILLED]);
    }
    expect(a.vg("sh")).toBe(EVGKILLED);
    expect(a.lv("lv1", "ex")).toBe(EVGKILLED);
    expect(a.ask("free_lv", { ...VG, lv_uuid: "u" })).toBe(0);
    expect(a.vg("un")).toBe(0);
    expect(a.ask("stop_vg", VG)).toBe(0);
  });

  test("kill_vg tells those who wait, in the queue and behind a manager call, and grants nothing any more", () => {
    const rig = started();
    const [a, b, c, d] = [rig.client(), rig.client(), rig.client(), rig.client()];
    a.lv("lv1", "ex");
    b.lv("lv1", "ex");
    rig.hold("lock");
    c.vg("ex");
    d.vg("sh");
    rig.client().ask("kill_vg", VG);
    expect([b, c, d].map((client) => client.result())).toEqual([EVGKILLED, EVGKILLED, EVGKILLED]);
    rig.newCalls();
    rig.answer(granted());
    expect(rig.newCalls()).toEqual(["unlock VGLK ex"]);
  });

  test("drop_vg drops all locks and leaves, LV locks or not", () => {
    const rig = started();
    const a = rig.client();
    a.lv("lv1", "ex", { persistent: true });
    a.vg("sh");
    a.ask("kill_vg", VG);
    expect(a.ask("drop_vg", VG)).toBe(0);
    expect(rig.lockspace()).toBeUndefined();
    // The global lock's own lockspace is still there.
    expect([...rig.journal.keys()]).toEqual([""]);
  });

  test("drop_vg works without a kill before", () => {
    const rig = started();
    rig.client().lv("lv1", "ex");
    expect(rig.client().ask("drop_vg", VG)).toBe(0);
  });

  test("news that a lockspace is lost kills the VG with the reason, as an incident", () => {
    const rig = started();
    const [a, b] = [rig.client(), rig.client()];
    a.vg("ex");
    b.vg("ex");
    rig.handle({ kind: "lockspace-lost", lockspace_name: "lvm_vg", reason: "lease renewal failed" });
    expect(b.reply()).toMatchObject({ result: EVGKILLED, detail: "lease renewal failed" });
    expect(rig.lockspace()?.killed_reason).toBe("lease renewal failed");
    expect(rig.core.incidents().at(-1)).toMatchObject({ vg_name: "vg", code: "EVGKILLED" });
    rig.handle({ kind: "lockspace-lost", lockspace_name: "lvm_other", reason: "x" });
    expect(rig.core.incidents().length).toBe(1);
  });
});

describe("missing keys", () => {
  test("are answered, in the shape that the request's reply has", () => {
    const rig = started();
    const a = rig.client();
    const shapes: readonly (readonly [RequestName, string])[] = [
      ["lock_vg", "normal"],
      ["lock_lv", "normal"],
      ["vg_update", "normal"],
      ["start_vg", "normal"],
      ["stop_vg", "normal"],
      ["busy_vg", "normal"],
      ["free_vg", "normal"],
      ["free_lv", "normal"],
      ["kill_vg", "normal"],
      ["drop_vg", "normal"],
      ["enable_gl", "normal"],
      ["find_free_lock", "normal"],
      ["rename_vg_before", "normal"],
      ["rename_vg_final", "normal"],
      ["setlockargs_vg_before", "normal"],
      ["init_vg", "args"],
      ["init_lv", "args"],
      ["setlockargs_vg_final", "args"],
      ["query_lock_vg", "query"],
      ["query_lock_lv", "query"],
      ["vg_status", "status"],
      ["set_remote_lv_lock", "short"],
    ];
    for (const [name, shape] of shapes) {
      expect([name, a.send(name, { mode: "ex" })]).toMatchObject([
        name,
        { shape, result: wireResult("EINVAL") },
      ]);
    }
    expect(a.ask("lock_lv", { vg_name: "vg", mode: "ex" })).toBe(wireResult("EINVAL"));
    expect(a.ask("init_vg", { vg_name: "new" })).toBe(wireResult("EINVAL"));
  });
});

describe("set_remote_lv_lock", () => {
  const remote = (mode: string) => ({ vg_name: "vg", lv_uuid: "lv1", mode }) as never;

  test("is EPERM outside of test mode", () => {
    expect(started().client().ask("set_remote_lv_lock", remote("ex"))).toBe(wireResult("EPERM"));
  });

  test("makes requests meet a lock of another host until it is taken away", () => {
    const rig = makeRig({ test_mode: true });
    rig.startVg();
    const a = rig.client();
    expect(a.send("set_remote_lv_lock", remote("sh"))).toEqual({ shape: "short", op: 30, result: 0 });
    expect(a.lv("lv1", "ex")).toBe(wireResult("EAGAIN"));
    expect(a.lv("lv1", "sh")).toBe(0);
    a.lv("lv1", "un");
    a.ask("set_remote_lv_lock", remote("ex"));
    expect(a.lv("lv1", "sh")).toBe(wireResult("EAGAIN"));
    a.ask("set_remote_lv_lock", remote("un"));
    expect(a.lv("lv1", "ex")).toBe(0);
  });

  test("drops a persistent lock of this host, so that the next request meets the other one", () => {
    const rig = makeRig({ test_mode: true });
    rig.startVg();
    const a = rig.client();
    a.lv("lv1", "ex", { persistent: true });
    a.ask("set_remote_lv_lock", remote("ex"));
    expect(a.lv("lv1", "ex")).toBe(wireResult("EAGAIN"));
    expect(rig.journal.has("vg/lv1")).toBe(false);
  });
});

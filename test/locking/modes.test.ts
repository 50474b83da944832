import { describe, expect, test } from "bun:test";
import { wireResult } from "../../core/errors.ts";
import { refused } from "./manager.ts";
import { makeRig, type NormalReply, type Rig } from "./rig.ts";

function started(): Rig {
  const rig = makeRig();
  rig.startVg();
  rig.newCalls();
  return rig;
}

describe("modes", () => {
  test("a lock that nobody holds is granted by the lock manager in the mode that was asked for", () => {
    const rig = started();
    expect(rig.client().vg("ex")).toBe(0);
    expect(rig.newCalls()).toEqual(["lock VGLK ex"]);
    expect(rig.resource("VGLK")?.mode).toBe("ex");
  });

  test("a second shared lock of this host is granted without asking the lock manager again", () => {
    const rig = started();
    expect(rig.client().vg("sh")).toBe(0);
    expect(rig.client().vg("sh")).toBe(0);
    expect(rig.newCalls()).toEqual(["lock VGLK sh"]);
    expect(rig.resource("VGLK")?.sh_count).toBe(2);
  });

  test("an exclusive request waits for a shared lock, and a shared one for an exclusive", () => {
    const rig = started();
    const [a, b, c] = [rig.client(), rig.client(), rig.client()];
    a.vg("sh");
    expect(b.vg("ex")).toBeNull();
    a.vg("un");
    expect(b.result()).toBe(0);
    expect(c.vg("sh")).toBeNull();
    b.vg("un");
    expect(c.result()).toBe(0);
  });

  test("the modes iv and nl are no modes to lock in", () => {
    const rig = started();
    const a = rig.client();
    expect(a.vg("iv")).toBe(wireResult("EINVAL"));
    expect(a.lv("lv1", "nl")).toBe(wireResult("EINVAL"));
    expect(rig.newCalls()).toEqual([]);
  });

  test("locks of different LVs, VGs and the global lock do not meet", () => {
    const rig = started();
    rig.startVg("vg2");
    expect(rig.client().gl("ex")).toBe(0);
    expect(rig.client().vg("ex")).toBe(0);
    expect(rig.client().vg("ex", { vg: "vg2" })).toBe(0);
    expect(rig.client().lv("lv1", "ex")).toBe(0);
    expect(rig.client().lv("lv2", "ex")).toBe(0);
    expect(rig.client().lv("lv1", "ex", { vg: "vg2" })).toBe(0);
  });

  test("a reply tells the lock type and the generation of the lockspace", () => {
    const reply = started().client().send("lock_vg", { vg_name: "vg", mode: "sh" });
    expect(reply).toMatchObject({ shape: "normal", op: 7, lock_type: "dlm", ls_generation: 7, lm_result: 0 });
  });

  test("a lock type that is not the VG's is refused", () => {
    const a = started().client();
    expect(a.ask("lock_vg", { vg_name: "vg", mode: "sh", vg_lock_type: "sanlock" })).toBe(
      wireResult("EINVAL"),
    );
    expect(a.ask("lock_vg", { vg_name: "vg", mode: "sh", vg_lock_type: "bad" })).toBe(wireResult("EINVAL"));
  });

  test("a refusal by the lock manager tells its owner, its own number and its sentence, and changes nothing", () => {
    const rig = started();
    const owner = { host_id: 3, generation: 9, timestamp_s: 77, state: "LIVE", name: "other" };
    rig.script(
      "lock",
      () => ({ ...refused("EAGAIN", { owner, lm_result: -11 }), detail: "held there" }) as never,
    );
    const reply = rig.client().send("lock_lv", { vg_name: "vg", lv_uuid: "lv1", mode: "ex" }) as NormalReply;
    expect(reply).toMatchObject({ result: -11, lm_result: -11, owner, detail: "held there" });
    expect(rig.resource("lv1")).toBeUndefined();
    expect(rig.journal.has("vg/lv1")).toBe(false);
  });
});

describe("re-requests", () => {
  test("asking again for one's own lock in the same mode is EALREADY", () => {
    const rig = started();
    const a = rig.client();
    a.vg("ex");
    expect(a.vg("ex")).toBe(wireResult("EALREADY"));
    expect(rig.resource("VGLK")?.locks.length).toBe(1);
  });

  test("a persistent lock answers persistent requests of every client in its mode with EALREADY", () => {
    const rig = started();
    rig.client().lv("lv1", "ex", { persistent: true });
    expect(rig.client().lv("lv1", "ex", { persistent: true })).toBe(wireResult("EALREADY"));
    expect(rig.resource("lv1")?.locks.length).toBe(1);
  });

  test("a transient request over a persistent exclusive lock is granted and not recorded", () => {
    const rig = started();
    const b = rig.client();
    rig.client().lv("lv1", "ex", { persistent: true });
    expect(b.lv("lv1", "ex")).toBe(0);
    expect(b.lv("lv1", "sh")).toBe(0);
    expect(rig.resource("lv1")?.locks.length).toBe(1);
    expect(b.lv("lv1", "un")).toBe(wireResult("ENOENT"));
  });

  test("a transient shared request over a persistent shared lock is granted and not recorded", () => {
    const rig = started();
    rig.client().lv("lv1", "sh", { persistent: true });
    expect(rig.client().lv("lv1", "sh")).toBe(0);
    expect(rig.resource("lv1")?.locks.length).toBe(1);
  });

  test("a transient exclusive request over a persistent shared lock is EEXIST with SH_EXISTS", () => {
    const rig = started();
    rig.client().lv("lv1", "sh", { persistent: true });
    const reply = rig.client().send("lock_lv", { vg_name: "vg", lv_uuid: "lv1", mode: "ex" }) as NormalReply;
    expect(reply.result).toBe(wireResult("EEXIST"));
    expect(reply.flags.sh_exists).toBe(true);
  });

  test("a persistent request over one's own transient lock in the same mode makes it persistent", () => {
    const rig = started();
    const a = rig.client();
    a.lv("lv1", "ex");
    expect(a.lv("lv1", "ex", { persistent: true })).toBe(0);
    a.close();
    expect(rig.resource("lv1")?.locks).toMatchObject([
      { persistent: true, mode: "ex", client_id: 0, pid: 101 + 1 },
    ]);
    expect(rig.journal.get("vg/lv1")).toMatchObject({ persistent: true });
  });

  test("a persistent request over one's own transient lock in another mode is EEXIST", () => {
    const a = started().client();
    a.lv("lv1", "sh");
    expect(a.lv("lv1", "ex", { persistent: true })).toBe(wireResult("EEXIST"));
  });

  test("a lock made persistent answers the transient requests that were waiting for it", () => {
    const rig = started();
    const [a, b, c] = [rig.client(), rig.client(), rig.client()];
    a.lv("lv1", "ex");
    b.lv("lv1", "ex");
    c.lv("lv1", "ex", { persistent: true });
    a.lv("lv1", "ex", { persistent: true });
    expect(b.result()).toBe(0);
    expect(c.result()).toBe(wireResult("EALREADY"));
    expect(rig.resource("lv1")?.locks.length).toBe(1);
  });

  test("a persistent grant answers those behind it in the queue", () => {
    const rig = started();
    const [a, b, c] = [rig.client(), rig.client(), rig.client()];
    a.lv("lv1", "ex");
    b.lv("lv1", "sh", { persistent: true });
    c.lv("lv1", "ex");
    a.lv("lv1", "un");
    expect(b.result()).toBe(0);
    expect(c.result()).toBe(wireResult("EEXIST"));
  });
});

describe("conversion", () => {
  test("a lone shared lock becomes exclusive, and an exclusive one shared", () => {
    const rig = started();
    const a = rig.client();
    a.vg("sh");
    expect(a.vg("ex")).toBe(0);
    expect(a.vg("sh")).toBe(0);
    expect(rig.newCalls()).toEqual(["lock VGLK sh", "convert VGLK ex", "convert VGLK sh"]);
    expect(rig.resource("VGLK")).toMatchObject({ mode: "sh", sh_count: 1 });
  });

  test("a conversion to exclusive with other shared locks of this host in the way is EAGAIN at once", () => {
    const rig = started();
    const a = rig.client();
    a.vg("sh");
    rig.client().vg("sh");
    rig.newCalls();
    expect(a.vg("ex")).toBe(wireResult("EAGAIN"));
    expect(rig.newCalls()).toEqual([]);
  });

  test("a conversion that the lock manager refuses is never tried again and leaves the old mode", () => {
    const rig = started();
    const a = rig.client();
    a.vg("sh");
    rig.script("convert", () => refused("EAGAIN"));
    expect(a.vg("ex")).toBe(wireResult("EAGAIN"));
    expect(rig.resource("VGLK")?.mode).toBe("sh");
    expect(rig.calls("convert").length).toBe(1);
  });

  test("any client may convert a persistent lock", () => {
    const rig = started();
    rig.client().lv("lv1", "ex", { persistent: true });
    expect(rig.client().lv("lv1", "sh", { persistent: true })).toBe(0);
    expect(rig.resource("lv1")?.mode).toBe("sh");
  });

  test("a conversion to shared lets shared requests in that waited in front of an exclusive one", () => {
    const rig = started();
    const [a, b, c, d] = [rig.client(), rig.client(), rig.client(), rig.client()];
    a.vg("ex");
    b.vg("sh");
    c.vg("ex");
    d.vg("sh");
    expect(a.vg("sh")).toBe(0);
    expect(b.result()).toBe(0);
    expect(c.waits()).toBe(true);
    expect(d.waits()).toBe(true);
  });

  test("a conversion is written to the journal before the lock manager is asked for more, and after it let go of more", () => {
    const rig = started();
    const a = rig.client();
    a.lv("lv1", "sh", { persistent: true });
    rig.hold("convert");
    a.lv("lv1", "ex", { persistent: true });
    expect(rig.journal.get("vg/lv1")).toMatchObject({ mode: "ex" });
    rig.answer(refused("EAGAIN"));
    expect(rig.journal.get("vg/lv1")).toMatchObject({ mode: "sh" });
    rig.unscript("convert");
    a.lv("lv1", "ex", { persistent: true });
    rig.hold("convert");
    a.lv("lv1", "sh", { persistent: true });
    expect(rig.journal.get("vg/lv1")).toMatchObject({ mode: "ex" });
  });
});

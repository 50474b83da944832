import { describe, expect, test } from "bun:test";
import { DEADLINES } from "../../core/deadlines.ts";
import { wireResult } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import type { Refused } from "../../plugins/contract.ts";
import { argsOf, cutOff, DLM, done, FENCING, granted, refused, SANLOCK } from "./manager.ts";
import { makeRig, type Rig, type RigOptions } from "./rig.ts";

const EAGAIN = wireResult("EAGAIN");
const PERSIST = { vg_lock_args: "2.0.0:lvmlock:persist:notimeout" };

/** A rig with VG "vg" started as host_id 1 in generation 7, whose failed owners are fenced. */
function started(options: RigOptions = {}): Rig {
  const rig = makeRig({ managers: { dlm: DLM, sanlock: FENCING }, lock_type: "sanlock", ...options });
  rig.startVg("vg", PERSIST);
  return rig;
}

const failed = (host_id = 5, more: Partial<Refused["owner"]> = {}): Refused =>
  refused("EAGAIN", {
    retry: "after-fence",
    lm_result: -243,
    owner: { host_id, generation: 3, timestamp_s: 99, state: "FAIL", name: "five", ...more },
  }) as Refused;

/** From now on locks are refused until `host_id` was declared dead. */
function failingOwner(rig: Rig, host_id = 5): void {
  let dead = false;
  rig.script("lock", () => (dead ? granted() : failed(host_id)));
  rig.script("setHostDead", () => {
    dead = true;
    return done();
  });
}

const removals = (rig: Rig) => rig.keyCalls().filter((call) => call.method === "removeKey");
const fences = (rig: Rig) => rig.lockspace()?.fences;

describe("a lock whose owner has failed", () => {
  test("is granted once the owner's key was removed and the lock manager was told", () => {
    const rig = started();
    failingOwner(rig);
    rig.newCalls();
    expect(rig.client().lv("lv1", "ex", { persistent: true })).toBe(0);
    expect(rig.newCalls()).toEqual(["lock lv1 ex", "setHostDead", "lock lv1 ex"]);
    expect(removals(rig)).toMatchObject([
      {
        vg_name: "vg",
        vg_uuid: "uuid of vg",
        own: { host_id: 1, generation: 7 },
        removed: { host_id: 5, generation: 3 },
      },
    ]);
    expect(rig.calls("setHostDead")[0]?.args).toEqual({ host_id: 5, generation: 3 });
    expect(fences(rig)).toMatchObject([{ host_id: 5, generation: 3, state: "removed", attempts: 1 }]);
  });

  test("is neither granted nor asked for while the key is being removed, and everybody can see why", () => {
    const rig = started();
    failingOwner(rig);
    rig.scriptKeys(() => null);
    const [a, b] = [rig.client(), rig.client()];
    expect(a.vg("sh")).toBeNull();
    expect(b.vg("ex")).toBeNull();
    rig.newCalls();
    rig.advance(60_000);
    expect(rig.newCalls()).toEqual([]);
    expect(rig.resource("VGLK")?.waiters).toMatchObject([
      { waits_for: "fence", fence: { host_id: 5, generation: 3 } },
      { waits_for: "fence", fence: { host_id: 5, generation: 3 } },
    ]);
    expect(fences(rig)).toMatchObject([{ state: "waiting" }]);
    rig.answerKeys(cutOff());
    expect([a.result(), b.waits()]).toEqual([0, true]);
  });

  test("is not given away before the lock manager knows that the owner is dead", () => {
    const rig = started();
    rig.script("lock", () => failed());
    rig.hold("setHostDead");
    const a = rig.client();
    expect(a.lv("lv1", "ex")).toBeNull();
    expect(rig.calls("lock").length).toBe(1);
    expect(fences(rig)).toMatchObject([{ state: "waiting" }]);
    rig.script("lock", () => granted());
    rig.answer(done());
    expect(a.result()).toBe(0);
  });

  test("costs one removal, however many locks it held and however many requests wait", () => {
    const rig = started();
    failingOwner(rig);
    rig.scriptKeys(() => null);
    const clients = ["lv1", "lv2", "lv3", "lv1"].map((lv) => {
      const client = rig.client();
      expect(client.lv(lv, "sh")).toBeNull();
      return client;
    });
    rig.answerKeys(cutOff());
    expect(clients.map((client) => client.result())).toEqual([0, 0, 0, 0]);
    expect(removals(rig).length).toBe(1);
  });

  test("is retried for as long as ever when the lock manager takes its time to act on the death", () => {
    const rig = started();
    let refusals = 3;
    rig.script("lock", () => (refusals-- > 0 ? failed() : granted()));
    const a = rig.client();
    expect(a.lv("lv1", "ex")).toBeNull();
    rig.advance(1000);
    expect(a.result()).toBe(0);
    expect(removals(rig).length).toBe(1);
  });

  test("of another life of the host, or of another host, is another fence", () => {
    const rig = started();
    const owners = [failed(5), failed(5, { generation: 4 }), failed(6)];
    rig.script("lock", () => owners.shift() ?? granted());
    expect(rig.client().lv("lv1", "ex")).toBe(0);
    expect(removals(rig).map((call) => call.removed)).toEqual([
      { host_id: 5, generation: 3 },
      { host_id: 5, generation: 4 },
      { host_id: 6, generation: 3 },
    ]);
  });
});

describe("a removal that fails", () => {
  /** A removal has failed with a sentence; the clients that waited. */
  function afterFailure() {
    const rig = started();
    failingOwner(rig);
    rig.scriptKeys(() => null);
    const [a, b, c] = [rig.client(), rig.client(), rig.client()];
    a.vg("sh");
    b.lv("lv1", "ex");
    c.vg("ex");
    rig.answerKeys(refused("ELMERR", {}) as never);
    return { rig, a, b, c };
  }

  test("is told with its reason to all who wait, and its owner stays named", () => {
    const rig = started();
    failingOwner(rig);
    rig.scriptKeys(() => ({ ...(refused("ELMERR") as Refused), detail: "/dev/sdb does not answer" }));
    const reply = rig.client().send("lock_vg", { vg_name: "vg", mode: "ex" });
    expect(reply).toMatchObject({ result: EAGAIN, lm_result: -243, owner: { host_id: 5 } });
    expect(reply).toMatchObject({
      detail:
        "host_id 5 in generation 3 of VG vg has failed and could not be cut off: /dev/sdb does not answer",
    });
    expect(rig.core.incidents().at(-1)?.text).toContain("/dev/sdb does not answer");
    expect(rig.calls("setHostDead")).toEqual([]);
  });

  test("ends the waits of every resource", () => {
    const { a, b, c } = afterFailure();
    expect([a.result(), b.result(), c.result()]).toEqual([EAGAIN, EAGAIN, EAGAIN]);
  });

  test("is not tried again at once, but after a while that doubles", () => {
    const { rig } = afterFailure();
    const d = rig.client();
    expect(d.lv("lv1", "ex")).toBe(EAGAIN);
    rig.advance(DEADLINES.fence_again_first_ms);
    expect(d.lv("lv1", "ex")).toBeNull();
    rig.answerKeys(refused("ELMERR"));
    expect(d.result()).toBe(EAGAIN);
    rig.advance(DEADLINES.fence_again_first_ms);
    expect(d.lv("lv1", "ex")).toBe(EAGAIN);
    rig.advance(DEADLINES.fence_again_first_ms);
    expect(d.lv("lv1", "ex")).toBeNull();
    rig.answerKeys(cutOff());
    expect(d.result()).toBe(0);
    expect(removals(rig).length).toBe(3);
    expect(fences(rig)).toMatchObject([{ state: "removed", attempts: 3 }]);
  });

  test("of the lock manager's part is told too: the key is gone, the lock is not", () => {
    const rig = started();
    rig.script("lock", () => failed());
    rig.script("setHostDead", () => refused("EPROTONOSUPPORT"));
    const reply = rig.client().send("lock_lv", { vg_name: "vg", lv_uuid: "lv1", mode: "ex" });
    expect(reply).toMatchObject({ result: EAGAIN });
    expect(reply).toMatchObject({ detail: expect.stringContaining("its key was removed, but") });
  });

  test("by taking for ever is given up after its time; when it still succeeds, later requests have the lock", () => {
    const rig = started();
    failingOwner(rig);
    rig.scriptKeys(() => null);
    const a = rig.client();
    expect(a.lv("lv1", "ex")).toBeNull();
    rig.advance(DEADLINES.reservation_call_ms + DEADLINES.late_call_check_ms);
    expect(a.result()).toBe(EAGAIN);
    rig.advance(DEADLINES.fence_again_max_ms);
    expect(a.lv("lv1", "ex")).toBe(EAGAIN);
    expect(removals(rig).length).toBe(1);
    rig.answerKeys(cutOff());
    expect(fences(rig)).toMatchObject([{ state: "removed" }]);
    expect(a.lv("lv1", "ex")).toBe(0);
  });

  test("late is not told twice", () => {
    const rig = started();
    failingOwner(rig);
    rig.scriptKeys(() => null);
    rig.client().lv("lv1", "ex");
    rig.advance(DEADLINES.reservation_call_ms + DEADLINES.late_call_check_ms);
    const told = rig.core.incidents().length;
    rig.answerKeys(refused("ELMERR"));
    expect(rig.core.incidents().length).toBe(told);
  });
});

describe("a key that is gone without our knowing that its host's commands have ended", () => {
  const WHY = "/dev/sdb: its key was gone before we came to remove it";
  const gone = { kind: "done", aborted: false, detail: WHY } as const;

  /** A client waits for "lv1", whose owner's key was found to be gone. */
  function settling() {
    const rig = started();
    failingOwner(rig);
    rig.scriptKeys((ask) => (ask.method === "removeKey" ? gone : done()));
    const a = rig.client();
    expect(a.lv("lv1", "ex")).toBeNull();
    return { rig, a };
  }

  test("is not reported as the host's death before its time is over and the PVs were read once more", () => {
    const { rig, a } = settling();
    rig.advance(DEADLINES.fence_settle_ms - 1);
    expect([a.waits(), rig.calls("setHostDead").length]).toEqual([true, 0]);
    rig.scriptKeys(() => null);
    rig.advance(1);
    expect(rig.keyCalls().at(-1)).toMatchObject({
      method: "checkRemoved",
      removed: { host_id: 5, generation: 3 },
    });
    expect(rig.calls("setHostDead")).toEqual([]);
    rig.answerKeys(done());
    expect([a.result(), removals(rig).length]).toEqual([0, 1]);
    expect(fences(rig)).toMatchObject([{ state: "removed", detail: "" }]);
  });

  test("is a wait with a reason that everybody can see", () => {
    const { rig } = settling();
    rig.advance(DEADLINES.fence_settle_ms / 2);
    expect(fences(rig)).toMatchObject([{ state: "waiting", detail: expect.stringContaining(WHY) }]);
    expect(rig.resource("lv1")?.waiters).toMatchObject([{ waits_for: "fence", fence: { host_id: 5 } }]);
    expect(rig.logs().join("\n")).toContain(WHY);
  });

  test("does not keep a lock from being had as soon as another survivor has made it free", () => {
    const { rig, a } = settling();
    rig.advance(5000);
    expect(a.waits()).toBe(true);
    rig.script("lock", () => granted());
    rig.advance(DEADLINES.fence_look_ms);
    expect([a.result(), rig.calls("setHostDead").length]).toEqual([0, 0]);
  });

  test("is one wait for all of its locks, also for requests that come later", () => {
    const { rig, a } = settling();
    rig.advance(DEADLINES.fence_settle_ms - 10_000);
    const b = rig.client();
    expect(b.lv("lv2", "sh")).toBeNull();
    rig.advance(10_000);
    expect([a.result(), b.result(), removals(rig).length]).toEqual([0, 0, 1]);
  });

  test("that is back afterwards is a failure, and has to be gone for as long again", () => {
    const { rig, a } = settling();
    rig.scriptKeys(() => ({ ...(refused("EAGAIN") as Refused), detail: "it is still registered" }));
    rig.advance(DEADLINES.fence_settle_ms);
    expect(a.result()).toBe(EAGAIN);
    expect(fences(rig)).toMatchObject([{ state: "failed", detail: "it is still registered" }]);
    rig.scriptKeys((ask) => (ask.method === "removeKey" ? gone : done()));
    rig.advance(DEADLINES.fence_again_first_ms);
    expect(a.lv("lv1", "ex")).toBeNull();
    rig.advance(DEADLINES.fence_settle_ms - 1);
    expect(a.waits()).toBe(true);
    rig.advance(1);
    expect(a.result()).toBe(0);
  });

  test("is not waited for by a stop, and nobody is declared dead after it", () => {
    const { rig, a } = settling();
    expect(rig.client().ask("stop_vg", { vg_name: "vg" })).toBe(0);
    expect(a.result()).toBe(wireResult("ECANCELED"));
    rig.advance(2 * DEADLINES.fence_settle_ms);
    expect(rig.calls("setHostDead")).toEqual([]);
    expect(rig.core.nextWakeup_ms()).toBe(Number.POSITIVE_INFINITY);
  });

  test("is waited for also where lvmpersist says nothing of aborts", () => {
    const rig = started();
    failingOwner(rig);
    rig.scriptKeys(() => done());
    expect(rig.client().lv("lv1", "ex")).toBeNull();
    expect(rig.calls("setHostDead")).toEqual([]);
  });
});

describe("nobody is cut off", () => {
  test("where the VG's lock args do not ask for it", () => {
    const rig = makeRig({ managers: { sanlock: FENCING }, lock_type: "sanlock" });
    rig.startVg("vg", { vg_lock_args: "2.0.0:lvmlock:notimeout" });
    rig.script("lock", () => failed());
    expect(rig.client().vg("ex")).toBe(EAGAIN);
    expect(rig.keyCalls()).toEqual([]);
  });

  test("where the lock manager could not be told that a host is dead", () => {
    const rig = started({ managers: { sanlock: SANLOCK } });
    rig.script("lock", () => failed());
    expect(rig.client().vg("ex")).toBe(EAGAIN);
    expect(rig.keyCalls()).toEqual([]);
  });

  test("where the lock manager turns out at the start not to be able to, and everybody who is refused is told", () => {
    const rig = makeRig({ managers: { sanlock: FENCING }, lock_type: "sanlock" });
    rig.script("prepare", () =>
      done({ prev_generation: 0, global_lock: "not-here", fencing_problem: "it is too old" }),
    );
    rig.startVg("vg", PERSIST);
    rig.script("lock", () => failed());
    const reply = rig.client().send("lock_vg", { vg_name: "vg", mode: "ex" });
    expect(reply).toMatchObject({ result: EAGAIN, detail: expect.stringContaining("it is too old") });
    expect(removals(rig)).toEqual([]);
  });

  test("who is this host itself, in whatever generation", () => {
    for (const generation of [3, 7, 8]) {
      const rig = started();
      rig.script("lock", () => failed(1, { generation }));
      const reply = rig.client().send("lock_vg", { vg_name: "vg", mode: "ex" });
      expect(reply).toMatchObject({ result: EAGAIN, detail: expect.stringContaining("this host itself") });
      expect(removals(rig)).toEqual([]);
    }
  });

  test("whose state is not known to be failed: the lock is tried again until it is", () => {
    const rig = started();
    let state = "UNKNOWN";
    rig.script("lock", () => failed(5, { state }));
    const a = rig.client();
    expect(a.lv("lv1", "ex")).toBeNull();
    rig.advance(100);
    expect(removals(rig)).toEqual([]);
    state = "FAIL";
    rig.scriptKeys(() => null);
    rig.advance(1000);
    expect(removals(rig).length).toBe(1);
  });

  test("whom the lock manager could not name", () => {
    const rig = started();
    rig.script("lock", () => refused("EAGAIN", { retry: "after-fence" }));
    expect(rig.client().lv("lv1", "ex")).toBe(EAGAIN);
    expect(removals(rig)).toEqual([]);
  });

  test("in test mode", () => {
    const rig = started({ test_mode: true });
    rig.script("lock", () => failed());
    expect(rig.client().lv("lv1", "ex")).toBe(EAGAIN);
    expect(rig.keyCalls()).toEqual([]);
  });
});

describe("while a key is being removed", () => {
  function underWay() {
    const rig = started();
    failingOwner(rig);
    rig.scriptKeys(() => null);
    const a = rig.client();
    expect(a.lv("lv1", "ex")).toBeNull();
    rig.newCalls();
    return { rig, a };
  }

  test("a client that goes ends its wait, and the next one waits for the same removal", () => {
    const { rig, a } = underWay();
    a.close();
    const b = rig.client();
    expect(b.lv("lv1", "sh")).toBeNull();
    rig.answerKeys(cutOff());
    expect(b.result()).toBe(0);
    expect(removals(rig).length).toBe(1);
  });

  test("a stop does not wait for it, and its end then changes nothing", () => {
    const { rig, a } = underWay();
    expect(rig.client().ask("stop_vg", { vg_name: "vg" })).toBe(0);
    expect(a.result()).toBe(wireResult("ECANCELED"));
    rig.answerKeys(cutOff());
    expect(rig.calls("setHostDead")).toEqual([]);
  });

  test("a stop that comes to nothing leaves the host to be cut off by the next request", () => {
    const { rig } = underWay();
    const b = rig.client();
    rig.hold("leave");
    expect(b.ask("stop_vg", { vg_name: "vg" })).toBeNull();
    rig.answerKeys(cutOff());
    rig.answer(refused("EBUSY"));
    expect(b.result()).toBe(wireResult("EBUSY"));
    rig.scriptKeys(() => cutOff());
    expect(b.lv("lv1", "ex")).toBe(0);
    expect(removals(rig).length).toBe(2);
  });

  test("a VG that is killed answers those who wait, and grants nothing when it ends", () => {
    const { rig, a } = underWay();
    rig.handle({ kind: "lockspace-lost", lockspace_name: "lvm_vg", reason: "gone" });
    expect(a.result()).toBe(wireResult("EVGKILLED"));
    rig.answerKeys(cutOff());
    expect(rig.newCalls()).toEqual([]);
  });

  test("other locks of the VG are had as ever", () => {
    const { rig } = underWay();
    rig.script("lock", (ask) => (argsOf(ask).resource.name === "lv1" ? failed() : granted()));
    expect(rig.client().lv("lv2", "ex")).toBe(0);
  });
});

test("the history of fences has a bound, and keeps the latest", () => {
  const rig = started();
  for (let host_id = 2; host_id < 2 + LIMITS.fence_history + 3; host_id++) {
    failingOwner(rig, host_id);
    const a = rig.client();
    expect(a.lv("lv1", "ex")).toBe(0);
    a.close();
  }
  expect(fences(rig)?.length).toBe(LIMITS.fence_history);
  expect(fences(rig)?.at(-1)?.host_id).toBe(2 + LIMITS.fence_history + 2);
});

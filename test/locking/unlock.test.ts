import { describe, expect, test } from "bun:test";
import { wireResult } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { done, granted, refused } from "./manager.ts";
import { makeRig, type Rig } from "./rig.ts";

const ENOENT = wireResult("ENOENT");
const ECANCELED = wireResult("ECANCELED");

function started(): Rig {
  const rig = makeRig();
  rig.startVg();
  rig.newCalls();
  return rig;
}

describe("unlock", () => {
  test("only the last shared lock is released at the lock manager", () => {
    const rig = started();
    const [a, b] = [rig.client(), rig.client()];
    a.vg("sh");
    b.vg("sh");
    rig.newCalls();
    expect(a.vg("un")).toBe(0);
    expect(rig.newCalls()).toEqual([]);
    expect(b.vg("un")).toBe(0);
    expect(rig.newCalls()).toEqual(["unlock VGLK sh"]);
  });

  test("without a lock it is ENOENT, on a VG, on an LV nobody knows and on the global lock", () => {
    const a = started().client();
    expect(a.vg("un")).toBe(ENOENT);
    expect(a.lv("nowhere", "un")).toBe(ENOENT);
    expect(a.gl("un")).toBe(ENOENT);
  });

  test("the lock of another client is none of one's own", () => {
    const rig = started();
    rig.client().vg("ex");
    expect(rig.client().vg("un")).toBe(ENOENT);
  });

  test("a persistent lock is released by any client, but only by a persistent unlock", () => {
    const rig = started();
    rig.client().lv("lv1", "ex", { persistent: true });
    const b = rig.client();
    expect(b.lv("lv1", "un")).toBe(ENOENT);
    expect(b.lv("lv1", "un", { persistent: true })).toBe(0);
    expect(rig.resource("lv1")).toBeUndefined();
  });

  test("a persistent unlock does not find a transient lock", () => {
    const a = started().client();
    a.lv("lv1", "ex");
    expect(a.lv("lv1", "un", { persistent: true })).toBe(ENOENT);
  });

  test("a lock that the lock manager does not know any more counts as released", () => {
    const rig = started();
    const a = rig.client();
    a.vg("ex");
    rig.script("unlock", () => refused("ENOENT"));
    expect(a.vg("un")).toBe(0);
    expect(rig.resource("VGLK")?.mode).toBe("un");
  });

  test("a refused unlock is told and leaves the lock where it was", () => {
    const rig = started();
    const a = rig.client();
    a.vg("ex");
    rig.script("unlock", () => refused("ELMERR", { lm_result: -5 }));
    expect(a.send("lock_vg", { vg_name: "vg", mode: "un" })).toMatchObject({
      result: wireResult("ELMERR"),
      lm_result: -5,
    });
    expect(rig.resource("VGLK")?.mode).toBe("ex");
    rig.unscript("unlock");
    expect(a.vg("un")).toBe(0);
  });

  test("an unused LV leaves nothing behind", () => {
    const rig = started();
    const a = rig.client();
    a.lv("lv1", "ex");
    a.lv("lv1", "un");
    expect(rig.resource("lv1")).toBeUndefined();
  });
});

describe("unlock_cancel", () => {
  test("ends a persistent request of any client, and both are told ECANCELED", () => {
    const rig = started();
    const [a, b, c] = [rig.client(), rig.client(), rig.client()];
    a.lv("lv1", "ex");
    b.lv("lv1", "ex", { persistent: true });
    expect(c.lv("lv1", "un", { persistent: true, unlock_cancel: true })).toBe(ECANCELED);
    expect(b.result()).toBe(ECANCELED);
  });

  test("does not touch the transient requests of other clients", () => {
    const rig = started();
    const [a, b, c] = [rig.client(), rig.client(), rig.client()];
    a.lv("lv1", "ex");
    b.lv("lv1", "ex");
    expect(c.lv("lv1", "un", { unlock_cancel: true })).toBe(ENOENT);
    expect(b.waits()).toBe(true);
  });

  test("that comes while the lock manager is being asked releases what is granted then", () => {
    const rig = started();
    const [a, b] = [rig.client(), rig.client()];
    rig.script("lock", () => refused("EAGAIN", { retry: "soon" }));
    a.lv("lv1", "ex", { persistent: true });
    rig.hold("lock");
    rig.advance(10);
    expect(rig.held("lock").length).toBe(1);
    b.lv("lv1", "un", { persistent: true, unlock_cancel: true });
    rig.answer(granted());
    expect(a.result()).toBe(0);
    expect(b.result()).toBe(0);
  });
});

describe("the end of a client", () => {
  test("releases its transient locks everywhere and keeps the persistent ones", () => {
    const rig = started();
    rig.startVg("vg2");
    const a = rig.client();
    a.gl("sh");
    a.vg("ex");
    a.vg("sh", { vg: "vg2" });
    a.lv("lv1", "ex");
    a.lv("lv2", "ex", { persistent: true });
    rig.newCalls();
    a.close();
    expect(rig.newCalls().sort()).toEqual([
      "unlock GLLK sh",
      "unlock VGLK ex",
      "unlock VGLK sh",
      "unlock lv1 ex",
    ]);
    expect(rig.resource("lv2")?.mode).toBe("ex");
  });

  test("costs nothing where it held nothing", () => {
    const rig = started();
    const a = rig.client();
    a.vg("sh");
    a.vg("un");
    rig.newCalls();
    a.close();
    expect(rig.newCalls()).toEqual([]);
  });

  test("while it waits in the queue lets those behind it go on", () => {
    const rig = started();
    const [a, b, c] = [rig.client(), rig.client(), rig.client()];
    a.vg("sh");
    b.vg("ex");
    c.vg("sh");
    b.close();
    expect(c.result()).toBe(0);
  });

  test("while its request is at the lock manager gives the grant back, then serves the next", () => {
    const rig = started();
    const [a, b] = [rig.client(), rig.client()];
    rig.hold("lock");
    a.vg("ex");
    b.vg("ex");
    a.close();
    rig.newCalls();
    rig.answer(granted());
    expect(rig.newCalls()).toEqual(["unlock VGLK ex", "lock VGLK ex"]);
    rig.answer(granted());
    expect(b.result()).toBe(0);
  });

  test("while its request waits behind a manager call drops the request", () => {
    const rig = started();
    const [a, b, c] = [rig.client(), rig.client(), rig.client()];
    rig.hold("lock");
    a.vg("sh");
    b.vg("ex");
    c.vg("sh");
    b.close();
    rig.answer(granted());
    expect(a.result()).toBe(0);
    expect(c.result()).toBe(0);
  });

  test("while its lock is being converted releases it afterwards in the new mode", () => {
    const rig = started();
    const a = rig.client();
    a.vg("sh");
    rig.hold("convert");
    a.vg("ex");
    a.close();
    rig.newCalls();
    rig.answer(done());
    expect(rig.newCalls()).toEqual(["unlock VGLK ex"]);
    expect(rig.resource("VGLK")?.mode).toBe("un");
  });

  test("while its lock is being released asks only once", () => {
    const rig = started();
    const a = rig.client();
    a.vg("ex");
    rig.hold("unlock");
    a.vg("un");
    a.close();
    rig.answer(done());
    expect(rig.calls("unlock").length).toBe(1);
    expect(rig.resource("VGLK")?.mode).toBe("un");
  });

  test("whose persistent unlock waits behind a manager call does not stop the unlock", () => {
    const rig = started();
    const [a, b] = [rig.client(), rig.client()];
    a.lv("lv1", "sh", { persistent: true });
    rig.hold("convert");
    a.lv("lv1", "ex", { persistent: true });
    b.lv("lv1", "un", { persistent: true });
    b.close();
    rig.answer(done());
    expect(rig.resource("lv1")).toBeUndefined();
  });

  test("releases at a lock manager that refuses at first, again after a pause", () => {
    const rig = started();
    const [a, b] = [rig.client(), rig.client()];
    a.vg("ex");
    b.vg("ex");
    rig.script("unlock", () => refused("ENOTCONN"));
    a.close();
    expect(b.waits()).toBe(true);
    rig.advance(1200);
    expect(rig.calls("unlock").length).toBe(3);
    rig.unscript("unlock");
    rig.advance(500);
    expect(b.result()).toBe(0);
    rig.advance(60_000);
    expect(rig.calls("unlock").length).toBe(4);
  });

  test("gives up releasing after a bounded number of tries, tells it as an incident, and keeps an LV in the journal", () => {
    const rig = started();
    const a = rig.client();
    a.lv("lv1", "ex");
    rig.script("unlock", () => refused("ENOTCONN"));
    a.close();
    rig.advance(3_600_000);
    expect(rig.calls("unlock").length).toBe(LIMITS.unlock_attempts + 1);
    expect(rig.core.incidents().at(-1)?.text).toContain("could not be released");
    expect(rig.journal.has("vg/lv1")).toBe(true);
  });
});

describe("an undelivered reply", () => {
  test("that granted an LV lock releases it, transient or persistent", () => {
    const rig = started();
    for (const persistent of [false, true]) {
      const a = rig.client();
      a.lv("lv1", "ex", { persistent });
      a.loseReply();
      expect(rig.resource("lv1")).toBeUndefined();
      expect(rig.journal.has("vg/lv1")).toBe(false);
    }
  });

  test("leaves the lock alone when another client has had to do with it since", () => {
    const rig = started();
    const a = rig.client();
    a.lv("lv1", "ex", { persistent: true });
    rig.client().lv("lv1", "ex", { persistent: true });
    a.loseReply();
    expect(rig.resource("lv1")?.mode).toBe("ex");
  });

  test("to a later request says nothing about an earlier grant", () => {
    const rig = started();
    const a = rig.client();
    a.lv("lv1", "ex", { persistent: true });
    a.ask("query_lock_lv", { vg_name: "vg", lv_uuid: "lv1" });
    a.loseReply();
    expect(rig.resource("lv1")?.mode).toBe("ex");
  });

  test("that said EALREADY releases nothing", () => {
    const rig = started();
    const [a, b] = [rig.client(), rig.client()];
    a.lv("lv1", "ex", { persistent: true });
    b.lv("lv1", "ex", { persistent: true });
    b.loseReply();
    expect(rig.resource("lv1")?.mode).toBe("ex");
  });
});

describe("a resource that has gone", () => {
  test("is not taken for a new one of the same name by a timer that still knows it", () => {
    const rig = started();
    const a = rig.client();
    rig.script("lock", () => refused("EAGAIN", { retry: "soon" }));
    a.lv("lv1", "ex");
    a.close();
    rig.unscript("lock");
    rig.client().lv("lv1", "ex");
    rig.advance(1000);
    expect(rig.resource("lv1")?.mode).toBe("ex");
    expect(rig.client().lv("lv1", "ex")).toBeNull();
  });
});

describe("a release that is tried again", () => {
  test("does not count as a lock for those who ask meanwhile", () => {
    const rig = started();
    const [a, b] = [rig.client(), rig.client()];
    a.lv("lv1", "ex", { persistent: true });
    rig.script("unlock", () => refused("ENOTCONN"));
    a.loseReply();
    expect(b.lv("lv1", "ex", { persistent: true })).toBeNull();
    rig.unscript("unlock");
    rig.advance(500);
    expect(b.result()).toBe(0);
    expect(rig.resource("lv1")?.locks).toMatchObject([{ persistent: true, pid: 100 + b.id }]);
  });
});

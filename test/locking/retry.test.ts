import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { DEADLINES } from "../../core/deadlines.ts";
import { wireResult } from "../../core/errors.ts";
import { nextDelay_ms, nextRandom, retryBudget_ms, withJitter_ms } from "../../core/locking/retry.ts";
import { argsOf, DLM, granted, refused } from "./manager.ts";
import { makeRig, type Rig, type TestClient } from "./rig.ts";

const EAGAIN = wireResult("EAGAIN");

function started(): Rig {
  const rig = makeRig();
  rig.startVg();
  return rig;
}

function msUntilReply(rig: Rig, client: TestClient, limit_ms = 100_000): number {
  const begin_ms = rig.now_ms();
  while (client.waits() && rig.now_ms() < begin_ms + limit_ms) rig.advance(1);
  return rig.now_ms() - begin_ms;
}

describe("a lock that another host holds", () => {
  test("is asked for again within milliseconds", () => {
    const rig = started();
    rig.script("lock", () => refused("EAGAIN"));
    const a = rig.client();
    a.vg("ex");
    rig.advance(DEADLINES.retry_first_ms * 2);
    rig.unscript("lock");
    expect(msUntilReply(rig, a)).toBeLessThan(20);
    expect(a.result()).toBe(0);
  });

  test("is refused after max_retries + 1 seconds in total, as with the C daemon", () => {
    for (const max_retries of [0, 1, 4, 9]) {
      const rig = started();
      rig.script("lock", () => refused("EAGAIN"));
      const a = rig.client();
      a.vg("ex", { max_retries });
      expect(msUntilReply(rig, a)).toBe((max_retries + 1) * 1000);
      expect(a.result()).toBe(EAGAIN);
    }
  });

  test("is asked for at growing intervals, never above the longest pause", () => {
    const rig = started();
    const at_ms: number[] = [];
    rig.script("lock", () => {
      at_ms.push(rig.now_ms());
      return refused("EAGAIN");
    });
    rig.client().vg("ex");
    rig.advance(6000);
    const pauses = at_ms.slice(1).map((at, i) => at - (at_ms[i] ?? 0));
    expect(Math.max(...pauses)).toBeLessThanOrEqual(DEADLINES.retry_max_ms * 1.5);
    expect(pauses[0]).toBeLessThan(10);
    expect(at_ms.length).toBeLessThan(60);
  });

  test("is refused at once when the client wants no retries", () => {
    const rig = started();
    rig.script("lock", () => refused("EAGAIN"));
    expect(rig.client().vg("ex", { max_retries: -1 })).toBe(EAGAIN);
  });

  test("may wait in the queue of a lock manager that has one, but for an LV's and for a client that wants no retries", () => {
    const queueing = { ...DLM, capabilities: { ...DLM.capabilities, queueing: true } };
    for (const [manager, gl_and_vg_ms] of [
      [queueing, DEADLINES.manager_queue_ms],
      [DLM, 0],
    ] as const) {
      const rig = makeRig({ managers: { dlm: manager } });
      rig.startVg();
      const waits_ms: unknown[] = [];
      rig.script("lock", (ask) => {
        waits_ms.push(argsOf(ask).patience_ms);
        return refused("EAGAIN", { retry: "never" });
      });
      const client = rig.client();
      client.vg("ex", { max_retries: 0 });
      rig.advance(1000);
      expect(new Set(waits_ms.splice(0))).toEqual(new Set([gl_and_vg_ms]));
      client.lv("lv1", "ex");
      rig.client().vg("ex", { max_retries: -1 });
      expect(waits_ms).toEqual([0, 0]);
    }
  });

  test("is refused at once on an LV, unless the lock manager says that the conflict passes soon", () => {
    const rig = started();
    rig.script("lock", () => refused("EAGAIN"));
    expect(rig.client().lv("lv1", "ex")).toBe(EAGAIN);
    rig.script("lock", () => refused("EAGAIN", { retry: "soon" }));
    const a = rig.client();
    expect(a.lv("lv1", "ex")).toBeNull();
    rig.unscript("lock");
    rig.advance(100);
    expect(a.result()).toBe(0);
  });

  test("is refused at once when its owner has failed and must be fenced first", () => {
    const rig = started();
    rig.script("lock", () => refused("EAGAIN", { retry: "after-fence" }));
    expect(rig.client().vg("ex")).toBe(EAGAIN);
  });

  test("keeps no other resource of the VG waiting, not even an unlock", () => {
    const rig = started();
    const [a, b] = [rig.client(), rig.client()];
    b.lv("lv1", "ex");
    rig.script("lock", (ask) => (argsOf(ask).resource.kind === "vg" ? refused("EAGAIN") : granted()));
    a.vg("ex");
    expect(b.lv("lv1", "un")).toBe(0);
    expect(b.lv("lv2", "ex")).toBe(0);
    expect(a.waits()).toBe(true);
  });

  test("is refused to all shared requests in front together, and each has its own budget", () => {
    const rig = started();
    rig.script("lock", () => refused("EAGAIN"));
    const [a, b, c] = [rig.client(), rig.client(), rig.client()];
    a.vg("sh", { max_retries: 0 });
    b.vg("sh", { max_retries: 1 });
    c.vg("ex", { max_retries: 0 });
    rig.advance(1000);
    expect(a.result()).toBe(EAGAIN);
    expect(b.waits()).toBe(true);
    rig.advance(1100);
    expect(b.result()).toBe(EAGAIN);
    expect(c.waits()).toBe(true);
    rig.advance(1500);
    expect(c.result()).toBe(EAGAIN);
  });

  test("is shown as a remote wait with its retries", () => {
    const rig = started();
    rig.script("lock", () => refused("EAGAIN"));
    rig.client().vg("ex");
    rig.advance(100);
    expect(rig.resource("VGLK")?.waiters[0]?.waits_for).toBe("remote");
    expect(rig.resource("VGLK")?.waiters[0]?.retries).toBeGreaterThan(2);
  });

  test("is not asked for any more once the client has gone", () => {
    const rig = started();
    rig.script("lock", () => refused("EAGAIN"));
    const a = rig.client();
    a.vg("ex");
    rig.advance(50);
    a.close();
    const before = rig.calls("lock").length;
    rig.advance(10_000);
    expect(rig.calls("lock").length).toBe(before);
  });

  test("is had by a newcomer at the next retry, after those in front", () => {
    const rig = started();
    rig.script("lock", () => refused("EAGAIN"));
    const [a, b] = [rig.client(), rig.client()];
    a.vg("sh");
    rig.advance(100);
    b.vg("sh");
    rig.unscript("lock");
    rig.advance(400);
    expect([a.result(), b.result()]).toEqual([0, 0]);
  });
});

describe("any other refusal", () => {
  test("is told at once", () => {
    for (const code of ["ELOCKIO", "EORPHAN", "ENOTCONN", "EINVAL"] as const) {
      const rig = started();
      rig.script("lock", () => refused(code));
      expect(rig.client().vg("ex")).toBe(wireResult(code));
    }
  });

  test("is told to the next in the queue when that has its turn", () => {
    const rig = started();
    rig.hold("lock");
    const [a, b] = [rig.client(), rig.client()];
    a.vg("ex");
    b.vg("ex");
    rig.answer(refused("ELOCKIO"));
    expect(a.result()).toBe(wireResult("ELOCKIO"));
    rig.answer(granted());
    expect(b.result()).toBe(0);
  });
});

describe("the numbers", () => {
  test("a pause is spread by half and never below a millisecond", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10_000 }), fc.integer(), (delay_ms, random) => {
        const pause_ms = withJitter_ms(delay_ms, random);
        expect(pause_ms).toBeGreaterThanOrEqual(Math.max(1, Math.round(delay_ms / 2)));
        expect(pause_ms).toBeLessThanOrEqual(Math.max(1, Math.round(delay_ms * 1.5)));
      }),
    );
  });

  test("the sequence of random numbers never gets stuck at zero", () => {
    let random = 1;
    for (let i = 0; i < 10_000; i++) {
      random = nextRandom(random);
      expect(random).not.toBe(0);
    }
  });

  test("the budget is bounded whatever a client asks for", () => {
    expect(retryBudget_ms(2 ** 40)).toBeLessThanOrEqual(3601 * 1000);
    expect(retryBudget_ms(-1)).toBeLessThan(0);
    expect(nextDelay_ms(10 ** 9)).toBe(DEADLINES.retry_max_ms);
  });
});

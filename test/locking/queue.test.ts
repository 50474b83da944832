import { describe, expect, test } from "bun:test";
import { wireResult } from "../../core/errors.ts";
import { granted, refused } from "./manager.ts";
import { makeRig, type Rig, type TestClient } from "./rig.ts";

function started(): Rig {
  const rig = makeRig();
  rig.startVg();
  return rig;
}

const isDone = (client: TestClient): boolean => client.unread.length > 0;

describe("the queue", () => {
  test("clients of one host are granted an exclusive lock in the order in which they asked", () => {
    const rig = started();
    const clients = Array.from({ length: 6 }, () => rig.client());
    for (const client of clients) client.vg("ex");
    for (const [index, client] of clients.entries()) {
      expect(clients.slice(index + 1).some(isDone)).toBe(false);
      expect(index === 0 ? 0 : client.result()).toBe(0);
      client.vg("un");
    }
  });

  test("a shared request never passes an exclusive one that waits in front of it", () => {
    const rig = started();
    const [a, b, c] = [rig.client(), rig.client(), rig.client()];
    a.vg("sh");
    b.vg("ex");
    expect(c.vg("sh")).toBeNull();
    a.vg("un");
    expect(b.result()).toBe(0);
    expect(c.waits()).toBe(true);
    b.vg("un");
    expect(c.result()).toBe(0);
  });

  test("shared requests next to each other are granted together with one call", () => {
    const rig = started();
    const [a, b, c, d] = [rig.client(), rig.client(), rig.client(), rig.client()];
    a.vg("ex");
    for (const client of [b, c, d]) client.vg("sh");
    rig.newCalls();
    a.vg("un");
    expect([b, c, d].map((client) => client.result())).toEqual([0, 0, 0]);
    expect(rig.newCalls()).toEqual(["unlock VGLK ex", "lock VGLK sh"]);
  });

  test("requests that come while the lock manager is busy with the resource are taken up in order", () => {
    const rig = started();
    const [a, b, c] = [rig.client(), rig.client(), rig.client()];
    rig.hold("lock");
    a.vg("ex");
    b.vg("sh");
    c.vg("ex");
    rig.answer(granted());
    expect(a.result()).toBe(0);
    a.vg("un");
    rig.answer(granted());
    expect(b.result()).toBe(0);
    expect(c.waits()).toBe(true);
  });

  test("a wait for another client lasts as long as that client holds on", () => {
    const rig = started();
    const [a, b] = [rig.client(), rig.client()];
    a.vg("ex");
    b.vg("ex");
    rig.advance(3_600_000);
    expect(b.waits()).toBe(true);
    a.vg("un");
    expect(b.result()).toBe(0);
  });

  test("a waiter is seen with its mode, its pid, its command and since when it waits", () => {
    const rig = started();
    const [a, b] = [rig.client(), rig.client(4711)];
    a.vg("ex");
    b.vg("sh");
    const since_ms = rig.now_ms();
    rig.advance(500);
    expect(rig.resource("VGLK")?.waiters).toEqual([
      {
        client_id: b.id,
        pid: 4711,
        cmd: `cmd${b.id}`,
        mode: "sh",
        persistent: false,
        since_ms,
        waits_for: "local",
        fence: null,
        retries: 0,
        refusal: null,
      },
    ]);
  });

  test("the queue of one resource is no obstacle for another", () => {
    const rig = started();
    rig.client().vg("ex");
    rig.client().vg("ex");
    expect(rig.client().lv("lv1", "ex")).toBe(0);
  });
});

describe("the wait limit", () => {
  test("ends a wait for another client with ETIME, and the queue goes on", () => {
    const rig = makeRig({ wait_limit_ms: 2000 });
    rig.startVg();
    const [a, b, c] = [rig.client(), rig.client(), rig.client()];
    a.vg("sh");
    b.vg("ex");
    rig.advance(1000);
    expect(c.vg("sh")).toBeNull();
    rig.advance(999);
    expect(b.waits()).toBe(true);
    rig.advance(1);
    expect(b.result()).toBe(wireResult("ETIME"));
    expect(c.result()).toBe(0);
  });

  test("holds also for a client behind one that was being granted when the limit ran out", () => {
    const rig = makeRig({ wait_limit_ms: 2000 });
    rig.startVg();
    const [a, b, c] = [rig.client(), rig.client(), rig.client()];
    a.vg("ex");
    b.vg("ex");
    c.vg("ex");
    rig.advance(1999);
    rig.hold("lock");
    a.vg("un");
    rig.advance(10);
    rig.answer(granted());
    expect(b.result()).toBe(0);
    rig.advance(2001);
    expect(c.result()).toBe(wireResult("ETIME"));
  });

  test("does not count against a lock that another host holds", () => {
    const rig = makeRig({ wait_limit_ms: 100 });
    rig.startVg();
    rig.script("lock", () => refused("EAGAIN"));
    const a = rig.client();
    a.vg("ex");
    rig.advance(4000);
    expect(a.waits()).toBe(true);
    rig.advance(1000);
    expect(a.result()).toBe(wireResult("EAGAIN"));
  });

  test("can be changed while the daemon runs", () => {
    const rig = started();
    rig.handle({ kind: "settings", wait_limit_ms: 100, debug: false });
    const [a, b] = [rig.client(), rig.client()];
    a.vg("ex");
    b.vg("ex");
    rig.advance(100);
    expect(b.result()).toBe(wireResult("ETIME"));
  });
});

describe("circles", () => {
  const EDEADLK = wireResult("EDEADLK");

  test("the request that would make two clients wait for each other is refused and says who", () => {
    const rig = started();
    const [a, b] = [rig.client(11), rig.client(12)];
    a.lv("lv1", "ex");
    b.lv("lv2", "ex");
    expect(a.lv("lv2", "ex")).toBeNull();
    const reply = b.send("lock_lv", { vg_name: "vg", lv_uuid: "lv1", mode: "ex" });
    expect(reply).toMatchObject({
      result: EDEADLK,
      detail: `cmd${b.id}[12] waits for cmd${a.id}[11] waits for cmd${b.id}[12]`,
    });
    expect(a.waits()).toBe(true);
    b.lv("lv2", "un");
    expect(a.result()).toBe(0);
  });

  test("three clients in a circle over GL, VG and LV are found by the one that closes it", () => {
    const rig = started();
    const [a, b, c] = [rig.client(), rig.client(), rig.client()];
    a.gl("ex");
    b.vg("ex");
    c.lv("lv1", "ex");
    expect(a.vg("ex")).toBeNull();
    expect(b.lv("lv1", "sh")).toBeNull();
    expect(c.gl("sh")).toBe(EDEADLK);
  });

  test("a shared request behind a waiting exclusive one waits for the shared holders too", () => {
    const rig = started();
    const [a, b, c] = [rig.client(), rig.client(), rig.client()];
    a.vg("sh");
    c.lv("lv1", "ex");
    b.vg("ex");
    expect(a.lv("lv1", "ex")).toBeNull();
    // c would wait behind b, b for a, a for c.
    expect(c.vg("sh")).toBe(EDEADLK);
  });

  test("a shared request that can be granted at once closes no circle", () => {
    const rig = started();
    const [a, b] = [rig.client(), rig.client()];
    a.gl("sh");
    b.vg("ex");
    expect(a.vg("sh")).toBeNull();
    expect(b.gl("sh")).toBe(0);
    b.vg("un");
    expect(a.result()).toBe(0);
  });

  test("clients that hold nothing may queue behind each other in any order", () => {
    const rig = started();
    const [a, b, c] = [rig.client(), rig.client(), rig.client()];
    a.vg("ex");
    expect(b.vg("ex")).toBeNull();
    expect(c.vg("ex")).toBeNull();
    expect(a.lv("lv1", "ex")).toBe(0);
  });

  test("a circle that goes through a request which came while the manager was busy is found when that is taken up", () => {
    const rig = started();
    const [a, b, c] = [rig.client(), rig.client(), rig.client()];
    a.lv("lv1", "ex");
    rig.hold("lock");
    b.lv("lv2", "ex");
    a.lv("lv2", "ex");
    rig.answer(granted());
    rig.unscript("lock");
    expect(b.result()).toBe(0);
    expect(b.lv("lv1", "ex")).toBe(EDEADLK);
    expect(c.lv("lv3", "ex")).toBe(0);
  });

  test("a persistent lock belongs to no client and closes no circle", () => {
    const rig = started();
    const [a, b] = [rig.client(), rig.client()];
    a.lv("lv1", "ex", { persistent: true });
    b.lv("lv2", "ex");
    expect(a.lv("lv2", "ex")).toBeNull();
    expect(b.lv("lv1", "ex")).toBe(0);
  });
});

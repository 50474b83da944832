import { describe, expect, test } from "bun:test";
import { detailOf, fixture, instanceOf, JOIN, testHost } from "./asking.ts";

const inline = (): ReturnType<typeof testHost> => testHost({ dlm: fixture("scripted-inline") });

describe("an inline plugin", () => {
  test("that answers at once is answered in the asking call itself", async () => {
    const host = await inline();
    await host.on(1, "join", JOIN);
    await host.lock(1, "now");
    await host.manager("isRunning");
    expect(host.at_once()).toBe(3);
  });

  test("that answers with a promise is answered later, and the lockspace's next calls wait for it", async () => {
    const host = await inline();
    const order: string[] = [];
    const note = (what: string) => () => void order.push(what);
    const all = [
      host.lock(1, "later=20").then(note("slow of 1")),
      host.lock(1, "now").then(note("next of 1")),
      host.lock(2, "now").then(note("of 2")),
    ];
    await Promise.all(all);
    expect(order).toEqual(["of 2", "slow of 1", "next of 1"]);
    // The queue is over: the lockspace answers at once again.
    const before = host.at_once();
    await host.lock(1, "now");
    expect(host.at_once()).toBe(before + 1);
  });

  test("gets many calls on one lockspace one at a time", async () => {
    const host = await inline();
    const answers = await Promise.all(Array.from({ length: 3000 }, () => host.lock(1, "soon")));
    expect(answers.every((answer) => answer.kind === "done")).toBe(true);
  });

  const failures: [string, RegExp][] = [
    ["throw", /^ELMERR .*scripted-inline failed in lock: thrown on request/],
    ["reject", /^ELMERR .*failed in lock: rejected on request/],
    ["wrong", /^ELMERR .*its answer breaks the contract: {"kind":"done","lm_result":"none"}/],
    ["nothing", /^ELMERR .*breaks the contract: undefined/],
  ];
  for (const [script, refusal] of failures) {
    test(`that misbehaves (${script}) is refused with ELMERR, logged, and asked again the next time`, async () => {
      const host = await inline();
      expect(detailOf(await host.lock(1, script))).toMatch(refusal);
      expect(host.logged).toHaveLength(1);
      expect(detailOf(await host.lock(1, "now"))).toBe("done");
    });
  }

  test("that refuses is passed on as it is", async () => {
    const host = await inline();
    expect(await host.lock(1, "refuse")).toMatchObject({
      code: "EAGAIN",
      retry: "soon",
      detail: "held elsewhere",
    });
    expect(host.logged).toEqual([]);
  });

  test("whose openLockspace returns no handle is refused", async () => {
    const host = await inline();
    expect(detailOf(await host.lock(1, "now", "no-handle"))).toMatch(/^ELMERR .*has no prepare method/);
  });

  test("keeps a lockspace's handle until it is forgotten", async () => {
    const host = await inline();
    const locks = async (key: number): Promise<unknown> => {
      const answer = await host.on(key, "hosts", { notify: false });
      return answer.kind === "done" && answer.others;
    };
    await host.lock(1, "now");
    await host.lock(1, "now");
    expect(await locks(1)).toBe(2);
    expect(await locks(2)).toBe(0);
    host.forgetLockspace("dlm", 1);
    expect(await locks(1)).toBe(0);
  });

  test("that leaves optional methods out is answered for", async () => {
    const host = await inline();
    expect(await host.on(1, "status")).toMatchObject({ kind: "done", owner: { host_id: 0 } });
    expect(await host.on(1, "hasGlobalLock")).toEqual({ kind: "done", enabled: false });
    expect(await host.on(1, "findFreeLock", { lv_size_bytes: 0 })).toEqual({ kind: "done" });
    expect(await host.on(1, "freeLv")).toEqual({ kind: "done" });
    expect(detailOf(await host.on(1, "setGlobalLock"))).toMatch(/^EPROTONOSUPPORT/);
    expect(detailOf(await host.on(1, "setHostDead"))).toMatch(/^EPROTONOSUPPORT/);
    expect(detailOf(await host.manager("refreshLv"))).toMatch(/^EPROTONOSUPPORT/);
    expect(detailOf(await host.manager("setLockArgs"))).toMatch(/^EPROTONOSUPPORT/);
  });

  test("sends news: progress is passed on, lines are logged, nonsense is logged as such", async () => {
    const host = await inline();
    await host.lock(1, "news=lvm_x");
    expect(host.news).toEqual([{ kind: "progress", lockspace_name: "lvm_x", text: "half way", eta_ms: 500 }]);
    expect(host.logged).toEqual([
      "info: scripted-inline: a line",
      "warning: the lock manager scripted-inline sent news that break the contract",
    ]);
  });

  test("gets its settings", async () => {
    const host = await inline();
    expect(await host.manager("initVg", { vg_name: "now" })).toMatchObject({ vg_lock_args: "1.0.0:c1" });
  });

  test("that never answers does not keep the host from closing, which refuses who asks afterwards", async () => {
    const host = await inline();
    void host.lock(1, "hang");
    await host.close();
    expect(detailOf(await host.lock(2, "now"))).toMatch(/^EMANAGER lvmlockd is ending/);
  });

  test("runs in this very thread", async () => {
    const host = await inline();
    expect(instanceOf(await host.lock(1, "now"))).toBe(instanceOf(await host.lock(2, "now")));
  });
});

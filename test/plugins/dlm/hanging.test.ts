/** A dlm_controld that runs and gives no answer. */
import { expect, test } from "bun:test";
import { DEADLINES } from "../../../core/deadlines.ts";
import { boundedControl } from "../../../plugins/dlm/bounded-control.ts";
import type { ControlAnswer, ControlCall } from "../../../plugins/dlm/control.ts";
import { WAIT } from "../../../plugins/dlm/flags.ts";
import { createManager } from "../../../plugins/dlm/manager.ts";
import { look, stopWatch } from "../../../plugins/dlm/watch.ts";
import { fakeCluster, fakeNode } from "./fake-dlm.ts";
import { joined, LV, open, VG } from "./joined.ts";

/** A thread whose answers the test gives. */
function heldThread() {
  const asked: { readonly call: ControlCall; readonly answer: (answer: ControlAnswer | "failed") => void }[] =
    [];
  const ask = (call: ControlCall) => {
    const { promise, resolve } = Promise.withResolvers<ControlAnswer | "failed">();
    asked.push({ call, answer: resolve });
    return promise;
  };
  return { asked, thread: { ready: async () => {}, ask } };
}

const AT_ONCE_MS = 1;
const INFO = { wait_condition: 0, member_count: 1, is_leaving: false };

test("a question without an answer is given up, and no other one is asked until its answer has come", async () => {
  const { asked, thread } = heldThread();
  const control = boundedControl(thread, true, AT_ONCE_MS);
  expect(await control.lockspace("lvm_vg")).toBe("hangs");
  expect(await control.daemon()).toBe("hangs");
  expect(await control.nodes("lvm_vg", 2)).toBe("hangs");
  expect(typeof (await control.run?.start("lvm"))).toBe("number");
  expect(await control.run?.check("uuid", 1)).toBeLessThan(0);
  expect(asked.length).toBe(1);
  asked[0]?.answer(INFO);
  await Promise.resolve();
  const again = control.lockspace("lvm_vg");
  await Promise.resolve();
  asked[1]?.answer(INFO);
  expect(await again).toEqual(INFO);
});

test("a corosync that gives no answer is told from a dlm_controld that gives none", async () => {
  const control = boundedControl(heldThread().thread, true, AT_ONCE_MS);
  expect(await control.isQuorate()).toBe("corosync-hangs");
  expect(await control.daemon()).toBe("corosync-hangs");
});

test("a thread that fails is no dlm_controld, and the next question is asked again", async () => {
  const { asked, thread } = heldThread();
  const control = boundedControl(thread, true);
  const first = control.daemon();
  await Promise.resolve();
  asked[0]?.answer("failed");
  expect(await first).toBe("no-daemon");
  const second = control.daemon();
  await Promise.resolve();
  asked[1]?.answer(null);
  expect(await second).toBe("answers");
});

test("a VG that runs goes on giving locks while dlm_controld hangs, because the kernel gives them", async () => {
  const { node, lock, unlock } = await joined();
  node.hangs = true;
  expect(await lock(LV, "ex")).toMatchObject({ kind: "done" });
  expect(await unlock(LV, "ex")).toMatchObject({ kind: "done" });
});

test("what needs dlm_controld is refused with its name while it hangs, and nothing is sent", async () => {
  const { node, lock, handle } = await joined();
  node.hangs = true;
  expect(await handle.hosts?.({ notify: false })).toMatchObject({ code: "EMANAGER" });
  // The code with which the core keeps the VG started.
  const left = await handle.leave({ free_vg: false });
  expect(left).toMatchObject({ code: "EBUSY" });
  expect(left.kind === "refused" && left.detail).toContain(
    "dlm_controld runs on this host and gives no answer",
  );
  node.state = "stopped";
  expect(await lock(VG, "ex")).toMatchObject({ code: "EMANAGER" });
  expect(node.sent).toEqual([]);
  node.hangs = false;
  node.state = "running";
  expect(await lock(VG, "ex")).toMatchObject({ kind: "done" });
});

test("a start is refused while dlm_controld hangs, and one during which it begins to hang is given up", async () => {
  const { node, state, handle } = open();
  const join = { adopt: "no", nodelay: false, repair: false } as const;
  node.hangs = true;
  expect(await handle.prepare({ repair: false })).toMatchObject({ code: "EMANAGER" });
  expect(await handle.join(join)).toMatchObject({ code: "EMANAGER" });
  expect(node.sent).toEqual([]);
  node.hangs = false;
  node.opener = () => {
    node.hangs = true;
    return new Promise(() => {});
  };
  expect(await handle.join(join)).toMatchObject({ code: "EMANAGER" });
  expect(node.now_ms).toBeLessThan(DEADLINES.dlm_blocked_ms + 2000);
  stopWatch(state);
});

test("a dlm_controld that hangs is not called absent", async () => {
  const node = fakeNode(fakeCluster());
  node.hangs = true;
  expect(await createManager(node.tools).isRunning()).toMatchObject({
    kind: "refused",
    code: "EMANAGER",
    lm_result: -110,
  });
});

test("of a lockspace that is left while dlm_controld is asked about it nothing more is told", async () => {
  const { node, state, lock } = await joined();
  await lock(LV, "ex");
  node.state = "stopped";
  node.wait_condition = WAIT.FENCING;
  const looking = look(state);
  state.handle = null;
  await looking;
  expect(node.news.filter(({ kind }) => kind === "log")).toEqual([]);
});

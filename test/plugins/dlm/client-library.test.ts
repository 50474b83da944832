import { dlopen, type Pointer } from "bun:ffi";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { DlmClient } from "../../../plugins/dlm/client.ts";
import { openDlmClient } from "../../../plugins/dlm/client-library.ts";
import { LKF, LKM, STATUS } from "../../../plugins/dlm/flags.ts";
import { DLM_LIBRARY } from "../../../plugins/dlm/library-symbols.ts";
import { makeScratch } from "../../rig/scratch.ts";

const compiler = Bun.which("gcc") ?? Bun.which("cc");
if (compiler === null) console.error("NOT TESTED: no C compiler, so the calls of libdlm are not tried");

describe.skipIf(compiler === null)("libdlm through bun:ffi", () => {
  const scratch = makeScratch("dlm-fake");
  let client: DlmClient;
  let handle = 0;
  let seen = (): string => "";

  beforeAll(() => {
    const library = scratch.file(DLM_LIBRARY);
    const source = join(import.meta.dir, "fake-libdlm.c");
    const compiled = Bun.spawnSync([compiler ?? "", "-shared", "-fPIC", "-o", library, source]);
    if (!compiled.success) throw new Error(compiled.stderr.toString());
    const opened = openDlmClient([scratch.path]);
    if (opened.kind === "missing") throw new Error(opened.detail);
    client = opened.client;
    const { symbols } = dlopen(library, {
      fake_open: { args: [], returns: "ptr" },
      fake_seen: { args: [], returns: "cstring" },
    });
    handle = Number(symbols.fake_open() as Pointer);
    seen = () => String(symbols.fake_seen());
  });
  afterAll(() => scratch.remove());

  test("a request carries its arguments, and its result is in the ticket after the wait", () => {
    const ticket = client.ticket();
    ticket.block[0] = 42;
    const flags = LKF.NOQUEUE | LKF.VALBLK;
    expect(client.lock(handle, ticket, { lkid: 0, mode: LKM.EX, flags, name: "VGLK" })).toBe(0);
    expect(seen()).toBe("lock mode=5 flags=9 name=VGLK len=4 parent=0 lkid=0 lvb0=42 range=0 bast=0");
    expect(ticket.status()).toBe(STATUS.IN_PROGRESS);
    expect(client.wait(handle, ticket, 1000)).toBe(true);
    expect(ticket.status()).toBe(STATUS.GRANTED);
    expect(ticket.lkid()).toBe(7);
    expect(ticket.blockIsLost()).toBe(true);
    expect(new TextDecoder().decode(ticket.block.subarray(0, 15))).toBe("from-the-kernel");
  });

  test("a wait without a result ends in time, and the results of other tickets are taken on the way", () => {
    const silent = client.ticket();
    client.lock(handle, silent, { lkid: 3, mode: LKM.NL, flags: LKF.CONVERT, name: "a" });
    expect(client.wait(handle, silent, 1000)).toBe(true);
    const first = client.ticket();
    const second = client.ticket();
    client.lock(handle, first, { lkid: 0, mode: LKM.PR, flags: 0, name: "b" });
    client.lock(handle, second, { lkid: 0, mode: LKM.PR, flags: 0, name: "c" });
    expect(client.wait(handle, second, 1000)).toBe(true);
    expect(first.status()).toBe(STATUS.GRANTED);
    const nobody = client.ticket();
    client.lock(handle, nobody, { lkid: 0, mode: LKM.PR, flags: 0, name: "d" });
    client.collect(handle);
    client.lock(handle, nobody, { lkid: 0, mode: LKM.PR, flags: 0, name: "e" });
    expect(client.wait(handle, nobody, 0)).toBe(false);
    client.collect(handle);
    expect(nobody.status()).toBe(STATUS.GRANTED);
  });

  test("a call that fails gives its errno", () => {
    expect(client.lock(handle, client.ticket(), { lkid: 0, mode: 0xbad, flags: 0, name: "x" })).toBe(22);
    expect(client.adopt(handle, client.ticket(), { mode: LKM.PR, flags: LKF.ORPHAN, name: "x" })).toBe(2);
  });

  test("an orphan that is adopted has its lock id at once", () => {
    const ticket = client.ticket();
    expect(client.adopt(handle, ticket, { mode: LKM.EX, flags: LKF.ORPHAN, name: "uuid" })).toBe(0);
    expect(seen()).toBe("lockx mode=5 flags=4000 name=uuid ast=1 xid=0 timeout=0");
    expect(ticket.lkid()).toBe(9);
  });

  test("a release has its own result, and purging names the node", () => {
    const ticket = client.ticket();
    expect(client.unlock(handle, ticket, 7)).toBe(0);
    expect(client.wait(handle, ticket, 1000)).toBe(true);
    expect(ticket.status()).toBe(STATUS.UNLOCKED);
    expect(client.purge(handle, 3)).toBe(0);
    expect(seen()).toBe("purge nodeid=3 pid=0");
  });

  test("the version of the kernel's interface is read", () => {
    expect(client.kernelVersion()).toEqual({ major: 6, minor: 0, patch: 2 });
  });
});

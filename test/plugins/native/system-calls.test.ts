import { afterAll, describe, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errnoName, errnoText, failureText } from "../../../plugins/native/errno.ts";
import { fileLockHolder, lockFile } from "../../../plugins/native/file-lock.ts";
import { peerCredentials } from "../../../plugins/native/peer-credentials.ts";
import { setProcessName } from "../../../plugins/native/process-name.ts";
import { withUmask } from "../../../plugins/native/umask.ts";

const scratch = mkdtempSync(join(tmpdir(), "native-calls-"));
afterAll(() => rmSync(scratch, { recursive: true }));

describe("errno", () => {
  test("is named and explained", () => {
    expect(errnoName(11)).toBe("EAGAIN");
    expect(errnoName(95)).toBe("EOPNOTSUPP");
    expect(errnoName(99999)).toBe("99999");
    expect(errnoText(2)).toBe("ENOENT: No such file or directory");
  });

  test("of a failed call is right while the heap is being collected", () => {
    for (let round = 0; round < 200; round++) {
      const failed = peerCredentials(1_000_000);
      expect(failed).toEqual({ kind: "failed", call: "getsockopt(SO_PEERCRED)", errno: 9 });
      if (round % 50 === 0) Bun.gc(true);
    }
  });
});

describe("peer credentials", () => {
  test("name the process at the other end of a unix socket", async () => {
    const path = join(scratch, "peer.socket");
    const { promise, resolve } = Promise.withResolvers<ReturnType<typeof peerCredentials>>();
    const listener = withUmask(0o177, () =>
      Bun.listen({
        unix: path,
        socket: {
          open: (socket) => resolve(peerCredentials((socket as unknown as { fd: number }).fd)),
          data() {},
        },
      }),
    );
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const client = await Bun.connect({ unix: path, socket: { data() {} } });
    const { uid, gid } = { uid: process.getuid?.() ?? -1, gid: process.getgid?.() ?? -1 };
    expect(await promise).toEqual({ kind: "peer", pid: process.pid, uid, gid });
    client.end();
    listener.stop(true);
  });

  test("of something that is no socket is a failure with a text", () => {
    const fd = openSync("/dev/null", "r");
    const failed = peerCredentials(fd);
    closeSync(fd);
    expect(failed.kind === "failed" && failureText(failed)).toContain("ENOTSOCK");
  });

  test("refuse a descriptor that is none, which bun:ffi would take for stdin", () => {
    expect(() => peerCredentials(undefined as never)).toThrow(TypeError);
    expect(() => peerCredentials(-1)).toThrow(TypeError);
  });
});

describe("umask", () => {
  test("is restored, also when the action throws", () => {
    const before = process.umask();
    expect(() =>
      withUmask(0o077, () => {
        throw new Error("inside");
      }),
    ).toThrow("inside");
    expect(process.umask()).toBe(before);
  });
});

describe("a file's lock", () => {
  test("is held against another process, which learns our pid", async () => {
    const path = join(scratch, "pid");
    writeFileSync(path, "");
    const fd = openSync(path, "r+");
    expect(lockFile(fd)).toEqual({ kind: "locked" });
    // A process never sees its own locks as somebody else's.
    expect(fileLockHolder(fd)).toBeNull();
    const other = Bun.spawnSync([process.execPath, join(import.meta.dir, "lock-taker.ts"), path]);
    expect(JSON.parse(other.stdout.toString())).toEqual({ kind: "held", pid: process.pid });
    closeSync(fd);
    const afterwards = Bun.spawnSync([process.execPath, join(import.meta.dir, "lock-taker.ts"), path]);
    expect(JSON.parse(afterwards.stdout.toString())).toEqual({ kind: "locked" });
  });
});

describe("the process's name", () => {
  test("is set and cut at 15 bytes", () => {
    // A thread of its own name: the test runner keeps its name because the main thread's is restored.
    const before = readFileSync("/proc/thread-self/comm", "utf8").trim();
    expect(setProcessName("lvmlockd-with-a-long-name")).toEqual({ kind: "named" });
    expect(readFileSync("/proc/thread-self/comm", "utf8").trim()).toBe("lvmlockd-with-a");
    setProcessName(before);
    expect(() => setProcessName("a\0b")).toThrow(TypeError);
  });
});

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { watchdogInterval_ms } from "../../core/daemon/notify.ts";
import {
  bindDatagram,
  closeDatagram,
  openDatagram,
  receiveDatagram,
  unixAddress,
} from "../../plugins/native/datagram.ts";
import { connectAndGreet } from "../rig/connection.ts";
import { makeScratch, type Scratch } from "../rig/scratch.ts";
import { type Child, spawnChild, startChild } from "./kit/child.ts";
import { lockLv, resultOf, startVg, until } from "./kit/in-process.ts";

let scratch: Scratch;
let child: Child | null = null;
let manager: { readonly path: string; said(): string[]; close(): void };

/** Listens as systemd does and collects what it is told. */
function serviceManager(path: string): typeof manager {
  const socket = openDatagram();
  const address = unixAddress(path);
  if (socket.kind === "failed" || address === null) throw new Error("no notify socket");
  expect(bindDatagram(socket.fd, address).kind).toBe("bound");
  const lines: string[] = [];
  const into = new Uint8Array(4096);
  return {
    path,
    said() {
      for (
        let got = receiveDatagram(socket.fd, into);
        got.kind === "received";
        got = receiveDatagram(socket.fd, into)
      )
        lines.push(...new TextDecoder().decode(into.subarray(0, got.size_bytes)).trim().split("\n"));
      return lines;
    },
    close: () => closeDatagram(socket.fd),
  };
}

beforeEach(() => {
  scratch = makeScratch("sd");
  manager = serviceManager(scratch.file("notify"));
});
afterEach(async () => {
  child?.kill("SIGKILL");
  await child?.exited;
  child = null;
  manager.close();
  scratch.remove();
});

describe("systemd", () => {
  test("is told readiness and status, reloading, and stopping, in this order", async () => {
    child = await startChild(scratch, { env: { NOTIFY_SOCKET: manager.path } });
    await until(() => manager.said().some((line) => line.startsWith("STATUS=")));
    child.kill("SIGHUP");
    await until(() => manager.said().filter((line) => line === "READY=1").length === 2);
    child.kill("SIGTERM");
    await child.exited;
    expect(manager.said().map((line) => line.split("=")[0])).toEqual([
      "READY",
      "STATUS",
      "RELOADING",
      "MONOTONIC_USEC",
      "READY",
      "STOPPING",
    ]);
    expect(manager.said()[1]).toBe("STATUS=0 VGs started, 0 LV locks held, 0 commands connected");
  });

  test("is told readiness only after adoption, with what was adopted", async () => {
    child = await startChild(scratch);
    const client = await connectAndGreet(scratch.file("socket"));
    await startVg(client, "vg0");
    expect(resultOf(await client.ask(lockLv("vg0", "lv0", "ex")))).toBe(0);
    child.kill("SIGKILL");
    await child.exited;
    child = spawnChild(scratch, { env: { NOTIFY_SOCKET: manager.path } });
    await until(() => manager.said().length >= 2);
    expect(manager.said()).toContain("STATUS=1 VGs started, 1 LV locks held, 0 commands connected");
  });

  test("gets the watchdog's heartbeat while the event loop turns, and no longer", async () => {
    child = await startChild(scratch, { env: { NOTIFY_SOCKET: manager.path, WATCHDOG_USEC: "20000" } });
    const beats = () => manager.said().filter((line) => line === "WATCHDOG=1").length;
    await until(() => beats() > 3);
    child.kill("SIGSTOP");
    await Bun.sleep(20);
    const then = beats();
    await Bun.sleep(100);
    expect(beats()).toBe(then);
  });
});

test("the heartbeat has half of the watchdog's time, and is for this process only", () => {
  expect(watchdogInterval_ms({})).toBe(0);
  expect(watchdogInterval_ms({ WATCHDOG_USEC: "3000000" })).toBe(1500);
  expect(watchdogInterval_ms({ WATCHDOG_USEC: "3000000", WATCHDOG_PID: String(process.pid) })).toBe(1500);
  expect(watchdogInterval_ms({ WATCHDOG_USEC: "3000000", WATCHDOG_PID: "1" })).toBe(0);
  expect(watchdogInterval_ms({ WATCHDOG_USEC: "soon" })).toBe(0);
});

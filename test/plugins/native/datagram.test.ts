import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  bindDatagram,
  closeDatagram,
  openDatagram,
  receiveDatagram,
  sendDatagram,
  type UnixAddress,
  unixAddress,
  waitReadable,
} from "../../../plugins/native/datagram.ts";
import { openSyslog } from "../../../plugins/native/syslog.ts";

const scratch = mkdtempSync(join(tmpdir(), "native-datagram-"));
afterAll(() => rmSync(scratch, { recursive: true }));

function address(name: string): UnixAddress {
  const made = unixAddress(name);
  if (made === null) throw new Error(`no address: ${name}`);
  return made;
}

function socket(bound: string | null): number {
  const opened = openDatagram();
  if (opened.kind !== "opened") throw new Error("no socket");
  if (bound !== null) expect(bindDatagram(opened.fd, address(bound))).toEqual({ kind: "bound" });
  return opened.fd;
}

function take(fd: number): string {
  const into = new Uint8Array(65536);
  const received = receiveDatagram(fd, into);
  return received.kind === "received"
    ? new TextDecoder().decode(into.slice(0, received.size_bytes))
    : received.kind;
}

describe("datagrams", () => {
  for (const name of [
    join(scratch, "path.socket"),
    `@native-test-${process.pid}`,
    `\0native-nul-${process.pid}`,
  ]) {
    const kind = name.startsWith("/")
      ? "a path"
      : `an abstract name that begins with ${JSON.stringify(name[0])}`;
    test(`arrive at ${kind}`, () => {
      const receiver = socket(name);
      const sender = socket(null);
      expect(take(receiver)).toBe("empty");
      expect(sendDatagram(sender, new TextEncoder().encode("READY=1"), address(name))).toEqual({
        kind: "sent",
        size_bytes: 7,
      });
      expect(waitReadable(receiver, 1000)).toBe(true);
      expect(take(receiver)).toBe("READY=1");
      expect(waitReadable(receiver, 0)).toBe(false);
      closeDatagram(sender);
      closeDatagram(receiver);
    });
  }

  test("an abstract name ends with its length, without a NUL, as lvmlockctl binds it", () => {
    const { bytes, size_bytes } = address("@lvmlockd-dump.sock");
    expect(size_bytes).toBe(2 + 1 + 18);
    expect(new TextDecoder().decode(bytes.slice(2, size_bytes))).toBe("\0lvmlockd-dump.sock");
  });

  test("a name longer than a unix address is no address", () => {
    expect(unixAddress(`/${"x".repeat(106)}`)).not.toBeNull();
    expect(unixAddress(`/${"x".repeat(107)}`)).toBeNull();
    expect(unixAddress("")).toBeNull();
    expect(() => unixAddress("/a\0b")).toThrow(TypeError);
  });

  test("to nobody fail at once, and to a full receiver say so instead of waiting", () => {
    const sender = socket(null);
    const nobody = sendDatagram(sender, new Uint8Array(1), address(join(scratch, "nobody")));
    expect(nobody).toEqual({ kind: "failed", call: "sendto", errno: 2 });
    const name = `@native-full-${process.pid}`;
    const receiver = socket(name);
    let sent = 0;
    while (sent < 10_000 && sendDatagram(sender, new Uint8Array(1000), address(name)).kind === "sent") sent++;
    expect(sendDatagram(sender, new Uint8Array(1000), address(name))).toEqual({ kind: "full" });
    closeDatagram(sender);
    closeDatagram(receiver);
  });

  test("an empty datagram can be sent", () => {
    const name = `@native-empty-${process.pid}`;
    const receiver = socket(name);
    const sender = socket(null);
    expect(sendDatagram(sender, new Uint8Array(0), address(name))).toEqual({ kind: "sent", size_bytes: 0 });
    expect(take(receiver)).toBe("");
    closeDatagram(sender);
    closeDatagram(receiver);
  });
});

describe("syslog", () => {
  test("sends libc's line: facility and severity, local time, ident and pid", () => {
    const path = join(scratch, "log.socket");
    const receiver = socket(path);
    const syslog = openSyslog("lvmlockd", path);
    if ("kind" in syslog) throw new Error("no syslog");
    syslog.write("warning", "two\nlines");
    expect(take(receiver)).toMatch(
      new RegExp(
        `^<28>[A-Z][a-z]{2} [ 1-3]\\d \\d\\d:\\d\\d:\\d\\d lvmlockd\\[${process.pid}\\]: two lines$`,
      ),
    );
    syslog.close();
    syslog.write("err", "after the end");
    expect(take(receiver)).toBe("empty");
    expect(syslog.dropped()).toBe(0);
    closeDatagram(receiver);
  });

  test("counts what found no receiver or no room, and never waits", () => {
    const syslog = openSyslog("lvmlockd", join(scratch, "no-syslog-here"));
    if ("kind" in syslog) throw new Error("no syslog");
    syslog.write("info", "lost");
    expect(syslog.dropped()).toBe(1);
    syslog.close();
  });
});

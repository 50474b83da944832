import { describe, expect, test } from "bun:test";
import { createLog } from "../../core/daemon/log/log.ts";
import { createLogRing } from "../../core/daemon/log/ring.ts";
import type { Syslog } from "../../plugins/native/syslog.ts";
import { request } from "./kit/requests.ts";

function recordingSyslog(): { syslog: Syslog; lines: string[] } {
  const lines: string[] = [];
  const write: Syslog["write"] = (severity, text) => void lines.push(`${severity} ${text}`);
  return { lines, syslog: { write, dropped: () => 0, close: () => {} } };
}

describe("the log ring", () => {
  test("keeps the last entries in order and gives them as lines with the epoch's seconds", () => {
    const ring = createLogRing(3);
    for (const text of ["a", "b", "c", "d"]) ring.text(1500, "info", text);
    expect([...ring.lines(10_000)]).toEqual(["11 b\n", "11 c\n", "11 d\n"]);
  });

  test("makes text of requests and replies only when it is read", () => {
    const ring = createLogRing(8);
    ring.received(0, 7, 4711, request({ name: "lock_lv", vg_name: "vg0", lv_uuid: "abc", mode: "ex" }));
    ring.sent(0, 7, 7, -11);
    expect([...ring.lines(0)]).toEqual([
      "0 client 7 pid 4711 asks lock_lv vg0/abc ex\n",
      "0 client 7 is told op 7 result -11\n",
    ]);
  });

  test("cuts a line at 1000 bytes between characters and folds line ends", () => {
    const ring = createLogRing(2);
    ring.text(0, "info", `${"é".repeat(1200)}`);
    ring.text(0, "info", "two\nlines");
    const [long, folded] = [...ring.lines(0)];
    expect(Buffer.byteLength(long ?? "")).toBeLessThanOrEqual(1000);
    expect(long).toMatch(/^0 é+\n$/);
    expect(folded).toBe("0 two lines\n");
  });
});

describe("the log", () => {
  test("sends to syslog what is at least as important as the priority, which can change", () => {
    const { syslog, lines } = recordingSyslog();
    const log = createLog({ print: null, syslog, syslog_priority: "warning", now_ms: () => 0 });
    log.error("e");
    log.warning("w");
    log.notice("n");
    log.setSyslogPriority("notice");
    log.notice("n2");
    log.setSyslogPriority("crit");
    log.error("e2");
    expect(lines).toEqual(["err e", "warning w", "notice n2"]);
    expect([...log.lines()].length).toBe(5);
  });

  test("prints requests and replies while debugging is printed", () => {
    const printed: string[] = [];
    const print = { level: "debug", sink: (line: string) => void printed.push(line) } as const;
    const log = createLog({ print, syslog: null, syslog_priority: "warning", now_ms: () => 0 });
    expect(log.isDebugging()).toBe(true);
    log.received(0, 1, 2, request({ name: "lock_gl", mode: "sh" }));
    log.sent(0, 1, 7, 0);
    expect(printed.map((line) => line.split(" ").slice(0, 2).join(" "))).toEqual(["client 1", "client 1"]);
  });

  test("folds a flood of the same message", () => {
    const printed: string[] = [];
    const print = { level: "notice", sink: (line: string) => void printed.push(line) } as const;
    const log = createLog({ print, syslog: null, syslog_priority: "warning", now_ms: () => 0 });
    for (let i = 0; i < 1000; i++) log.error("out of file descriptors");
    log.error("another");
    expect(printed.length).toBeLessThan(10);
    expect(printed.at(-2)).toContain("repeated");
  });
});

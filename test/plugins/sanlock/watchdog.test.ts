/** What sanlock.conf says of the watchdog, as far as people are told times that follow from it. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { hostDead_s } from "../../../plugins/sanlock/timing.ts";
import {
  programTakesFireTimeout,
  readFireTimeout,
  readWatchdog,
  takesFireTimeout,
} from "../../../plugins/sanlock/watchdog.ts";
import { makeScratch, type Scratch } from "../../rig/scratch.ts";

let scratch: Scratch;
beforeEach(() => {
  scratch = makeScratch("sanlock-conf");
});
afterEach(() => scratch.remove());

function conf(text: string): string {
  const path = scratch.file("sanlock.conf");
  writeFileSync(path, text);
  return path;
}

describe("sanlock.conf", () => {
  test("sets after how long a silent host counts as dead, with a watchdog and without one", () => {
    for (const use of ["", "use_watchdog = 0\n"]) {
      const fire_s = readFireTimeout(true, conf(`${use}watchdog_fire_timeout = 10\n`));
      expect(hostDead_s(2, fire_s)).toBe(26);
    }
  });

  test("that is not there, or says nothing, or nonsense, leaves sanlock's 60 s", () => {
    expect(readFireTimeout(true, scratch.file("missing"))).toBe(60);
    for (const text of [
      "",
      "# watchdog_fire_timeout = 10\n",
      "  watchdog_fire_timeout = 10\n",
      "watchdog_fire_timeout = 0\n",
      "watchdog_fire_timeout = 99999\n",
    ])
      expect(readFireTimeout(true, conf(text))).toBe(60);
  });

  test("that sets it several times means the last one", () => {
    const path = conf("watchdog_fire_timeout = 10\nuse_watchdog = 1\nwatchdog_fire_timeout=30\n");
    expect(readFireTimeout(true, path)).toBe(30);
  });

  test("that turns the watchdog off promises no reset", () => {
    expect(readWatchdog(true, conf("use_watchdog = 0\n"))).toBeNull();
    expect(readWatchdog(true, conf("use_watchdog = 1\nwatchdog_fire_timeout = 30\n"))).toBe(30);
  });

  test("sets no time for a sanlock that does not take it from there", () => {
    const path = conf("watchdog_fire_timeout = 10\n");
    expect([readFireTimeout(false, path), readWatchdog(false, path)]).toEqual([60, 60]);
    expect(readWatchdog(false, conf("use_watchdog = 0\n"))).toBeNull();
  });
});

describe("the watchdog's time is taken from sanlock.conf", () => {
  test("by 3.9.5 and 5.1.1, and not by 3.8.5", () => {
    expect([0x03080500, 0x03090500, 0x05010100].map(takesFireTimeout)).toEqual([false, true, true]);
  });

  test("by a program that has the key in it", () => {
    const program = (text: string): Uint8Array => new TextEncoder().encode(`\0use_watchdog\0${text}\0`);
    expect(programTakesFireTimeout(program("watchdog_fire_timeout"))).toBe(true);
    expect(programTakesFireTimeout(program("io_timeout"))).toBe(false);
  });
});

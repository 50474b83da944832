/** What sanlock.conf says of the watchdog, as far as people are told times that follow from it. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { hostDead_s } from "../../../plugins/sanlock/timing.ts";
import { readFireTimeout, readWatchdog } from "../../../plugins/sanlock/watchdog.ts";
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
      const fire_s = readFireTimeout(conf(`${use}watchdog_fire_timeout = 10\n`));
      expect(hostDead_s(2, fire_s)).toBe(26);
    }
  });

  test("that is not there, or says nothing, or nonsense, leaves sanlock's 60 s", () => {
    expect(readFireTimeout(scratch.file("missing"))).toBe(60);
    for (const text of [
      "",
      "# watchdog_fire_timeout = 10\n",
      "watchdog_fire_timeout = 0\n",
      "watchdog_fire_timeout = 99999\n",
    ])
      expect(readFireTimeout(conf(text))).toBe(60);
  });

  test("that turns the watchdog off promises no reset", () => {
    expect(readWatchdog(conf("use_watchdog = 0\n"))).toBeNull();
    expect(readWatchdog(conf("use_watchdog = 1\nwatchdog_fire_timeout = 30\n"))).toBe(30);
  });
});

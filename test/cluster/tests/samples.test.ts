/** The integrity run's judgement of dm tables. */
import { expect, test } from "bun:test";
import {
  describeOverlap,
  type Interval,
  intervalsOf,
  overlaps,
  parseSamples,
} from "../scenarios/integrity/samples.ts";

test("samples are read from a console among other lines, on the lab's clock", () => {
  const console_text = "boot\nTABLES 12.5 ex1 ex3 \r\nnoise\nTABLES 13.0 \n";
  expect(parseSamples("host1", console_text, 2)).toEqual([
    { host: "host1", time_s: 10.5, active: new Set(["ex1", "ex3"]) },
    { host: "host1", time_s: 11, active: new Set() },
  ]);
});

test("an LV that is seen in consecutive samples was active from the first to the last of them", () => {
  const text = "TABLES 1.0 ex1 \nTABLES 2.0 ex1 \nTABLES 3.0 \nTABLES 4.0 ex1 \n";
  const intervals = intervalsOf(parseSamples("host1", text, 0));
  expect(intervals).toEqual([
    { host: "host1", lv: "ex1", from_s: 1, to_s: 2 },
    { host: "host1", lv: "ex1", from_s: 4, to_s: 4 },
  ]);
});

const interval = (host: string, lv: string, from_s: number, to_s: number): Interval => ({
  host,
  lv,
  from_s,
  to_s,
});

test("one LV on two hosts at the same time is found", () => {
  const both = [interval("host1", "ex1", 1, 5), interval("host2", "ex1", 3, 8)];
  expect(overlaps(both, 0.5)).toHaveLength(1);
});

test("hand-overs, other LVs and differences between clocks are no overlap", () => {
  const sound = [
    interval("host1", "ex1", 1, 5),
    interval("host2", "ex1", 4.7, 8),
    interval("host2", "ex2", 1, 5),
    interval("host1", "ex1", 9, 9.5),
  ];
  expect(overlaps(sound, 0.5)).toEqual([]);
});

test("what was active on two hosts is told with its times", () => {
  const [found] = overlaps([interval("host1", "ex1", 1, 5.25), interval("host2", "ex1", 3, 8)], 0.5);
  expect(found && describeOverlap(found)).toBe(
    "ex1 was active exclusively on host1 from 00:00:01.000 to 00:00:05.250 and on host2 from 00:00:03.000 to 00:00:08.000",
  );
});

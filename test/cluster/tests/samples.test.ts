/** What the integrity run reads from the consoles of its hosts, and how it compares their clocks. */
import { expect, test } from "bun:test";
import { agreed, clockOf } from "../scenarios/integrity/clocks.ts";
import { holdsOf, type Life, tablesOf, violationsOf } from "../scenarios/integrity/samples.ts";

const life = (more: Partial<Life> = {}): Life => ({
  host: "host1",
  clock: { ahead_s: 2, error_s: 0.1 },
  crash: null,
  ...more,
});
const told = { host: "host1", error_s: 0.1, crash: null };

test("dm tables are read from a console among other lines, on the lab's clock", () => {
  const text = "boot\nTABLES 12.4 12.5 lv1 lv3 \r\nnoise\nTABLES 13.0 13.1 lv1\nTABLES 14.0 14.1 \n";
  expect(tablesOf(life(), text)).toEqual([
    { ...told, lv: "lv3", mode: "table", from_s: 10.5, to_s: 10.4 },
    { ...told, lv: "lv1", mode: "table", from_s: 10.5, to_s: 11 },
  ]);
});

test("an LV was active from the end of its first reading in a row to the beginning of the last", () => {
  const text =
    "TABLES 3.0 3.5 lv1\nTABLES 4.0 8.9 lv1\nTABLES 8.95 8.99 lv1\nTABLES 9.0 9.5 lv1\nTABLES 10.0 10.1 \n";
  const late = `${text}TABLES 11.0 11.5 lv1\nTABLES 12.0 12.5 lv1\n`;
  expect(tablesOf(life(), late)).toMatchObject([
    { from_s: 1.5, to_s: 7 },
    { from_s: 9.5, to_s: 10 },
  ]);
});

test("in a pause of the readings an LV may have gone and come again", () => {
  const text = "TABLES 3.0 3.5 lv1\nTABLES 4.0 4.1 lv1\nTABLES 6.7 6.8 lv1\nTABLES 7.0 7.1 lv1\n";
  expect(tablesOf(life(), text)).toMatchObject([
    { from_s: 1.5, to_s: 2 },
    { from_s: 4.8, to_s: 5 },
  ]);
});

test("the end of a hold is told twice and counts once, also when one of them is lost", () => {
  const [end, lost] = ["HELD lv1 ex 3.0 4.0\n", "HELD lv1 ex 3.[ 12.5] sd 0:0:0:0\n"];
  for (const ends of [end + end, lost + end, end + lost])
    expect(holdsOf(life(), `HOLD lv1 ex 3.0\n${ends}`)).toEqual([
      { ...told, lv: "lv1", mode: "ex", from_s: 1, to_s: 2 },
    ]);
});

test("what a worker found before its host crashed is on the console", () => {
  const text = "HOLD lv1 ex 3.0\r\nVIOLATION lv1: mine was overwritten by theirs\r\nTABLES 4.0 4.1 lv1\n";
  expect(violationsOf(text)).toEqual(["VIOLATION lv1: mine was overwritten by theirs"]);
});

test("a hold lasts from when it was granted until right before it is given up", () => {
  const text = "HOLD lv1 ex 3.25\r\nHOLD lv2 sh 3.5\nHELD lv1 ex 3.25 4.5\r\nHELD lv2 sh 3.5 5.0\n";
  expect(holdsOf(life(), text)).toEqual([
    { ...told, lv: "lv1", mode: "ex", from_s: 1.25, to_s: 2.5 },
    { ...told, lv: "lv2", mode: "sh", from_s: 1.5, to_s: 3 },
  ]);
});

test("what a host held when it crashed is its own until then, and for as long as its lock is kept", () => {
  const crash = { at_s: 10, kept_s: 18 };
  expect(holdsOf(life({ crash }), "HOLD lv1 ex 3.25\nHELD lv1 ex 3.25 4.5\nHOLD lv1 sh 5.0\n")).toEqual([
    { ...told, lv: "lv1", mode: "ex", from_s: 1.25, to_s: 2.5 },
    { ...told, lv: "lv1", mode: "sh", from_s: 3, to_s: 28, crash },
  ]);
});

test("a hold whose end is lost in a line that something else wrote into is no hold", () => {
  const text = "HOLD lv1 ex 3.0\nHELD lv1 ex 3.[ 12.5] sd 0:0:0:0\nHOLD lv1 sh 5.0\nHELD lv1 sh 5.0 6.0\n";
  expect(holdsOf(life(), text)).toEqual([{ ...told, lv: "lv1", mode: "sh", from_s: 3, to_s: 4 }]);
});

test("a host's clock is somewhere between all that was read of it", () => {
  const clock = clockOf("host1", [
    { low_s: 5, high_s: 5.1 },
    { low_s: 5.05, high_s: 5.3 },
  ]);
  expect(clock.ahead_s).toBeCloseTo(5.15);
  expect(clock.error_s).toBeCloseTo(0.15);
});

test("round trips of one moment agree in what all of them allow", () => {
  expect(
    agreed([
      { low_s: 5, high_s: 5.3 },
      { low_s: 5.2, high_s: 5.4 },
      { low_s: 4, high_s: 6 },
    ]),
  ).toEqual({ low_s: 5.2, high_s: 5.3 });
});

test("a clock that can't be compared, was set meanwhile or was never read fails the run", () => {
  const set = [
    { low_s: 5, high_s: 5.1 },
    { low_s: 7, high_s: 7.1 },
  ];
  for (const readings of [
    [],
    [{ low_s: 0, high_s: 1 }],
    set,
    [{ low_s: 2, high_s: 1 }],
    [{ low_s: Number.NaN, high_s: 1 }],
  ])
    expect(() => clockOf("host1", readings)).toThrow("host1 can't be compared");
});

/** The integrity run's judgement of who had an LV, and when. */
import { expect, test } from "bun:test";
import { conflicts, describeConflict, takeoversOf, unwitnessed } from "../scenarios/integrity/judge.ts";
import type { Activation } from "../scenarios/integrity/samples.ts";

type Mode = Activation["mode"];

function active(
  host: number,
  mode: Mode,
  from_s: number,
  to_s: number,
  more: Partial<Activation> = {},
): Activation {
  return { host: `host${host}`, lv: "lv1", mode, from_s, to_s, error_s: 0.1, crash: null, ...more };
}

test.each([
  ["ex", "ex"],
  ["ex", "sh"],
  ["sh", "ex"],
  ["ex", "table"],
  ["table", "ex"],
] as const)(
  "an LV that is %s on one host and %s on another at the same time is found, once",
  (one, other) => {
    const both = [active(1, one, 1, 5), active(2, other, 3, 8)];
    expect(conflicts(both)).toHaveLength(1);
    expect(conflicts(both.toReversed())).toHaveLength(1);
  },
);

test("shared on several hosts is no conflict, nor are dm tables that do not say how", () => {
  const sound = [
    active(1, "sh", 1, 5),
    active(2, "sh", 3, 8),
    active(3, "table", 1, 9),
    active(2, "table", 3, 8),
  ];
  expect(conflicts(sound)).toEqual([]);
});

test("hand-overs, other LVs, the host itself and differences between clocks are no conflict", () => {
  const sound = [
    active(1, "ex", 1, 5),
    active(1, "table", 0.8, 5.3),
    active(2, "ex", 5.06, 8),
    active(2, "sh", 1, 5, { lv: "lv2" }),
    active(3, "table", 0, 1.2),
    active(1, "ex", 9, 9.5),
  ];
  expect(conflicts(sound)).toEqual([]);
  expect(conflicts([active(1, "ex", 1, 5), active(2, "ex", 4.74, 8)])).toHaveLength(1);
});

test("clocks that may be more wrong excuse more", () => {
  const both = (error_s: number) => [active(1, "ex", 1, 5), active(2, "ex", 4.5, 8, { error_s })];
  expect(conflicts(both(0.3))).toHaveLength(1);
  expect(conflicts(both(0.4))).toEqual([]);
});

test("a dead host's LV that another has before its lock may be given away is a conflict", () => {
  const left = active(1, "ex", 1, 20, { crash: { at_s: 2, kept_s: 18 } });
  expect(conflicts([left, active(2, "sh", 19, 25)])).toHaveLength(1);
  expect(conflicts([left, active(2, "sh", 21, 25)])).toEqual([]);
});

test("a conflict is told with how and when", () => {
  const crash = { at_s: 5, kept_s: 0.25 };
  const [first] = conflicts([active(1, "ex", 1, 5.25, { crash }), active(2, "table", 3, 8)]);
  expect(first && describeConflict(first)).toBe(
    "lv1 was active exclusively on host1, which crashed with it, from 00:00:01.000 to 00:00:05.250 and by its dm table on host2 from 00:00:03.000 to 00:00:08.000",
  );
});

test("the next host that had what a crashed one held exclusively took it over", () => {
  const crash = { at_s: 10, kept_s: 18 };
  const all = [
    active(1, "ex", 8, 28, { crash }),
    active(1, "sh", 8, 28, { lv: "lv2", crash }),
    active(2, "ex", 1, 5),
    active(3, "ex", 50, 52),
    active(2, "table", 41, 45),
    active(1, "ex", 38, 39),
    active(2, "ex", 38, 39, { lv: "lv2" }),
  ];
  expect(takeoversOf(all)).toEqual([{ lv: "lv1", from: "host1", to: "host2", after_s: 31 }]);
});

test("what no dm table shows though it was held for long is told; short holds may lie between two readings", () => {
  const seen = [active(1, "ex", 1, 5), active(1, "table", 0.5, 5.5)];
  const unseen = [active(1, "ex", 11, 15), active(2, "ex", 1, 5)];
  const crashed = active(3, "ex", 1, 20, { crash: { at_s: 2, kept_s: 18 } });
  expect(unwitnessed([...seen, ...unseen, active(3, "sh", 1, 1.5), crashed], 1)).toEqual(unseen);
});

import { expect, test } from "bun:test";
import { DEADLINES } from "../../../core/deadlines.ts";
import { createTurns } from "../../../plugins/sanlock/turns.ts";

const { sanlock_contended_ms, sanlock_turn_pause_ms } = DEADLINES;

function turns() {
  const clock = { now_ms: 1000 };
  return {
    clock,
    ...createTurns(
      () => clock.now_ms,
      () => 0.5,
    ),
  };
}

test("a lock that no other host wants is asked for again at once", () => {
  const { released, pause_ms } = turns();
  released("vg");
  expect(pause_ms("vg")).toBe(0);
});

test("a lock that another host had lately rests after its release, and no longer than that", () => {
  const { clock, refused, released, pause_ms } = turns();
  refused("vg");
  expect(pause_ms("vg")).toBe(0);
  released("vg");
  expect(pause_ms("vg")).toBe(sanlock_turn_pause_ms);
  expect(pause_ms("gl")).toBe(0);
  clock.now_ms += sanlock_turn_pause_ms;
  expect(pause_ms("vg")).toBe(0);
  clock.now_ms += sanlock_contended_ms + 1;
  released("vg");
  expect(pause_ms("vg")).toBe(0);
});

test("the locks of LVs, which hosts keep for long, never rest", () => {
  const { refused, released, pause_ms } = turns();
  refused("lv");
  released("lv");
  expect(pause_ms("lv")).toBe(0);
});

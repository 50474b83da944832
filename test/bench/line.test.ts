import { describe, expect, test } from "bun:test";
import { makeFigure, type Target } from "../../bench/line.ts";

const TWICE: Target = { of: "ratio", bound: "at-least", limit: 2 };
const HALF: Target = { of: "ratio", bound: "at-most", limit: 0.5 };
const FAST: Target = { of: "value", bound: "at-most", limit: 100 };

describe("a figure", () => {
  test("is the median of its samples, and of two middle ones their mean", () => {
    const figure = makeFigure("1/s", { c: [1, 100, 2], ours: [4, 8] }, null);
    expect(figure.values).toEqual({ c: 2, ours: 6, compiled: null, floor: null });
  });

  test("compares what was measured in one round, not medians of different rounds", () => {
    // The machine was ten times slower in the second round, for both.
    const figure = makeFigure("1/s", { c: [100, 10, 100], ours: [300, 20, 300] }, null);
    expect(figure.ratios.ours).toBe(3);
    expect(figure.ratios.c).toBe(1);
  });

  test("has no ratios when C was not measured", () => {
    expect(makeFigure("1/s", { ours: [300] }, TWICE).ratios.ours).toBeNull();
  });

  test("reaches its target only when each form of ours does", () => {
    const reached = (ours: number, compiled: number) =>
      makeFigure("1/s", { c: [10], ours: [ours], compiled: [compiled] }, TWICE).reached;
    expect(reached(20, 20)).toBe(true);
    expect(reached(20, 19)).toBe(false);
    expect(reached(19, 20)).toBe(false);
  });

  test("can be asked to be at most something", () => {
    expect(makeFigure("us", { c: [10], ours: [5] }, HALF).reached).toBe(true);
    expect(makeFigure("us", { c: [10], ours: [6] }, HALF).reached).toBe(false);
  });

  test("is held to a value of its own without C", () => {
    expect(makeFigure("ms", { ours: [100] }, FAST).reached).toBe(true);
    expect(makeFigure("ms", { ours: [101] }, FAST).reached).toBe(false);
  });

  test("is not judged without a target, nor when ours was not measured", () => {
    expect(makeFigure("1/s", { c: [10], ours: [5] }, null).reached).toBeNull();
    expect(makeFigure("1/s", { c: [10], floor: [50] }, TWICE).reached).toBeNull();
  });
});

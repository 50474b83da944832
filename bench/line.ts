/** One line of the benchmark's table: a figure of each rival, and what is asked of ours. */
import type { RivalName } from "./rivals.ts";

/** null for a rival that was not measured. */
export type PerRival<T> = Readonly<Record<RivalName, T | null>>;

export interface Target {
  /** `ratio` is ours divided by C's, medians of the pairs of one round; `value` is the figure itself. */
  readonly of: "ratio" | "value";
  readonly bound: "at-least" | "at-most";
  readonly limit: number;
}

/** A figure with its ratios to the C daemon's. */
export interface Figure {
  readonly unit: "1/s" | "us" | "ms" | "MB" | "%";
  readonly values: PerRival<number>;
  /** To C's value of the same round; C's own is 1. */
  readonly ratios: PerRival<number>;
  readonly target: Target | null;
  /** Whether every one of our daemon's forms that was measured reaches the target; null without a target or a measurement. */
  readonly reached: boolean | null;
}

export interface Line {
  readonly name: string;
  readonly title: string;
  readonly figure: Figure;
  /** The daemon's CPU time per request, for the load scenarios. */
  readonly cpu: Figure | null;
}

export interface BenchResult {
  readonly machine: string;
  readonly bun: string;
  readonly c_daemon: string;
  readonly rounds: number;
  /** A quick run shows that everything works; its figures are no measurement and are not judged. */
  readonly quick: boolean;
  readonly lines: readonly Line[];
}

/** Samples of each rival, one for each round, in the order of the rounds. */
export type Samples = Readonly<Partial<Record<RivalName, readonly number[]>>>;

/** Medians of the samples, and of the ratios of the pairs that were measured in one round. */
export function makeFigure(unit: Figure["unit"], samples: Samples, target: Target | null): Figure {
  const values = perRival((name) => medianOrNull(samples[name] ?? []));
  const ratios = perRival((name) => {
    const pairs = (samples[name] ?? []).map((value, round) => value / (samples.c?.[round] ?? Number.NaN));
    return medianOrNull(pairs.filter(Number.isFinite));
  });
  return {
    unit,
    values,
    ratios,
    target,
    reached: target === null ? null : isReached(target, values, ratios),
  };
}

function isReached(target: Target, values: PerRival<number>, ratios: PerRival<number>): boolean | null {
  const figures = target.of === "ratio" ? ratios : values;
  const ours = [figures.ours, figures.compiled].filter((figure) => figure !== null);
  if (ours.length === 0) return null;
  return ours.every((figure) =>
    target.bound === "at-least" ? figure >= target.limit : figure <= target.limit,
  );
}

function perRival(figureOf: (name: RivalName) => number | null): PerRival<number> {
  return {
    c: figureOf("c"),
    ours: figureOf("ours"),
    compiled: figureOf("compiled"),
    floor: figureOf("floor"),
  };
}

function medianOrNull(numbers: readonly number[]): number | null {
  const sorted = numbers.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.floor((sorted.length - 1) / 2)];
  return upper === undefined || lower === undefined ? null : (lower + upper) / 2;
}

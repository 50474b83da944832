/** A seeded source of choices, so that everything a test makes up can be made again from one number. */
export interface Random {
  /** An integer from 0 to `bound` - 1. */
  below(bound: number): number;
  /** True in `percent` of 100 cases. */
  chance(percent: number): boolean;
  pick<T>(choices: readonly T[]): T;
  /** One of the values, each as often as its weight says. */
  weighted<T>(choices: readonly (readonly [weight: number, value: T])[]): T;
  /** A new source for a part of the work, so that parts can be made again one by one. */
  fork(): Random;
}

/** Makes a source from a 32 bit seed (the mulberry32 generator: small, fast, and good enough to choose test input). */
export function makeRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  const below = (bound: number): number => Math.floor((next() / 2 ** 32) * bound);
  const pick = <T>(choices: readonly T[]): T => {
    if (choices.length === 0) throw new RangeError("nothing to pick from");
    return choices[below(choices.length)] as T;
  };
  return {
    below,
    pick,
    chance: (percent) => below(100) < percent,
    weighted: (choices) => {
      let left = below(choices.reduce((sum, [weight]) => sum + weight, 0));
      const found = choices.find(([weight]) => {
        left -= weight;
        return left < 0;
      });
      return (found ?? pick(choices))[1];
    },
    fork: () => makeRandom(next()),
  };
}

/** The seed of this run: `--seed N` on the command line, LVMLOCKD_TEST_SEED, or a new one. */
export function chooseSeed(): number {
  const named = process.argv[process.argv.indexOf("--seed") + 1];
  const given = process.argv.includes("--seed") ? named : process.env.LVMLOCKD_TEST_SEED;
  const seed = given === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(given);
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32)
    throw new Error(`not a seed: ${JSON.stringify(given)}`);
  return seed;
}

/** The load scenarios, with what is asked of our daemon in each. The floor and C columns say how much room there is. */
import type { Cpus, LoadResult } from "./generator.ts";
import type { Target } from "./line.ts";

/** One daemon's task: what is prepared, and the loads that each round runs one after the other. */
export interface Scenario {
  readonly cpus: Cpus;
  /** Lockspaces that are started, and LVs of the first of them that are locked, before the load begins. */
  readonly lockspaces: number;
  readonly held_lvs: number;
  /** Together they leave the daemon as they found it, so that the next round meets the same one. */
  readonly loads: readonly Load[];
  /** True for a daemon that was just started in each round; all others are warm. */
  readonly cold: boolean;
  /** How much longer than other loads it is measured: what is rare takes more time to show. */
  readonly times_longer: number;
}

/** A load of the generator, and the lines that its result makes. */
export interface Load {
  readonly name: string;
  readonly title: string;
  /** The generator's scenario and its options, without times. */
  readonly load: string;
  readonly load_args: readonly string[];
  readonly figures: readonly LoadFigure[];
  readonly cpu_target: Target | null;
}

export interface LoadFigure {
  /** Added to the load's name and title when it has several figures. */
  readonly suffix: string;
  readonly unit: "1/s" | "us";
  readonly pick: (result: LoadResult) => number;
  readonly target: Target | null;
}

/** The LV locks of the scenarios about many LVs. */
export const MANY_LVS = 10_000;

const CPU_TARGET: Target = { of: "ratio", bound: "at-most", limit: 0.4 };
const TAIL_TARGET: Target = { of: "ratio", bound: "at-most", limit: 1 / 8 };

/** `ratio` is how many times C's requests/s are asked for; null when nothing is. */
function throughput(ratio: number | null): LoadFigure[] {
  const target: Target | null = ratio === null ? null : { of: "ratio", bound: "at-least", limit: ratio };
  return [{ suffix: "", unit: "1/s", pick: (result) => result.requests_per_s, target }];
}

function pinnedLoad(
  load: Pick<Load, "name" | "title" | "load" | "load_args"> & { readonly ratio: number | null },
): Load {
  const { ratio, ...rest } = load;
  return { ...rest, figures: throughput(ratio), cpu_target: ratio === null ? null : CPU_TARGET };
}

const PINNED = { cpus: "one", lockspaces: 1, held_lvs: 0, cold: false, times_longer: 1 } as const;

export const SCENARIOS: readonly Scenario[] = [
  {
    ...PINNED,
    loads: [pinnedLoad({ name: "vg-1", title: "VG sh/un, 1 client", load: "vg", load_args: [], ratio: 2 })],
  },
  {
    ...PINNED,
    cold: true,
    loads: [
      pinnedLoad({
        name: "vg-cold",
        title: "VG sh/un, 1 client, daemon just started",
        load: "vg",
        load_args: [],
        ratio: null,
      }),
    ],
  },
  {
    ...PINNED,
    lockspaces: 16,
    loads: [
      pinnedLoad({
        name: "vg-16",
        title: "VG sh/un, 16 clients on 16 VGs",
        load: "vg",
        load_args: ["--clients", "16", "--vgs", "16"],
        ratio: 2,
      }),
    ],
  },
  {
    ...PINNED,
    loads: [
      pinnedLoad({
        name: "queue-64",
        title: "VG ex/un, 64 clients on one VG",
        load: "vg",
        load_args: ["--clients", "64", "--mode", "ex"],
        ratio: 2,
      }),
    ],
  },
  {
    ...PINNED,
    lockspaces: 16,
    loads: [
      pinnedLoad({
        name: "cycle-16",
        title: "connect, hello, lock, unlock, close; 16 lockspaces",
        load: "cycle",
        load_args: [],
        ratio: 2.4,
      }),
    ],
  },
  {
    ...PINNED,
    lockspaces: 100,
    loads: [
      pinnedLoad({
        name: "cycle-100",
        title: "connect, hello, lock, unlock, close; 100 lockspaces",
        load: "cycle",
        load_args: [],
        ratio: 7,
      }),
    ],
  },
  {
    ...PINNED,
    loads: [
      pinnedLoad({
        name: "lv-lock",
        title: "10 000 persistent LV locks",
        load: "lv-lock",
        load_args: ["--lvs", String(MANY_LVS)],
        ratio: 4.5,
      }),
      pinnedLoad({
        name: "lv-unlock",
        title: "10 000 persistent LV unlocks",
        load: "lv-unlock",
        load_args: ["--lvs", String(MANY_LVS)],
        ratio: null,
      }),
    ],
  },
  {
    ...PINNED,
    held_lvs: MANY_LVS,
    loads: [
      pinnedLoad({
        name: "vg-held",
        title: "VG sh/un, 1 client, 10 000 LV locks held",
        load: "vg",
        load_args: [],
        ratio: 5.5,
      }),
    ],
  },
  {
    ...PINNED,
    loads: [
      pinnedLoad({
        name: "vg-idle",
        title: "VG sh/un, 1 client, 2000 idle connections",
        load: "vg",
        load_args: ["--idle", "2000"],
        ratio: null,
      }),
    ],
  },
  {
    ...PINNED,
    cpus: "all",
    lockspaces: 16,
    loads: [
      {
        name: "vg-16-free",
        title: "VG sh/un, 16 clients on 16 VGs, all CPUs",
        load: "vg",
        load_args: ["--clients", "16", "--vgs", "16"],
        figures: throughput(2.2),
        cpu_target: null,
      },
    ],
  },
  {
    ...PINNED,
    cpus: "all",
    lockspaces: 16,
    // The longest waits of either daemon are rare.
    times_longer: 3,
    loads: [
      {
        name: "tail-64",
        title: "VG sh/un, 64 clients on 16 VGs, all CPUs",
        load: "vg",
        load_args: ["--clients", "64", "--vgs", "16"],
        figures: [
          { suffix: "p99", unit: "us", pick: (result) => result.p99_us, target: TAIL_TARGET },
          { suffix: "max", unit: "us", pick: (result) => result.max_us, target: TAIL_TARGET },
        ],
        cpu_target: null,
      },
    ],
  },
];

/** The load scenarios, with what is asked of our daemon in each. The floor and C columns say how much room there is. */
import type { Cpus, LoadResult } from "./generator.ts";
import type { Target } from "./line.ts";

export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly cpus: Cpus;
  /** Lockspaces that are started, and LVs of the first of them that are locked, before the load begins. */
  readonly lockspaces: number;
  readonly held_lvs: number;
  /** The generator's scenario and its options, without times. */
  readonly load: string;
  readonly load_args: readonly string[];
  readonly figures: readonly ScenarioFigure[];
  readonly cpu_target: Target | null;
}

export interface ScenarioFigure {
  /** Added to the scenario's name and title when it has several figures. */
  readonly suffix: string;
  readonly unit: "1/s" | "us";
  readonly pick: (result: LoadResult) => number;
  readonly target: Target | null;
}

/** The LV locks of the scenarios about many LVs. */
export const MANY_LVS = 10_000;

const CPU_TARGET: Target = { of: "ratio", bound: "at-most", limit: 0.4 };
const TAIL_TARGET: Target = { of: "ratio", bound: "at-most", limit: 1 / 8 };

function throughput(limit: number | null): ScenarioFigure[] {
  const target: Target | null = limit === null ? null : { of: "ratio", bound: "at-least", limit };
  return [{ suffix: "", unit: "1/s", pick: (result) => result.requests_per_s, target }];
}

function pinnedScenario(
  scenario: Omit<Scenario, "cpus" | "figures" | "cpu_target"> & { readonly ratio: number | null },
): Scenario {
  const { ratio, ...rest } = scenario;
  return {
    ...rest,
    cpus: "one",
    figures: throughput(ratio),
    cpu_target: ratio === null ? null : CPU_TARGET,
  };
}

export const SCENARIOS: readonly Scenario[] = [
  pinnedScenario({
    name: "vg-1",
    title: "VG sh/un, 1 client",
    lockspaces: 1,
    held_lvs: 0,
    load: "vg",
    load_args: [],
    ratio: 2,
  }),
  pinnedScenario({
    name: "vg-16",
    title: "VG sh/un, 16 clients on 16 VGs",
    lockspaces: 16,
    held_lvs: 0,
    load: "vg",
    load_args: ["--clients", "16", "--vgs", "16"],
    ratio: 2,
  }),
  pinnedScenario({
    name: "queue-64",
    title: "VG ex/un, 64 clients on one VG",
    lockspaces: 1,
    held_lvs: 0,
    load: "vg",
    load_args: ["--clients", "64", "--mode", "ex"],
    ratio: 2,
  }),
  pinnedScenario({
    name: "cycle-16",
    title: "connect, hello, lock, unlock, close; 16 lockspaces",
    lockspaces: 16,
    held_lvs: 0,
    load: "cycle",
    load_args: [],
    ratio: 2.4,
  }),
  pinnedScenario({
    name: "cycle-100",
    title: "connect, hello, lock, unlock, close; 100 lockspaces",
    lockspaces: 100,
    held_lvs: 0,
    load: "cycle",
    load_args: [],
    ratio: 7,
  }),
  pinnedScenario({
    name: "lv-lock",
    title: "10 000 persistent LV locks",
    lockspaces: 1,
    held_lvs: 0,
    load: "lv-lock",
    load_args: ["--lvs", String(MANY_LVS)],
    ratio: 4.5,
  }),
  pinnedScenario({
    name: "lv-unlock",
    title: "10 000 persistent LV unlocks",
    lockspaces: 1,
    held_lvs: MANY_LVS,
    load: "lv-unlock",
    load_args: ["--lvs", String(MANY_LVS)],
    ratio: null,
  }),
  pinnedScenario({
    name: "vg-held",
    title: "VG sh/un, 1 client, 10 000 LV locks held",
    lockspaces: 1,
    held_lvs: MANY_LVS,
    load: "vg",
    load_args: [],
    ratio: 5.5,
  }),
  pinnedScenario({
    name: "vg-idle",
    title: "VG sh/un, 1 client, 2000 idle connections",
    lockspaces: 1,
    held_lvs: 0,
    load: "vg",
    load_args: ["--idle", "2000"],
    ratio: null,
  }),
  {
    name: "vg-16-free",
    title: "VG sh/un, 16 clients on 16 VGs, all CPUs",
    cpus: "all",
    lockspaces: 16,
    held_lvs: 0,
    load: "vg",
    load_args: ["--clients", "16", "--vgs", "16"],
    figures: throughput(2.2),
    cpu_target: null,
  },
  {
    name: "tail-64",
    title: "VG sh/un, 64 clients on 16 VGs, all CPUs",
    cpus: "all",
    lockspaces: 16,
    held_lvs: 0,
    load: "vg",
    load_args: ["--clients", "64", "--vgs", "16"],
    figures: [
      { suffix: "p99", unit: "us", pick: (result) => result.p99_us, target: TAIL_TARGET },
      { suffix: "max", unit: "us", pick: (result) => result.max_us, target: TAIL_TARGET },
    ],
    cpu_target: null,
  },
];

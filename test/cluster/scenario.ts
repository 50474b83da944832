/** What a scenario is: a name, a sentence, and steps that are sentences too. */
import type { Cluster, ClusterSpec } from "./lab/cluster.ts";

export interface Steps {
  /**
   * Starts a cluster that ends with the scenario; when that fails, its transcript, consoles and logs are kept.
   */
  cluster(spec: ClusterSpec): Promise<Cluster>;
  /** One claim. Its time is printed; what it throws ends the scenario, because later steps stand on earlier ones. */
  step(sentence: string, action: () => unknown): Promise<void>;
  /** Steps, each by itself, at the same time: for what is mostly waiting. */
  together(steps: readonly (() => Promise<unknown>)[]): Promise<void>;
  /** A line for the reader, e.g. a measured time. */
  say(text: string): void;
}

export interface ScenarioOptions {
  /** What it shows, in one sentence. */
  readonly about: string;
  /** The most guests that it runs at the same time. */
  readonly guests: number;
  /** Runs only when it is named: measurements, control runs against the C daemon. */
  readonly only_by_name?: boolean;
  readonly timeout_ms?: number;
  /** Is not run again with --second-try whatever failed; others are, when a command failed or a time was missed. */
  readonly unforgiving?: boolean;
}

export interface Scenario extends ScenarioOptions {
  readonly name: string;
  readonly run: (steps: Steps) => Promise<void>;
}

export function scenario(name: string, options: ScenarioOptions, run: Scenario["run"]): Scenario {
  return { name, run, ...options };
}

/** What a run came to, device by device: plain data for text, JSON and exit status alike. */
import type { PrCapabilities, Registration, ReservableDevice } from "../reservable.ts";
import type { DeviceState } from "./job.ts";
import type { PathState } from "./paths.ts";
import type { Problem } from "./plan.ts";

/**
 * What became of a device. `done`: changed as wanted, and read back. `nothing`: it was so already. `planned`: it would be
 * changed. `untouched`: it would have been, but another device was in the way. `undone`: changed and set back, because another
 * device failed. `failed`: its own problem; nothing is changed. `left`: something is changed that is not what was wanted, or it
 * is not known; `detail` says what.
 */
export type DeviceResult = "done" | "nothing" | "planned" | "untouched" | "undone" | "failed" | "left";

export interface DeviceReport {
  readonly path: string;
  readonly transport: ReservableDevice["transport"] | null;
  readonly result: DeviceResult;
  readonly problem: Problem | null;
  /** What was done, would be done or stays, as a clause; "" when there is nothing to say. */
  readonly detail: string;
  /** As last read; null when the device could not be read. */
  readonly state: DeviceState | null;
  readonly capabilities: PrCapabilities | null;
  readonly registrations: readonly Registration[] | null;
  /** Of a multipath map, where they were asked for. */
  readonly paths?: readonly PathState[];
}

/** One word for a whole run. `partial`: some devices are as wanted, or changed, and others are not. */
export type RunResult = "done" | "nothing" | "planned" | "partial" | Problem["kind"];

export interface RunReport {
  readonly result: RunResult;
  readonly devices: readonly DeviceReport[];
}

/** The run's result from those of its devices. Without changes left behind, the first device's problem is the run's. */
export function runResult(devices: readonly DeviceReport[]): RunResult {
  const has = (result: DeviceResult): boolean => devices.some((device) => device.result === result);
  const problem = devices.find((device) => device.problem !== null)?.problem ?? null;
  if (has("left") || (has("done") && problem !== null)) return "partial";
  if (problem !== null) return problem.kind;
  if (has("planned")) return "planned";
  return has("done") ? "done" : "nothing";
}

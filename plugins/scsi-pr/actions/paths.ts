/** What each path of a multipath map is: registered, and with which key, or not, or lost. */
import { LIMITS } from "../../../core/limits.ts";
import type { Script } from "../exchange.ts";
import type { Nexus, ReservationKey } from "../reservable.ts";
import type { ScriptedCommands } from "../scripted-device.ts";
import { distinctKeys } from "./plan.ts";
import type { DeviceReport, RunReport } from "./report.ts";
import type { DeviceTeam } from "./team.ts";

export interface PathState {
  readonly path: string;
  readonly state: Nexus["state"];
  /** The key that it is registered with; null when it is not, or nobody can tell. */
  readonly key: ReservationKey | null;
  /** Why it is lost or unknown; "" otherwise. */
  readonly detail: string;
}

/** No host's key, for asking paths of a device on which nothing is registered only whether they answer. */
const ANY_KEY: ReservationKey = 1n;

/**
 * Asks every path for one key, and those that do not have it for the next one, until each is known. What a path is registered with no
 * list tells; a REGISTER of the key onto itself does, which the device takes from no other path and which changes nothing. A path that
 * does not answer is asked once, since it takes its whole timeout each time. Undefined when the paths can't be asked.
 */
export function* pathStates(
  { readNexuses }: Pick<ScriptedCommands, "readNexuses">,
  keys: readonly ReservationKey[],
): Script<readonly PathState[] | undefined> {
  const asked = distinctKeys(keys).slice(0, LIMITS.persist_path_keys);
  const states = new Map<string, PathState>();
  for (const key of asked.length === 0 ? [ANY_KEY] : asked) {
    const left = [...states.values()].filter(({ state }) => state === "unregistered");
    if (states.size > 0 && left.length === 0) break;
    const among = left.map(({ path }) => path);
    const read = yield* readNexuses(states.size === 0 ? { key } : { key, among });
    if (read.kind !== "done") return undefined;
    for (const { path, state, detail } of read.nexuses)
      states.set(path, { path, state, key: state === "registered" ? key : null, detail });
  }
  return [...states.values()];
}

/** The report of a start with the paths of the maps that it has started, read back after it. */
export async function withPaths(
  team: DeviceTeam,
  report: RunReport,
  our_key: ReservationKey,
): Promise<RunReport> {
  const isStarted = ({ transport, result }: DeviceReport): boolean =>
    transport === "multipath" && (result === "done" || result === "nothing");
  const maps = report.devices.flatMap((device, index) => (isStarted(device) ? [index] : []));
  if (maps.length === 0) return report;
  const job = { kind: "inspect", capabilities: false, full_status: false, paths_with: [our_key] } as const;
  const answers = await team.run(maps.map((device) => ({ device, job })));
  const paths = new Map(maps.map((device, index) => [device, answers[index]]));
  const devices = report.devices.map((device, index) => {
    const answer = paths.get(index);
    return answer?.kind === "inspected" && answer.paths !== undefined
      ? { ...device, paths: answer.paths }
      : device;
  });
  return { ...report, devices };
}

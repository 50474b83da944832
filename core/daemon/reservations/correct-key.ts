/** Bringing the key of this host up to its present generation on every PV, with what the PVs have kept as it is. */
import { keyOfHost, printKey } from "../../../plugins/scsi-pr/keys.ts";
import type { ReservationKey } from "../../../plugins/scsi-pr/reservable.ts";
import type { HostLife } from "../../locking/api.ts";
import type { PersistAnswer, RunLvmpersist } from "./lvmpersist.ts";
import { earlierKeys, ownKeyProblem, type PvState, reservedProblem } from "./pv-state.ts";

/** `problem` is "" when every PV has the key of this life of the host and none of an earlier one. */
export interface Corrected {
  readonly problem: string;
  readonly changed: boolean;
  /** Keys of earlier lives that were registered through other nexus and, by what the PVs say, are removed; also with a problem. */
  readonly removed: readonly ReservationKey[];
}

/** Looks at the PVs, changes what has to be changed, and believes the PVs when they are read again. */
export async function correctOwnKey(run: RunLvmpersist, vg_name: string, own: HostLife): Promise<Corrected> {
  const ended = (problem: string): Corrected => ({ problem, changed: false, removed: [] });
  const read = (): Promise<PersistAnswer> => run(["read", "--vg", vg_name]);
  const before = await read();
  if (before.kind === "failed") return ended(before.detail);
  const reserved = reservedProblem(before.pvs);
  if (reserved !== "") return ended(reserved);
  if (ownKeyProblem(before.pvs, own) === "") return ended("");
  const told: PersistAnswer[] = [];
  for (const words of startCommands(before.pvs, vg_name, own)) {
    const started = await run(words);
    if (started.kind === "failed") return ended(started.detail);
    told.push(started);
  }
  let after = await read();
  const stale = after.kind === "failed" ? [] : earlierKeys(after.pvs, own);
  for (const key of stale) {
    const keys = ["--ourkey", printKey(keyOfHost(own)), "--removekey", printKey(key)];
    const done = await run(["remove", "--vg", vg_name, ...keys]);
    if (done.kind === "failed") return ended(done.detail);
    told.push(done);
  }
  if (stale.length > 0) after = await read();
  const problem = after.kind === "failed" ? after.detail : ownKeyProblem(after.pvs, own);
  const left = after.kind === "failed" ? stale : earlierKeys(after.pvs, own);
  const removed = stale.filter((key) => !left.includes(key));
  return { problem: withReason(problem, told), changed: true, removed };
}

/**
 * One start for the PVs that have the same type and the same persistence: a device that is reserved EAAR refuses WEAR, and the
 * latest registration decides for the whole device whether all of them outlive a loss of power.
 */
function startCommands(pvs: readonly PvState[], vg_name: string, own: HostLife): string[][] {
  const groups = Map.groupBy(pvs, ({ reservation, ptpl }) => `${reservation} ${ptpl}`);
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const devices =
      groups.size === 1 ? ["--vg", vg_name] : group.flatMap(({ device }) => ["--device", device]);
    const ptpl = first.ptpl ? ["--ptpl"] : [];
    const key = printKey(keyOfHost(own));
    return [["start", ...devices, "--ourkey", key, "--prtype", first.reservation, ...ptpl]];
  });
}

/** What the PVs say, and behind it what the commands themselves said about the failure, where that is something else. */
export function withReason(problem: string, answers: readonly PersistAnswer[]): string {
  if (problem === "") return "";
  const problems = answers.flatMap((answered) => (answered.kind === "failed" ? [] : answered.pvs));
  const first = problems.map((pv) => pv.problem).find((told) => told !== "" && !problem.includes(told));
  return first === undefined ? problem : `${problem} (${first})`;
}

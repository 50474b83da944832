import { addPaths, type LookedPath } from "./cut-off.ts";
import type { Script } from "./exchange.ts";
import { inTurn, type PathsInTurn } from "./multipath-answers.ts";
import { nexusAnswer, persistsNow } from "./nexus.ts";
import type { Nexus, PrAnswer, ReservationKey } from "./reservable.ts";

/**
 * The answer of `repairNexuses`: registers the key on every path that answers and lacks it, but only while another path still
 * has it and no other host holds the reservation. A host whose key is on no path was cut off by another one, and must not come back
 * by itself; one that is being cut off meanwhile takes back what it added (cut-off.ts), and the answer is a conflict.
 */
export function* repairAnswer(
  device: string,
  map: PathsInTurn<LookedPath>,
  { key }: { key: ReservationKey },
): Script<PrAnswer<{ nexuses: readonly Nexus[]; repaired: readonly string[] }>> {
  const { paths } = map;
  const found = yield* nexusAnswer(paths, { key }, inTurn(map));
  if (found.kind !== "done") return found;
  const inState = (wanted: Nexus["state"]): LookedPath[] =>
    paths.filter((_, index) => found.nexuses[index]?.state === wanted);
  const [earlier, lacking] = [inState("registered"), inState("unregistered")];
  if (earlier.length === 0 || lacking.length === 0)
    return { kind: "done", nexuses: found.nexuses, repaired: [] };
  const persists = yield* persistsNow(earlier);
  if (persists.kind !== "is") return persists;
  const { aptpl } = persists;
  const added = yield* addPaths(device, lacking, { key, earlier, all: map, aptpl, tolerated: [] });
  if (added.kind !== "added") return added.refusal;
  const answers = new Map(added.answers.map(({ path, answer }) => [path, answer]));
  const nexuses = found.nexuses.map((nexus, index): Nexus => {
    const path = paths[index];
    const answer = path === undefined ? undefined : answers.get(path);
    if (answer === undefined) return nexus;
    if (answer.kind === "done") return { ...nexus, state: "registered" };
    return { ...nexus, state: answer.kind === "gone" ? "lost" : "unregistered", detail: answer.detail };
  });
  const repaired = added.answers.flatMap(({ path, answer }) => (answer.kind === "done" ? [path.device] : []));
  return { kind: "done", nexuses, repaired };
}

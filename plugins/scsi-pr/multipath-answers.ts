import type { Script } from "./exchange.ts";
import type { PrAnswer, PrRefusal, Reservation, ReservationKey } from "./reservable.ts";
import type { ScriptedCommands } from "./scripted-device.ts";

/* One answer for a map that has several paths, each of which may be lost in the middle of a command. */

/** A path with all of its commands. */
export interface CommandPath {
  readonly commands: ScriptedCommands;
}

/**
 * The paths of a map, and which of them answered last. One that is silent takes its whole timeout whenever it is asked, which several
 * commands of a run would add up beyond every deadline; so the one that answered last is asked first, and a silent one once.
 */
export interface PathsInTurn<Path extends CommandPath> {
  readonly paths: readonly Path[];
  /** The only thing here that changes: `firstAnswer` notes it. */
  readonly last: { answered: CommandPath | null };
}

export function pathsInTurn<Path extends CommandPath>(paths: readonly Path[]): PathsInTurn<Path> {
  return { paths, last: { answered: null } };
}

/** The paths in the order in which they are to be asked. */
export function inTurn<Path extends CommandPath>({ paths, last }: PathsInTurn<Path>): readonly Path[] {
  const first = paths.find((path) => path === last.answered);
  return first === undefined ? paths : [first, ...paths.filter((path) => path !== first)];
}

/**
 * Asks one path after the other until one gives an answer that speaks for the device. A path that does not answer does not, and
 * neither does one with an error of its own. For what only reads: what changes something is sent by `changeOnce`.
 */
export function* firstAnswer<Results>(
  map: PathsInTurn<CommandPath>,
  command: (path: CommandPath) => Script<PrAnswer<Results>>,
): Script<PrAnswer<Results>> {
  let refusal: PrRefusal = { kind: "gone", detail: "the map has no path" };
  for (const path of inTurn(map)) {
    const answer = yield* command(path);
    if (answer.kind !== "gone" && answer.kind !== "failed") {
      map.last.answered = path;
      return answer;
    }
    refusal = answer;
  }
  return refusal;
}

/** What the device says when it is read back after a change whose answer did not come. */
export interface MapState {
  readonly keys: readonly ReservationKey[];
  readonly reservation: Reservation | null;
}

/** Keys and reservation through whatever path answers; null when none does. */
function* readBack(map: PathsInTurn<CommandPath>): Script<MapState | null> {
  const keys = yield* firstAnswer(map, ({ commands }) => commands.readKeys());
  if (keys.kind !== "done") return null;
  const held = yield* firstAnswer(map, ({ commands }) => commands.readReservation());
  return held.kind === "done" ? { keys: keys.keys, reservation: held.reservation } : null;
}

/**
 * Sends what changes something through one path after the other, until it is done. A conflict speaks for its path only, which
 * may not be registered while another one is. Once a path's answer is not clear, the command may have been carried out, and
 * sent again it meets a conflict that says nothing. So the device is read before any other path is asked, and after each of
 * their refusals; `happened` judges what it says. What can't be read stays unclear, which callers take for carried out.
 */
export function* changeOnce(
  map: PathsInTurn<CommandPath>,
  happened: (state: MapState) => boolean,
  command: (path: CommandPath) => Script<PrAnswer<object>>,
  { aborts = false } = {},
): Script<PrAnswer<object>> {
  let unclear: PrRefusal | null = null;
  let conflict: PrRefusal | null = null;
  for (const path of inTurn(map)) {
    const answer: PrAnswer<object> = yield* command(path);
    if (answer.kind === "done") return answer;
    if (answer.kind === "conflict") conflict = answer;
    else if (answer.kind === "gone" || answer.kind === "failed") unclear ??= answer;
    else if (unclear === null) return answer;
    if (unclear === null) continue;
    const state: MapState | null = yield* readBack(map);
    if (state === null) return unclear;
    if (happened(state)) return aborts ? abortUnknown(unclear) : { kind: "done" };
  }
  return conflict ?? unclear ?? { kind: "gone", detail: "the map has no path" };
}

/**
 * A PREEMPT AND ABORT without an answer that was carried out, as the keys show. Whether the commands of the other host that it
 * ends are over nobody can read, so it remains a refusal, which says both.
 */
function abortUnknown(unclear: PrRefusal): PrRefusal {
  const detail = `${unclear.detail}; the key is removed, but whether the commands under its registration have ended is not known`;
  return { ...unclear, detail };
}

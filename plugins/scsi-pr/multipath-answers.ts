import type { Script } from "./exchange.ts";
import type { PrAnswer, PrRefusal, Reservation, ReservationKey } from "./reservable.ts";
import type { ScriptedCommands } from "./scripted-device.ts";

/* One answer for a map that has several paths, each of which may be lost in the middle of a command. */

/** A path with all of its commands. */
export interface CommandPath {
  readonly commands: ScriptedCommands;
}

/**
 * Asks one path after the other until one gives an answer that speaks for the device. A path that does not answer does not, and
 * neither does one with an error of its own. For what only reads: what changes something is sent by `changeOnce`.
 */
export function* firstAnswer<Results>(
  paths: readonly CommandPath[],
  command: (path: CommandPath) => Script<PrAnswer<Results>>,
): Script<PrAnswer<Results>> {
  let refusal: PrRefusal = { kind: "gone", detail: "the map has no path" };
  for (const path of paths) {
    const answer = yield* command(path);
    if (answer.kind !== "gone" && answer.kind !== "failed") return answer;
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
function* readBack(paths: readonly CommandPath[]): Script<MapState | null> {
  const keys = yield* firstAnswer(paths, ({ commands }) => commands.readKeys());
  if (keys.kind !== "done") return null;
  const held = yield* firstAnswer(paths, ({ commands }) => commands.readReservation());
  return held.kind === "done" ? { keys: keys.keys, reservation: held.reservation } : null;
}

/**
 * Sends what changes something through one path after the other, until it is done. A conflict speaks for its path only, which
 * may not be registered while another one is. Once a path's answer is not clear, the command may have been carried out, and
 * sent again it meets a conflict that says nothing. So the device is read before any other path is asked, and after each of
 * their refusals; `happened` judges what it says. What can't be read stays unclear, which callers take for carried out.
 */
export function* changeOnce(
  paths: readonly CommandPath[],
  happened: (state: MapState) => boolean,
  command: (path: CommandPath) => Script<PrAnswer<object>>,
  { aborts = false } = {},
): Script<PrAnswer<object>> {
  let unclear: PrRefusal | null = null;
  let conflict: PrRefusal | null = null;
  for (const path of paths) {
    const answer: PrAnswer<object> = yield* command(path);
    if (answer.kind === "done") return answer;
    if (answer.kind === "conflict") conflict = answer;
    else if (answer.kind === "gone" || answer.kind === "failed") unclear ??= answer;
    else if (unclear === null) return answer;
    if (unclear === null) continue;
    const state: MapState | null = yield* readBack(paths);
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

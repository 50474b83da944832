import { addPaths, type Membership } from "./cut-off.ts";
import type { Script } from "./exchange.ts";
import { printKey } from "./keys.ts";
import {
  changeOnce,
  firstAnswer,
  inTurn,
  type MapState,
  type PathsInTurn,
  pathsInTurn,
} from "./multipath-answers.ts";
import { announceKey, beginStatus, forgetKey, keyOfMultipathd, restoreKey } from "./multipath-key.ts";
import { unregisterEach, unregisterWithLost } from "./multipath-lost-paths.ts";
import { type NexusCommands, nexusAnswer } from "./nexus.ts";
import { repairAnswer } from "./nexus-repair.ts";
import type { Nexus, PrAnswer, PrRefusal, ReservationKey, ReservationType } from "./reservable.ts";
import { heldByAllRegistrants, heldByOneNexusAlone } from "./reservation-type.ts";
import type { ScriptedCommands } from "./scripted-device.ts";

/** A path of a map with all of its commands. */
export interface MultipathPath extends NexusCommands {
  readonly commands: ScriptedCommands;
}

export interface MultipathMap {
  /** The map as the user named it, for sentences. */
  readonly device: string;
  /** "dm-3", which multipathd knows too and which needs no quoting. */
  readonly kernel_name: string;
  readonly paths: readonly MultipathPath[];
  /** False for NVMe paths: their registrations belong to the host, not to a path, and multipathd leaves them alone. */
  readonly needs_multipathd: boolean;
}

/** A map for as long as it is open. */
interface OpenMap extends MultipathMap, PathsInTurn<MultipathPath> {
  readonly paths: readonly MultipathPath[];
}

/**
 * Registers every path that answers. A path that does not is left to multipathd, or to `repairNexuses`, when it returns. A
 * conflict on some paths while others took the key means that they had been registered differently (a path that returned),
 * and they get the key regardless, as long as nobody cuts this host off meanwhile.
 */
function* registerPaths(
  map: OpenMap,
  { from, to, aptpl }: { from: ReservationKey; to: ReservationKey; aptpl: boolean },
  command: (path: MultipathPath) => Script<PrAnswer<object>>,
): Script<PrAnswer<object>> {
  const asked = yield* keyOfMultipathd(map);
  if (asked.kind !== "told") return asked;
  const { known } = asked;
  const tolerated: Membership["tolerated"] = from === 0n ? "any" : yield* toleratedHolders(map, from, to);
  const refused = yield* announceKey(map, to, { aptpl, known });
  if (refused !== null) return refused;
  const registered: MultipathPath[] = [];
  const conflicting: MultipathPath[] = [];
  let refusal: PrRefusal | null = null;
  let lost: PrRefusal | null = null;
  for (const path of map.paths) {
    const answer = yield* command(path);
    if (answer.kind === "done") registered.push(path);
    else if (answer.kind === "conflict") conflicting.push(path);
    else if (answer.kind === "gone") lost = answer;
    else refusal = answer;
  }
  if (registered.length === 0) {
    const restored = yield* restoreKey(map, known);
    const conflict: PrRefusal = {
      kind: "conflict",
      detail: `${map.device}: REGISTER: RESERVATION CONFLICT on every path`,
    };
    const why = refusal ?? (conflicting.length > 0 ? conflict : (lost ?? noPath(map)));
    return { ...why, detail: `${why.detail}${restored}` };
  }
  const membership = { key: to, earlier: registered, all: map, aptpl, tolerated };
  const added = yield* addPaths(map.device, conflicting, membership);
  if (added.kind === "out") yield* forgetKey(map);
  if (added.kind !== "added") return added.refusal;
  for (const { answer } of added.answers)
    if (answer.kind !== "done" && answer.kind !== "gone") refusal = answer;
  if (refusal !== null) {
    const through = registered.map(({ device }) => device).join(", ");
    const detail = `${map.device}: REGISTER: registered through ${through}, but not through every path: ${refusal.detail}`;
    return { kind: "failed", detail };
  }
  yield* beginStatus(map);
  return { kind: "done" };
}

/**
 * Who holds the reservation before a key is registered anew is not who cuts us off meanwhile: a take-over that is done again
 * registers before it preempts the holder.
 */
function* toleratedHolders(
  map: OpenMap,
  from: ReservationKey,
  to: ReservationKey,
): Script<readonly ReservationKey[]> {
  const held = yield* firstAnswer(map, ({ commands }) => commands.readReservation());
  const holder = held.kind === "done" ? (held.reservation?.key ?? 0n) : 0n;
  return holder === to ? [from] : [from, holder];
}

/** A host that was cut off is not brought back by multipathd either, when a path of its returns. */
function* repair(
  map: OpenMap,
  call: { key: ReservationKey },
): Script<PrAnswer<{ nexuses: readonly Nexus[]; repaired: readonly string[] }>> {
  const repaired = yield* repairAnswer(map.device, map, call);
  if (repaired.kind === "conflict") yield* forgetKey(map);
  return repaired;
}

function noPath({ device }: MultipathMap): PrRefusal {
  return { kind: "gone", detail: `${device}: no path answers` };
}

/**
 * Takes `key` off the device. A path that is lost keeps its registration at the target; it goes with a PREEMPT of our own key
 * through a path that is left, before that one is unregistered. PREEMPT takes every registration with the key, also those of a
 * host that has the same one, so it is sent only where that can't be, and not at all with `lost_paths` "keep".
 */
function* unregister(
  map: OpenMap,
  key: ReservationKey,
  lost_paths: "remove" | "keep",
): Script<PrAnswer<object>> {
  const found = yield* nexusAnswer(map.paths, { key }, inTurn(map));
  if (found.kind !== "done") return found;
  const registered = map.paths.filter((_, index) => found.nexuses[index]?.state === "registered");
  const [first] = registered;
  if (first === undefined) {
    return {
      kind: "conflict",
      detail: `${map.device}: REGISTER: no path is registered with ${printKey(key)}`,
    };
  }
  yield* forgetKey(map);
  const keys = yield* first.commands.readKeys();
  const count = keys.kind === "done" ? keys.keys.filter((other) => other === key).length : 0;
  const more = map.needs_multipathd && lost_paths === "remove" ? count - registered.length : 0;
  return more > 0
    ? yield* unregisterWithLost(map.device, { key, registered, more })
    : yield* unregisterEach(registered, key);
}

/** Unregisters whatever key each path has. */
function* unregisterAny(map: OpenMap): Script<PrAnswer<object>> {
  yield* forgetKey(map);
  let answered = false;
  for (const path of map.paths) {
    const answer = yield* path.commands.registerAndIgnore({ to: 0n, aptpl: false });
    if (answer.kind !== "done" && answer.kind !== "gone") return answer;
    answered ||= answer.kind === "done";
  }
  return answered ? { kind: "done" } : noPath(map);
}

function onePathOnly(map: OpenMap, command: string, type: ReservationType): PrRefusal | null {
  if (!map.needs_multipathd || map.paths.length < 2 || !heldByOneNexusAlone(type)) return null;
  const instead = type === "WE" ? "WEAR" : "EAAR";
  const detail = `${map.device}: ${command}: with ${type} only one of the map's ${map.paths.length} paths could be written through; use ${instead}`;
  return { kind: "unsupported", detail };
}

/** Every path may be the holder, so each is asked to release; one that is not the holder says yes and does nothing. */
function* release(
  map: OpenMap,
  call: { key: ReservationKey; type: ReservationType },
): Script<PrAnswer<object>> {
  if (heldByAllRegistrants(call.type) || !map.needs_multipathd) {
    return yield* changeOnce(
      map,
      ({ reservation }) => reservation === null,
      ({ commands }) => commands.release(call),
    );
  }
  let released: PrAnswer<object> = noPath(map);
  for (const { commands } of map.paths) {
    const answer = yield* commands.release(call);
    if (answer.kind === "done") released = answer;
    else if (answer.kind === "failed" || released.kind !== "done") released = answer;
    if (released.kind === "failed") return released;
  }
  if (released.kind !== "done") return released;
  const left = yield* firstAnswer(map, ({ commands }) => commands.readReservation());
  if (left.kind !== "done" || left.reservation?.key !== call.key) return released;
  const detail = `${map.device}: RELEASE: the path that holds the reservation is lost; unregister the key instead`;
  return { kind: "failed", detail };
}

/** Whether this is a reservation that `call` makes. */
function isHeld(
  { reservation }: MapState,
  { key, type }: { key: ReservationKey; type: ReservationType },
): boolean {
  return reservation?.type === type && (heldByAllRegistrants(type) || reservation.key === key);
}

function* preempt(
  map: OpenMap,
  call: { key: ReservationKey; remove: ReservationKey; type: ReservationType; abort: boolean },
): Script<PrAnswer<object>> {
  const command = call.abort ? "PREEMPT AND ABORT" : "PREEMPT";
  if (call.key === call.remove && map.paths.length > 1) {
    const detail = `${map.device}: ${command}: our own key would go from every path but one`;
    return { kind: "unsupported", detail };
  }
  const held = yield* firstAnswer(map, ({ commands }) => commands.readReservation());
  // Only taking the reservation over makes us its holder; removing a mere registration leaves it where it is.
  const taken = held.kind === "done" && held.reservation?.key === call.remove;
  const refused = taken ? onePathOnly(map, command, call.type) : null;
  if (refused !== null) return refused;
  return yield* changeOnce(
    map,
    (state) =>
      state.keys.includes(call.key) &&
      (call.key === call.remove || !state.keys.includes(call.remove)) &&
      (!taken || isHeld(state, call)),
    ({ commands }) => commands.preempt(call),
    { aborts: call.abort },
  );
}

/** The commands of a multipath map: registrations on every path, everything else through one that is registered. */
export function multipathCommands(closed: MultipathMap): ScriptedCommands {
  const map: OpenMap = { ...closed, ...pathsInTurn(closed.paths) };
  return {
    readKeys: () => firstAnswer(map, ({ commands }) => commands.readKeys()),
    readReservation: () => firstAnswer(map, ({ commands }) => commands.readReservation()),
    readCapabilities: () => firstAnswer(map, ({ commands }) => commands.readCapabilities()),
    readFullStatus: () => firstAnswer(map, ({ commands }) => commands.readFullStatus()),
    readNexuses: (call) => nexusAnswer(map.paths, call, inTurn(map)),
    repairNexuses: (call) => repair(map, call),
    register: ({ from, to, aptpl, lost_paths = "remove" }) =>
      to === 0n
        ? unregister(map, from, lost_paths)
        : registerPaths(map, { from, to, aptpl }, ({ commands }) => commands.register({ from, to, aptpl })),
    registerAndIgnore: ({ to, aptpl }) =>
      to === 0n
        ? unregisterAny(map)
        : registerPaths(map, { from: 0n, to, aptpl }, ({ commands }) =>
            commands.registerAndIgnore({ to, aptpl }),
          ),
    *reserve(call) {
      const refused = onePathOnly(map, "RESERVE", call.type);
      if (refused !== null) return refused;
      return yield* changeOnce(
        map,
        (state) => isHeld(state, call),
        ({ commands }) => commands.reserve(call),
      );
    },
    release: (call) => release(map, call),
    *clear(call) {
      const cleared = yield* changeOnce(
        map,
        ({ keys }) => !keys.includes(call.key),
        ({ commands }) => commands.clear(call),
      );
      if (cleared.kind === "done") yield* forgetKey(map);
      return cleared;
    },
    preempt: (call) => preempt(map, call),
  };
}

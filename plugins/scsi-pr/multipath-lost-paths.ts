import type { Script } from "./exchange.ts";
import { printKey } from "./keys.ts";
import type { CommandPath } from "./multipath-answers.ts";
import type { PrAnswer, PrRefusal, ReservationKey } from "./reservable.ts";

/* Unregistering a map also where paths of it are lost, whose registrations the storage keeps. */

/** Unregisters these paths, each of which has the key. */
export function* unregisterEach(
  registered: readonly CommandPath[],
  key: ReservationKey,
): Script<PrAnswer<object>> {
  for (const path of registered) {
    // Unregistering keeps the device's persistence; each path's command sees to it.
    const answer = yield* path.commands.register({ from: key, to: 0n, aptpl: false });
    // A conflict: somebody has removed this one already.
    if (answer.kind !== "done" && answer.kind !== "conflict") return answer;
  }
  return { kind: "done" };
}

/**
 * Unregisters the paths that answer, and before the last of them goes, the others by PREEMPT of our own key where every initiator
 * that has the key is known to be this host's: as the only one that has it, since a path of ours is registered, or as the one
 * whose registration was gone when we had unregistered a path.
 */
export function* unregisterWithLost(
  device: string,
  { key, registered, more }: { key: ReservationKey; registered: readonly CommandPath[]; more: number },
): Script<PrAnswer<object>> {
  const ours = new Set<string>();
  let listed: readonly string[] = [];
  let answer: PrAnswer<object> = { kind: "done" };
  let swept = false;
  for (const [index, path] of registered.entries()) {
    listed = yield* initiatorsOf(path, key);
    if (new Set(listed).size === 1) ours.add(listed[0] ?? "");
    if (index === registered.length - 1 && listed.length > 0 && listed.every((name) => ours.has(name))) {
      const held = yield* path.commands.readReservation();
      const type = held.kind === "done" ? (held.reservation?.type ?? "WEAR") : "WEAR";
      answer = yield* path.commands.preempt({ key, remove: key, type, abort: false });
      if (answer.kind !== "done") return answer;
      swept = true;
    }
    answer = yield* path.commands.register({ from: key, to: 0n, aptpl: false });
    if (answer.kind !== "done" && answer.kind !== "conflict") return answer;
    // Of two that are gone one is not this path's; and with a conflict none is.
    const gone = answer.kind === "done" ? missingFrom(yield* initiatorsOf(path, key), listed) : [];
    if (gone.length === 1) ours.add(gone[0] ?? "");
  }
  return swept ? { kind: "done" } : unproven(device, { key, more, initiators: [...new Set(listed)] });
}

/**
 * The initiators behind the registrations with a key, each as often as it has one; empty when the device does not tell all of them.
 * Sessions of one iSCSI initiator differ in the ISID, and one of them that is over is what a lost path leaves.
 */
function* initiatorsOf({ commands }: CommandPath, key: ReservationKey): Script<readonly string[]> {
  const read = yield* commands.readFullStatus();
  if (read.kind !== "done") return [];
  const names = read.registrations
    .filter((one) => one.key === key)
    .map(({ initiator }) => initiator.replace(/,i,0x[0-9a-f]*$/i, ""));
  return names.includes("") ? [] : names;
}

/** The names that `before` has more often than `after`. */
function missingFrom(after: readonly string[], before: readonly string[]): string[] {
  const left = [...after];
  return before.filter((name) => {
    const found = left.indexOf(name);
    if (found >= 0) left.splice(found, 1);
    return found < 0;
  });
}

function unproven(
  device: string,
  { key, more, initiators }: { key: ReservationKey; more: number; initiators: readonly string[] },
): PrRefusal {
  const through = initiators.length === 0 ? "" : ` (registered through ${initiators.join(", ")})`;
  const detail =
    `${device}: REGISTER: this host's paths are unregistered, but ${more} more registrations with ${printKey(key)} stay${through}: ` +
    "whether they are this host's lost paths or another host's with the same key can't be told. " +
    `When no host uses the device, lvmpersist clear --ourkey ${printKey(key)} ends them`;
  return { kind: "failed", detail };
}

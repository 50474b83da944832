import type { Script } from "./exchange.ts";
import { firstAnswer, type PathsInTurn } from "./multipath-answers.ts";
import { type NexusCommands, stateOf } from "./nexus.ts";
import type { PrRefusal, ReservationKey } from "./reservable.ts";
import type { ScriptedCommands } from "./scripted-device.ts";

/*
 * Registering a path of a map for a host that another one may be cutting off in the same moment. A PREEMPT takes our key from every
 * path, and a REGISTER that comes after it through a path of its own succeeds all the same: the device has no command that registers
 * one nexus only if another one is registered (REGISTER AND MOVE comes near, but not for reservations of all registrants, and it
 * needs each path's transport id). So the order of commands can make the moment short and not close it:
 *
 * 1. Right before each REGISTER it is asked whether this host is still in. A path that hung for a minute meanwhile does not count.
 * 2. Right after it the same is asked again, and when it is not, what was added is unregistered at once.
 *
 * What remains is a take-over between the two looks: this host could then write through the added path until its own next two or three
 * commands have ended it, or for longer when it is stopped between them (a suspended guest). The host that took over sees the key
 * come back at its next look at the reservation, within pr_watch_ms, and removes it again (manager/others-keys.ts).
 */

/** A path with the commands that are needed to look. */
export interface LookedPath extends NexusCommands {
  readonly commands: ScriptedCommands;
}

export interface Membership {
  readonly key: ReservationKey;
  /** Paths of which this host knows that they were registered with the key. */
  readonly earlier: readonly LookedPath[];
  readonly all: PathsInTurn<LookedPath>;
  readonly aptpl: boolean;
  /** Holders of the reservation that don't tell that this host is out, beside its own key, all registrants, and nobody. */
  readonly tolerated: readonly ReservationKey[] | "any";
}

/** Whether this host is still registered: `out` when another one removed its key, with the reason as a clause. */
export type Look =
  | { readonly kind: "in" }
  | { readonly kind: "out"; readonly why: string }
  | { readonly kind: "unknown"; readonly refusal: PrRefusal };

const IN: Look = Object.freeze({ kind: "in" });

/** Asks the device who reserves it, and the paths that were registered whether they still are. */
export function* lookAgain({ key, earlier, all, aptpl, tolerated }: Membership): Script<Look> {
  const held = yield* firstAnswer(all, ({ commands }) => commands.readReservation());
  if (held.kind !== "done") return { kind: "unknown", refusal: held };
  const holder = held.reservation?.key ?? 0n;
  const isTolerated = tolerated === "any" || [0n, key, ...tolerated].includes(holder);
  if (!isTolerated) return { kind: "out", why: "another host holds the reservation" };
  let silent: PrRefusal | null = null;
  for (const path of earlier) {
    const { state, detail } = yield* stateOf(path, key, aptpl);
    if (state === "registered") return IN;
    if (state !== "unregistered") silent = { kind: state === "lost" ? "gone" : "failed", detail };
  }
  if (silent === null) return { kind: "out", why: "its key is gone from the paths that had it" };
  // A PREEMPT of our key would have moved a reservation that is held with it, so that one proves enough when no path can say.
  return holder === key ? IN : { kind: "unknown", refusal: silent };
}

/** What came of registering paths that lacked the key. `out` and `unknown`: nothing of what was added is left, unless `detail` says so. */
export type Added =
  | { readonly kind: "added"; readonly answers: readonly AddedPath[] }
  | { readonly kind: "out" | "unknown"; readonly refusal: PrRefusal };

export interface AddedPath {
  readonly path: LookedPath;
  readonly answer: { readonly kind: "done" } | PrRefusal;
}

/** Registers the key on paths that lack it, for as long as this host is in. `device` is for the sentences. */
export function* addPaths(
  device: string,
  lacking: readonly LookedPath[],
  membership: Membership,
): Script<Added> {
  const { key, aptpl } = membership;
  const answers: AddedPath[] = [];
  for (const path of lacking) {
    const before: Look = yield* lookAgain(membership);
    if (before.kind !== "in") return yield* takeBack(device, before, answers, membership);
    const answer = yield* path.commands.registerAndIgnore({ to: key, aptpl });
    answers.push({ path, answer });
    const after: Look = yield* lookAgain(membership);
    if (after.kind !== "in") return yield* takeBack(device, after, answers, membership);
  }
  return { kind: "added", answers };
}

/** Unregisters what was added, also where the answer was lost. A conflict says that it is not there, which is as well. */
function* takeBack(
  device: string,
  look: Exclude<Look, { kind: "in" }>,
  answers: readonly AddedPath[],
  { key }: Membership,
): Script<Added> {
  const left: string[] = [];
  for (const { path } of answers) {
    const gone = yield* path.commands.register({ from: key, to: 0n, aptpl: false });
    if (gone.kind !== "done" && gone.kind !== "conflict") left.push(`${path.device} (${gone.detail})`);
  }
  const names = answers.map(({ path }) => path.device).join(", ");
  const undone =
    answers.length === 0
      ? "no path was registered again"
      : left.length === 0
        ? `${names} had been registered again by this host and is unregistered`
        : `${names} had been registered again by this host, and whether that could be ended through ${left.join(", ")} is not known`;
  if (look.kind === "out") {
    const detail = `${device}: this host was cut off: ${look.why}; ${undone}`;
    return { kind: "out", refusal: { kind: "conflict", detail } };
  }
  const detail = `${device}: whether this host was cut off meanwhile is not known: ${look.refusal.detail}; ${undone}`;
  return { kind: "unknown", refusal: { kind: look.refusal.kind === "gone" ? "gone" : "failed", detail } };
}

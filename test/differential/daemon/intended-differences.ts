import { type ReplyFields, resultOf } from "../../rig/replies.ts";
import type { RequestSpec } from "../../rig/requests.ts";
import type { Exchange } from "./compare.ts";
import { isPersistent, lockKey, mayWait } from "./holdings.ts";

/** A way in which our daemon is meant to answer otherwise than lvmlockd 2.03.16, or in which that one is not steady. */
export interface IntendedDifference {
  readonly name: string;
  /** Where it is written that it is to be so: a number of the list of upstream's defects, or the words. */
  readonly reason: string;
  /**
   * "goes-on": the daemons' states are still the same. "ends-sequence": they are not, the rest of the sequence would only
   * show the consequences.
   */
  readonly after: "goes-on" | "ends-sequence";
  /**
   * True when the C daemon itself answers the same requests now this way and now that: such an entry is also used in the
   * control run, in which both daemons are C daemons.
   */
  readonly noise: boolean;
  /** True when the difference of this exchange is this one. `history` holds all exchanges before it, oldest first. */
  readonly explains: (exchange: Exchange, history: readonly Exchange[]) => boolean;
}

const ENOENT = -2;
const EBUSY = -16;
const EEXIST = -17;
const EALREADY = -114;
const ENOLS = -210;
const EVGKILLED = -217;

const sameVg = (one: RequestSpec, other: RequestSpec): boolean => one.keys.vg_name === other.keys.vg_name;

/** Requests of the C daemon's worker thread, and those that end a lockspace: after them it looks for what it can forget. */
const REAPING = new Set([
  "init_vg",
  "init_lv",
  "rename_vg_final",
  "running_lm",
  "start_wait",
  "stop_all",
  "stop_vg",
  "free_vg",
  "rename_vg_before",
  "drop_vg",
]);

const ENDS_VG = new Set(["stop_vg", "free_vg", "rename_vg_before", "drop_vg"]);

const reaped = (history: readonly Exchange[]): boolean =>
  history.some(({ request }) => REAPING.has(request.request));

/** Both results, C's first. */
const results = (c: ReplyFields | null, ours: ReplyFields | null): string =>
  c === null || ours === null ? "" : `${resultOf(c)} ${resultOf(ours)}`;

/** A lock request that C granted. */
const isGrant = ({ request, c }: Exchange): boolean => mayWait(request) && c !== null && resultOf(c) === 0;

/** True when no VG is started, as far as the replies say. */
function nothingStarted(history: readonly Exchange[]): boolean {
  const started = new Set<unknown>();
  for (const { request, ours } of history) {
    if (request.request === "stop_all") started.clear();
    if (ours === null || resultOf(ours) !== 0) continue;
    if (request.request === "start_vg") started.add(request.keys.vg_name);
    if (ENDS_VG.has(request.request)) started.delete(request.keys.vg_name);
  }
  return started.size === 0;
}

/** The words of result_flags; none for "none". */
const flagWords = (reply: ReplyFields | null): readonly string[] =>
  String(reply?.get("result_flags") ?? "")
    .split(",")
    .filter((word) => word !== "" && word !== "none");

const saysNone = (reply: ReplyFields): boolean => flagWords(reply).includes("NO_LOCKSPACES");

/** The reply without one key, to see whether the rest agrees. */
const without = (reply: ReplyFields | null, key: string): string =>
  reply === null ? "" : JSON.stringify([...reply].filter(([name]) => name !== key && name !== "detail"));

const FORGETFUL =
  "2.03.16 forgets -g, and that there are no lockspaces, whenever its worker thread finds the last one stopped: at a time of its own";

export const INTENDED_DIFFERENCES: readonly IntendedDifference[] = [
  {
    name: "garbage is answered",
    reason:
      "Q4: unknown, unparsable and nameless requests leave the client of the C daemon without an answer for ever",
    after: "goes-on",
    noise: false,
    explains: ({ request, c, ours }) =>
      request.request === "garbage" && c === null && ours !== null && resultOf(ours) < 0,
  },
  {
    name: "free_lv of an LV without a record",
    reason:
      "C answers ENOENT for an LV that was not locked since the VG was started, though its lease can be freed as well",
    after: "goes-on",
    noise: false,
    explains: ({ request, c, ours }) => request.request === "free_lv" && results(c, ours) === `${ENOENT} 0`,
  },
  {
    name: "one persistent lock is kept, not two",
    reason:
      "C's own rule is that one persistent lock serves all who ask; it keeps two when both waited. EALREADY is a success for lvm",
    after: "ends-sequence",
    noise: false,
    explains: ({ request, c, ours }) =>
      mayWait(request) && isPersistent(request) && results(c, ours) === `0 ${EALREADY}`,
  },
  {
    name: "a shared lock that waited is recorded beside a persistent one",
    reason:
      "C records it when both come from the queue, but not when a lock is made persistent while it waits; then it has no protection",
    after: "ends-sequence",
    noise: false,
    explains: ({ request }, history) => {
      const grants = history.filter((past) => isGrant(past) && sameVg(past.request, request));
      const together = (one: Exchange, other: Exchange): boolean =>
        one.step === other.step && lockKey(one.request) === lockKey(other.request);
      return grants.some(
        (one) =>
          isPersistent(one.request) &&
          grants.some((other) => !isPersistent(other.request) && together(one, other)),
      );
    },
  },
  {
    name: "persistent requests that waited together are taken in order",
    reason:
      "C first tells whoever wants the mode of the moment that it is held, then converts it for another: that one was told of an ex lock and has sh",
    after: "ends-sequence",
    noise: false,
    explains: ({ request, c, ours, step }, history) =>
      mayWait(request) &&
      isPersistent(request) &&
      results(c, ours) === `${EALREADY} 0` &&
      history.some(
        (past) =>
          past.step === step &&
          isGrant(past) &&
          isPersistent(past.request) &&
          lockKey(past.request) === lockKey(request),
      ),
  },
  {
    name: "a killed VG lets nobody wait",
    reason:
      "Q21: who waits for a lock of a VG that was killed waits for ever with C, though nobody can get it any more",
    after: "ends-sequence",
    noise: false,
    explains: ({ request, c, ours }, history) =>
      c === null &&
      ours !== null &&
      resultOf(ours) === EVGKILLED &&
      history.some((past) => past.request.request === "kill_vg" && sameVg(past.request, request)),
  },
  {
    name: "nobody gets a lock after death",
    reason:
      "DESIGN: a grant that could not be told is undone; C keeps a persistent VG or GL lock that a dead client had queued for",
    after: "ends-sequence",
    noise: false,
    explains: ({ request, c, ours }, history) =>
      request.request === "query_lock_vg" &&
      c?.get("mode") !== "un" &&
      ours?.get("mode") === "un" &&
      history.at(-1)?.request.request === "death",
  },
  {
    name: "why there is no lockspace",
    reason: FORGETFUL,
    after: "goes-on",
    noise: true,
    explains: ({ c, ours }, history) =>
      c !== null &&
      ours !== null &&
      resultOf(c) === ENOLS &&
      without(c, "result_flags") === without(ours, "result_flags") &&
      (saysNone(c) === saysNone(ours) || nothingStarted(history)) &&
      reaped(history),
  },
  {
    name: "the lock manager that runs",
    reason: FORGETFUL,
    after: "goes-on",
    noise: true,
    explains: ({ request, c, ours }, history) =>
      request.request === "running_lm" && c !== null && ours !== null && reaped(history),
  },
  {
    name: "the global lock after the last lockspace",
    reason: FORGETFUL,
    after: "ends-sequence",
    noise: true,
    explains: ({ request, c, ours }, history) =>
      request.request === "lock_gl" &&
      c !== null &&
      ours !== null &&
      (resultOf(c) === ENOLS || resultOf(ours) === ENOLS) &&
      reaped(history),
  },
  {
    name: "stop_all counts",
    reason: "C counts lockspaces whose threads have not ended yet, which depends on the scheduler",
    after: "goes-on",
    noise: true,
    explains: ({ request, c, ours }) =>
      request.request === "stop_all" &&
      c !== null &&
      ours !== null &&
      resultOf(c) >= 0 &&
      resultOf(ours) >= 0 &&
      without(c, "op_result") === without(ours, "op_result"),
  },
  {
    name: "quit while stopped lockspaces are not reaped",
    reason: "Q34: a stopped lockspace of the C daemon stays on its list for up to 2 s, and counts",
    after: "ends-sequence",
    noise: true,
    explains: ({ request, c, ours }, history) =>
      request.request === "quit" &&
      [`${EBUSY} 0`, `0 ${EBUSY}`].includes(results(c, ours)) &&
      reaped(history) &&
      nothingStarted(history),
  },
  {
    name: "a start of another VG under the name of a started one",
    reason: "lvm takes EEXIST for success, and would go on with the locks of the other VG",
    after: "goes-on",
    noise: false,
    explains: ({ request, c, ours }) =>
      request.request === "start_vg" && results(c, ours) === `${EEXIST} ${EBUSY}`,
  },
  {
    name: "quit when only the lockspace of the global lock is left",
    reason: "it was started by a lock_gl and nobody holds it: there is nothing to keep the daemon for",
    after: "ends-sequence",
    noise: false,
    explains: ({ request, c, ours }, history) =>
      request.request === "quit" && results(c, ours) === `${EBUSY} 0` && nothingStarted(history),
  },
];

/** The entry that explains a disagreement. In a control run only the C daemon's own noise counts, whichever side it is on. */
export function explain(
  exchange: Exchange,
  history: readonly Exchange[],
  control: boolean,
): IntendedDifference | undefined {
  return INTENDED_DIFFERENCES.find((entry) => (entry.noise || !control) && entry.explains(exchange, history));
}

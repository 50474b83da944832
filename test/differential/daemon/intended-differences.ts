import { type ReplyFields, resultOf } from "../../rig/replies.ts";
import type { Exchange } from "./compare.ts";

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

const ENOLS = -210;
const EBUSY = -16;
const ENOLCK = -37;

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

const reaped = (history: readonly Exchange[]): boolean =>
  history.some(({ request }) => REAPING.has(request.request));

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
    name: "why there is no lockspace",
    reason: FORGETFUL,
    after: "goes-on",
    noise: true,
    explains: ({ c, ours }, history) =>
      c !== null &&
      ours !== null &&
      resultOf(c) === ENOLS &&
      without(c, "result_flags") === without(ours, "result_flags") &&
      reaped(history),
  },
  {
    name: "the lock manager that runs",
    reason: FORGETFUL,
    after: "goes-on",
    noise: true,
    explains: ({ request, c, ours }, history) =>
      request.request === "running_lm" &&
      c !== null &&
      ours !== null &&
      (resultOf(c) === ENOLCK || resultOf(ours) === ENOLCK) &&
      reaped(history),
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
      c !== null &&
      ours !== null &&
      (resultOf(c) === EBUSY || resultOf(ours) === EBUSY) &&
      reaped(history),
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

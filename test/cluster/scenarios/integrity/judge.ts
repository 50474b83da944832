/** Whether two hosts had an LV at the same time although one of them had it exclusively, and who had a crashed host's LVs next. */
import type { Activation } from "./samples.ts";

/** Clocks run at slightly different speeds between two comparisons. */
const drift_s = 0.05;

export type Conflict = readonly [Activation, Activation];

/** From which to which time it was active for certain, whatever the clocks say. */
function certain({ from_s, to_s, error_s }: Activation): { readonly from_s: number; readonly to_s: number } {
  return { from_s: from_s + error_s, to_s: to_s - error_s };
}

function together(one: Activation, other: Activation): boolean {
  const [mine, theirs] = [certain(one), certain(other)];
  return Math.min(mine.to_s, theirs.to_s) - Math.max(mine.from_s, theirs.from_s) > drift_s;
}

/** Pairs of which at least one is exclusive, and the other is anything: exclusive, shared, or only seen in a dm table. */
export function conflicts(activations: readonly Activation[]): Conflict[] {
  const exclusive = activations.filter(({ mode }) => mode === "ex");
  return exclusive.flatMap((one, index) => {
    // Of two that are exclusive the pair is told once.
    const later = new Set(exclusive.slice(index + 1));
    return activations
      .filter((other) => other.mode !== "ex" || later.has(other))
      .filter((other) => other.lv === one.lv && other.host !== one.host && together(one, other))
      .map((other): Conflict => [one, other]);
  });
}

const HOW = { ex: "exclusively", sh: "shared", table: "by its dm table" } as const;

/** For people: which LV, how and where, and from when to when on the lab's clock. */
export function describeConflict([one, other]: Conflict): string {
  const clock = (time_s: number): string => new Date(time_s * 1000).toISOString().slice(11, 23);
  const told = ({ host, mode, from_s, to_s, crash }: Activation): string =>
    `${HOW[mode]} on ${host}${crash === null ? "" : ", which crashed with it,"} from ${clock(from_s)} to ${clock(to_s)}`;
  return `${one.lv} was active ${told(one)} and ${told(other)}`;
}

export interface Takeover {
  readonly lv: string;
  readonly from: string;
  readonly to: string;
  /** When the other host was granted it, or had it in its dm table, after the crash. */
  readonly after_s: number;
}

/** For each LV that a host had exclusively when it crashed: who had it next. */
export function takeoversOf(activations: readonly Activation[]): Takeover[] {
  return activations.flatMap(({ lv, host, mode, crash }) => {
    if (crash === null || mode !== "ex") return [];
    const later = activations.filter(
      (each) => each.lv === lv && each.host !== host && each.from_s > crash.at_s,
    );
    const [next] = later.toSorted((one, other) => one.from_s - other.from_s);
    return next === undefined ? [] : [{ lv, from: host, to: next.host, after_s: next.from_s - crash.at_s }];
  });
}

/**
 * Holds that the dm table of their host does not know: one of the two witnesses is wrong. Short ones may fall between two readings, and
 * so may what a host crashed with.
 */
export function unwitnessed(activations: readonly Activation[], short_s: number): Activation[] {
  const tables = activations.filter(({ mode }) => mode === "table");
  return activations.filter(
    (hold) =>
      hold.mode !== "table" &&
      hold.crash === null &&
      hold.to_s - hold.from_s > short_s &&
      !tables.some(
        ({ lv, host, from_s, to_s }) =>
          lv === hold.lv && host === hold.host && from_s < hold.to_s && to_s > hold.from_s,
      ),
  );
}

/** When which LV was active on which host, from the hosts' dm tables; and whether two had one at the same time. */

export interface Sample {
  readonly host: string;
  /** On the lab's clock. */
  readonly time_s: number;
  readonly active: ReadonlySet<string>;
}

export interface Interval {
  readonly host: string;
  readonly lv: string;
  /** First and last sample in a row that saw it: it was active for at least that long. */
  readonly from_s: number;
  readonly to_s: number;
}

/** @param ahead_s How far the host's clock is ahead of the lab's. */
export function parseSamples(host: string, console_text: string, ahead_s: number): Sample[] {
  const lines = console_text.matchAll(/^TABLES (\d+\.\d+)((?: ex\d+)*) ?\r?$/gm);
  return [...lines].map(([, time, names = ""]) => ({
    host,
    time_s: Number(time) - ahead_s,
    active: new Set(names.split(" ").filter((name) => name !== "")),
  }));
}

/** One life of one host: the samples are in order. */
export function intervalsOf(samples: readonly Sample[]): Interval[] {
  const open = new Map<string, Interval>();
  const closed: Interval[] = [];
  for (const { host, time_s, active } of samples) {
    for (const [lv, interval] of open) {
      if (active.has(lv)) continue;
      closed.push(interval);
      open.delete(lv);
    }
    for (const lv of active) open.set(lv, { host, lv, from_s: open.get(lv)?.from_s ?? time_s, to_s: time_s });
  }
  return [...closed, ...open.values()];
}

/** Pairs that overlap by more than the clocks may differ. */
export function overlaps(intervals: readonly Interval[], clock_error_s: number): [Interval, Interval][] {
  const found: [Interval, Interval][] = [];
  for (const [index, one] of intervals.entries())
    for (const other of intervals.slice(index + 1)) {
      if (one.lv !== other.lv || one.host === other.host) continue;
      const overlap_s = Math.min(one.to_s, other.to_s) - Math.max(one.from_s, other.from_s);
      if (overlap_s > clock_error_s) found.push([one, other]);
    }
  return found;
}

/** For people: which LV, where, and from when to when on the lab's clock. */
export function describeOverlap([one, other]: readonly [Interval, Interval]): string {
  const times = ({ host, from_s, to_s }: Interval): string => {
    const clock = (time_s: number): string => new Date(time_s * 1000).toISOString().slice(11, 23);
    return `on ${host} from ${clock(from_s)} to ${clock(to_s)}`;
  };
  return `${one.lv} was active exclusively ${times(one)} and ${times(other)}`;
}

/**
 * When which LV was active on which host, as the host's console tells it: from its dm table, which does not know how, and from its
 * workers, which know what lvm granted them. Both are told so that an activation lasted at least from its first time to its last.
 */
import type { Clock } from "./clocks.ts";

/** One life of a host, from a boot to a crash or the end of the run. */
export interface Life {
  readonly host: string;
  readonly clock: Clock;
  readonly crash: Crash | null;
}

export interface Crash {
  /** On the lab's clock; the host was still alive then. */
  readonly at_s: number;
  /** For at least so long after that the lock manager keeps the dead host's locks from the others. */
  readonly kept_s: number;
}

export interface Activation {
  readonly host: string;
  readonly lv: string;
  /** "table": in the dm table, in whichever mode. */
  readonly mode: "ex" | "sh" | "table";
  /** On the lab's clock. */
  readonly from_s: number;
  readonly to_s: number;
  /** How wrong both times may be, because the host's clock is another one. */
  readonly error_s: number;
  /** The host crashed with it: until then it was active, and from then on its lock is kept for a while. */
  readonly crash: Crash | null;
}

/** The times of dm tables as tables.pl writes them: before and after a reading, and what it found. */
const TABLES = /^TABLES (\d+\.\d+) (\d+\.\d+)((?: lv\d+)*) ?\r?$/gm;
/** What worker.sh writes: a lock that it was granted, and one that it is about to give up. */
const HOLDS = /^(?:HOLD (lv\d+) (ex|sh) (\d+\.\d+)|HELD (lv\d+) (ex|sh) (\d+\.\d+) (\d+\.\d+)) ?\r?$/gm;

/** The table is told once a second at least. In a longer pause an LV may have gone and come again. */
const unread_s_max = 2.5;
/** Told besides what a worker prints, which is lost where its host crashes. */
const VIOLATIONS = /^(VIOLATION .*?) ?\r?$/gm;

type Told = Pick<Activation, "lv" | "mode" | "from_s" | "to_s">;

/** What a host has told by its own clock, on the lab's. */
function onLabClock({ host, clock }: Life, told: Told): Activation {
  const { from_s, to_s } = told;
  const times = { from_s: from_s - clock.ahead_s, to_s: to_s - clock.ahead_s, error_s: clock.error_s };
  return { host, ...told, ...times, crash: null };
}

/** Each LV from the first to the last reading in a row that saw it. */
export function tablesOf(life: Life, console_text: string): Activation[] {
  const open = new Map<string, Told>();
  const closed: Told[] = [];
  let read_s = 0;
  for (const [, before, after, names = ""] of console_text.matchAll(TABLES)) {
    if (Number(before) - read_s > unread_s_max) {
      closed.push(...open.values());
      open.clear();
    }
    read_s = Number(after);
    const active = new Set(names.split(" ").filter((name) => name !== ""));
    for (const [lv, told] of open) {
      if (active.has(lv)) continue;
      closed.push(told);
      open.delete(lv);
    }
    for (const lv of active) {
      const from_s = open.get(lv)?.from_s ?? Number(after);
      open.set(lv, { lv, mode: "table", from_s, to_s: Number(before) });
    }
  }
  return [...closed, ...open.values()].map((told) => onLabClock(life, told));
}

const modeOf = (text: string | undefined): "ex" | "sh" => (text === "sh" ? "sh" : "ex");

/**
 * What the workers held. A hold whose end is not told counts only when it is the last of its LV and the host crashed: it is the dead
 * host's as long as the lock manager keeps it so. Otherwise its end was lost among what else goes to a console.
 */
export function holdsOf(life: Life, console_text: string): Activation[] {
  const open = new Map<string, Told>();
  const held: Activation[] = [];
  const known = new Set<string>();
  for (const [, begun, begun_mode, begun_s, lv, mode, from_s, to_s] of console_text.matchAll(HOLDS)) {
    if (begun !== undefined) {
      const since_s = Number(begun_s);
      open.set(begun, { lv: begun, mode: modeOf(begun_mode), from_s: since_s, to_s: since_s });
    } else if (lv !== undefined && !known.has(`${lv} ${from_s}`)) {
      // Told twice, as a message of the kernel may come in between.
      known.add(`${lv} ${from_s}`);
      open.delete(lv);
      held.push(onLabClock(life, { lv, mode: modeOf(mode), from_s: Number(from_s), to_s: Number(to_s) }));
    }
  }
  const { crash } = life;
  if (crash === null) return held;
  const to_s = crash.at_s + crash.kept_s;
  return [...held, ...[...open.values()].map((told) => ({ ...onLabClock(life, told), to_s, crash }))];
}

/** What the workers of a host that crashed had found by then. */
export function violationsOf(console_text: string): string[] {
  return [...console_text.matchAll(VIOLATIONS)].map(([, told = ""]) => told);
}

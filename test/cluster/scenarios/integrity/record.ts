/** What an integrity run has seen: the workers' counts and complaints, and what the hosts' consoles tell of each of their lives. */
import { readFileSync } from "node:fs";
import type { Result } from "../../lab/agent.ts";
import type { Host } from "../../lab/host.ts";
import { clockOf, type Reading, readClock } from "./clocks.ts";
import { type Activation, type Crash, holdsOf, type Life, tablesOf, violationsOf } from "./samples.ts";

export interface Record {
  readonly counts: Map<string, number>;
  readonly problems: string[];
  /** Hosts that were made to crash. */
  readonly crashed: Set<Host>;
  readonly activations: Activation[];
  /** Of hosts' lives that are not over. */
  readonly clocks: Map<Host, Reading[]>;
  /** The largest of any life. */
  clock_error_s: number;
}

export function newRecord(): Record {
  const counts = new Map<string, number>();
  const crashed = new Set<Host>();
  return { counts, problems: [], crashed, activations: [], clocks: new Map(), clock_error_s: 0 };
}

export async function noteClock(host: Host, record: Record): Promise<void> {
  const reading = await readClock(host);
  record.clocks.set(host, [...(record.clocks.get(host) ?? []), reading]);
}

export function consoleOf(host: Host): string {
  return readFileSync(host.guest().console_path, "latin1");
}

/** Takes a life of the host that is over into the record; returns what it held when it crashed. */
export function closeLife(host: Host, crash: Crash | null, record: Record): Activation[] {
  const clock = clockOf(host.name, record.clocks.get(host) ?? []);
  const life: Life = { host: host.name, clock, crash };
  const text = consoleOf(host);
  const holds = holdsOf(life, text);
  record.clocks.delete(host);
  record.clock_error_s = Math.max(record.clock_error_s, clock.error_s);
  if (crash !== null)
    record.problems.push(...violationsOf(text).map((violation) => `${host.name}: ${violation}`));
  record.activations.push(...tablesOf(life, text), ...holds);
  return holds.filter((hold) => hold.crash !== null);
}

/** What a worker printed and how it ended. */
export function noteWorker(host: Host, { rc, stdout, stderr }: Result, record: Record): void {
  for (const line of stdout.trim().split("\n")) {
    const [kind, what = "", number] = line.split(" ");
    if (kind === "COUNT") record.counts.set(what, (record.counts.get(what) ?? 0) + Number(number));
    else if (line !== "") record.problems.push(`${host.name}: ${line}`);
  }
  // 255: the host crashed underneath, as it should.
  if (rc === 255 && record.crashed.has(host)) return;
  if (rc !== 0 || stderr !== "") record.problems.push(`${host.name}: a worker ended with ${rc}: ${stderr}`);
}

/** Workers on all hosts of a cluster, and the crash of one of them meanwhile. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Cluster } from "../../lab/cluster.ts";
import { inTime } from "../../lab/failures.ts";
import type { Host } from "../../lab/host.ts";
import { closeLife, consoleOf, noteClock, noteWorker, type Record } from "./record.ts";
import { type Activation, holdsOf } from "./samples.ts";

export const LVS = ["lv0", "lv1", "lv2", "lv3", "lv4", "lv5"] as const;
/** Commands of one host run beside each other, but not on the same LV: see worker.sh. */
const WORKERS_PER_HOST = 2;
const work_s = Number(process.env.LVMLOCKD_CLUSTER_INTEGRITY_S ?? 60);
/** Each worker goes on until it has held LVs so often, on a machine that does much else too; but not beyond three times its time. */
const HOLDS_MIN = 4;
/** The rest of the work is longer than a lock manager needs to give a dead host's locks to others. */
const crash_after_s = Math.min(10, work_s / 3);
/** A worker that is refused again and again holds nothing for a while. */
const holds_ms_max = 120_000;
const look_ms = 50;
/** A start of a VG after a crash, then the rest of the work. */
export const round_ms_max = 300_000;

export const seed = Number(process.env.LVMLOCKD_CLUSTER_SEED ?? Math.floor(Math.random() * 10_000));

export interface Failing {
  readonly victim: Host;
  /** How long the lock manager keeps the locks of a host from others after its crash, at least. */
  readonly kept_s: number;
  /** Starts the daemons and the VG on the host, which has booted. */
  readonly rejoin: (host: Host) => Promise<void>;
}

const script = (name: string): string => readFileSync(join(import.meta.dirname, name), "utf8");

/** Also on a host that has come back: nothing of its memory is left. */
export async function install(host: Host): Promise<void> {
  await host.write("/root/worker.sh", script("worker.sh"));
  await host.write("/root/tables.pl", script("tables.pl"));
  await host.must("setsid perl /root/tables.pl >/dev/null 2>&1 </dev/null &");
}

async function work(host: Host, part: number, index: number, record: Record): Promise<void> {
  const own = LVS.filter((_, number) => number % WORKERS_PER_HOST === index);
  const words = [seed + part * 100 + host.id * 10 + index, work_s, HOLDS_MIN, ...own];
  const result = await host.run(`bash /root/worker.sh ${words.join(" ")}`, {
    timeout_ms: 3 * work_s * 1000 + round_ms_max,
  });
  noteWorker(host, result, record);
}

/** @param part Makes other random choices of the seed than the other parts. */
export async function workEverywhere(lab: Cluster, part: number, record: Record): Promise<void> {
  await Promise.all(lab.hosts.map((host) => noteClock(host, record)));
  const workers = lab.hosts.flatMap((host) =>
    Array.from({ length: WORKERS_PER_HOST }, (_, index) => work(host, part, index, record)),
  );
  await Promise.all(workers);
}

const LAB_CLOCK = { ahead_s: 0, error_s: 0 };

/** The LVs that a host that is up holds exclusively, with their times: its console tells them, at no cost to the host. */
function exclusiveNow(host: Host): Activation[] {
  const crash = { at_s: Number.POSITIVE_INFINITY, kept_s: 0 };
  const holds = holdsOf({ host: host.name, clock: LAB_CLOCK, crash }, consoleOf(host));
  return holds.filter((hold) => hold.mode === "ex" && hold.crash !== null);
}

/** Until it has just been granted an LV exclusively: it keeps that for four seconds at least. */
async function untilExclusive(host: Host): Promise<void> {
  const before_s = Math.max(0, ...exclusiveNow(host).map((hold) => hold.from_s));
  const end_ms = performance.now() + holds_ms_max;
  while (!exclusiveNow(host).some((hold) => hold.from_s > before_s)) {
    inTime(performance.now() < end_ms, `${host.name} never came to hold an LV exclusively`);
    await Bun.sleep(look_ms);
  }
}

/** One host crashes while it has an LV exclusively, which the workers of the others want from then on, and comes back. */
export async function workThroughCrash(
  lab: Cluster,
  part: number,
  { victim, kept_s, rejoin }: Failing,
  record: Record,
): Promise<void> {
  const working = workEverywhere(lab, part, record);
  await Bun.sleep(crash_after_s * 1000);
  await noteClock(victim, record);
  await untilExclusive(victim);
  const at_s = Date.now() / 1000;
  record.crashed.add(victim);
  await victim.crash();
  const left = closeLife(victim, { at_s, kept_s }, record).filter(({ mode }) => mode === "ex");
  inTime(left.length > 0, `${victim.name} held no LV exclusively when it crashed`);
  const files = left.map(({ lv }) => `/run/wanted/${lv}`).join(" ");
  const others = lab.hosts.filter((host) => host !== victim);
  await Promise.all(others.map((host) => host.must(`mkdir -p /run/wanted && touch ${files}`)));
  await victim.boot();
  await rejoin(victim);
  await install(victim);
  await working;
}

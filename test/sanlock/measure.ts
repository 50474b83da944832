/**
 * What lvmlockd adds to sanlock, in one run on one lease file: lock and unlock through a client's socket, the daemon and the
 * plugin's worker, against a C program that calls libsanlock directly; and how often two hosts take turns on one VG lock, against
 * the C daemon. Ends with status 1 when one of them is worse than it is meant to be.
 * Run it with `npm run measure:sanlock` on a machine that does nothing else; it needs what the sanlock suites need.
 */
import { existsSync, rmSync, symlinkSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { connectAndGreet } from "../rig/connection.ts";
import { type RunningDaemon, startDaemon } from "../rig/daemon.ts";
import { MIB } from "./cluster.ts";
import {
  type Client,
  clientOf,
  createVg,
  type Daemons,
  lvLock,
  newLv,
  startDaemons,
  startThrough,
} from "./daemons.ts";
import { IO_TIMEOUT_S } from "./sanlock-daemon.ts";

const BLOCKS = 8;
const ROUNDS = 150;
const TURNS_MS = 8000;
const HOLD_MS = 5;
const C_DAEMON = "/usr/sbin/lvmlockd";
/** A host of the C daemon sleeps for a second after each refusal, and is refused at least once for each hand-over. */
const C_HAND_OVERS_BY_RULE = 1;
/** What is asked for: the cost as a multiple of the C program's, and hand-overs as a multiple of the C daemon's. */
const COST_MAX = 1.2;
const HAND_OVERS_MIN = 5;
const VG_NAME = "measured";

const median = (values: readonly number[]): number =>
  [...values].sort((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN;

function buildDirect(directory: string): string {
  const program = join(directory, "direct");
  const source = join(import.meta.dir, "direct.c");
  const built = Bun.spawnSync(["gcc", "-O2", "-o", program, source, "-lsanlock_client"]);
  if (!built.success) throw new Error(built.stderr.toString());
  return program;
}

interface Measured {
  readonly what: string;
  readonly resource: string;
  readonly offset_bytes: number;
  readonly value_block: boolean;
  once(client: Client): Promise<void>;
}

async function must(result: Promise<number>): Promise<void> {
  const number = await result;
  if (number !== 0) throw new Error(`refused with ${number}`);
}

const vg = (mode: string) => ({ mode, vg_name: VG_NAME });

async function measured(client: Client): Promise<readonly Measured[]> {
  const lv_lock_args = await newLv(client, VG_NAME, "one");
  const lv = (mode: string) => lvLock(VG_NAME, "one", mode, lv_lock_args);
  return [
    {
      what: "VG lock ex",
      resource: "VGLK",
      offset_bytes: 66 * MIB,
      value_block: true,
      async once(client) {
        await must(client.result("lock_vg", vg("ex")));
        await must(client.result("lock_vg", vg("un")));
      },
    },
    {
      what: "LV lock ex",
      resource: "uuid-one",
      offset_bytes: Number(lv_lock_args.split(":")[1]),
      value_block: false,
      async once(client) {
        await must(client.result("lock_lv", lv("ex")));
        await must(client.result("lock_lv", lv("un")));
      },
    },
  ];
}

/** Judges a figure, and says whether it is what is asked for. */
function judge(what: string, isGood: boolean, asked_for: string): boolean {
  console.log(`${isGood ? "ok" : "NOT ok"}: ${what} (asked for: ${asked_for})`);
  return isGood;
}

/** Blocks of both take turns, so that whatever else the machine does meets both alike; what counts is the median of their ratios. */
async function compareCost(
  daemons: Daemons,
  client: Client,
  task: Measured,
  program: string,
): Promise<boolean> {
  const { what, resource, offset_bytes, value_block } = task;
  const blocks: (readonly [our_us: number, direct_us: number])[] = [];
  const words = [`lvm_${VG_NAME}`, resource, daemons.cluster.leaseFile(VG_NAME), String(offset_bytes)];
  for (let block = 0; block < BLOCKS; block++) {
    const ours: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const began_ms = performance.now();
      await task.once(client);
      ours.push((performance.now() - began_ms) * 1000);
    }
    const run = Bun.spawn([program, ...words, String(ROUNDS), value_block ? "1" : "0"], {
      env: { ...process.env, ...daemons.cluster.sanlock[0]?.env },
      stderr: "inherit",
    });
    const lines = (await run.stdout.text()).trim().split("\n");
    if ((await run.exited) !== 0) throw new Error("the C program failed");
    blocks.push([median(ours), median(lines.map(Number))]);
  }
  const our_us = median(blocks.map(([ours]) => ours));
  const direct_us = median(blocks.map(([, direct]) => direct));
  const ratio = median(blocks.map(([ours, direct]) => ours / direct));
  return judge(
    `${what}: lock + unlock ${our_us.toFixed(0)} us through lvmlockd, ${direct_us.toFixed(0)} us in C directly: ` +
      `${ratio.toFixed(2)}x (medians of ${BLOCKS} blocks of ${ROUNDS})`,
    ratio <= COST_MAX,
    `at most ${COST_MAX}x`,
  );
}

/**
 * Two hosts that take turns: while one holds the VG lock for some milliseconds the other asks for it and is refused at least
 * once; counted is how often per second the lock goes over. A host of the C daemon sleeps a second after each refusal.
 */
async function takeTurns(clients: readonly Client[]): Promise<number> {
  const [first, second] = clients;
  if (first === undefined || second === undefined) throw new Error("two hosts");
  let [holder, other] = [first, second];
  await must(holder.result("lock_vg", vg("ex")));
  const began_ms = performance.now();
  let hand_overs = 0;
  while (performance.now() - began_ms < TURNS_MS) {
    const asked = other.result("lock_vg", vg("ex"));
    await Bun.sleep(HOLD_MS);
    await must(holder.result("lock_vg", vg("un")));
    await must(asked);
    hand_overs += 1;
    [holder, other] = [other, holder];
  }
  const took_s = (performance.now() - began_ms) / 1000;
  await must(holder.result("lock_vg", vg("un")));
  return hand_overs / took_s;
}

/** The same with the C daemon of Debian's lvm2-lockd, over the same sanlock daemons and leases; null where it is missing. */
async function takeTurnsInC(daemons: Daemons): Promise<number | null> {
  if (!existsSync(C_DAEMON) || !existsSync("/dev/mapper")) return null;
  const device = `/dev/mapper/${VG_NAME}-lvmlock`;
  const started: RunningDaemon[] = [];
  symlinkSync(daemons.cluster.leaseFile(VG_NAME), device);
  try {
    for (const [host, { env }] of daemons.cluster.sanlock.entries())
      started.push(
        await startDaemon({
          flavour: "c",
          // Its short -i is missing from its own table of options.
          options: ["--host-id", String(host + 1), "--sanlock-timeout", String(IO_TIMEOUT_S)],
          env,
        }),
      );
    const clients = await Promise.all(
      started.map(async ({ socket_path }) => clientOf(await connectAndGreet(socket_path))),
    );
    await Promise.all(clients.map((client, host) => startThrough(client, host, VG_NAME)));
    return await takeTurns(clients);
  } finally {
    await Promise.all(started.map((daemon) => daemon.destroy()));
    rmSync(device, { force: true });
  }
}

/** Two clients of two hosts that want the VG lock all the time and ask again at once: how often it goes over. */
async function compete(daemons: Daemons): Promise<number> {
  let last = -1;
  let hand_overs = 0;
  const until_ms = performance.now() + TURNS_MS;
  const take = async (host: number): Promise<void> => {
    const client = await daemons.client(host);
    while (performance.now() < until_ms) {
      if ((await client.result("lock_vg", vg("ex"))) !== 0) continue;
      if (last !== host) hand_overs += 1;
      last = host;
      await must(client.result("lock_vg", vg("un")));
    }
    client.close();
  };
  await Promise.all([take(0), take(1)]);
  return hand_overs / (TURNS_MS / 1000);
}

async function compareCosts(daemons: Daemons): Promise<boolean> {
  const client = await daemons.client(0);
  const program = buildDirect(daemons.cluster.directory);
  let isGood = true;
  for (const task of await measured(client))
    isGood = (await compareCost(daemons, client, task, program)) && isGood;
  client.close();
  return isGood;
}

async function compareTurns(daemons: Daemons): Promise<boolean> {
  const clients = await Promise.all([daemons.client(0), daemons.client(1)]);
  const ours = await takeTurns(clients);
  const competing = await compete(daemons);
  console.log(`two hosts that never let the VG lock rest: ${competing.toFixed(1)} hand-overs/s`);
  for (const client of clients) await must(client.result("stop_vg", { vg_name: VG_NAME }));
  const measured_in_c = await takeTurnsInC(daemons);
  const in_c = measured_in_c ?? C_HAND_OVERS_BY_RULE;
  const source =
    measured_in_c === null
      ? "the C daemon is not here and by its rule does"
      : `${C_DAEMON} on the same leases does`;
  return judge(
    `two hosts taking turns on the VG lock: ${ours.toFixed(1)} hand-overs/s, ${source} ${in_c.toFixed(1)}: ${(ours / in_c).toFixed(0)}x`,
    ours >= HAND_OVERS_MIN * in_c,
    `at least ${HAND_OVERS_MIN}x`,
  );
}

const load = (): string => `load average ${loadavg()[0]?.toFixed(1)}`;

console.log(`${load()} before`);
const daemons = await startDaemons(2);
let isGood = false;
try {
  await createVg(daemons, VG_NAME, [0, 1]);
  const verdicts = [await compareCosts(daemons), await compareTurns(daemons)];
  isGood = !verdicts.includes(false);
} finally {
  await daemons.close();
}
console.log(`${load()} after`);
process.exit(isGood ? 0 : 1);

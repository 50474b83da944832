import { type ReplyFields, resultOf } from "../../rig/replies.ts";
import { encodeRequest, type RequestSpec } from "../../rig/requests.ts";
import { agree, type Exchange } from "./compare.ts";
import { heldAsShown } from "./held.ts";
import { isPersistent, makeHoldings, mayWait } from "./holdings.ts";
import { explain } from "./intended-differences.ts";
import type { Side } from "./side.ts";
import { type Cast, castRequest, type Sequence, type Step } from "./steps.ts";

/** The C daemon and ours; in a control run, the C daemon twice. */
export interface Pair {
  readonly c: Side;
  readonly ours: Side;
}

export type Outcome =
  | { readonly kind: "agreed"; readonly exchanges: number; readonly intended: readonly string[] }
  | { readonly kind: "differed"; readonly exchange: Exchange; readonly history: readonly Exchange[] };

/** After these the lockspace's threads may still be at work when the reply is there. */
const MOVES_LOCKSPACES = new Set([
  "start_vg",
  "stop_vg",
  "stop_all",
  "free_vg",
  "rename_vg_before",
  "drop_vg",
  "lock_gl",
]);

/** Enough for: grant to a client that is gone, its release, the grant to the next one. */
const ROUNDS_AFTER_DEATH = 3;

/** The client number under which the harness's own questions are recorded. */
export const HARNESS = -1;

class Stop extends Error {
  constructor(readonly outcome: Outcome) {
    super("the sequence is over");
  }
}

interface Run {
  readonly pair: Pair;
  readonly cast: Cast;
  readonly vg_names: readonly string[];
  step: number;
  readonly history: Exchange[];
  readonly intended: string[];
  readonly holdings: ReturnType<typeof makeHoldings>;
  /** Requests without a reply on either side: their clients wait. */
  readonly pending: Map<number, RequestSpec>;
}

const both = async <T>({ c, ours }: Pair, action: (side: Side) => Promise<T>): Promise<readonly [T, T]> =>
  Promise.all([action(c), action(ours)]);

/** Records an exchange; throws Stop when the sequence can't go on after it. */
function judge(
  run: Run,
  client: number,
  request: RequestSpec,
  c: ReplyFields | null,
  ours: ReplyFields | null,
) {
  const exchange: Exchange = { step: run.step, client, request, c, ours };
  const same = agree(exchange);
  const control = run.pair.c.daemon.flavour === run.pair.ours.daemon.flavour;
  const intended = same ? undefined : explain(exchange, run.history, control);
  if (!same && intended === undefined) throw new Stop({ kind: "differed", exchange, history: run.history });
  run.history.push(exchange);
  run.pending.delete(client);
  const told = c ?? ours;
  if (told !== null) run.holdings.answered(client, request, resultOf(told));
  // The daemon ends now, and with it the sequence.
  if (request.request === "quit" && same && told !== null && resultOf(told) === 0)
    throw new Stop(agreed(run));
  if (intended === undefined) return;
  run.intended.push(intended.name);
  if (intended.after === "ends-sequence") throw new Stop(agreed(run));
}

const agreed = ({ history, intended }: Run): Outcome => ({
  kind: "agreed",
  exchanges: history.length,
  intended,
});

/** Compares what has arrived for every client that has a request open: first for `asker`, whose request made the rest happen. */
function compareArrivals(run: Run, asker = HARNESS): void {
  const waiting = [...run.pending].sort(([one], [other]) => Number(other === asker) - Number(one === asker));
  for (const [client, request] of waiting) {
    const c = run.pair.c.take(client) ?? null;
    const ours = run.pair.ours.take(client) ?? null;
    if (c !== null || ours !== null) judge(run, client, request, c, ours);
  }
}

const settle = (run: Run, rounds = 1) => both(run.pair, (side) => side.settle(run.vg_names, rounds));

async function ask(run: Run, client: number, request: RequestSpec, bytes: string): Promise<void> {
  const othersWait = run.pending.size > 0;
  run.pending.set(client, request);
  run.holdings.sent(client, request);
  await both(run.pair, (side) => side.ask(client, bytes, mayWait(request)));
  // Only when a client waits, or is about to, can a daemon do more than what this reply says.
  const answered = run.pair.c.answered(client) && run.pair.ours.answered(client);
  if (othersWait || !answered) await settle(run);
  compareArrivals(run, client);
  if (MOVES_LOCKSPACES.has(request.request)) await both(run.pair, (side) => side.steady(run.vg_names));
}

async function garbage(run: Run, client: number, bytes: string): Promise<void> {
  await both(run.pair, (side) => side.send(client, bytes));
  await settle(run);
  judge(
    run,
    client,
    { request: "garbage", keys: { bytes } },
    run.pair.c.take(client) ?? null,
    run.pair.ours.take(client) ?? null,
  );
  compareArrivals(run);
}

/** A client that waits for nothing dies. */
async function closeIdle(run: Run, client: number): Promise<void> {
  run.pair.c.close(client);
  run.pair.ours.close(client);
  run.holdings.closed(client);
  await settle(run);
  compareArrivals(run);
}

/**
 * A client that waits for a lock dies. The C daemon notices it only when it grants the lock, ours at once, so the daemons
 * are compared again when the lock has been let go by all who hold it.
 */
async function closeWaiting(run: Run, client: number, request: RequestSpec): Promise<void> {
  const holders = run.holdings.holdersOf(request).filter((holder) => holder !== client);
  const alone = run.holdings.waitersFor(request).length === 1;
  if (!alone || holders.some((holder) => run.pending.has(holder))) return;
  const keptByC = isPersistent(request) && request.request !== "lock_lv";
  // No request shows who holds the global lock of dlm, so what the C daemon does then could not be told from a fault of ours.
  if (keptByC && request.request === "lock_gl") return;
  run.pair.c.close(client);
  run.pair.ours.close(client);
  run.pending.delete(client);
  run.holdings.closed(client);
  for (const holder of holders) {
    const unlock: RequestSpec = { ...request, keys: { ...request.keys, mode: "un", opts: "none" } };
    run.pending.set(holder, unlock);
    await both(run.pair, (side) => side.ask(holder, encodeRequest(unlock), false));
  }
  if (run.holdings.persistentlyHeld(request))
    await both(run.pair, (side) => side.order(unlockPersistent(request)));
  await settle(run, ROUNDS_AFTER_DEATH);
  compareArrivals(run);
  run.history.push({
    step: run.step,
    client,
    request: { request: "death", keys: request.keys },
    c: null,
    ours: null,
  });
  if (keptByC) await query(run, { request: "query_lock_vg", keys: { vg_name: request.keys.vg_name ?? "" } });
}

async function query(run: Run, request: RequestSpec): Promise<void> {
  const [c, ours] = await both(run.pair, (side) => side.order(request));
  judge(run, HARNESS, request, c, ours);
}

function unlockPersistent(request: RequestSpec): RequestSpec {
  return { ...request, keys: { ...request.keys, mode: "un", opts: "persistent" } };
}

async function perform(run: Run, step: Step): Promise<void> {
  const waits = run.pending.get(step.client);
  switch (step.do) {
    case "close":
      return waits === undefined ? closeIdle(run, step.client) : closeWaiting(run, step.client, waits);
    case "garbage":
      return waits === undefined ? garbage(run, step.client, step.bytes) : undefined;
    case "ask": {
      const request = castRequest(step.spec, run.cast);
      if (waits !== undefined || !run.holdings.allowed(step.client, request)) return;
      return ask(run, step.client, request, encodeRequest(request, step.spelling));
    }
  }
}

/**
 * The modes of all locks of the sequence as a stranger sees them, and what info tells of them: the daemons must not only say
 * but also do the same.
 */
async function compareState(run: Run, sequence: Sequence): Promise<void> {
  for (const [vg, vg_name] of run.vg_names.entries()) {
    await query(run, { request: "query_lock_vg", keys: { vg_name } });
    for (let lv = 0; lv < sequence.lvs_per_vg; lv++)
      await query(run, { request: "query_lock_lv", keys: { vg_name, lv_uuid: run.cast.uuid(vg, lv) } });
  }
  const c = await run.pair.c.info();
  const ours = await run.pair.ours.info();
  for (const vg_name of run.vg_names)
    judge(
      run,
      HARNESS,
      { request: "info", keys: { vg_name } },
      heldAsShown(c, vg_name),
      heldAsShown(ours, vg_name),
    );
}

/** Runs a sequence on both daemons, step by step, and compares every reply and, at the end, every lock's mode. */
export async function runSequence(pair: Pair, sequence: Sequence, cast: Cast): Promise<Outcome> {
  const vg_names = Array.from({ length: sequence.vgs }, (_nothing, vg) => cast.vg(vg));
  const run: Run = {
    pair,
    cast,
    vg_names,
    step: 0,
    history: [],
    intended: [],
    holdings: makeHoldings(),
    pending: new Map(),
  };
  try {
    for (const step of sequence.steps) {
      run.step++;
      await perform(run, step);
    }
    await compareState(run, sequence);
  } catch (error) {
    if (error instanceof Stop) return error.outcome;
    throw error;
  }
  return agreed(run);
}

import { type Flavour, type RunningDaemon, startDaemon } from "../../rig/daemon.ts";
import { makeLeaseDevice } from "../../rig/lease-device.ts";
import { resultOf } from "../../rig/replies.ts";
import { lockRequest, startRequest, vgRequest } from "../../rig/requests.ts";
import { type SharedType, VG_ARGS } from "./generate.ts";
import { type Outcome, type Pair, runSequence } from "./run-sequence.ts";
import { openSide, type Side } from "./side.ts";
import type { Cast, Sequence } from "./steps.ts";

/** A pair of daemons that lives for many sequences: the C daemon needs seconds to start and stop lockspaces. */
export interface Session {
  run(sequence: Sequence): Promise<Outcome>;
  /** True when no further sequence can be run on this pair. */
  spent(): boolean;
  destroy(): Promise<void>;
}

export interface SessionOptions {
  readonly lock_type: SharedType;
  /** The two that are compared; ["c", "c"] is the control. */
  readonly flavours: readonly [Flavour, Flavour];
  readonly vgs: number;
  /**
   * "kept": one VG stays started throughout, every sequence gets new ones besides. "shared": all sequences use the same VGs
   * (a sanlock start takes the C daemon 3 s). "empty": nothing is started; for one sequence only.
   */
  readonly lockspaces: "kept" | "shared" | "empty";
}

/** Our daemon speaks as the C daemon it is compared with. */
const OPTIONS: Readonly<Record<Flavour, readonly string[]>> = { c: [], ours: ["--wire-dialect", "2.03.16"] };

const startAll = async (pair: Pair, vg_names: readonly string[], lock_type: SharedType): Promise<void> => {
  for (const side of [pair.c, pair.ours]) {
    // One after the other: which VG holds the global lock of sanlock depends on who is first.
    for (const vg_name of vg_names) await startVg(side, vg_name, lock_type);
    await side.steady(vg_names);
  }
};

async function startVg(side: Side, vg_name: string, lock_type: SharedType): Promise<void> {
  const request = startRequest(vg_name, {
    vg_lock_type: lock_type,
    vg_lock_args: VG_ARGS[lock_type],
    vg_uuid: `uuid-of-${vg_name}`,
    host_id: 1,
  });
  const result = resultOf(await side.order(request));
  if (result !== 0) throw new Error(`${side.daemon.flavour} daemon does not start ${vg_name}: ${result}`);
}

/** Releases all that a sequence left behind. False when a client of the C daemon waits for good: the pair is spent then. */
async function cleanUp(
  side: Side,
  vg_names: readonly string[],
  cast: Cast,
  lvs_per_vg: number,
): Promise<boolean> {
  const targets = [
    { kind: "gl" } as const,
    ...vg_names.flatMap((vg_name, vg) => [
      { kind: "vg", vg_name } as const,
      ...Array.from({ length: lvs_per_vg }, (_nothing, lv) => {
        return { kind: "lv", vg_name, lv_name: "lvol", lv_uuid: cast.uuid(vg, lv) } as const;
      }),
    ]),
  ];
  // Who waits gets the lock of who died, dies in turn, and so on: as many rounds as clients can be in one queue.
  for (let round = 0; round < 8; round++) {
    side.closeAnswered();
    for (const target of targets) await side.order(lockRequest(target, "un", "persistent"));
    await side.settle(vg_names, 2);
    if (side.clients() === 0) return true;
  }
  return false;
}

/** Starts both daemons, or none. */
async function startBoth(
  lock_type: SharedType,
  flavours: SessionOptions["flavours"],
): Promise<RunningDaemon[]> {
  const started = await Promise.allSettled(
    flavours.map((flavour) =>
      startDaemon({ flavour, options: ["-T", "-g", lock_type, ...OPTIONS[flavour]] }),
    ),
  );
  const daemons = started.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
  const failed = started.find((outcome) => outcome.status === "rejected");
  if (failed === undefined) return daemons;
  await Promise.all(daemons.map((daemon) => daemon.destroy()));
  throw failed.reason;
}

/** Starts the pair and what the sequences need. */
export async function openSession(options: SessionOptions): Promise<Session> {
  const { lock_type, flavours, vgs, lockspaces } = options;
  const daemons = await startBoth(lock_type, flavours);
  const [c, ours] = (await Promise.all(daemons.map((daemon) => openSide(daemon, lock_type)))) as [Side, Side];
  const pair: Pair = { c, ours };
  const tag = process.pid.toString(36);
  let runs = 0;
  let spent = false;

  const vgName = (vg: number): string =>
    lockspaces === "shared" ? `dt${tag}x${vg}` : `dt${tag}r${runs}x${vg}`;
  const namesOf = (count: number): string[] => Array.from({ length: count }, (_nothing, vg) => vgName(vg));

  const removals = lock_type === "sanlock" ? namesOf(vgs).map(makeLeaseDevice) : [];
  if (lockspaces === "kept") await startAll(pair, [`dt${tag}keep`], lock_type);
  if (lockspaces === "shared") await startAll(pair, namesOf(vgs), lock_type);

  const run = async (sequence: Sequence): Promise<Outcome> => {
    if (spent) throw new Error("this pair of daemons can't run another sequence");
    runs++;
    const number = runs;
    const vg_names = namesOf(sequence.vgs);
    const cast: Cast = {
      vg: vgName,
      unknown_vg: `dt${tag}none${number}`,
      uuid: (vg, lv) => `${tag}-${number}-${vg}-${lv}`,
    };
    if (lockspaces === "kept") await startAll(pair, vg_names, lock_type);
    const outcome = await runSequence(pair, sequence, cast);
    if (lockspaces === "empty" || outcome.kind === "differed") spent = true;
    else
      for (const side of [c, ours]) {
        if (!(await cleanUp(side, vg_names, cast, sequence.lvs_per_vg))) spent = true;
        if (lockspaces !== "kept") continue;
        for (const vg_name of vg_names) {
          await side.order(vgRequest("drop_vg", vg_name));
          await side.steady(vg_names);
        }
      }
    return outcome;
  };

  return {
    run,
    spent: () => spent,
    destroy: async () => {
      for (const remove of removals) remove();
      await Promise.all(daemons.map((daemon: RunningDaemon) => daemon.destroy()));
    },
  };
}

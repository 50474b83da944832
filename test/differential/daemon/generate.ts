import type { Random } from "../../rig/random.ts";
import type { LockTarget, RequestSpec, Spelling } from "../../rig/requests.ts";
import { lockRequest, startRequest, vgRequest } from "../../rig/requests.ts";
import type { Sequence, Step } from "./steps.ts";

export type SharedType = "dlm" | "sanlock";

/** What kind of sequences a session wants. */
export interface Wishes {
  readonly lock_type: SharedType;
  readonly vgs: number;
  /** Requests that end a VG or the daemon's lockspaces are made only where the session can start them again. */
  readonly endings: "none" | "vg" | "all";
}

/** vg_lock_args as both daemons' test mode makes them. */
export const VG_ARGS: Readonly<Record<SharedType, string>> = { dlm: "1.0.0:test", sanlock: "1.0.0:lvmlock" };
const LVS_PER_VG = 3;
const CLIENTS = 6;

/** Bytes that the C daemon reads, logs and never answers (Q4). */
const GARBAGE = [
  'request="no_such_request"\npid =1\n\n##\n',
  'pid =1\nvg_name ="vg"\n\n##\n',
  "request=[[\n\n##\n",
  '"\n\n##\n',
] as const;

interface Guess {
  readonly client: number;
  readonly target: LockTarget;
  readonly persistent: boolean;
}

interface Making {
  readonly random: Random;
  readonly wishes: Wishes;
  readonly clients: number;
  /** Locks that were asked for and probably granted: unlocks are aimed at them. */
  readonly guesses: Guess[];
}

function someVg({ random, wishes }: Making): string {
  return random.chance(4) ? "{none}" : `{vg${random.below(wishes.vgs)}}`;
}

function lvOf(vg_name: string, lv: number): LockTarget {
  const vg = vg_name === "{none}" ? "0" : vg_name.slice(3, -1);
  return { kind: "lv", vg_name, lv_name: `{lv${vg}.${lv}}`, lv_uuid: `{uuid${vg}.${lv}}` };
}

function someTarget(making: Making): LockTarget {
  const vg_name = someVg(making);
  const kind = making.random.weighted([
    [12, "gl"],
    [36, "vg"],
    [52, "lv"],
  ] as const);
  if (kind === "gl") return { kind };
  return kind === "vg" ? { kind, vg_name } : lvOf(vg_name, making.random.below(LVS_PER_VG));
}

function someType({ random, wishes }: Making): string {
  const other = wishes.lock_type === "dlm" ? "sanlock" : "dlm";
  return random.weighted([
    [70, "none"],
    [24, wishes.lock_type],
    [3, other],
    [1, "idm"],
    [1, "clvm"],
    [1, ""],
  ]);
}

function lockArgs(making: Making, target: LockTarget) {
  const vg_lock_type = target.kind === "gl" && making.random.chance(85) ? "none" : someType(making);
  const lv_lock_args = making.wishes.lock_type === "dlm" ? "dlm" : "1.0.0:70254592";
  return { vg_lock_type, vg_lock_args: VG_ARGS[making.wishes.lock_type], lv_lock_args };
}

const PERSISTENT_PERCENT: Readonly<Record<LockTarget["kind"], number>> = { gl: 3, vg: 5, lv: 60 };

function lockStep(making: Making): Step {
  const { random, guesses } = making;
  const client = random.below(making.clients);
  const target = someTarget(making);
  const persistent = random.chance(PERSISTENT_PERCENT[target.kind]);
  const mode = random.weighted([
    [46, "ex"],
    [46, "sh"],
    [4, "un"],
    [1, "nl"],
    [1, "iv"],
    [1, ""],
  ]);
  if (mode === "ex" || mode === "sh") guesses.push({ client, target, persistent });
  const opts = persistent
    ? random.pick(["persistent", "persistent,"])
    : random.pick(["none", "none", "none", ""]);
  const spec = lockRequest(target, mode, opts, lockArgs(making, target));
  const keys = random.chance(3) ? { ...spec.keys, max_retries: random.below(3) } : spec.keys;
  return { do: "ask", client, spec: { ...spec, keys }, spelling: someSpelling(random) };
}

function unlockStep(making: Making): Step {
  const { random, guesses } = making;
  if (guesses.length === 0) return lockStep(making);
  const guess = guesses.splice(random.below(guesses.length), 1)[0] as Guess;
  // A persistent lock has no owner: anybody may release it.
  const client = guess.persistent && random.chance(40) ? random.below(making.clients) : guess.client;
  const words = [
    ...(guess.persistent ? ["persistent"] : []),
    ...(random.chance(6) ? ["unlock_cancel"] : []),
    ...(random.chance(2) ? ["persistent"] : []),
  ];
  const opts = words.length === 0 ? "none" : words.join(",");
  const spec = lockRequest(guess.target, "un", opts, lockArgs(making, guess.target));
  return { do: "ask", client, spec, spelling: someSpelling(random) };
}

function someSpelling(random: Random): Spelling {
  return random.weighted([
    [90, "lvm"],
    [5, "simple"],
    [5, "tight"],
  ] as const);
}

type SpecMaker = (making: Making) => RequestSpec;

const vgTyped =
  (request: string): SpecMaker =>
  (making) =>
    vgRequest(request, someVg(making), {
      vg_lock_type: making.random.chance(90) ? making.wishes.lock_type : someType(making),
      vg_lock_args: VG_ARGS[making.wishes.lock_type],
    });

const vgOnly =
  (request: string): SpecMaker =>
  (making) =>
    vgRequest(request, someVg(making));

const plain = (request: string) => (): RequestSpec => ({ request, keys: { pid: process.pid } });

function lvRequest(request: string, more: Readonly<Record<string, string | number>> = {}): SpecMaker {
  return (making) => {
    const target = lvOf(someVg(making), making.random.below(LVS_PER_VG));
    const { lv_lock_args, ...args } = lockArgs(making, target);
    const { kind: _kind, ...names } = target;
    return { request, keys: { pid: process.pid, ...names, ...more, ...args, lv_lock_args } };
  };
}

const update: SpecMaker = (making) =>
  vgRequest("vg_update", someVg(making), {
    ...(making.random.chance(15) ? { opts: "next_version" } : {}),
    version: making.random.below(40),
  });

const startVg: SpecMaker = (making) => {
  const { lock_type } = making.wishes;
  const vg_name = `{vg${making.random.below(making.wishes.vgs)}}`;
  // The one of session.ts, or sometimes that of another VG of the same name.
  const vg_uuid = making.random.chance(85) ? `uuid-of-${vg_name}` : `other-${vg_name}`;
  return startRequest(vg_name, {
    vg_lock_type: lock_type,
    vg_lock_args: VG_ARGS[lock_type],
    vg_uuid,
    host_id: 1,
  });
};

const initVg: SpecMaker = (making) =>
  vgRequest("init_vg", making.random.chance(50) ? "{none}" : someVg(making), {
    vg_lock_type: making.random.chance(85) ? making.wishes.lock_type : someType(making),
    ...(making.wishes.lock_type === "sanlock" && making.random.chance(90) ? { vg_lock_args: "lvmlock" } : {}),
  });

const STEADY: readonly (readonly [number, SpecMaker])[] = [
  [50, update],
  [10, vgOnly("query_lock_vg")],
  [20, lvRequest("query_lock_lv", { opts: "none" })],
  [14, lvRequest("free_lv")],
  [10, lvRequest("init_lv")],
  [6, initVg],
  [8, vgTyped("busy_vg")],
  [5, vgOnly("find_free_lock")],
  [5, startVg],
  [5, plain("start_wait")],
  [4, plain("running_lm")],
  [4, vgTyped("rename_vg_final")],
  [4, vgOnly("enable_gl")],
  [4, vgOnly("disable_gl")],
  [2, plain("hello")],
  [2, plain("quit")],
];

const VG_ENDINGS: readonly (readonly [number, SpecMaker])[] = [
  [5, startVg],
  [8, (making) => vgRequest("stop_vg", someVg(making), making.random.chance(15) ? { opts: "force" } : {})],
  [4, vgTyped("free_vg")],
  [4, vgTyped("rename_vg_before")],
  [3, vgOnly("kill_vg")],
  [3, vgOnly("drop_vg")],
];

const ALL_ENDINGS: readonly (readonly [number, SpecMaker])[] = [
  [24, startVg],
  [
    3,
    (making) => ({
      request: "stop_all",
      keys: { pid: process.pid, opts: making.random.pick(["none", "force "]) },
    }),
  ],
];

function otherStep(making: Making): Step {
  const { random, wishes } = making;
  const makers = [
    ...STEADY,
    ...(wishes.endings === "none" ? [] : VG_ENDINGS),
    ...(wishes.endings === "all" ? ALL_ENDINGS : []),
  ];
  const spec = random.weighted(makers)(making);
  return { do: "ask", client: random.below(making.clients), spec, spelling: someSpelling(random) };
}

function someStep(making: Making): Step {
  const { random } = making;
  const kind = random.weighted([
    [42, "lock"],
    [30, "unlock"],
    [22, "other"],
    [4, "close"],
    [1, "garbage"],
  ] as const);
  switch (kind) {
    case "lock":
      return lockStep(making);
    case "unlock":
      return unlockStep(making);
    case "other":
      return otherStep(making);
    case "close":
      return { do: "close", client: random.below(making.clients) };
    case "garbage":
      return { do: "garbage", client: random.below(making.clients), bytes: random.pick(GARBAGE) };
  }
}

/** Makes one sequence. Few names and many clients, so that they get in each other's way. */
export function generateSequence(random: Random, wishes: Wishes): Sequence {
  const making: Making = { random, wishes, clients: 2 + random.below(CLIENTS - 1), guesses: [] };
  const length = 10 + random.below(60);
  const steps = Array.from({ length }, () => someStep(making));
  return { vgs: wishes.vgs, lvs_per_vg: LVS_PER_VG, steps };
}

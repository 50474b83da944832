/** What simulated clients do: the request sequences of lvm's commands, of administrators, and of clients that follow no rule. */
import type { Request } from "../../core/wire/message.ts";
import { makeRequest, type RequestFields } from "../locking/request.ts";
import type { Random } from "../rig/random.ts";
import type { Weather, WorldSize } from "./weather.ts";

export interface Plan {
  readonly requests: readonly Request[];
  /** Goes on after a refusal, where lvm's commands would end. */
  readonly stubborn: boolean;
}

export interface PlanContext {
  readonly random: Random;
  readonly size: WorldSize;
  readonly weather: Weather;
  isStarted(vg_name: string): boolean;
}

type Maker = (context: PlanContext, vg_name: string) => Request[];

export const vgName = (index: number): string => `vg${index}`;

const gl = (mode: "sh" | "ex" | "un"): Request => makeRequest("lock_gl", { mode });
const vg = (vg_name: string, mode: "sh" | "ex" | "un", more: RequestFields = {}): Request =>
  makeRequest("lock_vg", { vg_name, mode, ...more });
const lv = (
  vg_name: string,
  lv_uuid: string,
  mode: "sh" | "ex" | "un",
  persistent: boolean,
  unlock_cancel = false,
): Request =>
  makeRequest("lock_lv", { vg_name, lv_uuid, lv_name: lv_uuid, mode, opts: { persistent, unlock_cancel } });
const update = (vg_name: string, random: Random): Request =>
  makeRequest("vg_update", {
    vg_name,
    version: 1 + random.below(1000),
    opts: { next_version: random.chance(80) },
  });

const pickLv = ({ random, size }: PlanContext): string => `lv${random.below(size.lvs_per_vg)}`;

export function startRequests(vg_name: string, { lock_type, machine_failures }: Weather): Request[] {
  const vg_lock_args = machine_failures ? "2.0.0:lvmlock:persist" : "1.0.0:x";
  const fields = { vg_name, vg_uuid: `uuid ${vg_name}`, vg_lock_type: lock_type, vg_lock_args };
  return [makeRequest("start_vg", fields), makeRequest("start_wait")];
}

const list: Maker = (_, vg_name) => [gl("sh"), vg(vg_name, "sh"), vg(vg_name, "un")];

const activate: Maker = (context, vg_name) => {
  const mode = context.random.chance(60) ? "ex" : "sh";
  const requests = [vg(vg_name, "sh")];
  for (let n = 1 + context.random.below(3); n > 0; n--)
    requests.push(lv(vg_name, pickLv(context), mode, true));
  return [...requests, vg(vg_name, "un")];
};

const deactivate: Maker = (context, vg_name) => {
  const requests = [vg(vg_name, "sh")];
  for (let n = 1 + context.random.below(4); n > 0; n--)
    requests.push(lv(vg_name, pickLv(context), "un", true));
  return [...requests, vg(vg_name, "un")];
};

const change: Maker = (context, vg_name) => [
  vg(vg_name, "ex"),
  lv(vg_name, pickLv(context), "ex", false),
  update(vg_name, context.random),
  vg(vg_name, "un"),
];

const create: Maker = (context, vg_name) => {
  const lv_uuid = pickLv(context);
  return [
    vg(vg_name, "ex"),
    makeRequest("find_free_lock", { vg_name }),
    makeRequest("init_lv", { vg_name, lv_uuid, vg_lock_type: context.weather.lock_type }),
    update(vg_name, context.random),
    lv(vg_name, lv_uuid, "ex", true),
    vg(vg_name, "un"),
  ];
};

const remove: Maker = (context, vg_name) => {
  const lv_uuid = pickLv(context);
  return [
    vg(vg_name, "ex"),
    lv(vg_name, lv_uuid, "ex", true),
    lv(vg_name, lv_uuid, "un", true),
    update(vg_name, context.random),
    makeRequest("free_lv", { vg_name, lv_uuid }),
    vg(vg_name, "un"),
  ];
};

const globalChange: Maker = (_, vg_name) => [gl("ex"), vg(vg_name, "ex"), vg(vg_name, "un"), gl("un")];

/** Any locks in any order: re-requests, conversions, transient over persistent, circles, cancels. */
const unruly: Maker = (context, vg_name) => {
  const { random, size } = context;
  const requests: Request[] = [];
  for (let n = 3 + random.below(12); n > 0; n--) {
    const where = random.chance(70) ? vg_name : vgName(random.below(size.vgs));
    const mode = random.pick(["sh", "sh", "ex", "ex", "un"] as const);
    requests.push(
      random.weighted([
        [2, () => gl(mode)],
        [4, () => vg(where, mode, { max_retries: random.below(3) })],
        [8, () => lv(where, pickLv(context), mode, random.chance(50), random.chance(20))],
        [1, () => update(where, random)],
        [1, () => makeRequest("query_lock_lv", { vg_name: where, lv_uuid: pickLv(context) })],
        [1, () => makeRequest("vg_status", { vg_name: where })],
        [1, () => makeRequest("running_lm")],
      ])(),
    );
  }
  return requests;
};

const start: Maker = ({ weather }, vg_name) => [gl("sh"), ...startRequests(vg_name, weather), gl("un")];

const administer: Maker = ({ random, weather }, vg_name) => {
  const force = random.below(10_000) < weather.forced_stops * 5;
  return random.weighted<Request[]>([
    [6, [vg(vg_name, "sh"), makeRequest("stop_vg", { vg_name, opts: { force } })]],
    [3, [makeRequest("busy_vg", { vg_name })]],
    [force ? 1 : 0, [vg(vg_name, "ex"), makeRequest("free_vg", { vg_name })]],
    [force ? 1 : 0, [vg(vg_name, "ex"), makeRequest("rename_vg_before", { vg_name })]],
    [force ? 1 : 0, [makeRequest("kill_vg", { vg_name }), makeRequest("drop_vg", { vg_name })]],
    [1, [makeRequest("stop_all", { opts: { force, wait: force } })]],
    [6, [makeRequest("disable_gl", { vg_name }), gl("sh"), makeRequest("enable_gl", { vg_name })]],
    [1, [makeRequest("setlockargs_vg_before", { vg_name })]],
  ]);
};

const COMMANDS: readonly (readonly [number, Maker])[] = [
  [10, list],
  [10, activate],
  [9, deactivate],
  [6, change],
  [3, create],
  [3, remove],
  [3, globalChange],
  [8, unruly],
];

/** What the next client does. VGs that are not started get started by some of them. */
export function drawPlan(context: PlanContext): Plan {
  const { random, size, weather } = context;
  const vg_name = vgName(random.below(size.vgs));
  if (!context.isStarted(vg_name) && random.chance(60))
    return { requests: start(context, vg_name), stubborn: true };
  if (random.below(10_000) < 20 + weather.forced_stops)
    return { requests: administer(context, vg_name), stubborn: true };
  const maker = random.weighted(COMMANDS);
  return { requests: maker(context, vg_name), stubborn: maker === unruly || random.chance(10) };
}

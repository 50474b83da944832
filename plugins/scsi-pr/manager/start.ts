/** Starting a VG: looking at its PVs, and having all of them or none. */
import { LIMITS } from "../../../core/limits.ts";
import {
  type Answer,
  type JoinCall,
  type PrepareCall,
  type Refused,
  refuse,
  type TakeOver,
} from "../../contract.ts";
import { parseReservationKey } from "../keys.ts";
import type { PrRefusal, ReservationKey } from "../reservable.ts";
import { closeAll, type HeldPv, observeAll, type Seen } from "./devices.ts";
import { undoReserve } from "./give-back.ts";
import { describeKey, ownerOf } from "./holder.ts";
import { whyForeign } from "./lock-args.ts";
import { type LockspaceState, logLine } from "./lockspace-state.ts";
import { giveBackLeft } from "./members.ts";
import { ownKey } from "./own-key.ts";
import { type Plan, planStart, type Step } from "./plan.ts";
import type { Pv } from "./pv-source.ts";
import { whyNotAt } from "./reopen.ts";
import { reserveDevice, whyNotThisHost } from "./reserve.ts";
import { startWatch } from "./watch.ts";

const PREPARED = Object.freeze({
  kind: "done",
  lm_result: 0,
  prev_generation: 0,
  global_lock: "not-here",
} as const);
const JOINED = Object.freeze({ kind: "done", generation: 0, global_lock: "not-here" } as const);

type Prepared = Answer<{ lm_result: number; prev_generation: number; global_lock: "not-here" }>;
type Joined = Answer<{ generation: number; global_lock: "not-here" }>;

/** Whether the VG can be started: its lock args, this host's key, and who holds its PVs. Nothing is changed. */
export async function prepare(
  state: LockspaceState,
  { take_over, adopt = "no" }: PrepareCall,
): Promise<Prepared> {
  const { identity, tools } = state;
  const foreign = whyForeign(identity.vg_lock_args);
  if (foreign !== null) return refuse("EARGS", foreign);
  const own = ownKey(tools.settings, identity.host_id);
  if (own.kind === "refused") return own;
  state.key = own.key;
  if (state.joined) return PREPARED;
  const listed = await tools.pvsOf(identity);
  if (listed.kind === "refused") return listed;
  state.pvs = listed.pvs;
  if (listed.remark !== undefined) logLine(state, "warning", listed.remark);
  const remove = keyToRemove(take_over);
  if (remove !== null && typeof remove === "object") return remove;
  const seen = observeAll(tools.open, listed.pvs);
  if (seen.kind !== "seen") return refuseFor(seen);
  const observations = seen.all.map(({ observation }) => observation);
  const takes_up = adopt !== "no";
  const planned = planStart(observations, { own: own.key, remove, takes_up, shuts_out: takes_up });
  const plan = planned.kind === "plan" ? foreignNexus(seen.all, planned, own.key) : planned;
  closeAll(seen.all.map(({ held }) => held));
  if (plan.kind !== "refused") return PREPARED;
  if (adopt !== "no" && plan.code === "EBUSY") lostWhileDead(state, plan);
  return plan;
}

/** A PV that is kept has to be this host's by more than the key; lvm's command fails only for what is refused here, before the join. */
function foreignNexus(all: readonly Seen[], plan: Plan & { kind: "plan" }, key: ReservationKey): Plan {
  const kept = all.filter((_, index) => isOurs(plan.steps[index]));
  const problems = kept.flatMap(({ held }) => whyNotThisHost(held.device, key) ?? []);
  const elsewhere = problems.flatMap((problem) => (problem.kind === "elsewhere" ? problem.detail : []));
  if (elsewhere.length > 0) return refuse("EBUSY", elsewhere.join("; "), { owner: ownerOf(key) });
  // EBUSY says that somebody else has the VG, and an adoption kills it for that: a device that did not say proves no such thing.
  const [unknown] = problems.flatMap((problem) => (problem.kind === "unknown" ? problem.refusal : []));
  return unknown === undefined ? plan : refuseFor(unknown);
}

/** The PV is this host's before anything is done: nobody else was let in, whatever became of the type. */
function isOurs(step: Step | undefined): boolean {
  return step === "keep" || step === "correct";
}

/** Reserves every PV, or takes the VG over. All or nothing: a failure undoes what this call has changed, and no more. */
export async function join(state: LockspaceState, { adopt, take_over }: JoinCall): Promise<Joined> {
  const { lockspace_name } = state.identity;
  if (state.joined) return refuse("EEXIST", `lockspace ${lockspace_name} is joined already`);
  const remove = keyToRemove(take_over);
  if (remove !== null && typeof remove === "object") return remove;
  let pvs = state.pvs;
  state.was_ours = true;
  for (let tries = 0; ; tries++) {
    const refused = reserveAll(state, pvs, remove, adopt);
    if (refused !== null) {
      undoAll(state);
      return refused;
    }
    // Only now can nobody else change the VG, so its PVs are read again: the host that had it may have added one.
    const listed = await state.tools.pvsOf(state.identity);
    if (listed.kind === "refused") {
      undoAll(state);
      return listed;
    }
    const elsewhere = state.held.flatMap((held) => {
      const pv = listed.pvs.find(({ id }) => id === held.pv.id);
      return pv === undefined ? [] : (whyNotAt(state, held, pv) ?? []);
    });
    if (elsewhere.length > 0) {
      undoAll(state);
      return refuse("EPREPARE", `names of disks changed while the VG was started: ${elsewhere.join("; ")}`);
    }
    pvs = listed.pvs.filter(({ id }) => state.held.every((held) => held.pv.id !== id));
    if (pvs.length === 0) {
      giveBackLeft(state, listed.pvs, remove);
      break;
    }
    if (tries === LIMITS.pr_list_tries) {
      undoAll(state);
      return refuse("EPREPARE", "the VG's PVs change again and again while it is started");
    }
  }
  state.joined = true;
  state.lost = null;
  state.taken_from = remove === state.key ? null : remove;
  startWatch(state);
  return JOINED;
}

/** The key of a take-over, null without one, a refusal for a text that is none. */
function keyToRemove(take_over: TakeOver | undefined): ReservationKey | null | Refused {
  if (take_over === undefined) return null;
  const parsed = parseReservationKey(take_over.remove_key);
  return parsed.kind === "key" ? parsed.key : refuse("EINVAL", parsed.detail);
}

/** Looks at these PVs, and reserves them unless one of them can't be had. They are in `state.held` from then on. */
function reserveAll(
  state: LockspaceState,
  pvs: readonly Pv[],
  remove: ReservationKey | null,
  adopt: JoinCall["adopt"],
): Refused | null {
  const { key, tools } = state;
  const seen = observeAll(tools.open, pvs);
  if (seen.kind !== "seen") return refuseFor(seen);
  const observations = seen.all.map(({ observation }) => observation);
  // A second look concerns PVs that were added: the key to remove need not be on them.
  const sought =
    state.held.length === 0 || observations.some(({ keys }) => remove !== null && keys.includes(remove));
  const takes_up = adopt !== "no";
  const wish = { own: key, remove: sought ? remove : null, takes_up, shuts_out: takes_up };
  const plan = planStart(observations, wish);
  const refused = plan.kind === "refused" ? plan : adoptable(plan.steps, adopt);
  if (plan.kind === "refused" || refused !== null) {
    closeAll(seen.all.map(({ held }) => held));
    if (plan.kind === "refused" && adopt !== "no" && plan.code === "EBUSY") lostWhileDead(state, plan);
    return refused;
  }
  if (!plan.steps.every(isOurs)) state.was_ours = false;
  for (const warning of plan.warnings) logLine(state, "warning", warning);
  const todo = seen.all.map((one, index) => ({ ...one, step: plan.steps[index] ?? "take" }));
  state.held.push(...todo.map(({ held }) => held));
  for (const { held, step } of todo) {
    const problem = reserveOne(state, held, step, remove);
    if (problem === null) continue;
    if (held.changed.given_up)
      lostWhileDead(
        state,
        problem,
        `it was lost while the reservation of ${held.pv.path} was made one of the right type`,
      );
    return problem;
  }
  return null;
}

function adoptable(steps: readonly Step[], adopt: JoinCall["adopt"]): Refused | null {
  if (adopt !== "only-orphan" || steps.every(isOurs)) return null;
  return refuse("EADOPT_NONE", "no earlier lvmlockd of this host has left the VG's PVs reserved");
}

/** The VG is not this host's any more, or perhaps not: its LVs may be active here, and somebody has to be told. */
function lostWhileDead(
  state: LockspaceState,
  { detail }: Refused,
  how = "it was lost while lvmlockd did not run",
): void {
  const { vg_name } = state.identity;
  logLine(state, "error", `${how}: ${detail}`);
  state.tools.kill(vg_name);
}

function reserveOne(
  state: LockspaceState,
  { device, type, changed, pv }: Seen["held"],
  step: Step,
  remove: ReservationKey | null,
): Refused | null {
  const warn = (text: string): void => logLine(state, "warning", text);
  if (step === "preempt" && remove !== null)
    logLine(state, "warning", `${pv.path} is taken over from ${describeKey(remove)}`);
  const answer = reserveDevice(device, { key: state.key, remove, type, step }, changed, warn);
  return answer.kind === "done" ? null : refuseFor(answer);
}

/** Takes back what the start has changed, in the reverse order, and says where that was not possible. */
function undoAll(state: LockspaceState): void {
  const kept: HeldPv[] = [];
  for (const held of state.held.toReversed()) {
    const { device, type, changed, pv } = held;
    if (changed.preempted) kept.push(held);
    const undone = undoReserve(device, state.key, type, changed);
    if (undone.kind !== "done")
      logLine(
        state,
        "error",
        `what the failed start did to ${pv.path} could not be undone: ${undone.detail}`,
      );
  }
  if (kept.length > 0) {
    const paths = kept.map(({ pv }) => pv.path).join(", ");
    const text = `the take-over failed after ${paths} had been taken over; they stay reserved by this host, because the host that was cut off could write to them otherwise: take over again`;
    logLine(state, "error", text);
  }
  closeAll(state.held);
  state.held = [];
}

/** A device's refusal as the contract's. */
export function refuseFor({ kind, detail }: PrRefusal): Refused {
  if (kind === "conflict") return refuse("EBUSY", detail);
  if (kind === "unsupported") return refuse("EPROTONOSUPPORT", detail);
  if (kind === "gone") return refuse("EDEVOPEN", detail);
  return kind === "denied" ? refuse("EPERM", detail) : refuse("ELOCKIO", detail);
}

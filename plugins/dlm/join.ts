import { DEADLINES } from "../../core/deadlines.ts";
import { type Answer, type GlobalLockState, type JoinCall, type Refused, refuse } from "../contract.ts";
import type { LockspaceHandlePointer, OpenerCall, OpenerResult } from "./client.ts";
import {
  type Condition,
  conditionOf,
  conditionText,
  hangingText,
  passes,
  refuseCondition,
  waitOf,
} from "./condition.ts";
import type { Hanging } from "./control.ts";
import { ERRNO } from "./flags.ts";
import type { LockspaceState, Opening } from "./lockspace-state.ts";
import { dropCommandLocks } from "./orphans.ts";
import { refuseErrno, whatIsMissing } from "./refusals.ts";
import { startWatch, stopWatch } from "./watch.ts";

/** What a worker that takes a lockspace over from one that died is told: it was joined. */
export const JOINED = "joined";

export type JoinAnswer = Answer<{ generation: number; global_lock: GlobalLockState }>;

/** Joins the lockspace, which waits for dlm_controld and the other nodes. */
export async function join(state: LockspaceState, { adopt }: JoinCall): Promise<JoinAnswer> {
  const { tools, identity } = state;
  const { lockspace_name } = identity;
  if (state.handle !== null)
    return refuse("EEXIST", `${lockspace_name} is joined already`, { lm_result: -ERRNO.EEXIST });
  const missing = await whatIsMissing(tools);
  if (missing !== null) return refuse("EMANAGER", missing);
  if (state.opening?.kind === "release") {
    // A stop that was given up: the lockspace is joined anew when it is through.
    const left = await goOn(state, state.opening, DEADLINES.dlm_leave_ms);
    if ("kind" in left) return left;
  }
  const exists = tools.kernel.lockspace(lockspace_name) !== "gone";
  if (!exists && adopt === "only-orphan")
    return refuse("EADOPT_NONE", "no earlier lvmlockd has left the lockspace joined");
  if (exists && adopt === "no" && state.opening === null) return refuseLeftOver(lockspace_name);
  if ((await tools.control.isQuorate()) === false)
    return refuseCondition({ kind: "no-quorum" }, lockspace_name);
  const opened = await open(state, exists);
  return "kind" in opened ? opened : joined(state, opened, exists);
}

function refuseLeftOver(lockspace_name: string): Refused {
  return refuse(
    "EEXIST",
    `${lockspace_name} is joined on this host already, by an lvmlockd that has died or by another program: start the VG with \`vgchange --lockstart --lockopt adopt\`, or give it up with \`dlm_tool leave ${lockspace_name}\` when none of its LVs is active`,
    { lm_result: -ERRNO.EEXIST },
  );
}

async function open(state: LockspaceState, exists: boolean): Promise<OpenerResult | Refused> {
  const { tools, identity, opening } = state;
  const name = identity.lockspace_name;
  if (opening !== null) return goOn(state, opening, DEADLINES.dlm_join_ms);
  if (exists) tools.kernel.closeLeftovers(name);
  return waitFor(state, { kind: exists ? "open" : "create", name }, DEADLINES.dlm_join_ms);
}

/** Makes a call that waits for the cluster. One that is given up goes on, and the next join or leave takes its result. */
function waitFor(
  state: LockspaceState,
  call: OpenerCall,
  within_ms: number,
): Promise<OpenerResult | Refused> {
  const opening = { kind: call.kind, result: state.tools.opener(call) };
  state.opening = opening;
  return goOn(state, opening, within_ms);
}

/** Waits for such a call, telling what the cluster waits for meanwhile. */
async function goOn(
  state: LockspaceState,
  { result: opened }: Opening,
  within_ms: number,
): Promise<OpenerResult | Refused> {
  const { clock, control } = state.tools;
  const { lockspace_name } = state.identity;
  const until_ms = clock.now_ms() + within_ms;
  let blocked_since_ms = Number.POSITIVE_INFINITY;
  let told: Condition["kind"] = "recovering";
  for (;;) {
    const result = await Promise.race([opened, clock.sleep(DEADLINES.dlm_join_look_ms)]);
    if (result !== undefined) {
      state.opening = null;
      return result;
    }
    const condition = await waitOf(control, lockspace_name);
    const now_ms = clock.now_ms();
    if (condition.kind !== told) tellWait(state, condition);
    told = condition.kind;
    // Fencing takes its time and ends; a lost quorum or a daemon that died need a person.
    const isBlocked = !passes(condition) && condition.kind !== "fencing";
    blocked_since_ms = isBlocked ? Math.min(blocked_since_ms, now_ms) : Number.POSITIVE_INFINITY;
    if (now_ms - blocked_since_ms >= DEADLINES.dlm_blocked_ms || now_ms >= until_ms)
      return refuseCondition(condition, lockspace_name);
  }
}

function tellWait({ tools, identity }: LockspaceState, condition: Condition): void {
  const { lockspace_name } = identity;
  const text = conditionText(condition, lockspace_name);
  tools.context.news({ kind: "progress", lockspace_name, text, eta_ms: 0 });
}

function joined(state: LockspaceState, { handle, errno }: OpenerResult, inherited: boolean): JoinAnswer {
  const { tools } = state;
  const { lockspace_name } = state.identity;
  if (errno === ERRNO.EEXIST) return refuseLeftOver(lockspace_name);
  if (handle === 0)
    return refuseErrno(
      errno,
      `${lockspace_name} can't be joined (\`dlm_tool ls\` and \`dlm_tool dump\` may tell more)`,
    );
  state.handle = handle;
  state.inherited = inherited;
  state.has_block_bug = hasBlockBug(state);
  state.held.clear();
  state.late.clear();
  if (inherited && !state.taken_over) dropCommandLocks(state, handle);
  tools.context.news({ kind: "keep", lockspace_name, text: JOINED });
  startWatch(state);
  return { kind: "done", generation: 0, global_lock: "not-here" };
}

/** Version 6.0.1 of the kernel's interface, or one that does not tell, see `lock.ts`. */
function hasBlockBug({ tools }: LockspaceState): boolean {
  const version = tools.client.kernelVersion();
  return version === null || (version.major === 6 && version.minor === 0 && version.patch === 1);
}

/** Leaves the lockspace with whatever locks are in it. */
export async function leave(state: LockspaceState): Promise<Answer<object>> {
  const { tools, identity, opening } = state;
  const name = identity.lockspace_name;
  if (state.handle === null && opening === null) return { kind: "done" };
  const condition = await conditionOf(tools, name);
  if (condition.kind === "gone" && opening === null) return left(state);
  // The kernel would wait for a daemon that is not there.
  const daemon = await tools.control.daemon();
  if (daemon === "no-daemon") return refuseCondition({ kind: daemon }, name);
  if (daemon !== "answers") return refuseLeaveNow(state, daemon);
  stopWatch(state);
  if (opening !== null) {
    // A join or leave that was given up; what has come of it is left below.
    const result = await goOn(state, opening, DEADLINES.dlm_leave_ms);
    if ("kind" in result) return result;
    state.handle = result.handle === 0 ? null : result.handle;
  }
  return state.handle === null ? left(state) : release(state, state.handle);
}

/** Nothing has been done yet, and EBUSY lets the VG stay started: it can be stopped when the daemon goes on. */
function refuseLeaveNow({ tools, identity }: LockspaceState, daemon: Hanging): Refused {
  const text = `${identity.lockspace_name} can't be stopped now: ${hangingText(daemon)}`;
  tools.context.news({ kind: "log", level: "error", text });
  return refuse("EBUSY", text);
}

async function release(state: LockspaceState, handle: LockspaceHandlePointer): Promise<Answer<object>> {
  const name = state.identity.lockspace_name;
  // The library frees the handle first and leaves then: whatever comes of it, there is no handle any more.
  left(state);
  const result = await waitFor(state, { kind: "release", name, handle }, DEADLINES.dlm_leave_ms);
  if ("kind" in result) return result;
  if (result.errno === 0 || state.tools.kernel.lockspace(name) === "gone") return { kind: "done" };
  return refuseErrno(result.errno, `${name} can't be left, \`dlm_tool leave ${name}\` may help`);
}

function left(state: LockspaceState): Answer<object> {
  stopWatch(state);
  if (state.handle !== null)
    state.tools.context.news({ kind: "keep", lockspace_name: state.identity.lockspace_name, text: "" });
  state.handle = null;
  state.held.clear();
  state.late.clear();
  return { kind: "done" };
}

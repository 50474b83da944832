import { DEADLINES } from "../../core/deadlines.ts";
import type { Refused } from "../contract.ts";
import { errnoText } from "../native/errno.ts";
import type { OpenerCall, OpenerResult } from "./client.ts";
import { type Condition, conditionText, passes, refuseCondition, waitOf } from "./condition.ts";
import type { LockspaceState, Tools } from "./lockspace-state.ts";

/**
 * Calls that wait for the cluster and may outlive their request. The kernel takes none of them back, and the lockspace that asked for
 * one is forgotten when its start or stop is refused; so they are kept by name, and the next start or stop goes on with what it finds.
 */
export interface Opening {
  readonly kind: OpenerCall["kind"];
  readonly result: Promise<OpenerResult>;
  /** A join or leave waits for it and takes its result. */
  wanted: boolean;
}

export type Openings = Map<string, Opening>;

/** What the host is told to keep meanwhile: it gives the name's next lockspace to this worker, the only one that knows of the call. */
const UNDER_WAY = "under way";

export function begin(tools: Tools, call: OpenerCall): Opening {
  const opening = { kind: call.kind, result: tools.opener(call), wanted: true };
  tools.openings.set(call.name, opening);
  keep(tools, call.name, UNDER_WAY);
  return opening;
}

function over(tools: Tools, lockspace_name: string): void {
  tools.openings.delete(lockspace_name);
  keep(tools, lockspace_name, "");
}

function keep({ context }: Tools, lockspace_name: string, text: string): void {
  context.news({ kind: "keep", lockspace_name, text });
}

/** Waits for such a call and takes its result, telling what the cluster waits for meanwhile. One that is given up goes on. */
export async function resultOf(
  state: LockspaceState,
  opening: Opening,
  within_ms: number,
): Promise<OpenerResult | Refused> {
  const { tools } = state;
  const { lockspace_name } = state.identity;
  opening.wanted = true;
  const result = await waitFor(state, opening, within_ms);
  if ("kind" in result) giveUp(tools, lockspace_name, opening);
  else over(tools, lockspace_name);
  return result;
}

/**
 * Waits for a release that is under way: a stop that was given up, a start that is being taken back, or what a worker or lvmlockd that
 * has died had begun. Whatever was locked in the lockspace before that is through would be gone with it. Null when there is none.
 */
export async function waitUntilLeft(state: LockspaceState): Promise<Refused | null> {
  const { lockspace_name } = state.identity;
  const opening = state.tools.openings.get(lockspace_name);
  if (opening !== undefined && opening.kind !== "release") return null;
  const left =
    opening === undefined
      ? await othersRelease(state)
      : await resultOf(state, opening, DEADLINES.dlm_leave_ms);
  if (left === null || !("kind" in left)) return null;
  const detail = `the last stop of ${lockspace_name} on this host is still under way, and it can be started again as soon as that is through: ${left.detail}`;
  return { ...left, detail };
}

/** Without the call's result: dlm_controld knows of it first, and at last the kernel has no such lockspace any more. */
async function othersRelease({ tools, identity }: LockspaceState): Promise<Refused | null> {
  const { clock, control, kernel } = tools;
  const { lockspace_name } = identity;
  const until_ms = clock.now_ms() + DEADLINES.dlm_leave_ms;
  for (let seen = false; kernel.lockspace(lockspace_name) !== "gone"; ) {
    const info = await control.lockspace(lockspace_name);
    seen ||= info !== null && typeof info !== "string" && info.is_leaving;
    if (!seen) return null;
    if (clock.now_ms() >= until_ms)
      return refuseCondition(await waitOf(control, lockspace_name), lockspace_name);
    await clock.sleep(DEADLINES.dlm_join_look_ms);
  }
  return null;
}

async function waitFor(
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
    if (result !== undefined) return result;
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

function giveUp(tools: Tools, lockspace_name: string, opening: Opening): void {
  opening.wanted = false;
  void opening.result.then((result) => {
    const isOurs = tools.openings.get(lockspace_name) === opening && !opening.wanted;
    if (isOurs) cameThrough(tools, lockspace_name, opening, result);
  });
}

/** What was given up has come through, and nobody waits for it. */
function cameThrough(tools: Tools, name: string, { kind }: Opening, { handle, errno }: OpenerResult): void {
  // What was there before us has perhaps orphans that protect active LVs: it stays as it is, for the next start.
  if (kind === "open" && handle !== 0) return;
  if (kind === "create" && handle !== 0) {
    tell(tools, `the start of ${name} that was given up has come through, and is taken back`);
    giveUp(tools, name, begin(tools, { kind: "release", name, handle }));
    return;
  }
  over(tools, name);
  if (errno !== 0) tell(tools, `what was given up of ${name} (${kind}) has failed: ${errnoText(errno)}`);
}

function tell({ context }: Tools, text: string): void {
  context.news({ kind: "log", level: "warning", text });
}

/** Waits until nothing that was given up is under way any more. */
export async function allThrough({ openings }: Tools): Promise<void> {
  for (;;) {
    const left = [...openings.values()].filter(({ kind }) => kind !== "open");
    if (left.length === 0) return;
    await Promise.all(left.map(({ result }) => result));
  }
}

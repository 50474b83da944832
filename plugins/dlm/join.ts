import { DEADLINES } from "../../core/deadlines.ts";
import {
  type Adopt,
  type Answer,
  type GlobalLockState,
  type JoinCall,
  type Refused,
  refuse,
} from "../contract.ts";
import type { LockspaceHandlePointer, OpenerResult } from "./client.ts";
import { refuseCondition } from "./condition.ts";
import { ERRNO } from "./flags.ts";
import type { LockspaceState } from "./lockspace-state.ts";
import { begin, type Opening, resultOf, waitUntilLeft } from "./openings.ts";
import { dropCommandLocks } from "./orphans.ts";
import { refuseErrno, whatIsMissing } from "./refusals.ts";
import { collectLate } from "./requests.ts";
import { startWatch } from "./watch.ts";

/** What a worker that takes a lockspace over from one that died is told: it was joined, and what is locked there is this daemon's. */
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
  if ((await tools.control.isQuorate()) === false)
    return refuseCondition({ kind: "no-quorum" }, lockspace_name);
  const leaving = await waitUntilLeft(state);
  if (leaving !== null) return leaving;
  const opening = open(state, adopt);
  if (opening.kind === "refused") return opening;
  const result = await resultOf(state, opening, DEADLINES.dlm_join_ms);
  return "kind" in result ? result : joined(state, result, opening.kind === "open");
}

/** The call that brings the lockspace, which may be one that an earlier start has given up. It waits for nothing itself. */
function open({ tools, identity }: LockspaceState, adopt: Adopt): Opening | Refused {
  const name = identity.lockspace_name;
  const { kernel, openings } = tools;
  const underWay = openings.get(name);
  const exists = underWay === undefined ? kernel.lockspace(name) !== "gone" : underWay.kind === "open";
  if (!exists && adopt === "only-orphan")
    return refuse("EADOPT_NONE", "no earlier lvmlockd has left the lockspace joined");
  if (underWay !== undefined) return underWay;
  // Without a lock in it there is nothing to adopt: an lvmlockd has ended while the kernel still joined for it.
  if (exists && adopt === "no" && kernel.hasLocks(name) !== false) return refuseLeftOver(name);
  if (exists) kernel.closeLeftovers(name);
  return begin(tools, { kind: exists ? "open" : "create", name });
}

function refuseLeftOver(lockspace_name: string): Refused {
  return refuse(
    "EEXIST",
    `${lockspace_name} is joined on this host already, by an lvmlockd that has died or by another program: start the VG with \`vgchange --lockstart --lockopt adopt\`, or give it up with \`dlm_tool leave ${lockspace_name}\` when none of its LVs is active`,
    { lm_result: -ERRNO.EEXIST },
  );
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
  dropFirst(state, handle);
  if (tools.kernel.lockspace(lockspace_name) === "running") collectLate(state, handle);
  startWatch(state);
  return { kind: "done", generation: 0, global_lock: "not-here" };
}

/**
 * Has the locks of commands that died with an earlier lvmlockd dropped as soon as the lockspace runs. A worker that takes over before
 * that is not told that it was joined, because it has to drop them in place of this one; nothing has been locked until then.
 */
function dropFirst(state: LockspaceState, handle: LockspaceHandlePointer): void {
  const { tools, identity, inherited, taken_over } = state;
  const keep = (): void =>
    tools.context.news({ kind: "keep", lockspace_name: identity.lockspace_name, text: JOINED });
  const isClean = !inherited || taken_over;
  if (isClean) keep();
  state.first = isClean
    ? null
    : () => {
        dropCommandLocks(state, handle);
        keep();
      };
}

/** Version 6.0.1 of the kernel's interface, or one that does not tell, see `lock.ts`. */
function hasBlockBug({ tools }: LockspaceState): boolean {
  const version = tools.client.kernelVersion();
  return version === null || (version.major === 6 && version.minor === 0 && version.patch === 1);
}

import { DEADLINES } from "../../core/deadlines.ts";
import { type Answer, type Refused, refuse } from "../contract.ts";
import type { LockspaceHandlePointer } from "./client.ts";
import { conditionOf, hangingText, refuseCondition } from "./condition.ts";
import type { Hanging } from "./control.ts";
import type { LockspaceState } from "./lockspace-state.ts";
import { begin, resultOf } from "./openings.ts";
import { refuseErrno } from "./refusals.ts";
import { stopWatch } from "./watch.ts";

/** Leaves the lockspace with whatever locks are in it. */
export async function leave(state: LockspaceState): Promise<Answer<object>> {
  const { tools, identity } = state;
  const { openings } = tools;
  const name = identity.lockspace_name;
  if (state.handle === null && !openings.has(name)) return notRejoined(state) ?? { kind: "done" };
  const condition = await conditionOf(tools, name);
  if (condition.kind === "gone" && !openings.has(name)) return left(state);
  // The kernel would wait for a daemon that is not there.
  const daemon = await tools.control.daemon();
  if (daemon === "no-daemon") return refuseCondition({ kind: daemon }, name);
  if (daemon !== "answers") return refuseLeaveNow(state, daemon);
  stopWatch(state);
  const opening = openings.get(name);
  if (opening !== undefined) {
    // A join or leave that was given up; what has come of it is left below.
    const result = await resultOf(state, opening, DEADLINES.dlm_leave_ms);
    if ("kind" in result) return result;
    state.handle = result.handle === 0 ? null : result.handle;
  }
  return state.handle === null ? left(state) : release(state, state.handle);
}

/**
 * A worker has died and this one could not take the lockspace over: the kernel has it still, with the locks of the one that died, and
 * the other hosts are kept from those. Null when nothing was in use here; what another program has joined is its own.
 */
function notRejoined({ taken_over, tools, identity }: LockspaceState): Refused | null {
  const name = identity.lockspace_name;
  if (!taken_over || tools.kernel.lockspace(name) === "gone") return null;
  return refuse(
    "EMANAGER",
    `${name} is still joined in the kernel with the locks of a worker that died, which other hosts can't have: the next start takes it over (of a VG: \`vgchange --lockstart --lockopt adopt\`), or give it up with \`dlm_tool leave ${name}\` when none of its LVs is active`,
  );
}

/** Nothing has been done yet, and EBUSY lets the VG stay started: it can be stopped when the daemon goes on. */
function refuseLeaveNow({ tools, identity }: LockspaceState, daemon: Hanging): Refused {
  const text = `${identity.lockspace_name} can't be stopped now: ${hangingText(daemon)}`;
  tools.context.news({ kind: "log", level: "error", text });
  return refuse("EBUSY", text);
}

async function release(state: LockspaceState, handle: LockspaceHandlePointer): Promise<Answer<object>> {
  const { tools, identity } = state;
  const name = identity.lockspace_name;
  // The library frees the handle first and leaves then: whatever comes of it, there is no handle any more.
  left(state);
  const opening = begin(tools, { kind: "release", name, handle });
  const result = await resultOf(state, opening, DEADLINES.dlm_leave_ms);
  if ("kind" in result)
    return { ...result, detail: `the stop of ${name} goes on, but is not through: ${result.detail}` };
  if (result.errno === 0 || tools.kernel.lockspace(name) === "gone") return { kind: "done" };
  return refuseErrno(result.errno, `${name} can't be left, \`dlm_tool leave ${name}\` may help`);
}

function left(state: LockspaceState): Answer<object> {
  stopWatch(state);
  if (state.handle !== null)
    state.tools.context.news({ kind: "keep", lockspace_name: state.identity.lockspace_name, text: "" });
  state.handle = null;
  state.taken_over = false;
  state.held.clear();
  state.late.clear();
  state.first = null;
  return { kind: "done" };
}

import { DEADLINES } from "../../core/deadlines.ts";
import { conditionOf, conditionText } from "./condition.ts";
import type { LockspaceState } from "./lockspace-state.ts";
import { collectLate } from "./requests.ts";

/** Looks after a joined lockspace between requests: what was given up is finished, and people are told what keeps it from going on. */
export function startWatch(state: LockspaceState): void {
  stopWatch(state);
  state.told = "running";
  let looking = false;
  state.watch = setInterval(async () => {
    if (looking) return;
    looking = true;
    await look(state);
    looking = false;
  }, DEADLINES.dlm_watch_ms);
  // A lockspace alone does not keep a worker that is to end.
  state.watch.unref();
}

export function stopWatch(state: LockspaceState): void {
  if (state.watch !== null) clearInterval(state.watch);
  state.watch = null;
}

/** One look. */
export async function look(state: LockspaceState): Promise<void> {
  const { handle, tools, identity } = state;
  if (handle === null) return;
  const { lockspace_name } = identity;
  const condition = await conditionOf(tools, lockspace_name);
  // It may have been left while dlm_controld was asked, and then the handle is freed memory.
  if (state.handle !== handle) return;
  if (condition.kind === "running") collectLate(state, handle);
  if (condition.kind === state.told || condition.kind === "recovering") return;
  const was = state.told;
  state.told = condition.kind;
  const text = conditionText(condition, lockspace_name);
  if (condition.kind === "gone") {
    stopWatch(state);
    tools.context.news({ kind: "lockspace-lost", lockspace_name, reason: text });
  } else if (condition.kind === "running") {
    tools.context.news({ kind: "log", level: "warning", text: `${text} again (it was stopped: ${was})` });
  } else {
    tools.context.news({ kind: "log", level: "error", text });
  }
}

import type { LockspaceState } from "./lockspace-state.ts";
import { NO_DAEMON } from "./refusals.ts";
import { isNoDaemon } from "./return-codes.ts";

/**
 * Looks at a return value for the end of sanlock's daemon. What was held through it is not protected any more once the host's
 * lease runs out, so the daemon is told that the lockspace is lost; with nothing held, a refusal for whoever asks is enough.
 */
export function noteConnection(state: LockspaceState, rv: number): void {
  if (!isNoDaemon(rv) || !state.joined || state.told_lost) return;
  if (state.held.size === 0 && !state.taken_over) return;
  state.told_lost = true;
  const { lockspace_name } = state.identity;
  const reason = `${NO_DAEMON}; ${state.taken_over ? "some" : state.held.size} locks were held`;
  state.tools.context.news({ kind: "lockspace-lost", lockspace_name, reason });
}

/** start_wait: a client learns that all it started, or met while it was starting, serves, or what failed first. */
import type { Request } from "../wire/message.ts";
import { reply } from "./replies.ts";
import type { Client, Lockspace, State } from "./state.ts";

/** For the start_wait of everybody who began this start or met it; the first failure is what they are told. */
export function noteStartFailure(state: State, lockspace: Lockspace, result: number): void {
  for (const client of state.clients.values()) {
    if (client.starts.delete(lockspace) && client.start_failure === 0) client.start_failure = result;
  }
}

/** start_wait waits for what this client started or met while it was starting, and reports the first failure. */
export function startWait(state: State, client: Client, request: Request): void {
  state.start_waiters.push({ client, request, answered: false });
  answerStartWaits(state);
}

export function answerStartWaits(state: State): void {
  for (let i = state.start_waiters.length - 1; i >= 0; i--) {
    const waiting = state.start_waiters[i];
    if (waiting === undefined) continue;
    const { client, request } = waiting;
    for (const lockspace of client.starts) if (isSettled(state, lockspace)) client.starts.delete(lockspace);
    if (client.starts.size > 0 && client.open) continue;
    state.start_waiters.splice(i, 1);
    const result = client.start_failure;
    client.start_failure = 0;
    reply(state, client, request, null, result);
  }
}

/** Whether a start is over: the lockspace serves, stops, or is gone. */
function isSettled(state: State, lockspace: Lockspace): boolean {
  if (state.by_vg.get(lockspace.identity.vg_name) !== lockspace) return true;
  return lockspace.state === "started" || lockspace.state === "stopping";
}

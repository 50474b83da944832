/** Stopping everything: stop_all, quit and SIGTERM. */
import { wireResult } from "../errors.ts";
import type { Request } from "../wire/message.ts";
import { allLockspaces, locksKept } from "./lockspace.ts";
import { beginStop } from "./lockspace-stop.ts";
import { reply } from "./replies.ts";
import type { Client, State } from "./state.ts";

/**
 * stop_all: stops what holds no lock (with `force` everything) and answers how many lockspaces are left, as the C daemon does;
 * with `wait` it answers 0 once there are none.
 */
export function stopAll(state: State, client: Client, request: Request): void {
  const left = stopEvery(state, request.opts.force);
  if (left === 0 || !request.opts.wait) reply(state, client, request, null, left);
  else state.stop_alls.push({ client, request });
}

/** Locks were released or a lockspace has gone: a waiting stop_all may get further. */
export function answerStopAlls(state: State): void {
  state.released = false;
  for (const waiting of [...state.stop_alls]) {
    const { client, request } = waiting;
    const left = client.open ? stopEvery(state, request.opts.force) : 0;
    const index = state.stop_alls.indexOf(waiting);
    if (left > 0 || index < 0) continue;
    state.stop_alls.splice(index, 1);
    reply(state, client, request, null, 0);
  }
}

/** A manager refused to let a lockspace go: trying at once would be refused again, so those who want everything stopped are told. */
export function stopAllRefused(state: State): void {
  const left = state.by_vg.size + state.globals.size;
  for (const { client, request } of state.stop_alls) reply(state, client, request, null, left);
  state.stop_alls.length = 0;
  if (!state.quitting) return;
  state.quitting = false;
  state.effects.push({ kind: "stay", vg_names: [...state.by_vg.keys()] });
}

function stopEvery(state: State, force: boolean): number {
  let left = 0;
  for (const lockspace of [...allLockspaces(state)]) {
    left++;
    if (lockspace.stop_wanted || (locksKept(lockspace) > 0 && !force)) continue;
    beginStop(state, lockspace, { client: null, request: null, free_vg: false });
  }
  return left;
}

/** quit: refused while a VG is started. A lockspace that only serves the global lock goes along when nobody holds that. */
export function quit(state: State, client: Client): void {
  const busy =
    state.by_vg.size > 0 || [...state.globals.values()].some((lockspace) => locksKept(lockspace) > 0);
  const result = busy ? wireResult("EBUSY") : 0;
  if (client.open)
    state.effects.push({ kind: "reply", client_id: client.id, reply: { shape: "hello", result } });
  if (!busy) goAway(state);
}

/** SIGTERM: everything stops and the daemon goes, or, while a lock is held anywhere, nothing stops and it stays. */
export function terminate(state: State): void {
  const held = [...allLockspaces(state)].filter(
    (lockspace) => locksKept(lockspace) > 0 && !lockspace.stop_wanted,
  );
  if (held.length === 0) {
    goAway(state);
    return;
  }
  const vg_names = held.map(({ is_global, identity }) => (is_global ? "(global lock)" : identity.vg_name));
  state.effects.push({ kind: "stay", vg_names });
}

function goAway(state: State): void {
  state.quitting = true;
  stopEvery(state, false);
  quitWhenEmpty(state);
}

export function quitWhenEmpty(state: State): void {
  if (!state.quitting || state.by_vg.size > 0 || state.globals.size > 0) return;
  state.effects.push({ kind: "quit" });
}

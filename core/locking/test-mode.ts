/** Test mode only: pretending that another host holds an LV lock, as lvm's own tests ask for (set_remote_lv_lock). */
import { wireResult } from "../errors.ts";
import { OP_NUMBER, type Request } from "../wire/message.ts";
import type { Client, Resource, State } from "./state.ts";
import { disown } from "./unlock.ts";

/** The reply of set_remote_lv_lock has a shape of its own. */
export function replyShort(state: State, client: Client, request: Request, result: number): void {
  if (!client.open) return;
  const reply = { shape: "short", op: OP_NUMBER[request.name], result } as const;
  state.effects.push({ kind: "reply", client_id: client.id, reply });
}

/** Refuses the request outside of test mode; true when it was refused. */
export function refuseOutsideTestMode(state: State, client: Client, request: Request): boolean {
  if (state.options.test_mode) return false;
  replyShort(state, client, request, wireResult("EPERM"));
  return true;
}

/** The mode "un" (or any other word) ends the pretence; a persistent lock of this host is dropped so that the next request meets it. */
export function setRemoteLock(state: State, client: Client, request: Request, resource: Resource): void {
  resource.remote = request.mode === "ex" || request.mode === "sh" ? request.mode : null;
  if (resource.persistent !== null) disown(state, resource.persistent);
  resource.rescan = true;
  replyShort(state, client, request, 0);
}

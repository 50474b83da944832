/** Asking every configured lock manager whether it runs: for running_lm, for the type of the global lock, for the flag NO_LM. */

import type { LockType } from "../../plugins/contract.ts";
import { assert } from "../assert.ts";
import { wireResult } from "../errors.ts";
import type { Request } from "../wire/message.ts";
import type { ManagerAnswer } from "./api.ts";
import { askManager, resultFlag } from "./calls.ts";
import { chooseGlobalLock } from "./global-lock.ts";
import { reply } from "./replies.ts";
import type { Client, PendingCall, Probe, State } from "./state.ts";

/** The numbers by which LVM knows lock managers; running_lm answers with one of them. */
const LM_NUMBER: Readonly<Record<LockType, number>> = { dlm: 2, sanlock: 3, idm: 4 };

export function probe(
  state: State,
  purpose: Probe["purpose"],
  client: Client,
  request: Request,
  result: number,
  lm_result: number,
): void {
  const running: LockType[] = [];
  const asked: Probe = { outstanding: 0, running, purpose, client, request, result, lm_result };
  if (state.options.test_mode) {
    // As in the C daemon's test mode: the manager that "runs" is the one whose global lock is in use.
    if (state.gl_type !== null) running.push(state.gl_type);
    conclude(state, asked);
    return;
  }
  const types = Object.keys(state.options.managers) as LockType[];
  if (types.length === 0) {
    conclude(state, asked);
    return;
  }
  asked.outstanding = types.length;
  for (const type of types) askManager(state, type, "isRunning", {}, probed, { probe: asked });
}

function probed(state: State, call: PendingCall, answer: ManagerAnswer): void {
  if (!call.late) countProbed(state, call, mayRun(answer));
}

/**
 * One that hangs, or whose answer makes no sense, may be running: on another host it may keep the global lock, and choosing another
 * manager's here would give that lock to two hosts. Only a manager that says no, or whose library is not there to be asked, does not run.
 */
function mayRun(answer: ManagerAnswer): boolean {
  if (answer.kind === "refused") return answer.lm_result !== 0 || answer.code === "ELMERR";
  return resultFlag(answer, "running");
}

/** Nor is silence a no. */
export function probeLate(state: State, call: PendingCall): void {
  countProbed(state, call, true);
}

function countProbed(state: State, call: PendingCall, running: boolean): void {
  const asked = call.probe;
  assert(asked !== null, "a probe call has its probe");
  if (running) asked.running.push(call.lock_type);
  asked.outstanding--;
  if (asked.outstanding === 0) conclude(state, asked);
}

function conclude(state: State, asked: Probe): void {
  const { client, request, running } = asked;
  switch (asked.purpose) {
    case "choose_gl":
      chooseGlobalLock(state, client, request, running);
      return;
    case "flags":
      reply(state, client, request, null, asked.result, { lm_result: asked.lm_result }, running.length === 0);
      return;
    case "running_lm": {
      const first = running[0];
      const result =
        first === undefined
          ? wireResult("ENOLCK")
          : running.length > 1
            ? wireResult("EXFULL")
            : LM_NUMBER[first];
      reply(state, client, request, null, result);
    }
  }
}

/** What went wrong without anybody being there to be told: kept for `lvmlockctl --info`, bounded, newest last. */

import type { ErrorName } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { log } from "./replies.ts";
import type { State } from "./state.ts";

export function noteIncident(state: State, vg_name: string, code: ErrorName, text: string): void {
  if (state.incidents.length >= LIMITS.incidents) state.incidents.shift();
  state.incidents.push({ at_ms: state.now_ms, vg_name, code, text });
  log(state, "error", text);
}

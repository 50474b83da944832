import { type ErrorName, wireResult } from "../errors.ts";
import { NO_FLAGS, type Reply } from "../wire/message.ts";

/** The answer to what can't be handed to the core: the normal shape with an error and its reason. `op` is 0 when unknown. */
export function errorReply(op: number, error: ErrorName, detail: string): Reply {
  return {
    shape: "normal",
    op,
    lock_type: "none",
    result: wireResult(error),
    lm_result: 0,
    flags: NO_FLAGS,
    ls_generation: 0,
    owner: null,
    detail,
  };
}

import { ERRORS } from "../../core/errors.ts";
import type { LockspaceMethod, ManagerAnswer, ManagerMethod } from "../../core/locking/api.ts";
import { type Capabilities, type Owner, refuse } from "../contract.ts";

/** Every method that the core can ask for. */
export type PluginMethod = LockspaceMethod | ManagerMethod;

type Results = Readonly<Record<string, unknown>>;

const isNumber = (value: unknown): boolean => typeof value === "number";
const isString = (value: unknown): boolean => typeof value === "string";
const isBoolean = (value: unknown): boolean => typeof value === "boolean";
const isGlobalLockState = (value: unknown): boolean =>
  value === "enabled" || value === "disabled" || value === "not-here";

function isObject(value: unknown): value is Results {
  return typeof value === "object" && value !== null;
}

function isValueBlock(value: unknown): boolean {
  return isObject(value) && isNumber(value.layout) && isNumber(value.flags) && isNumber(value.r_version);
}

function isOwner(value: unknown): boolean {
  return (
    isObject(value) &&
    isNumber(value.host_id) &&
    isNumber(value.generation) &&
    isNumber(value.timestamp_s) &&
    isString(value.state) &&
    isString(value.name)
  );
}

function isCallTimes(value: unknown): boolean {
  return (
    isObject(value) &&
    [value.join_ms, value.leave_ms, value.lock_ms, value.query_ms].every((ms) => Number.isFinite(ms))
  );
}

/** What the results of a method must look like; the core relies on it. One small function each, this is the hot path. */
const RESULTS: Readonly<Record<PluginMethod, (results: Results) => boolean>> = {
  prepare: ({ lm_result, prev_generation, global_lock, call_times, fencing_problem }) =>
    isNumber(lm_result) &&
    isNumber(prev_generation) &&
    isGlobalLockState(global_lock) &&
    (call_times === undefined || isCallTimes(call_times)) &&
    (fencing_problem === undefined || isString(fencing_problem)),
  join: ({ generation, global_lock }) => isNumber(generation) && isGlobalLockState(global_lock),
  leave: () => true,
  lock: ({ lm_result, value_block, adopted }) =>
    isNumber(lm_result) && isBoolean(adopted) && (value_block === null || isValueBlock(value_block)),
  convert: ({ lm_result }) => isNumber(lm_result),
  unlock: ({ lm_result }) => isNumber(lm_result),
  hosts: ({ others, unknown }) => isNumber(others) && isBoolean(unknown),
  status: ({ lm_result, owner }) => isNumber(lm_result) && isOwner(owner),
  findFreeLock: () => true,
  freeLv: () => true,
  setGlobalLock: () => true,
  hasGlobalLock: ({ enabled }) => isBoolean(enabled),
  allowLockArgs: () => true,
  setHostDead: () => true,
  isRunning: ({ running }) => isBoolean(running),
  initVg: ({ lm_result, vg_lock_args, global_lock }) =>
    isNumber(lm_result) && isString(vg_lock_args) && isGlobalLockState(global_lock),
  initLv: ({ lm_result, lv_lock_args }) => isNumber(lm_result) && isString(lv_lock_args),
  renameVg: ({ lm_result, vg_lock_args }) => isNumber(lm_result) && isString(vg_lock_args),
  setLockArgs: ({ lm_result, vg_lock_args }) => isNumber(lm_result) && isString(vg_lock_args),
  refreshLv: () => true,
};

function isRefused({ code, lm_result, owner, retry, detail }: Results): boolean {
  return (
    typeof code === "string" &&
    Object.hasOwn(ERRORS, code) &&
    isNumber(lm_result) &&
    (owner === null || isOwner(owner)) &&
    (retry === "soon" || retry === "after-fence" || retry === "never") &&
    isString(detail)
  );
}

/** Is this an answer that the contract allows for the method? */
export function isAnswer(method: PluginMethod, answer: unknown): answer is ManagerAnswer {
  if (!isObject(answer)) return false;
  if (answer.kind === "done") return RESULTS[method](answer);
  return answer.kind === "refused" && isRefused(answer);
}

const DONE: ManagerAnswer = Object.freeze({ kind: "done" });
const NOBODY: Owner = Object.freeze({ host_id: 0, generation: 0, timestamp_s: 0, state: "", name: "" });
const NO_STATUS: ManagerAnswer = Object.freeze({ kind: "done", lm_result: 0, owner: NOBODY });
const NO_GLOBAL_LOCK: ManagerAnswer = Object.freeze({ kind: "done", enabled: false });

/**
 * The answer for a method that a plugin left out: that it is not supported, or, where the C daemon has nothing to do for
 * such a manager and says 0, that it is done.
 */
export function neutralAnswer(method: PluginMethod, name: string, capabilities: Capabilities): ManagerAnswer {
  switch (method) {
    case "status":
      return NO_STATUS;
    case "hasGlobalLock":
      return NO_GLOBAL_LOCK;
    case "findFreeLock":
    case "freeLv":
      if (!capabilities.on_disk_leases) return DONE;
      break;
    default:
      break;
  }
  return refuse("EPROTONOSUPPORT", `the lock manager ${name} does not support ${method}`);
}

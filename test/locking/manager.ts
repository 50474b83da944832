/** The scripted lock manager of the rig: by default everything is granted at once; a test scripts or holds what it is about. */
import type { Ask, ManagerAnswer, ManagerFacts } from "../../core/locking/api.ts";
import {
  type Capabilities,
  type HeldMode,
  type RefusalCode,
  refuse,
  type ValueBlock,
} from "../../plugins/contract.ts";

const CAPABILITIES: Capabilities = {
  global_lock: "own",
  lockspace_name_max: 64,
  on_disk_leases: false,
  value_block: true,
  shared_locks: true,
  owner_info: true,
  adoption: true,
  fencing: false,
  remote_refresh: true,
  queueing: false,
};

/** dlm keeps the global lock in a lockspace of its own, sanlock in one of the VGs. */
export const DLM: ManagerFacts = { name: "dlm", capabilities: CAPABILITIES };
export const SANLOCK: ManagerFacts = {
  name: "sanlock",
  capabilities: { ...CAPABILITIES, global_lock: "in-vg", lockspace_name_max: 48, remote_refresh: false },
};

/** As sanlock 4.2 and newer: failed owners can be declared dead. */
export const FENCING: ManagerFacts = {
  name: "sanlock",
  capabilities: { ...SANLOCK.capabilities, fencing: true },
};
/** One host at a time, which another one can take over from. */
export const TAKE_OVER: ManagerFacts = {
  name: "scsi-pr",
  capabilities: { ...SANLOCK.capabilities, one_host: true, take_over: true },
};

export type Method = Ask["target"]["method"];
/** Null keeps the call open until the test answers it. */
export type Script = (ask: Ask) => ManagerAnswer | null;

export function done(results: Readonly<Record<string, unknown>> = {}): ManagerAnswer {
  return { kind: "done", lm_result: 0, ...results };
}

/** The answer to the removal of a key that is gone everywhere, by aborts that every PV has answered with success. */
export function cutOff(): ManagerAnswer {
  return { kind: "done", aborted: true, detail: "" };
}

export function granted(value_block: ValueBlock | null = null): ManagerAnswer {
  return done({ value_block, adopted: false });
}

export function refused(code: RefusalCode, more: Parameters<typeof refuse>[2] = {}): ManagerAnswer {
  return refuse(code, "", more);
}

/** The arguments of a call, as the kinds of calls have them. */
export interface CallArgs {
  readonly resource: { readonly kind: string; readonly name: string; readonly lv_lock_args: string };
  readonly mode: HeldMode;
  readonly from: HeldMode;
  readonly adopt: string;
  readonly r_version: number;
  readonly free_vg: boolean;
  readonly notify: boolean;
  readonly enabled: boolean;
  readonly [other: string]: unknown;
}

export function argsOf(ask: Ask): CallArgs {
  return ask.args as CallArgs;
}

/** What the manager answers when the test has no script for the method. */
export function defaultAnswer(ask: Ask): ManagerAnswer {
  switch (ask.target.method) {
    case "isRunning":
      return done({ running: false });
    case "prepare":
      return done({ prev_generation: 0, global_lock: "not-here" });
    case "join":
      return done({ generation: 7, global_lock: "not-here" });
    case "lock":
      return granted();
    case "hosts":
      return done({ others: 0, unknown: false });
    case "hasGlobalLock":
      return done({ enabled: false });
    case "initVg":
      return done({ vg_lock_args: "1.0.0:made", global_lock: "not-here" });
    case "initLv":
      return done({ lv_lock_args: "1.0.0:70254592" });
    default:
      return done();
  }
}

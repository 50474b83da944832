import type { LockspaceMethod, ManagerAnswer, ManagerMethod } from "../../../core/locking/api.ts";
import type { LockType } from "../../../plugins/contract.ts";
import type { RemoteLockspace } from "../../rig/remote-manager.ts";

/** "forget" is what the daemon tells its plugin host of a lockspace that it has given up; "die" is kill -9. */
export type Order = "die" | "forget";

/** What the suite asks of a member over its connection: one JSON line each. */
export interface MemberAsk {
  readonly id: number;
  readonly method: LockspaceMethod | ManagerMethod | Order;
  readonly args: object;
  /** Null for a call to the manager itself. */
  readonly lockspace: RemoteLockspace | null;
}

export interface MemberAnswer {
  readonly id: number;
  readonly answer: ManagerAnswer;
}

/** A member's first line: it lives. The kernel takes connections for a process that it is just ending. */
export const GREETING = "ready";

/** Where a member listens, on its host's address. */
export const MEMBER_PORT = 7077;

/** The environment variables that tell a member and the suite their parts. */
export const LOCK_TYPE_VARIABLE = "CONFORMANCE_LOCK_TYPE";
/** The built-in lock manager that serves the lock type, where it is not the one of the same name. */
export const MANAGER_VARIABLE = "CONFORMANCE_MANAGER";
/** The lock manager's settings, as JSON. */
export const SETTINGS_VARIABLE = "CONFORMANCE_SETTINGS";
export const ADDRESSES_VARIABLE = "CONFORMANCE_ADDRESSES";

export function lockTypeOf(word: string | undefined): LockType {
  if (word === "dlm" || word === "sanlock" || word === "idm") return word;
  throw new Error(`${LOCK_TYPE_VARIABLE} is not a lock type: ${word}`);
}

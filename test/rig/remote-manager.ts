/** A lock manager in another process as the contract has it: each method sends its call there, and the answer comes later. */
import type { LockspaceMethod, ManagerAnswer, ManagerMethod } from "../../core/locking/api.ts";
import type { LockManager, LockspaceHandle, LockspaceIdentity } from "../../plugins/contract.ts";

/** Which lockspace of the other process a call is for. Keys are unique for each start of a lockspace, as in the core. */
export interface RemoteLockspace {
  readonly key: number;
  readonly identity: LockspaceIdentity;
}

/** Sends one call; `lockspace` is null for a call to the manager itself. */
export type AskRemote = (
  method: LockspaceMethod | ManagerMethod,
  args: object,
  lockspace: RemoteLockspace | null,
) => Promise<ManagerAnswer>;

/** Methods beside those that every lock manager has. */
export interface RemoteOptions {
  readonly manager_methods?: readonly ManagerMethod[];
  readonly lockspace_methods?: readonly LockspaceMethod[];
}

const LOCKSPACE_METHODS = [
  "prepare",
  "join",
  "leave",
  "lock",
  "convert",
  "unlock",
  "hosts",
] as const satisfies readonly LockspaceMethod[];
const MANAGER_METHODS = ["isRunning", "initVg", "initLv", "renameVg"] as const;

let last_key = 0;

export const nextKey = (): number => ++last_key;

export function remoteHandle(
  ask: AskRemote,
  lockspace: RemoteLockspace,
  { lockspace_methods = [] }: RemoteOptions = {},
): LockspaceHandle {
  const methods = [...LOCKSPACE_METHODS, ...lockspace_methods].map((method) => [
    method,
    (args: object = {}) => ask(method, args, lockspace),
  ]);
  return Object.fromEntries(methods) as LockspaceHandle;
}

export function remoteManager(ask: AskRemote, options: RemoteOptions = {}): LockManager {
  const methods = [...MANAGER_METHODS, ...(options.manager_methods ?? [])].map((method) => [
    method,
    (args: object = {}) => ask(method, args, null),
  ]);
  return {
    ...(Object.fromEntries(methods) as Omit<LockManager, "openLockspace">),
    openLockspace: (identity) => remoteHandle(ask, { key: nextKey(), identity }, options),
  };
}

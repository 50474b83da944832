import { type LockCall, type LockspaceHandle, refuse } from "../contract.ts";
import { hasGlobalLock, setGlobalLock } from "./global-lock.ts";
import { countHosts, ownStatus, setHostDead } from "./hosts.ts";
import { join, leave } from "./join.ts";
import { adoptOnly, lock } from "./lock.ts";
import type { LockspaceState, Prepared } from "./lockspace-state.ts";
import { prepare } from "./prepare.ts";
import { findFreeLock, freeLv } from "./slots.ts";
import { convert, unlock } from "./unlock.ts";
import { checkCawKept, readOptions } from "./vg-options.ts";

const NOT_PREPARED = Object.freeze(refuse("EPREPARE", "the lockspace was not prepared"));
const NOT_JOINED = Object.freeze(refuse("ENOTCONN", "the lockspace is not joined"));

/** The contract's methods on one lockspace; each is a function of its own module. */
export function createHandle(state: LockspaceState): LockspaceHandle {
  /** Runs `call` with what prepare found, while the lockspace is joined. */
  const joined = <Args extends readonly unknown[], Result>(
    call: (state: LockspaceState, prepared: Prepared, ...args: Args) => Result,
  ) => {
    return (...args: Args): Result | typeof NOT_JOINED => {
      const { prepared } = state;
      return prepared === null || !state.joined ? NOT_JOINED : call(state, prepared, ...args);
    };
  };
  return {
    prepare: (call) => prepare(state, call),
    join: (call) => (state.prepared === null ? NOT_PREPARED : join(state, state.prepared, call)),
    leave: ({ free_vg }) =>
      state.prepared === null ? { kind: "done" } : leave(state, state.prepared, free_vg),
    lock: joined((state, prepared, call: LockCall) => {
      if (call.adopt === "only-orphan") return adoptOnly(state, prepared, call);
      const pause_ms = state.turns.pause_ms(call.resource.kind);
      return pause_ms === 0
        ? lock(state, prepared, call)
        : Bun.sleep(pause_ms).then(() => lock(state, prepared, call));
    }),
    convert: joined(convert),
    unlock: joined(unlock),
    hosts: joined(countHosts),
    status: joined(ownStatus),
    findFreeLock: joined((state, prepared, { lv_size_bytes }: { readonly lv_size_bytes: number }) =>
      findFreeLock(state, prepared, lv_size_bytes),
    ),
    freeLv: joined((state, prepared, { resource }: { readonly resource: Parameters<typeof freeLv>[2] }) =>
      freeLv(state, prepared, resource),
    ),
    setGlobalLock: joined(setGlobalLock),
    hasGlobalLock: joined(hasGlobalLock),
    allowLockArgs: ({ set_lock_args }) => {
      if (set_lock_args === "") return refuse("EARGS", "no lock args were given");
      const options = readOptions(state.tools.client, set_lock_args);
      if ("kind" in options) return options;
      const { prepared } = state;
      return (prepared === null ? null : checkCawKept(options, prepared.using_caw)) ?? { kind: "done" };
    },
    setHostDead: joined(setHostDead),
  };
}

/** A VG of sanlock's as one host has it, in another process: for tests that act for several hosts. */
import type {
  Adopt,
  Answer,
  Eventually,
  HeldMode,
  LockManager,
  LockResults,
  LockspaceHandle,
  LockspaceIdentity,
  Refused,
  ResourceRef,
} from "../../plugins/contract.ts";
import {
  type AskRemote,
  nextKey,
  type RemoteOptions,
  remoteHandle,
  remoteManager,
} from "./remote-manager.ts";

/** All that the sanlock plugin can do. */
export const SANLOCK_METHODS: RemoteOptions = {
  manager_methods: ["setLockArgs"],
  lockspace_methods: [
    "status",
    "findFreeLock",
    "freeLv",
    "setGlobalLock",
    "hasGlobalLock",
    "allowLockArgs",
    "setHostDead",
  ],
};

export const GL: ResourceRef = { kind: "gl", name: "GLLK", lv_lock_args: "" };
export const VG: ResourceRef = { kind: "vg", name: "VGLK", lv_lock_args: "" };

/** A VG as one host has it. */
export interface Member {
  readonly identity: LockspaceIdentity;
  readonly manager: LockManager;
  /** The key that the host process knows the handle by. */
  readonly key: number;
  readonly handle: LockspaceHandle;
  start(adopt?: Adopt): Promise<void>;
  lock(resource: ResourceRef, mode: HeldMode, adopt?: Adopt): Promise<Answer<LockResults>>;
  convert(resource: ResourceRef, from: HeldMode, mode: HeldMode): Promise<Answer<object>>;
  unlock(resource: ResourceRef, from: HeldMode, free_vg?: boolean): Promise<Answer<object>>;
  newLv(name: string): Promise<ResourceRef>;
}

/** The results of an answer that has to be good. */
export async function good<Good extends { readonly kind: "done" }>(
  eventually: Eventually<Good | Refused>,
): Promise<Good> {
  const answer = await eventually;
  if (answer.kind === "done") return answer;
  throw new Error(`refused: ${answer.code} ${answer.lm_result} ${answer.detail}`);
}

/** The refusal of a call that must be refused. */
export async function refused(eventually: Eventually<{ readonly kind: "done" } | Refused>): Promise<Refused> {
  const answer = await eventually;
  if (answer.kind === "refused") return answer;
  throw new Error("it was not refused");
}

/** For the optional methods, which this plugin has. */
export function present<Result>(answer: Result | undefined): Result {
  if (answer === undefined) throw new Error("the plugin has no such method");
  return answer;
}

/** Locks, again after a refusal that says "soon", as the core does. */
export async function lockSoon(member: Member, resource: ResourceRef, mode: HeldMode): Promise<void> {
  for (let tries = 0; ; tries++) {
    const answer = await member.lock(resource, mode);
    if (answer.kind === "done") return;
    if (answer.retry !== "soon" || tries > 200) throw new Error(`${answer.code} ${answer.detail}`);
    await Bun.sleep(4 + Math.random() * 20);
  }
}

/** The VG on the host that answers there, not started. */
export function openMember(ask: AskRemote, identity: LockspaceIdentity): Member {
  const { vg_name, lockspace_name, vg_lock_args } = identity;
  const manager = remoteManager(ask, SANLOCK_METHODS);
  const key = nextKey();
  const handle = remoteHandle(ask, { key, identity }, SANLOCK_METHODS);
  return {
    identity,
    manager,
    key,
    handle,
    async start(adopt = "no") {
      await good(handle.prepare({ repair: false }));
      await good(handle.join({ adopt, nodelay: false, repair: false }));
    },
    lock: async (resource, mode, adopt = "no") =>
      await handle.lock({
        resource,
        mode,
        adopt,
        repair: false,
        persistent: resource.kind === "lv",
        patience_ms: 0,
      }),
    convert: async (resource, from, mode) => await handle.convert({ resource, from, mode, r_version: 0 }),
    unlock: async (resource, from, free_vg = false) =>
      await handle.unlock({ resource, from, r_version: 0, free_vg }),
    async newLv(name) {
      const lv_uuid = `LV${name}`;
      await good(handle.findFreeLock?.({ lv_size_bytes: 0 }) ?? { kind: "done" });
      const made = await good(
        manager.initLv({
          vg_name,
          lockspace_name,
          lv_uuid,
          lv_name: name,
          vg_lock_args,
          prev_lv_args: "",
          started: true,
        }),
      );
      return { kind: "lv", name: lv_uuid, lv_lock_args: made.lv_lock_args };
    },
  };
}

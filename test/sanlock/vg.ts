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
import { type Cluster, LOCK_LV } from "./cluster.ts";
import { nextKey, remoteHandle, remoteManager } from "./host.ts";

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

export interface NewVg {
  /** Room for this many LVs. */
  readonly lvs?: number;
  readonly enable_global_lock?: boolean;
  readonly align_mb?: number;
  /** What vgcreate --setlockargs passes on. */
  readonly set_lock_args?: string;
}

/** Makes a VG on the first host, as vgcreate does, and gives its lock args. */
export async function makeVg(cluster: Cluster, vg_name: string, more: NewVg = {}): Promise<string> {
  cluster.makeLeaseFile(vg_name, more.lvs);
  const [host] = cluster.hosts;
  if (host === undefined) throw new RangeError("a cluster has a host");
  const made = await good(
    remoteManager(host).initVg({
      vg_name,
      lockspace_name: `lvm_${vg_name}`,
      vg_lock_args: LOCK_LV,
      set_lock_args: more.set_lock_args ?? "",
      align_mb: more.align_mb ?? 0,
      enable_global_lock: more.enable_global_lock ?? true,
    }),
  );
  return made.vg_lock_args;
}

/** The VG on one host, not started. */
export function memberOf(
  cluster: Cluster,
  index: number,
  vg_name: string,
  vg_lock_args = `1.0.0:${LOCK_LV}`,
  host_id = index + 1,
): Member {
  const host = cluster.hosts[index];
  if (host === undefined) throw new RangeError(`there is no host ${index}`);
  const manager = remoteManager(host);
  const lockspace_name = `lvm_${vg_name}`;
  const identity: LockspaceIdentity = {
    lockspace_name,
    vg_name,
    vg_uuid: "",
    vg_lock_args,
    lock_type: "sanlock",
    host_id,
  };
  const key = nextKey();
  const handle = remoteHandle(host, key, identity);
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

/** Makes a VG and starts it on these hosts, all at once. */
export async function startedVg(
  cluster: Cluster,
  vg_name: string,
  indexes: readonly number[],
  more: NewVg = {},
): Promise<Member[]> {
  const vg_lock_args = await makeVg(cluster, vg_name, more);
  const members = indexes.map((index) => memberOf(cluster, index, vg_name, vg_lock_args));
  await Promise.all(members.map((member) => member.start()));
  return members;
}

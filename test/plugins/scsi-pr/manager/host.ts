/** One VG on one fake host, in the calls that the tests make. */
import type {
  Adopt,
  Answer,
  JoinCall,
  LockspaceHandle,
  Refused,
  ResourceRef,
} from "../../../../plugins/contract.ts";
import { keyOfHost, printKey } from "../../../../plugins/scsi-pr/keys.ts";
import { LOCK_ARGS } from "../../../../plugins/scsi-pr/manager/lock-args.ts";
import type { FakeHost, FakeWorld } from "./world.ts";

export const VG: ResourceRef = { kind: "vg", name: "VGLK", lv_lock_args: "" };
export const LV: ResourceRef = { kind: "lv", name: "LVuuid", lv_lock_args: "" };

export const keyOf = (host_id: number): bigint => keyOfHost({ host_id });

export interface VgOnHost {
  readonly host: FakeHost;
  readonly handle: LockspaceHandle;
  /** prepare and join. */
  start(order?: { adopt?: Adopt; take_over?: JoinCall["take_over"] }): Promise<Answer<object>>;
  lock(resource: ResourceRef, mode?: "ex" | "sh", adopt?: Adopt): Promise<Answer<object>>;
  unlock(resource: ResourceRef, r_version?: number): Promise<Answer<object>>;
  leave(): Promise<Answer<object>>;
}

/** The VG "vg0" on host `host_id`, whose nexus is "host<host_id>". */
export async function vgOn(
  world: FakeWorld,
  host_id: number,
  more: { nexus?: string; vg_lock_args?: string; settings?: Record<string, string> } = {},
): Promise<VgOnHost> {
  const { nexus = `host${host_id}`, vg_lock_args = LOCK_ARGS, settings = {} } = more;
  const host = await world.host({ nexus, settings });
  const identity = { lockspace_name: "lvm_vg0", vg_name: "vg0", vg_uuid: "uuid", lock_type: "dlm" } as const;
  const handle = host.manager.openLockspace({ ...identity, vg_lock_args, host_id });
  return {
    host,
    handle,
    async start({ adopt = "no", take_over } = {}) {
      const order = take_over === undefined ? {} : { take_over };
      const prepared = await handle.prepare({ repair: false, adopt, ...order });
      if (prepared.kind === "refused") return prepared;
      return await handle.join({ adopt, nodelay: false, repair: false, ...order });
    },
    lock: async (resource, mode = "ex", adopt = "no") =>
      await handle.lock({ resource, mode, adopt, repair: false, persistent: false, patience_ms: 0 }),
    unlock: async (resource, r_version = 0) =>
      await handle.unlock({ resource, from: "ex", r_version, free_vg: false }),
    leave: async () => await handle.leave({ free_vg: false }),
  };
}

/** The refusal, or an error that shows what came instead. */
export function refusal(answer: Answer<object>): Refused {
  if (answer.kind !== "refused") throw new Error(`not refused: ${JSON.stringify(answer)}`);
  return answer;
}

export function done(answer: Answer<object>): void {
  if (answer.kind !== "done") throw new Error(`refused: ${JSON.stringify(answer)}`);
}

export const removing = (host_id: number): { take_over: { remove_key: string } } => ({
  take_over: { remove_key: printKey(keyOf(host_id)) },
});

/** Helpers of the local lock manager's tests. */
import type {
  LockManager,
  LockspaceHandle,
  LockspaceIdentity,
  LockType,
  ManagerNews,
} from "../../../plugins/contract.ts";
import { createLocalDefinition } from "../../../plugins/local/plugin.ts";

export interface OpenOptions {
  readonly lock_type?: LockType;
  readonly test_mode?: boolean;
  readonly machine_id_path?: string;
  readonly pathExists?: (path: string) => boolean;
  readonly news?: (news: ManagerNews) => void;
}

export async function openLocal({
  lock_type = "dlm",
  test_mode = false,
  machine_id_path = "/etc/machine-id",
  pathExists = () => true,
  news = () => {},
}: OpenOptions = {}): Promise<LockManager> {
  const definition = createLocalDefinition({ pathExists, machine_id_path });
  const context = { lock_type, test_mode, io_timeout_s: 0, lvmlockctl_path: "", settings: {}, news };
  const opened = await definition.open(context);
  if (opened.kind === "refused") throw new Error(opened.detail);
  return opened.manager;
}

export function vgIdentity(more: Partial<LockspaceIdentity> = {}): LockspaceIdentity {
  return {
    lockspace_name: "lvm_vg0",
    vg_name: "vg0",
    vg_uuid: "u",
    vg_lock_args: "1.0.0:lvmlock",
    lock_type: "dlm",
    host_id: 1,
    ...more,
  };
}

/** The VG's lock as calls with everything that matters little filled in. */
export function vgLock(handle: LockspaceHandle) {
  const resource = { kind: "vg", name: "VGLK", lv_lock_args: "" } as const;
  return {
    lock: (mode: "sh" | "ex") =>
      handle.lock({ resource, mode, adopt: "no", repair: false, persistent: false, patience_ms: 0 }),
    unlock: (from: "sh" | "ex", r_version = 0, free_vg = false) =>
      handle.unlock({ resource, from, r_version, free_vg }),
    convert: (from: "sh" | "ex", mode: "sh" | "ex", r_version = 0) =>
      handle.convert({ resource, from, mode, r_version }),
  };
}

export const initCall = {
  vg_name: "vg0",
  lockspace_name: "lvm_vg0",
  vg_lock_args: "lvmlock",
  set_lock_args: "",
  align_mb: 0,
  enable_global_lock: false,
} as const;

export const initLvCall = {
  vg_name: "vg0",
  lockspace_name: "lvm_vg0",
  lv_uuid: "u1",
  lv_name: "lv1",
  vg_lock_args: "1.0.0:lvmlock",
  prev_lv_args: "",
  started: true,
} as const;

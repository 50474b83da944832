import type { LockspaceIdentity, ManagerNews, ResourceRef } from "../../../plugins/contract.ts";
import type { Lease, SanlockClient, SanlockFeatures } from "../../../plugins/sanlock/client.ts";
import { SIZES } from "../../../plugins/sanlock/flags.ts";
import { createHandle } from "../../../plugins/sanlock/lockspace.ts";
import { createLockspaceState, type Tools } from "../../../plugins/sanlock/lockspace-state.ts";
import { makeScratch, type Scratch } from "../../rig/scratch.ts";

/** A libsanlock that says yes to everything, for what the installed one can't do; tests replace the calls they are about. */
export function fakeClient(features: Partial<SanlockFeatures>, calls: Partial<SanlockClient>): SanlockClient {
  const yes = (): number => 0;
  return {
    features: {
      acquire2: false,
      read_lockspace_host: false,
      init_lockspace_host: false,
      set_host: false,
      ...features,
    },
    version: () => ({ rv: 0, version: 0x05010100 }),
    register: () => 7,
    killpath: yes,
    restrict: yes,
    disconnect: yes,
    acquire: () => ({ rv: 0, owner: null, owner_name: "" }),
    convert: yes,
    release: yes,
    releaseAll: yes,
    releaseRenamed: yes,
    getValueBlock: (_lease: Lease, size_bytes: number) => new Uint8Array(size_bytes),
    setValueBlock: yes,
    readResource: () => ({ rv: 0, name: "GLLK", lockspace_name: "lvm_vg" }),
    writeResource: yes,
    readOwners: () => ({ rv: 0, owners: [] }),
    addLockspace: yes,
    inquireLockspace: yes,
    removeLockspace: yes,
    setConfig: yes,
    hosts: () => ({ rv: 0, hosts: [] }),
    readLockspace: () => ({
      rv: 0,
      flags: SIZES.SECTOR512 | SIZES.ALIGN1M,
      io_timeout_s: 10,
      host: { host_id: 1, generation: 4, timestamp_s: 0, io_timeout_s: 10, flags: 0 },
    }),
    writeLockspace: yes,
    align: () => 1024 * 1024,
    initLockspaceHost: yes,
    setHostDead: yes,
    ...calls,
  };
}

export const LV: ResourceRef = { kind: "lv", name: "uuid", lv_lock_args: "1.0.0:70254592" };
export const VG: ResourceRef = { kind: "vg", name: "VGLK", lv_lock_args: "" };

/** The plugin's parts around a fake client, with an empty file for a lock LV. */
export function fakeTools(client: SanlockClient): { tools: Tools; news: ManagerNews[]; scratch: Scratch } {
  const scratch = makeScratch("sanlock-fake");
  const news: ManagerNews[] = [];
  const tools: Tools = {
    client,
    settings: {
      lease_path_template: scratch.file("{vg}-{lv}"),
      lease_file_sector_size: 512,
      info_directory: scratch.path,
    },
    context: {
      lock_type: "sanlock",
      test_mode: false,
      io_timeout_s: 0,
      lvmlockctl_path: "/usr/sbin/lvmlockctl",
      settings: {},
      news: (one) => news.push(one),
    },
  };
  return { tools, news, scratch };
}

export const IDENTITY: LockspaceIdentity = {
  lockspace_name: "lvm_vg",
  vg_name: "vg",
  vg_uuid: "",
  vg_lock_args: "2.0.0:lvmlock:persist",
  lock_type: "sanlock",
  host_id: 1,
};

/** A handle on the one VG of these tests. */
export function fakeHandle(tools: Tools) {
  return createHandle(createLockspaceState(IDENTITY, tools));
}

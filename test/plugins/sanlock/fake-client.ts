import { onTestFinished } from "bun:test";
import { closeSync, openSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import type {
  Answer,
  JoinCall,
  LockspaceHandle,
  LockspaceIdentity,
  ManagerNews,
  ResourceRef,
} from "../../../plugins/contract.ts";
import type { HostInfo, Lease, SanlockClient, SanlockFeatures } from "../../../plugins/sanlock/client.ts";
import { HOST_STATE, SIZES } from "../../../plugins/sanlock/flags.ts";
import { createHandle } from "../../../plugins/sanlock/lockspace.ts";
import { createLockspaceState, type Tools } from "../../../plugins/sanlock/lockspace-state.ts";
import { ERRNO, SANLK } from "../../../plugins/sanlock/return-codes.ts";
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

/** sanlock's answer about a lockspace that it has not joined. */
export const ABSENT = { rv: ERRNO.ENOENT, hosts: [] } as const;

/** Leases that are written and read back, by their places on the disk. */
export interface FakeLeases {
  readonly leases: Map<number, Lease>;
  readonly calls: Pick<SanlockClient, "readResource" | "writeResource">;
}

export function fakeLeases(): FakeLeases {
  const leases = new Map<number, Lease>();
  return {
    leases,
    calls: {
      writeResource: (lease) => {
        leases.set(lease.offset_bytes, lease);
        return 0;
      },
      readResource: (_path, offset_bytes) => {
        const { name = "", lockspace_name = "" } = leases.get(offset_bytes) ?? {};
        return { rv: name === "" ? SANLK.LEADER_MAGIC : 0, name, lockspace_name };
      },
    },
  };
}

export const LV: ResourceRef = { kind: "lv", name: "uuid", lv_lock_args: "1.0.0:70254592" };
export const VG: ResourceRef = { kind: "vg", name: "VGLK", lv_lock_args: "" };

const LOCK_LV_SIZE_BYTES = 70 * 1024 * 1024;

export interface Fake {
  readonly tools: Tools;
  readonly news: ManagerNews[];
  readonly scratch: Scratch;
  /** The file that stands for the VG's lock LV; nothing is written in it yet. */
  readonly lease_file: string;
}

/** The plugin's parts around a fake client, gone after the test. */
export function fakeTools(client: SanlockClient): Fake {
  const scratch = makeScratch("sanlock-fake");
  onTestFinished(() => scratch.remove());
  const lease_file = scratch.file("vg-lvmlock");
  writeFileSync(lease_file, "");
  truncateSync(lease_file, LOCK_LV_SIZE_BYTES);
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
  return { tools, news, scratch, lease_file };
}

export const IDENTITY: LockspaceIdentity = {
  lockspace_name: "lvm_vg",
  vg_name: "vg",
  vg_uuid: "",
  vg_lock_args: "2.0.0:lvmlock",
  lock_type: "sanlock",
  host_id: 1,
};

/** A handle on the one VG of these tests. */
export function fakeHandle(tools: Tools, vg_lock_args = IDENTITY.vg_lock_args): LockspaceHandle {
  return createHandle(createLockspaceState({ ...IDENTITY, vg_lock_args }, tools));
}

export interface FakeJoined extends Fake {
  readonly handle: LockspaceHandle;
  readonly prepared: Awaited<ReturnType<LockspaceHandle["prepare"]>>;
  readonly answer: Answer<object>;
}

/** The VG joined through a fake client; this host is host 1. */
export async function fakeJoined(
  calls: Partial<SanlockClient>,
  features: Partial<SanlockFeatures> = {},
  join: Partial<JoinCall> = {},
): Promise<FakeJoined> {
  const fake = fakeTools(fakeClient(features, calls));
  const handle = fakeHandle(fake.tools);
  const prepared = await handle.prepare({ repair: false });
  const answer = await handle.join({ adopt: "no", nodelay: false, repair: false, ...join });
  return { ...fake, handle, prepared, answer };
}

const SECTOR_SIZE_BYTES = 512;

/** What counts of a host's lease beside its magic. */
export interface FakeHostLease {
  readonly generation?: number;
  /** The time of its last renewal, 0 for a lease that is free. */
  readonly timestamp_s: number;
  /** 0 is sanlock's default. */
  readonly io_timeout_s?: number;
  readonly lockspace_name?: string;
  readonly host_name?: string;
}

export function writeHostLease(path: string, host_id: number, lease: FakeHostLease): void {
  const sector = new DataView(new ArrayBuffer(SECTOR_SIZE_BYTES));
  sector.setUint32(0, 0x12212010, true);
  sector.setBigUint64(40, BigInt(lease.generation ?? 1), true);
  sector.setBigUint64(152, BigInt(lease.timestamp_s), true);
  sector.setUint16(174, lease.io_timeout_s ?? 0, true);
  const bytes = new Uint8Array(sector.buffer);
  bytes.set(new TextEncoder().encode(lease.lockspace_name ?? ""), 56);
  bytes.set(new TextEncoder().encode(lease.host_name ?? ""), 104);
  const fd = openSync(path, "r+");
  writeSync(fd, bytes, 0, SECTOR_SIZE_BYTES, (host_id - 1) * SECTOR_SIZE_BYTES);
  closeSync(fd);
}

/** A host as sanlock lists it. */
export function listedHost(host_id: number, more: Partial<HostInfo> = {}): HostInfo {
  return { host_id, generation: 1, timestamp_s: 5, io_timeout_s: 10, flags: HOST_STATE.LIVE, ...more };
}

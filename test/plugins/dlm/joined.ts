import type { HeldMode, LockspaceHandle, ResourceRef } from "../../../plugins/contract.ts";
import { createHandle } from "../../../plugins/dlm/lockspace.ts";
import { createLockspaceState, type LockspaceState } from "../../../plugins/dlm/lockspace-state.ts";
import { stopWatch } from "../../../plugins/dlm/watch.ts";
import { type FakeCluster, type FakeNode, fakeCluster, fakeNode, IDENTITY } from "./fake-dlm.ts";

export const LV: ResourceRef = { kind: "lv", name: "uuid", lv_lock_args: "" };
export const VG: ResourceRef = { kind: "vg", name: "VGLK", lv_lock_args: "" };

/** A node with one VG, and its lockspace as the contract has it. */
export interface Joined {
  readonly node: FakeNode;
  readonly state: LockspaceState;
  readonly handle: LockspaceHandle;
  lock(resource: ResourceRef, mode: HeldMode): ReturnType<LockspaceHandle["lock"]>;
  unlock(resource: ResourceRef, from: HeldMode, r_version?: number): ReturnType<LockspaceHandle["unlock"]>;
}

export function open(cluster: FakeCluster = fakeCluster(), nodeid = 1, vg_name = IDENTITY.vg_name): Joined {
  return openOn(fakeNode(cluster, nodeid), vg_name);
}

/** The same on a node that has had it before, as the core opens a VG anew that is started again. */
export function openOn(node: FakeNode, vg_name = IDENTITY.vg_name): Joined {
  const state = createLockspaceState({ ...IDENTITY, vg_name }, node.tools);
  const handle = createHandle(state);
  return {
    node,
    state,
    handle,
    lock: (resource, mode) =>
      handle.lock({ resource, mode, adopt: "no", repair: false, persistent: true, patience_ms: 0 }),
    unlock: (resource, from, r_version = 0) => handle.unlock({ resource, from, r_version, free_vg: false }),
  };
}

/** The same, joined. Its watch is stopped: tests look themselves. */
export async function joined(cluster: FakeCluster = fakeCluster(), nodeid = 1): Promise<Joined> {
  const opened = open(cluster, nodeid);
  const answer = await opened.handle.join({ adopt: "if-orphan", nodelay: false, repair: false });
  if (answer.kind === "refused") throw new Error(answer.detail);
  stopWatch(opened.state);
  opened.node.sent.length = 0;
  return opened;
}

import { type Answer, type InitLvCall, type Refused, refuse } from "../contract.ts";
import type { Lease, SanlockClient } from "./client.ts";
import { readDevice } from "./device.ts";
import { WRITE_RESOURCE } from "./flags.ts";
import { lvSlotAt, slotCount, slotOffset_bytes } from "./geometry.ts";
import { writeFlags } from "./global-lock.ts";
import { NAME_SIZE_BYTES } from "./layouts.ts";
import { formatLvLockArgs, parseLvLockArgs } from "./lock-args.ts";
import { type LockspaceState, leaseInSlot, leaseOf, type Prepared, UNUSED_NAME } from "./lockspace-state.ts";
import { refuseFor } from "./refusals.ts";
import { ERRNO, isEndOfDevice, SANLK } from "./return-codes.ts";

export type InitLvAnswer = Answer<{ lm_result: number; lv_lock_args: string }>;

/** A slot as it is on the disk. */
export type SlotContent =
  | { readonly kind: "free" }
  | { readonly kind: "used"; readonly name: string }
  | { readonly kind: "end" }
  | Refused;

/** Looks at one slot. Space that the lock LV was just extended by has never been written and is free. */
export function readSlot(client: SanlockClient, path: string, offset_bytes: number): SlotContent {
  const { rv, name } = client.readResource(path, offset_bytes);
  if (isEndOfDevice(rv)) return { kind: "end" };
  if (rv === SANLK.LEADER_MAGIC) return { kind: "free" };
  if (rv < 0) return refuseFor(rv, `the lease at byte ${offset_bytes} of ${path} can't be read`);
  return name === UNUSED_NAME ? { kind: "free" } : { kind: "used", name };
}

const FULL = "every lease of the VG's lock LV is in use: it has to be extended (global/sanlock_lv_extend)";

/** Finds a free slot, looking at no more of the disk than is not known yet. */
function findSlot(
  state: LockspaceState,
  prepared: Prepared,
  size_bytes: number,
  lv_name: string,
): number | Refused {
  const { slots, tools } = state;
  const { path, geometry } = prepared;
  let end = slotCount(geometry, size_bytes);
  let again = true;
  while (true) {
    const slot = slots.candidate(end);
    if (slot === null) {
      if (!again) return refuse("EMSGSIZE", FULL, { lm_result: ERRNO.EMSGSIZE });
      again = false;
      slots.startOver();
      continue;
    }
    const content = readSlot(tools.client, path, slotOffset_bytes(geometry, slot));
    if (content.kind === "refused") return content;
    if (content.kind === "free") return slot;
    if (content.kind === "end") end = slot;
    else if (content.name === lv_name) return refuse("EEXIST", `LV ${lv_name} has a lease already`);
    else slots.take(slot);
  }
}

/** Is there room for one more LV? Asked at the beginning of lvcreate, which extends the lock LV on EMSGSIZE. */
export function findFreeLock(
  state: LockspaceState,
  prepared: Prepared,
  lv_size_bytes: number,
): Answer<object> {
  const size_bytes = lv_size_bytes === 0 ? deviceSize_bytes(state, prepared) : lv_size_bytes;
  if (typeof size_bytes !== "number") return size_bytes;
  const slot = findSlot(state, prepared, size_bytes, "");
  return typeof slot === "number" ? { kind: "done" } : slot;
}

function deviceSize_bytes(state: LockspaceState, { path }: Prepared): number | Refused {
  const device = readDevice(path, state.tools.settings.lease_file_sector_size);
  return device.kind === "missing" ? refuse("EDEVOPEN", device.problem) : device.size_bytes;
}

/** Writes the lease of a new LV into a free slot of a started VG. */
export function initLv(state: LockspaceState, prepared: Prepared, { lv_uuid }: InitLvCall): InitLvAnswer {
  const unfit = checkLvName(lv_uuid);
  if (unfit !== null) return unfit;
  const { client } = state.tools;
  const { path, geometry, size_flags, using_caw } = prepared;
  const size_bytes = deviceSize_bytes(state, prepared);
  if (typeof size_bytes !== "number") return size_bytes;
  const slot = findSlot(state, prepared, size_bytes, lv_uuid);
  if (typeof slot !== "number") return slot;
  const lease = leaseInSlot(state.identity.lockspace_name, lv_uuid, path, geometry, slot, size_flags);
  const answer = writeLv(client, lease, using_caw);
  if (answer.kind === "done") state.slots.take(slot);
  return answer;
}

export function checkLvName(lv_uuid: string): Refused | null {
  const length = Buffer.byteLength(lv_uuid);
  if (length > 0 && length <= NAME_SIZE_BYTES && lv_uuid !== UNUSED_NAME) return null;
  return refuse("EINVAL", `"${lv_uuid}" can't be the name of an LV's lease`);
}

export function writeLv(client: SanlockClient, lease: Lease, using_caw: boolean): InitLvAnswer {
  const rv = client.writeResource(lease, writeFlags(client, using_caw));
  if (rv < 0) return refuseFor(rv, `the lease of LV ${lease.name} can't be written`);
  return { kind: "done", lm_result: 0, lv_lock_args: formatLvLockArgs(lease.offset_bytes) };
}

/** Gives the slot of a removed LV back. */
export function freeLv(
  state: LockspaceState,
  prepared: Prepared,
  resource: Parameters<typeof leaseOf>[2],
): Answer<object> {
  const found = leaseOf(state, prepared, resource);
  if (found.kind === "wrong") return refuse("EARGS", found.problem);
  const { client } = state.tools;
  const offset = parseLvLockArgs(resource.lv_lock_args);
  const slot = offset.kind === "parsed" ? lvSlotAt(prepared.geometry, offset.args) : null;
  // Compare-and-write is left off: sanlock tests the device for it then, and the next LV's lease is written anew anyway.
  const write_flags = client.features.set_host ? WRITE_RESOURCE.NO_CAW : 0;
  const rv = client.writeResource({ ...found.args, name: UNUSED_NAME }, write_flags);
  if (rv < 0) return refuseFor(rv, `the lease of LV ${resource.name} can't be freed`);
  if (slot !== null) state.slots.free(slot);
  return { kind: "done" };
}

import {
  type Answer,
  type InitLvCall,
  type Refused,
  type RenameVgCall,
  refuse,
  type SetLockArgsCall,
} from "../contract.ts";
import type { Lease } from "./client.ts";
import { readDevice, waitForDevice } from "./device.ts";
import { LSF, WRITE_LOCKSPACE } from "./flags.ts";
import {
  FIRST_LV_SLOT,
  GL_SLOT,
  lvSlotAt,
  sizeFlags,
  slotCount,
  slotOffset_bytes,
  VG_SLOT,
} from "./geometry.ts";
import { writeFlags } from "./global-lock.ts";
import { leasePath } from "./lease-path.ts";
import { formatVgLockArgs, parseLvLockArgs, parseVgLockArgs, type VgLockArgs } from "./lock-args.ts";
import { leaseInSlot, type Tools } from "./lockspace-state.ts";
import { type LockspaceFacts, readLockspaceFacts } from "./read-lockspace.ts";
import { refuseFor } from "./refusals.ts";
import { rememberTimeout } from "./repair.ts";
import { isEndOfDevice, isLeaseDamaged, SANLK } from "./return-codes.ts";
import { checkLvName, type InitLvAnswer, readSlot, writeLv } from "./slots.ts";
import { checkCawKept, readOptions } from "./vg-options.ts";

/** Calls on the leases of a VG that this host has not started. */

/** A VG's leases, found by its name and lock args. */
interface FoundVg {
  readonly kind: "found";
  readonly path: string;
  readonly args: VgLockArgs;
  readonly facts: LockspaceFacts;
}

/** Any host's lease tells the sizes, and the first one's always exists. */
const ANY_HOST_ID = 1;

async function findVg(
  { client, settings }: Tools,
  { vg_name, vg_lock_args }: { readonly vg_name: string; readonly vg_lock_args: string },
): Promise<FoundVg | Refused> {
  const args = parseVgLockArgs(vg_lock_args);
  if (args.kind === "wrong") return refuse("EARGS", args.problem);
  const path = leasePath(settings.lease_path_template, vg_name, args.args.lock_lv_name);
  if (path.kind === "wrong") return refuse("EARGS", path.problem);
  const absent = await waitForDevice(path.args);
  if (absent !== null) return absent;
  const facts = readLockspaceFacts(client, path.args, ANY_HOST_ID);
  return facts.kind === "refused" ? facts : { kind: "found", path: path.args, args: args.args, facts };
}

/** init_lv without a started lockspace: vgchange --locktype sanlock gives every LV of a VG its lease, one after the other. */
export async function initLvUnstarted(tools: Tools, call: InitLvCall): Promise<InitLvAnswer> {
  const unfit = checkLvName(call.lv_uuid);
  if (unfit !== null) return unfit;
  const found = await findVg(tools, call);
  if (found.kind === "refused") return found;
  const { path, facts } = found;
  const { geometry, using_caw } = facts;
  // The slot behind the one before is the first that can be free.
  const prev = parseLvLockArgs(call.prev_lv_args);
  const prev_slot = prev.kind === "parsed" ? lvSlotAt(geometry, prev.args) : null;
  for (let slot = prev_slot === null ? FIRST_LV_SLOT : prev_slot + 1; ; slot++) {
    const content = readSlot(tools.client, path, slotOffset_bytes(geometry, slot));
    if (content.kind === "refused") return content;
    if (content.kind === "end") return refuse("EMSGSIZE", `${path} has no lease left for LV ${call.lv_name}`);
    if (content.kind === "used" && content.name === call.lv_uuid)
      return refuse("EEXIST", `LV ${call.lv_name} has a lease already`);
    if (content.kind === "used") continue;
    const { lockspace_name, lv_uuid } = call;
    const lease = leaseInSlot(lockspace_name, lv_uuid, path, geometry, slot, sizeFlags(geometry));
    return writeLv(tools.client, lease, using_caw);
  }
}

/** Gives every lease of a renamed VG its new lockspace name. The call comes with the VG's new name. */
export async function renameVg(
  tools: Tools,
  call: RenameVgCall,
): Promise<Answer<{ lm_result: number; vg_lock_args: string }>> {
  const found = await findVg(tools, call);
  if (found.kind === "refused") return found;
  const { path, facts } = found;
  const flags = sizeFlags(facts.geometry) | (facts.no_timeout ? LSF.NO_TIMEOUT : 0);
  const write_flags = tools.client.features.set_host
    ? facts.using_caw
      ? WRITE_LOCKSPACE.USE_CAW
      : WRITE_LOCKSPACE.NO_CAW
    : 0;
  const lease = { lockspace_name: call.lockspace_name, host_id: ANY_HOST_ID, path, flags };
  const rv = tools.client.writeLockspace(lease, write_flags, tools.context.io_timeout_s);
  if (rv < 0) return refuseFor(rv, `the host leases on ${path} can't be renamed`);
  const refused = renameLeases(tools, call, found);
  return refused ?? { kind: "done", lm_result: 0, vg_lock_args: call.vg_lock_args };
}

/**
 * Renames every lease up to the end of the lock LV. A place without one ends nothing: leases lie behind it where one was lost, or
 * where a lock LV was extended. An LV's damaged lease keeps none of the others from its new name; whoever locks that LV is told.
 */
function renameLeases(tools: Tools, call: RenameVgCall, { path, facts }: FoundVg): Refused | null {
  const { client, context, settings } = tools;
  const { geometry, using_caw } = facts;
  const device = readDevice(path, settings.lease_file_sector_size);
  if (device.kind === "missing") return refuse("EDEVOPEN", device.problem);
  const end = slotCount(geometry, device.size_bytes);
  const damaged: number[] = [];
  for (let slot = GL_SLOT; slot < end; slot++) {
    const { rv, name } = client.readResource(path, slotOffset_bytes(geometry, slot));
    if (isEndOfDevice(rv)) break;
    if (rv === SANLK.LEADER_MAGIC && slot > VG_SLOT) continue;
    if (isLeaseDamaged(rv) && slot > VG_SLOT) {
      damaged.push(slot);
      continue;
    }
    if (rv < 0) return refuseFor(rv, `the lease in slot ${slot} of ${path} can't be read`);
    const lease: Lease = leaseInSlot(call.lockspace_name, name, path, geometry, slot, sizeFlags(geometry));
    const written = client.writeResource(lease, writeFlags(client, using_caw));
    if (written < 0) return refuseFor(written, `the lease ${name} on ${path} can't be renamed`);
  }
  const [first] = damaged;
  if (first !== undefined) {
    const text = `${damaged.length} damaged lease${damaged.length === 1 ? "" : "s"} of LVs on ${path} got no new name, the first in slot ${first}: activate such an LV with --lockopt repair`;
    context.news({ kind: "log", level: "warning", text });
  }
  return null;
}

/** Rewrites the flags of a VG's host leases for other lock args. */
export async function setLockArgs(
  tools: Tools,
  call: SetLockArgsCall,
): Promise<Answer<{ lm_result: number; vg_lock_args: string }>> {
  if (call.set_lock_args === "") return { kind: "done", lm_result: 0, vg_lock_args: call.vg_lock_args };
  const options = readOptions(tools.client, call.set_lock_args);
  if ("kind" in options) return options;
  if (!tools.client.features.set_host)
    return refuse("EPROTONOSUPPORT", "changing the lock args of a VG needs sanlock 4.2 or later");
  const found = await findVg(tools, call);
  if (found.kind === "refused") return found;
  const { path, facts, args } = found;
  const unkept = checkCawKept(options, facts.using_caw);
  if (unkept !== null) return unkept;
  const vg_lock_args = formatVgLockArgs({ ...options, lock_lv_name: args.lock_lv_name });
  if (vg_lock_args === null) return refuse("EARGS", "the VG's lock args would be too long");
  const flags = sizeFlags(facts.geometry) | (options.no_timeout ? LSF.NO_TIMEOUT : 0);
  const lease = { lockspace_name: call.lockspace_name, host_id: ANY_HOST_ID, path, flags };
  const rv = tools.client.writeLockspace(lease, WRITE_LOCKSPACE.LS_FLAGS, tools.context.io_timeout_s);
  if (rv < 0) return refuseFor(rv, `the host leases on ${path} can't be changed`);
  rememberTimeout(tools, call.vg_name, options.no_timeout);
  return { kind: "done", lm_result: 0, vg_lock_args };
}

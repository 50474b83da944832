import { type Answer, type GlobalLockState, type InitVgCall, type Refused, refuse } from "../contract.ts";
import { type Claim, checkClaim, newClaim, writeClaim } from "./claim.ts";
import type { Lease, SanlockClient } from "./client.ts";
import { readDevice, waitForDevice } from "./device.ts";
import { LSF, WRITE_LOCKSPACE, WRITE_RESOURCE } from "./flags.ts";
import { chooseGeometry, FIRST_LV_SLOT, type Geometry, sizeFlags, slotCount } from "./geometry.ts";
import { NAME_SIZE_BYTES } from "./layouts.ts";
import { leasePath } from "./lease-path.ts";
import { type LeasePlace, refuseOverNewcomer, refuseOverUsers } from "./lease-users.ts";
import { formatVgLockArgs, type UserLockArgs } from "./lock-args.ts";
import { fixedLeases, GL_DISABLED_NAME, leaseInSlot, type Tools, UNUSED_NAME } from "./lockspace-state.ts";
import { readLockspaceFacts } from "./read-lockspace.ts";
import { refuseFor } from "./refusals.ts";
import { isEndOfDevice } from "./return-codes.ts";
import { readOptions } from "./vg-options.ts";

export type InitVgAnswer = Answer<{ lm_result: number; vg_lock_args: string; global_lock: GlobalLockState }>;

/** Every lockspace has a lease for it. */
const FIRST_HOST_ID = 1;

/** A new VG's leases before they are written. */
interface NewVg {
  readonly kind: "new";
  readonly path: string;
  readonly geometry: Geometry;
  readonly size_bytes: number;
  readonly options: UserLockArgs;
  readonly vg_lock_args: string;
}

/** So many LV leases are written between two looks whether another host writes to the same place: a sixteenth of a new VG's. */
const LEASES_PER_LOOK = 16;

/** Formats the lock LV of a new VG: the hosts' leases, the GL and the VG lock, and all LV leases as unused. */
export async function initVg(tools: Tools, call: InitVgCall): Promise<InitVgAnswer> {
  const made = await planVg(tools, call);
  if (made.kind === "refused") return made;
  const place = { ...made, lockspace_name: call.lockspace_name };
  const refused = (await refuseOverUsers(tools, place)) ?? writeLeases(tools, call, made, place);
  if (refused !== null) {
    tell(tools, call, refused);
    return refused;
  }
  const global_lock = call.enable_global_lock ? "enabled" : "disabled";
  return { kind: "done", lm_result: 0, vg_lock_args: made.vg_lock_args, global_lock };
}

/** lvm has one general sentence for each of these, so that what there is to do is in the log only. */
function tell({ context }: Tools, { vg_name }: InitVgCall, { code, detail }: Refused): void {
  if (code !== "EEXIST" && code !== "EBUSY") return;
  context.news({ kind: "log", level: "warning", text: `VG ${vg_name} is not made: ${detail}` });
}

function writeLeases(tools: Tools, call: InitVgCall, made: NewVg, place: LeasePlace): Refused | null {
  const { client } = tools;
  const { gl_lease, vg_lease } = fixedLeases(
    call.lockspace_name,
    made.path,
    made.geometry,
    sizeFlags(made.geometry),
  );
  const write_flags = fixedFlags(client, made);
  const claim = newClaim(gl_lease, write_flags);
  return (
    writeHostLeases(tools, call, made) ??
    (made.options.caw === "yes" ? checkCaw(client, made) : null) ??
    writeClaim(client, claim) ??
    writeFixedLease(client, vg_lease, write_flags) ??
    writeLvLeases(client, call, made, claim) ??
    refuseOverNewcomer(place) ??
    checkClaim(client, claim) ??
    writeFixedLease(
      client,
      call.enable_global_lock ? gl_lease : { ...gl_lease, name: GL_DISABLED_NAME },
      write_flags,
    )
  );
}

async function planVg({ client, settings }: Tools, call: InitVgCall): Promise<NewVg | Refused> {
  // vgcreate sends the bare name of the lock LV here and gets the full args back.
  const lock_lv_name = call.vg_lock_args;
  if (lock_lv_name === "" || lock_lv_name === "none")
    return refuse("EARGS", "the name of the VG's lock LV is missing");
  if (Buffer.byteLength(call.lockspace_name) > NAME_SIZE_BYTES)
    return refuse("EARGS", `the lockspace name ${call.lockspace_name} is too long for sanlock`);
  const options = readOptions(client, call.set_lock_args);
  if ("kind" in options) return options;
  const path = leasePath(settings.lease_path_template, call.vg_name, lock_lv_name);
  if (path.kind === "wrong") return refuse("EARGS", path.problem);
  await waitForDevice(path.args);
  const device = readDevice(path.args, settings.lease_file_sector_size);
  if (device.kind === "missing") return refuse("EDEVOPEN", device.problem);
  const geometry = chooseGeometry(device.sector_size_bytes, call.align_mb);
  if (geometry === null)
    return refuse("EARGS", `the lease size of ${call.align_mb} MiB is none of 1, 2, 4 and 8`);
  if (slotCount(geometry, device.size_bytes) < FIRST_LV_SLOT)
    return refuse(
      "EMSGSIZE",
      `${path.args} is smaller than the ${FIRST_LV_SLOT * geometry.align_mb} MiB that a VG's locks take`,
    );
  const vg_lock_args = formatVgLockArgs({ lock_lv_name, ...options });
  if (vg_lock_args === null) return refuse("EARGS", `the name of the lock LV "${lock_lv_name}" is too long`);
  return { kind: "new", path: path.args, geometry, size_bytes: device.size_bytes, options, vg_lock_args };
}

function writeHostLeases({ client, context }: Tools, call: InitVgCall, made: NewVg): Refused | null {
  const { no_timeout, caw } = made.options;
  const flags = sizeFlags(made.geometry) | (no_timeout ? LSF.NO_TIMEOUT : 0);
  const write_flags = { yes: WRITE_LOCKSPACE.USE_CAW, no: WRITE_LOCKSPACE.NO_CAW, default: 0 }[caw];
  const lease = { lockspace_name: call.lockspace_name, host_id: 0, path: made.path, flags };
  const rv = client.writeLockspace(lease, knownFlags(client, write_flags), context.io_timeout_s);
  return rv < 0 ? refuseFor(rv, `the host leases can't be written to ${made.path}`) : null;
}

/**
 * sanlock 5.1 writes ordinary leases and reports success where the device does not take COMPARE AND WRITE; who asked for it by
 * name is told instead. The other leases have not been written yet, so that nobody can start the VG.
 */
function checkCaw(client: SanlockClient, { path }: NewVg): Refused | null {
  const facts = readLockspaceFacts(client, path, FIRST_HOST_ID);
  if (facts.kind === "refused") return facts;
  if (facts.using_caw) return null;
  return refuse(
    "EPROTONOSUPPORT",
    `${path} is on no device that takes compare-and-write (SCSI COMPARE AND WRITE), or sanlock.conf forbids it: make the VG without caw`,
  );
}

function fixedFlags(client: SanlockClient, { options }: NewVg): number {
  const write_flags = { yes: WRITE_RESOURCE.USE_CAW, no: WRITE_RESOURCE.NO_CAW, default: 0 }[options.caw];
  return knownFlags(client, write_flags);
}

function writeFixedLease(client: SanlockClient, lease: Lease, write_flags: number): Refused | null {
  const rv = client.writeResource(lease, write_flags);
  return rv < 0 ? refuseFor(rv, `the lease ${lease.name} can't be written to ${lease.path}`) : null;
}

/** All LV leases get the lockspace's name and count as unused. Compare-and-write is settled when one is given to an LV. */
function writeLvLeases(client: SanlockClient, call: InitVgCall, made: NewVg, claim: Claim): Refused | null {
  const { path, geometry, size_bytes } = made;
  const write_flags = knownFlags(client, WRITE_RESOURCE.NO_CAW);
  const end = slotCount(geometry, size_bytes);
  for (let slot = FIRST_LV_SLOT; slot < end; slot++) {
    const contested = (slot - FIRST_LV_SLOT) % LEASES_PER_LOOK === 0 ? checkClaim(client, claim) : null;
    if (contested !== null) return contested;
    const lease = leaseInSlot(call.lockspace_name, UNUSED_NAME, path, geometry, slot, sizeFlags(geometry));
    const rv = client.writeResource(lease, write_flags);
    if (isEndOfDevice(rv)) return null;
    if (rv < 0) return refuseFor(rv, `the lease in slot ${slot} of ${path} can't be cleared`);
  }
  return null;
}

/** sanlock before 5.0 has no such flags; 3.8.5 has another meaning for one of their bits. */
function knownFlags(client: SanlockClient, write_flags: number): number {
  return client.features.set_host ? write_flags : 0;
}

import { type Refused, refuse } from "../contract.ts";
import type { Lease, SanlockClient } from "./client.ts";
import { refuseFor } from "./refusals.ts";

/*
 * The first VG is made without a lock, because the global lock is in it. Two hosts that make it on the same disk at once write their
 * leases to the same place, and lvm's metadata and label over each other's: one VG is left of two, perhaps with a PV that is not there,
 * and both people are told that theirs was made. So the lease of the global lock has a name of the host's own while the others are
 * written, and gets its real one at the end. Whoever finds another host's name there refuses, and leaves a third name behind by which
 * the other one refuses too: after a refusal lvm clears the VG from the disk, whosever it is, so that neither may be told that it
 * has one. A lvmlockd that does not do so (C's) is noticed by its GL lease.
 */

const CLAIM_PREFIX = "_making_";
const CONTESTED_NAME = "_made_by_two_hosts";
const RANDOM_BYTES = 8;

/** The leases are this host's to write as long as the lease of the global lock has this name. */
export interface Claim {
  readonly lease: Lease;
  readonly write_flags: number;
}

export function newClaim(gl_lease: Lease, write_flags: number): Claim {
  const random = crypto.getRandomValues(new Uint8Array(RANDOM_BYTES)).toHex();
  return { lease: { ...gl_lease, name: `${CLAIM_PREFIX}${random}` }, write_flags };
}

export function writeClaim(client: SanlockClient, { lease, write_flags }: Claim): Refused | null {
  const rv = client.writeResource(lease, write_flags);
  return rv < 0 ? refuseFor(rv, `the lease of the global lock can't be written to ${lease.path}`) : null;
}

/** Refuses when another host has written its leases over this one's, and tells a host that is still at it. */
export function checkClaim(client: SanlockClient, { lease, write_flags }: Claim): Refused | null {
  const { rv, name, lockspace_name } = client.readResource(lease.path, lease.offset_bytes);
  if (rv < 0) return refuseFor(rv, `the leases on ${lease.path} can't be read back`);
  if (name === lease.name) return null;
  // Any other name is that of a host which is through, or knows. A write that fails leaves the other one with its VG, and lvm's clearing.
  if (name.startsWith(CLAIM_PREFIX)) client.writeResource({ ...lease, name: CONTESTED_NAME }, write_flags);
  return refuse(
    lockspace_name === lease.lockspace_name ? "EEXIST" : "EBUSY",
    `another host makes a VG on the same disk at the same time (lockspace ${lockspace_name}), and each clears what the other has written: when both commands have ended, make it again on one host`,
  );
}

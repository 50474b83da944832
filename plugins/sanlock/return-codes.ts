import { errnoText } from "../native/errno.ts";

/** Return values of sanlock that decisions depend on. */
export const SANLK = {
  AIO_TIMEOUT: -202,
  DBLOCK_READ: -210,
  DBLOCK_WRITE: -211,
  DBLOCK_CHECKSUM: -214,
  LEADER_READ: -220,
  LEADER_WRITE: -221,
  LEADER_DIFF: -222,
  LEADER_MAGIC: -223,
  LEADER_VERSION: -224,
  LEADER_LOCKSPACE: -226,
  LEADER_RESOURCE: -227,
  LEADER_CHECKSUM: -229,
  ADDLS_SIZES: -230,
  ADDLS_INVALID_HOSTID: -231,
  ACQUIRE_IDLIVE: -243,
  ACQUIRE_OWNED: -244,
  ACQUIRE_OTHER: -245,
  ACQUIRE_SHRETRY: -246,
  ACQUIRE_OWNED_RETRY: -247,
  ACQUIRE_OWNED_NO_TIMEOUT: -249,
  RENEW_DEAD_EXT: -263,
  HOSTID_BUSY: -262,
  WRONG_CAW: -281,
  CAW_CONFIG: -282,
  CAW_OPEN: -283,
  CAW_IOCTL: -284,
  CAW_MISCOMPARE: -285,
  CAW_ERROR: -286,
  CAW_ILLEGAL: -288,
} as const;

/** errno values, negated, as sanlock returns them. */
export const ERRNO = {
  EPERM: -1,
  ENOENT: -2,
  EIO: -5,
  EAGAIN: -11,
  ENOMEM: -12,
  EACCES: -13,
  EBUSY: -16,
  EEXIST: -17,
  ENODEV: -19,
  EINVAL: -22,
  ENOSPC: -28,
  EPIPE: -32,
  EMSGSIZE: -90,
  ECONNRESET: -104,
  ENOTCONN: -107,
  ECONNREFUSED: -111,
  EALREADY: -114,
  EINPROGRESS: -115,
  EUCLEAN: -117,
} as const;

/**
 * sanlock's own codes with their names and what each means. Its sanlock_strerror knows the names only. -250 and -251 became
 * -252 and -253 in 5.x, so that both are listed.
 */
const CODES: Readonly<Record<number, readonly [name: string, meaning: string]>> = {
  [-201]: ["ERROR", "an error inside sanlock"],
  [-202]: ["AIO_TIMEOUT", "the storage did not answer within the I/O timeout"],
  [-203]: ["WD_ERROR", "the watchdog daemon wdmd can't be used"],
  [-204]: ["VERSION_INCOMPAT", "the library and the daemon of sanlock do not fit together"],
  [-210]: ["DBLOCK_READ", "a lease could not be read"],
  [-211]: ["DBLOCK_WRITE", "a lease could not be written"],
  [-212]: ["DBLOCK_LVER", "a ballot of another lease version was found"],
  [-213]: ["DBLOCK_MBAL", "another host has a higher ballot"],
  [-214]: ["DBLOCK_CHECKSUM", "a ballot on the disk is damaged"],
  [-220]: ["LEADER_READ", "the lease's record could not be read"],
  [-221]: ["LEADER_WRITE", "the lease's record could not be written"],
  [-222]: ["LEADER_DIFF", "the lease's record changed while it was used"],
  [-223]: ["LEADER_MAGIC", "there is no lease at this place of the disk"],
  [-224]: ["LEADER_VERSION", "the lease was written by an incompatible sanlock"],
  [-225]: ["LEADER_SECTORSIZE", "the lease was made for another sector size"],
  [-226]: ["LEADER_LOCKSPACE", "the lease belongs to another lockspace"],
  [-227]: ["LEADER_RESOURCE", "the lease at this place has another name"],
  [-228]: ["LEADER_NUMHOSTS", "the lease has no room for this host_id"],
  [-229]: ["LEADER_CHECKSUM", "the lease's record is damaged"],
  [-230]: ["ADDLS_SIZES", "the lockspace has other sector and lease sizes"],
  [-231]: ["ADDLS_INVALID_HOSTID", "the host_id is too large for the lockspace"],
  [-240]: ["ACQUIRE_LVER", "the lease has another version than was asked for"],
  [-241]: ["ACQUIRE_LOCKSPACE", "the lockspace is not joined"],
  [-242]: ["ACQUIRE_IDDISK", "the owner's host lease could not be read"],
  [-243]: ["ACQUIRE_IDLIVE", "a live host owns the lease"],
  [-244]: ["ACQUIRE_OWNED", "another host got the lease at the same moment"],
  [-245]: ["ACQUIRE_OTHER", "another host got the lease at the same moment"],
  [-246]: ["ACQUIRE_SHRETRY", "other hosts take the lease in shared mode at the same moment"],
  [-247]: ["ACQUIRE_OWNED_RETRY", "the host that owns the lease has failed but is not dead yet"],
  [-248]: ["ACQUIRE_OWNER_GEN_REVERTED", "the owner's generation went backwards"],
  [-249]: ["ACQUIRE_OWNED_NO_TIMEOUT", "the host that owns the lease has failed and has to be fenced"],
  [-250]: ["RELEASE_LVER", "the lease has another version than the one to release"],
  [-251]: ["RELEASE_OWNER", "another host owns the lease to release"],
  [-252]: ["RELEASE_LVER", "the lease has another version than the one to release"],
  [-253]: ["RELEASE_OWNER", "another host owns the lease to release"],
  [-260]: ["RENEW_OWNER", "another host has taken this host's lease"],
  [-261]: ["RENEW_DIFF", "this host's lease was changed by somebody else"],
  [-262]: ["HOSTID_BUSY", "another host is using this host_id"],
  [-263]: ["RENEW_DEAD_EXT", "another host has declared this host dead"],
  [-280]: ["WRONG_GENERATION", "the host has another generation by now"],
  [-281]: ["WRONG_CAW", "the lease uses compare-and-write and this host does not, or the other way round"],
  [-282]: ["CAW_CONFIG", "use_compare_and_write of sanlock.conf does not allow compare-and-write"],
  [-283]: ["CAW_OPEN", "the device could not be opened for compare-and-write"],
  [-284]: ["CAW_IOCTL", "compare-and-write did not get to the device"],
  [-285]: ["CAW_MISCOMPARE", "another host got the lease at the same moment"],
  [-286]: ["CAW_ERROR", "compare-and-write failed"],
  [-287]: ["IOTYPE", "the device can't be used in this way"],
  [-288]: ["CAW_ILLEGAL", "the device refuses compare-and-write"],
};

/** A return value in words: "a live host owns the lease (sanlock IDLIVE -243)". */
export function returnValueText(rv: number): string {
  const known = CODES[rv];
  if (known !== undefined) return `${known[1]} (sanlock ${known[0]} ${rv})`;
  return rv < 0 ? `${errnoText(-rv)} (sanlock ${rv})` : `sanlock ${rv}`;
}

/** The connection to the daemon is gone, or there is no daemon at the other end. */
export function isNoDaemon(rv: number): boolean {
  return rv === ERRNO.EPIPE || rv === ERRNO.ECONNREFUSED || rv === ERRNO.ECONNRESET || rv === ERRNO.ENOTCONN;
}

/** What is on the disk is not the lease that it should be. */
export function isLeaseDamaged(rv: number): boolean {
  return (
    rv === SANLK.LEADER_MAGIC ||
    rv === SANLK.LEADER_VERSION ||
    rv === SANLK.LEADER_DIFF ||
    rv === SANLK.LEADER_LOCKSPACE ||
    rv === SANLK.LEADER_RESOURCE ||
    rv === SANLK.LEADER_CHECKSUM ||
    rv === SANLK.DBLOCK_CHECKSUM ||
    rv === SANLK.WRONG_CAW
  );
}

/** The storage of the leases can't be read or written. */
export function isStorageError(rv: number): boolean {
  return (
    rv === ERRNO.EIO ||
    rv === SANLK.LEADER_READ ||
    rv === SANLK.LEADER_WRITE ||
    rv === SANLK.DBLOCK_READ ||
    rv === SANLK.DBLOCK_WRITE ||
    rv === SANLK.CAW_IOCTL ||
    rv === SANLK.CAW_ERROR
  );
}

/** The leases are of compare-and-write, which this host's sanlock.conf, or the device as this host has it, does not do. */
export function isCawUnusable(rv: number): boolean {
  return rv === SANLK.CAW_CONFIG || rv === SANLK.CAW_OPEN || rv === SANLK.CAW_ILLEGAL;
}

/** A conflict that passes as soon as the other host's attempt is over. */
export function isRace(rv: number): boolean {
  return (
    rv === SANLK.ACQUIRE_IDLIVE ||
    rv === SANLK.ACQUIRE_OWNED ||
    rv === SANLK.ACQUIRE_OTHER ||
    rv === SANLK.ACQUIRE_SHRETRY ||
    rv === SANLK.CAW_MISCOMPARE
  );
}

/** The owner has failed: nothing but its death, by time or by fencing, gives the lease to another host. */
export function isOwnerFailed(rv: number): boolean {
  return rv === SANLK.ACQUIRE_OWNED_RETRY || rv === SANLK.ACQUIRE_OWNED_NO_TIMEOUT;
}

/** The end of the device was reached. */
export function isEndOfDevice(rv: number): boolean {
  return rv === ERRNO.EMSGSIZE || rv === ERRNO.ENOSPC;
}

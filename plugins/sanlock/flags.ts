/*
 * Flags of libsanlock_client, named as in its headers without the SANLK_ in front. Those marked with a version are newer than
 * Debian 12's 3.8.5; whoever sets one asks `features` first.
 */

/** sanlk_resource.flags. The sizes have the same values in sanlk_lockspace.flags. */
export const RES = { SHARED: 0x4, PERSISTENT: 0x8, /** 5.0 */ USING_CAW: 0x400 } as const;

/** Sector and lease sizes, in the flags of resources and of lockspaces alike. */
export const SIZES = {
  ALIGN1M: 0x10,
  ALIGN2M: 0x20,
  ALIGN4M: 0x40,
  ALIGN8M: 0x80,
  SECTOR512: 0x100,
  SECTOR4K: 0x200,
} as const;

/** sanlk_lockspace.flags, beside the sizes. */
export const LSF = { /** 4.2 */ NO_TIMEOUT: 0x4, /** 5.0 */ USING_CAW: 0x8 } as const;

export const ACQUIRE = { LVB: 0x1, ORPHAN: 0x2, ORPHAN_ONLY: 0x4, OWNER_NOWAIT: 0x8 } as const;
export const CONVERT = { OWNER_NOWAIT: 0x8 } as const;
export const RELEASE = { ALL: 0x1, RENAME: 0x2 } as const;
export const RESTRICT = { SIGKILL: 0x2 } as const;
export const ADD = { /** 4.0 */ NODELAY: 0x2 } as const;
export const REMOVE = { UNUSED: 0x2 } as const;
export const CONFIG = { USED_BY_ORPHANS: 0x4 } as const;
export const GET_HOSTS = { /** 4.0 */ LOCAL: 0x1 } as const;
export const WRITE_RESOURCE = { /** 5.0 */ USE_CAW: 0x2, /** 5.0 */ NO_CAW: 0x4 } as const;
export const WRITE_LOCKSPACE = {
  /** 4.2: rewrite the flags of every host's lease and nothing else. */ LS_FLAGS: 0x1,
  /** 5.0 */ USE_CAW: 0x2,
  /** 5.0 */ NO_CAW: 0x4,
} as const;
export const INIT_HOST = { USE_CAW: 0x1, NO_CAW: 0x2 } as const;
export const SET_HOST_DEAD_EXT = 1;

/** sanlk_host.flags: the state of a host. */
export const HOST_STATE_MASK = 0xf;
export const HOST_STATE = { UNKNOWN: 1, FREE: 2, LIVE: 3, FAIL: 4, DEAD: 5 } as const;

const STATE_NAMES = ["", "UNKNOWN", "FREE", "LIVE", "FAIL", "DEAD"] as const;

/** The state of a host as sanlock and the C daemon name it; "ERROR" for one that this generation does not know. */
export function hostStateName(flags: number): string {
  return STATE_NAMES[flags & HOST_STATE_MASK] || "ERROR";
}

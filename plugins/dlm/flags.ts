/** Numbers of libdlm.h and libdlmcontrol.h that calls are made with, by their names there. */

/** LKM_: the modes of a lock. Null locks conflict with nothing; they keep the resource and its value block in being. */
export const LKM = { NL: 0, PR: 3, EX: 5 } as const;

/** LKF_: flags of requests. */
export const LKF = {
  NOQUEUE: 0x1,
  CANCEL: 0x2,
  CONVERT: 0x4,
  VALBLK: 0x8,
  /** A conversion waits behind those that wait already, also where it could be granted. */
  QUECVT: 0x10,
  /** What was exclusive goes and nobody knows any more what the value block should be. */
  IVVALBLK: 0x20,
  PERSISTENT: 0x80,
  EXPEDITE: 0x400,
  ORPHAN: 0x4000,
} as const;

/** DLM_SBF_VALNOTVALID: the value block's last writer has failed, so that nobody knows its content. */
export const SBF_VALNOTVALID = 0x2;

/** DLM_LSFL_NEWEXCL: creating a lockspace that exists in this kernel is an error. */
export const LSFL_NEWEXCL = 0x8;

/** What sb_status says beside errno values. */
export const STATUS = { GRANTED: 0, CANCELLED: 0x10001, UNLOCKED: 0x10002, IN_PROGRESS: 0x10003 } as const;

/** DLMC_LS_WAIT_: what dlm_controld waits for before it lets a lockspace go on. */
export const WAIT = { RINGID: 1, QUORUM: 2, FENCING: 3, FSDONE: 4 } as const;

/** DLMC_LF_LEAVING of a lockspace. */
export const LOCKSPACE_LEAVING = 0x2;

/** DLMC_NF_NEED_FENCING of a node. */
export const NODE_NEEDS_FENCING = 0x8;

/** DLMC_NODES_: which nodes of a lockspace are listed. */
export const NODES = { ALL: 1, MEMBERS: 2 } as const;

/** DLMC_FLAG_RUN_, DLMC_RUN_STATUS_: running a command on the other nodes. */
export const RUN_START_NODE_NONE = 0x1;
export const RUN_CHECK = { CLEAR: 0x1, CANCEL: 0x2 } as const;
export const RUN_STATUS = { WAITING: 0x1, DONE: 0x2, FAILED: 0x4 } as const;

/** Numbers of errno.h that decisions depend on. */
export const ERRNO = {
  ENOENT: 2,
  EINTR: 4,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  EDEADLK: 35,
  EUNATCH: 49,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
} as const;

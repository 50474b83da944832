/** What libdlmcontrol and corosync's libquorum tell, in plain values: the libraries are behind `control-library.ts`. */

/** A lockspace as dlm_controld sees it. */
export interface LockspaceInfo {
  /** DLMC_LS_WAIT_: what the change of members that is under way waits for; 0 when there is none. */
  readonly wait_condition: number;
  /** Members by the last completed change, 0 before the first one. */
  readonly member_count: number;
}

export interface NodeInfo {
  readonly nodeid: number;
  readonly flags: number;
}

/** Results carry the library's own return value as `rv`: negative is -1 with the errno of then, or a negative errno value. */
export interface DlmControl {
  /** Null: dlm_controld does not know the lockspace. "no-daemon": it does not answer. */
  lockspace(name: string): LockspaceInfo | null | "no-daemon";
  nodes(name: string, type: number): readonly NodeInfo[] | "no-daemon";
  /** Whether the daemon answers at all. */
  isRunning(): boolean;
  /** Null where the library is older than 4.0.6. */
  readonly run: RunCommands | null;
  /** Has the cluster quorum? Null when corosync can't be asked. */
  isQuorate(): boolean | null;
}

/** Commands that dlm_controld runs on the other nodes. */
export interface RunCommands {
  /** The uuid to check with, or an errno value. */
  start(command: string): string | number;
  /** RUN_STATUS flags, or a negative value. */
  check(uuid: string, flags: number): number;
}

/** What libdlmcontrol and corosync's libquorum tell, in plain values: the libraries are behind `control-library.ts`. */

/** A lockspace as dlm_controld sees it. */
export interface LockspaceInfo {
  /** DLMC_LS_WAIT_: what the change of members that is under way waits for; 0 when there is none. */
  readonly wait_condition: number;
  /** Members by the last completed change, 0 before the first one. */
  readonly member_count: number;
  /** Its release is under way. */
  readonly is_leaving: boolean;
}

export interface NodeInfo {
  readonly nodeid: number;
  readonly flags: number;
}

/** A daemon that runs and does not answer: dlm_controld, or corosync when it was asked. */
export type Hanging = "hangs" | "corosync-hangs";

/** Why dlm_controld told nothing: it does not run, or it or corosync hangs. */
export type Silence = "no-daemon" | Hanging;

/**
 * What the daemons tell. Every promise is settled within `dlm_controld_ms`, and at once while an earlier question is without its answer
 * for longer than that.
 */
export interface DlmControl {
  /** Null: dlm_controld does not know the lockspace. */
  lockspace(name: string): Promise<LockspaceInfo | null | Silence>;
  /** Of a lockspace that this host has joined; the host's own node is always among the members. */
  nodes(name: string, type: number): Promise<readonly NodeInfo[] | Silence>;
  /** Whether dlm_controld answers at all. */
  daemon(): Promise<"answers" | Silence>;
  /** Null where the library is older than 4.0.6. */
  readonly run: RunCommands | null;
  /** Has the cluster quorum? Null when corosync does not run. */
  isQuorate(): Promise<boolean | null | Hanging>;
}

/** Commands that dlm_controld runs on the other nodes. */
export interface RunCommands {
  /** The uuid to check with, or an errno value. */
  start(command: string): Promise<string | number>;
  /** RUN_STATUS flags, or a negative errno value. */
  check(uuid: string, flags: number): Promise<number>;
}

/** A question to the thread that asks the daemons, and what it answers. */
export interface ControlAnswers {
  readonly lockspace: LockspaceInfo | null | "no-daemon";
  readonly nodes: readonly NodeInfo[] | "no-daemon";
  readonly quorate: boolean | null;
  readonly "run-start": string | number;
  readonly "run-check": number;
}

/** The calls with their arguments, made by `control-library.ts`. They wait for the daemon for as long as it hangs. */
export type ControlCall =
  | { readonly kind: "lockspace"; readonly name: string }
  | { readonly kind: "nodes"; readonly name: string; readonly type: number }
  | { readonly kind: "quorate" }
  | { readonly kind: "run-start"; readonly command: string }
  | { readonly kind: "run-check"; readonly uuid: string; readonly flags: number };

export type ControlAnswer = ControlAnswers[keyof ControlAnswers];

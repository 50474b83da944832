/** What libdlm does for us, in plain values: the library behind it is `client-library.ts`, tests have their own. */

/** An open lockspace of libdlm: its dlm_lshandle_t. */
export type LockspaceHandlePointer = number;

/** One request and where its result is written. It must be kept while the request is under way: the library has its address. */
export interface Ticket {
  /** STATUS.IN_PROGRESS while the request is under way, then 0, an errno value or another of STATUS. */
  status(): number;
  lkid(): number;
  /** The content of the value block that came is not known to be the last one written. */
  blockIsLost(): boolean;
  /** The 32 bytes of the value block, to be filled before the request or read after it. */
  readonly block: Uint8Array;
}

/** What to ask for. */
export interface LockRequest {
  /** The lock to convert; 0 for a new one. */
  readonly lkid: number;
  /** One of LKM. */
  readonly mode: number;
  /** LKF flags. */
  readonly flags: number;
  readonly name: string;
}

/** Calls return 0 or an errno value (positive). None of them waits for the cluster while the lockspace runs. */
export interface DlmClient {
  /** The version of the kernel's user interface, null when there is none (no module, no control device). */
  kernelVersion(): { readonly major: number; readonly minor: number; readonly patch: number } | null;
  ticket(): Ticket;
  lock(handle: LockspaceHandlePointer, ticket: Ticket, request: LockRequest): number;
  unlock(handle: LockspaceHandlePointer, ticket: Ticket, lkid: number): number;
  /** Takes a request that waits out of the queue: its result is STATUS.CANCELLED, or 0 when the grant was faster. */
  cancel(handle: LockspaceHandlePointer, ticket: Ticket): number;
  /** Takes over an orphan of this host in exactly this mode; the answer is there at once, and no result follows. */
  adopt(handle: LockspaceHandlePointer, ticket: Ticket, request: Omit<LockRequest, "lkid">): number;
  /** Waits for results, up to `timeout_ms`, until this ticket has its own. Results of other tickets are taken as well. */
  wait(handle: LockspaceHandlePointer, ticket: Ticket, timeout_ms: number): boolean;
  /** Takes the results that are there, without waiting. */
  collect(handle: LockspaceHandlePointer): void;
  /** Releases all orphans that a node has in the lockspace. */
  purge(handle: LockspaceHandlePointer, nodeid: number): number;
}

/** The calls that wait for dlm_controld and the cluster. They run beside the worker and are never cut short. */
export type OpenerCall =
  | { readonly kind: "create"; readonly name: string }
  | { readonly kind: "open"; readonly name: string }
  | { readonly kind: "release"; readonly name: string; readonly handle: LockspaceHandlePointer };

/** The handle of what was created or opened; 0 when there is none. `errno` 0 is success. */
export interface OpenerResult {
  readonly handle: LockspaceHandlePointer;
  readonly errno: number;
}

/** Makes the calls that wait; the promise never rejects and may stay open for as long as the cluster does not answer. */
export type Opener = (call: OpenerCall) => Promise<OpenerResult>;

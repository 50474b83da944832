import type { HeldMode, LockspaceIdentity, ManagerContext, ValueBlock } from "../contract.ts";
import type { DlmClient, LockspaceHandlePointer, Opener, Ticket } from "./client.ts";
import type { Condition, Observers } from "./condition.ts";
import type { Openings } from "./openings.ts";

/** What every part of the plugin works with. */
export interface Tools extends Observers {
  readonly client: DlmClient;
  readonly opener: Opener;
  readonly openings: Openings;
  readonly context: ManagerContext;
  readonly clock: Clock;
}

/** Time, which tests have their own of. */
export interface Clock {
  now_ms(): number;
  sleep(ms: number): Promise<void>;
}

/** A lock that the dlm has for us. */
export interface HeldLock {
  readonly lkid: number;
  /** "nl": a GL or VG lock that was released; the null lock keeps the value block in being. */
  readonly mode: HeldMode | "nl";
  /** The value block as it came with the lock; null for an LV's lock and when its content was lost. */
  readonly block: ValueBlock | null;
}

/** Something that is still to be done for a resource after its request has been answered. */
export interface Late {
  readonly ticket: Ticket;
  /** Sends the request; null when it is under way. */
  readonly send: (() => number) | null;
  /** With what the kernel did not take it the last time. */
  readonly errno?: number;
  /** Takes the result; what it returns is to be done next. */
  readonly finish: (ticket: Ticket) => Late | null;
}

/** One lockspace. */
export interface LockspaceState {
  readonly identity: LockspaceIdentity;
  readonly tools: Tools;
  /** Null when it is not joined. */
  handle: LockspaceHandlePointer | null;
  /** The lockspace was there before this daemon, so that an earlier one may have left orphans. */
  inherited: boolean;
  /** It was in use by a worker of this daemon that has died: the commands whose locks are orphans now go on. */
  taken_over: boolean;
  /** The kernel's value block of a conversion from null to exclusive is stale, see `lock.ts`. */
  has_block_bug: boolean;
  /** What is to be done as soon as the lockspace runs, before any request. */
  first: (() => void) | null;
  readonly held: Map<string, HeldLock>;
  readonly late: Map<string, Late>;
  /** What the watch has told people about last. */
  told: Condition["kind"];
  watch: Timer | null;
}

export function createLockspaceState(identity: LockspaceIdentity, tools: Tools): LockspaceState {
  return {
    identity,
    tools,
    handle: null,
    inherited: false,
    taken_over: false,
    has_block_bug: false,
    first: null,
    held: new Map(),
    late: new Map(),
    told: "running",
    watch: null,
  };
}

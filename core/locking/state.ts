/**
 * The state of the pure core. Everything here is mutable and owned by one `Locking`; the modules beside this one are functions
 * over it. A pending manager call is a record with a static `done` function instead of a closure: the way of a lock request
 * is the daemon's hot path, and a record can be looked at when somebody asks why it is stuck.
 */

import type {
  CallTimes,
  HeldMode,
  LockCall,
  LockspaceIdentity,
  LockType,
  Refused,
  ResourceKind,
  UnlockCall,
} from "../../plugins/contract.ts";
import type { Request } from "../wire/message.ts";
import type {
  AdoptableLockspace,
  Ask,
  AskTarget,
  DeviceStates,
  Effect,
  Incident,
  LockingOptions,
  LockRefusal,
  ManagerAnswer,
  ManagerFacts,
} from "./api.ts";
import type { CallTable } from "./call-table.ts";
import type { TimerHeap } from "./timers.ts";

export interface Client {
  readonly id: number;
  readonly pid: number;
  cmd: string;
  /** False once it has gone; replies to it are dropped then. */
  open: boolean;
  /** Its transient locks, so that its end costs what it held and not what exists. */
  readonly locks: Lock[];
  /** The lock request that has no answer yet; a client has one request under way at a time. */
  waiting: Waiter | null;
  /** Lockspaces that its start_vg began or met while starting: what its start_wait waits for. */
  readonly starts: Set<Lockspace>;
  /** The first failure among those starts, for start_wait to report. */
  start_failure: number;
  /** The LV resource that its latest reply granted, in case the reply turns out undelivered. */
  granted: Resource | null;
  granted_persistent: boolean;
}

export interface Lock {
  readonly resource: Resource;
  mode: HeldMode;
  /** Null for a persistent lock, which belongs to the host and not to a client. */
  client: Client | null;
  pid: number;
  cmd: string;
  /** The metadata version that vg_update announced; goes into the value block when ex is given up. */
  version: number;
  since_ms: number;
}

/** A lock request that could not be answered at once. */
export interface Waiter {
  readonly client: Client;
  readonly request: Request;
  readonly resource: Resource;
  readonly mode: HeldMode;
  readonly since_ms: number;
  /** When the lock manager first refused it; -1 before that. The retry budget runs from here. */
  refused_since_ms: number;
  retries: number;
  refusal: LockRefusal | null;
  /** The client has gone or its deadline has passed; a grant that comes now is given back. */
  abandoned: boolean;
}

/** A request for a resource whose manager call is under way; taken up when that call is answered. */
export interface Deferred {
  readonly client: Client;
  readonly request: Request;
  /** Set when the client was told already (its deadline passed, or it has gone): an unlock is still carried out. */
  answered: boolean;
}

export interface Resource {
  readonly lockspace: Lockspace;
  readonly kind: ResourceKind;
  readonly name: string;
  lv_name: string;
  lv_lock_args: string;
  /** What the lock manager holds for this host; always the strongest local lock. */
  mode: "un" | HeldMode;
  /** Ex: exactly one. Sh: all of them sh. */
  readonly locks: Lock[];
  /** The one persistent lock among `locks`. */
  persistent: Lock | null;
  queue: Waiter[];
  deferred: Deferred[];
  call: PendingCall | null;
  /** The head of the queue waits until the failed owner is cut off. */
  fence: Fence | null;
  /** Not before this time is the manager asked again for the head of the queue. */
  retry_at_ms: number;
  retry_delay_ms: number;
  version: number;
  /** The value block was seen as zero, and stays a usable zero until somebody writes it. */
  version_zero_valid: boolean;
  last_client_id: number;
  /** A lock here belongs to a client that has gone while the manager was busy with the resource. */
  closing: boolean;
  /** The queue has to be held against the existing locks again: a persistent lock or a remote one came up. */
  rescan: boolean;
  /** `settle` is at work on it: it must not be entered again from below. */
  settling: boolean;
  /** Test only: another host pretends to hold it (set_remote_lv_lock). */
  remote: "sh" | "ex" | null;
  /** The manager may hold it although we do not: adopting or releasing it failed. The journal goes on listing it. */
  orphan: boolean;
  /** What the journal believes, so that only changes are written. */
  journaled: HeldMode | null;
  journaled_persistent: boolean;
  /** Ready-made call records of the plain lock and unlock calls. */
  lock_sh: LockCall | null;
  lock_ex: LockCall | null;
  unlock_sh: UnlockCall | null;
  unlock_ex: UnlockCall | null;
}

/** The removal of the key of a host that failed while it held locks. There is one for each life of a host, however often it is tried. */
export interface Fence {
  readonly lockspace: Lockspace;
  readonly host_id: number;
  readonly generation: number;
  /** "settling": the key is gone, and what the host had sent before gets time to end. "checking": that time is over. */
  state: "removing" | "settling" | "checking" | "telling" | "removed" | "failed";
  /** Why the last attempt failed, or why there is something to wait for. */
  detail: string;
  attempts: number;
  since_ms: number;
  /** When the key was first seen to be on no PV without our knowing that the host's commands have ended; -1 while it was not. */
  gone_since_ms: number;
  /** Not before this time is a failed removal tried again. */
  again_at_ms: number;
  /** The attempt under way, also one that is late; a new one waits for its end. */
  call: PendingCall | null;
  /** The resources whose heads wait for it, with the refusal that they are told when it fails. */
  readonly waiting: Map<Resource, Refused>;
}

export type LockspaceState = "preparing" | "joining" | "adopting" | "started" | "stopping";

/** Why a lockspace is being stopped; the reply that waits for it is in `stop_replies`. */
export interface StopReply {
  readonly client: Client;
  readonly request: Request;
}

export interface Lockspace {
  readonly key: number;
  readonly identity: LockspaceIdentity;
  readonly manager: ManagerFacts;
  /** True for the lockspace of its own that some managers keep for the global lock. */
  readonly is_global: boolean;
  readonly targets: Map<string, AskTarget>;
  /** What its manager said of its own timing; null where that is the usual one. */
  call_times: CallTimes | null;
  state: LockspaceState;
  since_ms: number;
  generation: number;
  start_client_id: number;
  killed: boolean;
  killed_reason: string;
  global_lock_enabled: boolean;
  /** It is being asked whether its copy of the global lock is a duplicate still. */
  gl_asked: boolean;
  readonly vg: Resource;
  gl: Resource | null;
  readonly lvs: Map<string, Resource>;
  /** Locks held in all, and LV locks among them: the questions of stop_all and stop_vg in O(1). */
  lock_count: number;
  lv_lock_count: number;
  calls_in_flight: number;
  /** Stop as soon as calls in flight have ended. */
  stop_wanted: boolean;
  stop_free_vg: boolean;
  leaving: boolean;
  stop_replies: StopReply[];
  /** Lock requests that wait for the start (global lockspace only) and those that want it started again. */
  start_queue: Deferred[];
  restart_queue: Deferred[];
  /** The VG's lock args ask for it: owners that have failed are cut off by their reservation keys. Oldest first. */
  readonly fence_pr: boolean;
  /** Why its manager can't be told that a host is dead, so that nobody is cut off; "" when it can. */
  fencing_problem: string;
  readonly fences: Fence[];
  /** By the name of the resource. */
  readonly refusals: Map<string, LockRefusal>;
  /** Locks whose release the manager refused while stopping; they are no matter once it has been left. */
  unreleased: Lock[];
  adoption: Adoption | null;
}

export interface Adoption {
  readonly source: AdoptableLockspace;
  /** Null until device-mapper was asked. */
  devices: DeviceStates | null;
  next: number;
  in_flight: number;
  /** This VG no longer keeps the daemon's adoption from being over: it is done, has failed, or its manager is late. */
  counted: boolean;
}

export type CallDone = (state: State, call: PendingCall, answer: ManagerAnswer) => void;

/** One call at a lock manager. Fields that a kind of call has no use for are null or zero. */
export interface PendingCall {
  readonly id: number;
  readonly done: CallDone;
  readonly deadline_ms: number;
  readonly lock_type: LockType;
  readonly lockspace: Lockspace | null;
  readonly resource: Resource | null;
  readonly client: Client | null;
  readonly request: Request | null;
  waiter: Waiter | null;
  lock: Lock | null;
  mode: HeldMode;
  /** Free for the kind of call: an attempt counter, an index. */
  number: number;
  probe: Probe | null;
  fence: Fence | null;
  late: boolean;
}

/** Asking every configured manager whether it runs, and what to do with the answer. */
export interface Probe {
  outstanding: number;
  readonly running: LockType[];
  readonly purpose: "running_lm" | "choose_gl" | "flags";
  readonly client: Client;
  readonly request: Request;
  /** For "flags": the reply that needs to know whether any manager runs. */
  readonly result: number;
  readonly lm_result: number;
}

export interface StopAll {
  readonly client: Client;
  readonly request: Request;
}

export interface State {
  readonly options: LockingOptions;
  wait_limit_ms: number;
  debug: boolean;
  now_ms: number;
  readonly effects: Effect[];
  readonly clients: Map<number, Client>;
  /** Owner of grants that came for nobody, until they are given back. */
  readonly nobody: Client;
  /** Locks were released since stop_all last looked. */
  released: boolean;
  readonly by_vg: Map<string, Lockspace>;
  readonly globals: Map<LockType, Lockspace>;
  /** The last VG was removed by a command that may have the global lock still: its own lockspaces stop when that is free. */
  globals_unused: boolean;
  readonly calls: CallTable;
  readonly timers: TimerHeap;
  next_key: number;
  random: number;
  next_late_check_ms: number;
  /** The type of the global lock, null while no request or running manager has settled it. */
  gl_type: LockType | null;
  /** The VG that holds the enabled global lock, for managers that keep it in a VG; "" when unknown. */
  gl_vg: string;
  gl_vg_removed: boolean;
  gl_duplicate: boolean;
  readonly start_waiters: Deferred[];
  readonly stop_alls: StopAll[];
  /** Lockspaces of the journal that could not be joined yet; a later start_vg adopts them. */
  readonly unadopted: Map<string, AdoptableLockspace>;
  adopting: number;
  adopt_counts: { adopted: number; released: number; failed: number };
  quitting: boolean;
  readonly incidents: Incident[];
}

/** The Ask that carries a call, with the target made once per lockspace and method. */
export type { Ask };

/**
 * The pure core as the shell, the tests and the simulator see it: events go in, effects come out, nothing waits. The core owns
 * no socket, clock, file, promise or random source; time and seed are handed to it.
 */
import type {
  Adopt,
  Capabilities,
  HeldMode,
  LockManager,
  LockspaceHandle,
  LockspaceIdentity,
  LockType,
  Owner,
  ResourceKind,
} from "../../plugins/contract.ts";
import type { Reply, Request } from "../wire/message.ts";

/** What the core knows of a lock manager that is configured for a lock type. */
export interface ManagerFacts {
  readonly name: string;
  readonly capabilities: Capabilities;
}

export interface LockingOptions {
  /** The managers by the lock type they serve. A type that is missing is answered with EPROTONOSUPPORT. */
  readonly managers: Readonly<Partial<Record<LockType, ManagerFacts>>>;
  /** --gl-type: the global lock's type when fixed by the administrator. */
  readonly gl_type: LockType | null;
  /** --host-id or its file: used when start_vg brings none. */
  readonly host_id: number;
  readonly test_mode: boolean;
  /** Bound of a wait for another client of this host; 0 for none (the default, as with C). */
  readonly wait_limit_ms: number;
  /** Seed of the jitter. */
  readonly seed: number;
  /** Log effects of debug level are made only when this is true. */
  readonly debug: boolean;
}

/** A VG that an earlier daemon had started, with the LV locks it held, as the journal tells it. */
export interface AdoptableLockspace {
  /** "" for the global lock's own lockspace. */
  readonly vg_name: string;
  readonly vg_uuid: string;
  readonly lock_type: LockType;
  readonly vg_lock_args: string;
  readonly host_id: number;
  readonly locks: readonly AdoptableLock[];
}

export interface AdoptableLock {
  readonly lv_uuid: string;
  readonly lv_name: string;
  readonly lv_lock_args: string;
  readonly mode: HeldMode;
  /** Transient locks belonged to a client that is gone: they are taken over only to be released. */
  readonly persistent: boolean;
}

/** What device-mapper says of an LV; an LV that it was not asked about, or could not be, is not among them. */
export type DeviceStates = ReadonlyMap<string, "active" | "inactive">;

/** What the shell tells the core. */
export type LockingEvent =
  | { readonly kind: "client-opened"; readonly client_id: number; readonly pid: number }
  | { readonly kind: "client-closed"; readonly client_id: number }
  /** A client sends one request at a time; the next one is handed over after its reply. */
  | { readonly kind: "request"; readonly client_id: number; readonly request: Request }
  /** The reply to the client's latest request could not be delivered: an LV lock that it granted is released again. */
  | { readonly kind: "undelivered"; readonly client_id: number }
  /** The answer to an `ask` or `ask-reservations`: what the plugin's method returned, or a Refused that the shell made. */
  | { readonly kind: "answer"; readonly call_id: number; readonly answer: ManagerAnswer }
  | { readonly kind: "lockspace-lost"; readonly lockspace_name: string; readonly reason: string }
  | { readonly kind: "adopt"; readonly lockspaces: readonly AdoptableLockspace[] }
  /** The answer to a `look-at-devices`, by lv_uuid; in the same turn, so that nothing is activated in between. */
  | { readonly kind: "devices"; readonly key: number; readonly states: DeviceStates }
  /** Something that keeps a VG from being adopted, for people to see: nobody is there to be told. */
  | { readonly kind: "adoption-waits"; readonly vg_name: string; readonly text: string }
  /** SIGTERM: stop everything that can be stopped and quit, or stay and stop nothing. */
  | { readonly kind: "terminate" }
  /** Settings changed on SIGHUP. */
  | { readonly kind: "settings"; readonly wait_limit_ms: number; readonly debug: boolean }
  /** The time that `nextWakeup_ms` asked for has come. */
  | { readonly kind: "timer" };

/** Any answer of any plugin method; the core knows which call it belongs to. */
export type ManagerAnswer =
  | { readonly kind: "done"; readonly [result: string]: unknown }
  | import("../../plugins/contract.ts").Refused;

export type LockspaceMethod = keyof LockspaceHandle;
export type ManagerMethod = Exclude<keyof LockManager, "openLockspace" | "close">;

/** Which lockspace (opened on first use by the host under `key`) or manager a call goes to. */
export type AskTarget =
  | { readonly kind: "manager"; readonly lock_type: LockType; readonly method: ManagerMethod }
  | {
      readonly kind: "lockspace";
      readonly lock_type: LockType;
      /** Unique for each start of a lockspace, so that a restarted VG never meets its predecessor's handle. */
      readonly key: number;
      readonly identity: LockspaceIdentity;
      readonly method: LockspaceMethod;
    };

/**
 * Work on this host's persistent reservations of a VG's devices, which the shell has done by another program. `checkKey`: our key,
 * of whatever generation, is registered on every PV. `correctKey`: the key of our present generation is registered on every PV, in
 * place of one of an earlier generation. `removeKey`: another host's key is on no PV any more, by what the PVs say afterwards; the
 * answer has `aborted`, true when every PV has also told us that the commands of that host have ended, and else `detail` says why not.
 * `checkRemoved`: the key of a host is still on no PV, and nothing is done about it.
 */
export type ReservationMethod = "checkKey" | "correctKey" | "removeKey" | "checkRemoved";

/** A host in one of its lives: the generation counts how often it has joined the lockspace. */
export interface HostLife {
  readonly host_id: number;
  readonly generation: number;
}

/** Answered like an Ask, with `done` or a Refused whose detail says what is so on which device. */
export interface AskReservations {
  readonly kind: "ask-reservations";
  readonly call_id: number;
  readonly method: ReservationMethod;
  readonly vg_name: string;
  readonly vg_uuid: string;
  readonly own: HostLife;
  /** Whose key goes or has gone; null unless the method is about another host's key. */
  readonly removed: HostLife | null;
}

export interface Ask {
  readonly kind: "ask";
  readonly call_id: number;
  readonly target: AskTarget;
  readonly args: object;
}

/**
 * What the journal has to remember. A lock is recorded before the manager is asked for it, so that the journal never lists
 * less than what is held; a refusal takes the record back.
 */
export type JournalRecord =
  | {
      readonly kind: "lockspace-started";
      readonly vg_name: string;
      readonly vg_uuid: string;
      readonly lock_type: LockType;
      readonly vg_lock_args: string;
      readonly host_id: number;
    }
  | { readonly kind: "lockspace-stopped"; readonly vg_name: string; readonly lock_type: LockType }
  | {
      readonly kind: "lock-held";
      readonly vg_name: string;
      readonly lv_uuid: string;
      readonly lv_name: string;
      readonly lv_lock_args: string;
      readonly mode: HeldMode;
      readonly persistent: boolean;
    }
  | { readonly kind: "lock-released"; readonly vg_name: string; readonly lv_uuid: string };

export type LogLevel = "error" | "warning" | "notice" | "info" | "debug";

/** What the core wants done, in this order. A journal record must be written before the effects that follow it. */
export type Effect =
  | { readonly kind: "reply"; readonly client_id: number; readonly reply: Reply }
  | Ask
  | AskReservations
  /** The lockspace handle of `key` is not needed any more. */
  | { readonly kind: "forget-lockspace"; readonly lock_type: LockType; readonly key: number }
  | { readonly kind: "journal"; readonly record: JournalRecord }
  /**
   * Which of these LVs are active is wanted now. Not earlier: a command of the earlier daemon's time, for which the join has waited, may
   * have activated one meanwhile.
   */
  | {
      readonly kind: "look-at-devices";
      readonly key: number;
      readonly vg_uuid: string;
      readonly lv_uuids: readonly string[];
    }
  | { readonly kind: "log"; readonly level: LogLevel; readonly text: string }
  /** The adoption that an `adopt` event began is over. */
  | { readonly kind: "adopted"; readonly adopted: number; readonly released: number; readonly failed: number }
  /** Nothing is started any more and somebody asked us to go. */
  | { readonly kind: "quit" }
  /** `terminate` was refused: these VGs have locks. */
  | { readonly kind: "stay"; readonly vg_names: readonly string[] };

/** One lock as `who`, info and the tests see it. */
export interface LockView {
  readonly mode: HeldMode;
  readonly persistent: boolean;
  /** 0 for a persistent lock. */
  readonly client_id: number;
  /** The pid and command that took it, also for persistent locks whose client has gone. */
  readonly pid: number;
  readonly cmd: string;
  readonly version: number;
  /** When it was granted, in the clock that the shell hands in. */
  readonly since_ms: number;
}

export interface WaiterView {
  readonly client_id: number;
  readonly pid: number;
  readonly cmd: string;
  readonly mode: HeldMode;
  readonly persistent: boolean;
  readonly since_ms: number;
  /** A client of this host is in front, another host holds it, the manager is being asked, or a failed owner is being cut off. */
  readonly waits_for: "local" | "remote" | "manager" | "fence";
  /** Whose key is being removed, when that is what it waits for. */
  readonly fence: HostLife | null;
  readonly retries: number;
  /** What the lock manager said when it last refused the request; null before that. */
  readonly refusal: LockRefusal | null;
}

/** The last time that a lock was refused because another host holds it. */
export interface LockRefusal {
  readonly kind: ResourceKind;
  readonly name: string;
  readonly lv_name: string;
  /** The mode that was asked for. */
  readonly mode: HeldMode;
  /** Null when the lock manager can't tell. */
  readonly owner: Owner | null;
  /** Who holds it and what that means, in words; "" when the lock manager has none. */
  readonly detail: string;
  readonly at_ms: number;
}

/** The removal of a failed host's reservation key from the PVs of a VG, in this host's present life there. */
export interface FenceView extends HostLife {
  /** "removed" also means that the lock manager was told that the host is dead. */
  readonly state: "waiting" | "removed" | "failed";
  /** Why it failed, or what it waits for after the key has gone; "" otherwise. */
  readonly detail: string;
  readonly attempts: number;
  /** When it came into its state. */
  readonly since_ms: number;
}

export interface ResourceView {
  readonly kind: ResourceKind;
  readonly name: string;
  readonly lv_name: string;
  readonly lv_lock_args: string;
  readonly mode: "un" | HeldMode;
  readonly sh_count: number;
  readonly version: number;
  readonly locks: readonly LockView[];
  readonly waiters: readonly WaiterView[];
}

export interface LockspaceView {
  readonly lockspace_name: string;
  readonly vg_name: string;
  readonly vg_uuid: string;
  readonly vg_lock_args: string;
  readonly lock_type: LockType;
  readonly manager: string;
  readonly host_id: number;
  readonly generation: number;
  readonly state: "preparing" | "joining" | "adopting" | "started" | "stopping";
  readonly since_ms: number;
  readonly killed: boolean;
  readonly killed_reason: string;
  readonly global_lock_enabled: boolean;
  readonly fence_pr: boolean;
  /** Oldest first. */
  readonly fences: readonly FenceView[];
  /** One for each lock that was refused and has not been had since; oldest first, bounded. */
  readonly refusals: readonly LockRefusal[];
  readonly no_timeout: boolean;
  readonly start_client_id: number;
  /** Calls at the lock manager right now, for "why is it stuck". */
  readonly calls_in_flight: number;
}

export interface ClientView {
  readonly client_id: number;
  readonly pid: number;
  readonly cmd: string;
}

/** The core. `handle` runs to the end and leaves its effects in `effects`; the shell drains that array and empties it. */
export interface Locking {
  readonly effects: Effect[];
  handle(event: LockingEvent, now_ms: number): void;
  /** When a `timer` event is wanted, Infinity for never. Cheap: asked after every drain. */
  nextWakeup_ms(): number;
  lockspaces(): Iterable<LockspaceView>;
  /** The resources of one lockspace, lazily: info over 10 000 LV locks is sent in pieces between requests. */
  resources(lockspace: LockspaceView): Iterable<ResourceView>;
  clients(): Iterable<ClientView>;
  /** Failed joins and kills since the start, newest last, bounded. */
  incidents(): readonly Incident[];
  /** Throws InvariantError when the state contradicts itself; the simulator calls it after every event. */
  check(): void;
}

export interface Incident {
  readonly at_ms: number;
  readonly vg_name: string;
  readonly code: string;
  readonly text: string;
}

export type { Adopt };

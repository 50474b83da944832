/**
 * The messages of lvmlockd's wire protocol as typed records. Requests are flat records of one shape (one hidden class for the
 * engine: they are the hot path); what a client left out is "" or 0, as the C daemon's defaults have it.
 */

/** Every request name a client may send. */
export const REQUEST_NAMES = [
  "hello",
  "quit",
  "info",
  "dump",
  "init_vg",
  "init_lv",
  "free_vg",
  "free_lv",
  "busy_vg",
  "start_vg",
  "stop_vg",
  "start_wait",
  "stop_all",
  "vg_status",
  "lock_gl",
  "lock_vg",
  "lock_lv",
  "vg_update",
  "enable_gl",
  "disable_gl",
  "rename_vg_before",
  "rename_vg_final",
  "running_lm",
  "query_lock_vg",
  "query_lock_lv",
  "set_remote_lv_lock",
  "find_free_lock",
  "kill_vg",
  "drop_vg",
  "refresh_lv",
  "setlockargs_vg_before",
  "setlockargs_vg_final",
  // Ours, beyond the C daemon: answered over the stream, so nobody else's datagram socket is involved.
  "who",
  "info_json",
  "dump_text",
  "reload",
  "takeover_vg",
] as const;

export type RequestName = (typeof REQUEST_NAMES)[number];

/** The operation numbers that replies carry (`op = N`), stable since lvm2 2.03.16. Ours begin at 1000. */
export const OP_NUMBER: Readonly<Record<RequestName, number>> = {
  hello: 1,
  quit: 2,
  init_vg: 3,
  init_lv: 3,
  free_vg: 4,
  free_lv: 4,
  start_vg: 5,
  stop_vg: 6,
  lock_gl: 7,
  lock_vg: 7,
  lock_lv: 7,
  vg_update: 8,
  enable_gl: 10,
  disable_gl: 11,
  start_wait: 12,
  stop_all: 13,
  info: 14,
  dump: 15,
  rename_vg_before: 16,
  rename_vg_final: 17,
  running_lm: 18,
  find_free_lock: 19,
  kill_vg: 20,
  drop_vg: 21,
  busy_vg: 22,
  query_lock_vg: 23,
  query_lock_lv: 23,
  refresh_lv: 24,
  vg_status: 25,
  setlockargs_vg_before: 28,
  setlockargs_vg_final: 29,
  set_remote_lv_lock: 30,
  who: 1000,
  info_json: 1001,
  dump_text: 1002,
  reload: 1003,
  takeover_vg: 1004,
};

/** "iv" stands for an absent or unknown mode; lock requests with it are refused with EINVAL. */
export type WireMode = "iv" | "un" | "nl" | "sh" | "ex";

/** The lock type as a request names it; "bad" for a word that LVM does not know. */
export type WireLockType = "none" | "dlm" | "sanlock" | "idm" | "bad";

/** The opts string of a request. lvm concatenates words without separators, so they are found by substring. */
export interface RequestOptions {
  readonly persistent: boolean;
  readonly unlock_cancel: boolean;
  readonly next_version: boolean;
  readonly wait: boolean;
  readonly force: boolean;
  readonly ex_disable: boolean;
  readonly enable: boolean;
  readonly disable: boolean;
  readonly nodelay: boolean;
  readonly repair: boolean;
  readonly adopt: "no" | "if-orphan" | "only-orphan";
}

export interface Request {
  readonly name: RequestName;
  readonly cmd: string;
  /** The pid the client claims; the kernel's SO_PEERCRED is what we believe. */
  readonly pid: number;
  readonly vg_name: string;
  readonly vg_uuid: string;
  readonly lv_name: string;
  readonly lv_uuid: string;
  readonly mode: WireMode;
  readonly opts: RequestOptions;
  readonly vg_lock_type: WireLockType;
  readonly vg_lock_args: string;
  readonly lv_lock_args: string;
  readonly prev_lv_args: string;
  readonly set_lock_args: string;
  readonly path: string;
  /** Ours, for takeover_vg (key `removekey`). */
  readonly remove_key: string;
  readonly version: number;
  readonly host_id: number;
  readonly align_mb: number;
  readonly lv_size_bytes: number;
  /** DEFAULT_MAX_RETRIES (4) when the client does not say. */
  readonly max_retries: number;
}

/** What a reply says about the owner of a refused lock (keys owner_*). */
export interface ReplyOwner {
  readonly host_id: number;
  readonly generation: number;
  readonly timestamp_s: number;
  readonly state: string;
  readonly name: string;
}

/** The words of result_flags, in the order in which they are written. */
export interface ReplyFlags {
  /** Computed for ENOLS only: no lockspace at all; no global lockspace; no lock manager either. */
  readonly no_lockspaces: boolean;
  readonly no_gl_ls: boolean;
  readonly no_lm: boolean;
  readonly dup_gl_ls: boolean;
  readonly warn_gl_removed: boolean;
  readonly sh_exists: boolean;
  readonly hosts_unknown: boolean;
}

/** A reply by its shape; facts of the wire give every shape its key order. */
export type Reply =
  /** hello and quit. */
  | { readonly shape: "hello"; readonly result: number }
  /** Most requests; `owner` adds the owner_* keys (and drops ls_generation), as the C daemon does for a refused lock. */
  | {
      readonly shape: "normal";
      readonly op: number;
      readonly lock_type: WireLockType;
      readonly result: number;
      readonly lm_result: number;
      readonly flags: ReplyFlags;
      readonly ls_generation: number;
      readonly owner: ReplyOwner | null;
      /** Why it was refused, for people (key `detail`, ours; lvm ignores keys it does not know). "" leaves it out. */
      readonly detail: string;
    }
  /** init_vg, init_lv, setlockargs_vg_final. */
  | {
      readonly shape: "args";
      readonly op: number;
      readonly result: number;
      readonly lm_result: number;
      readonly vg_lock_args: string;
      readonly lv_lock_args: string;
      readonly flags: ReplyFlags;
      readonly detail: string;
    }
  | {
      readonly shape: "query";
      readonly op: number;
      readonly result: number;
      readonly lock_type: WireLockType;
      readonly mode: WireMode;
    }
  | { readonly shape: "short"; readonly op: number; readonly result: number }
  /** info and dump: `dump_len` bytes follow on the datagram socket. */
  | { readonly shape: "dump"; readonly result: number; readonly dump_len: number }
  /** start_vg of a host whose lease had a previous generation. */
  | {
      readonly shape: "start";
      readonly op: number;
      readonly lock_type: WireLockType;
      readonly result: number;
      readonly lm_result: number;
      readonly prev_generation: number;
      readonly flags: ReplyFlags;
      readonly detail: string;
    }
  | {
      readonly shape: "status";
      readonly op: number;
      readonly lock_type: WireLockType;
      readonly result: number;
      readonly lm_result: number;
      readonly owner: ReplyOwner;
      readonly flags: ReplyFlags;
    }
  /** Ours: a text in the reply itself (who, info_json, dump_text), key `text`. */
  | { readonly shape: "text"; readonly op: number; readonly result: number; readonly text: string };

export const NO_FLAGS: ReplyFlags = Object.freeze({
  no_lockspaces: false,
  no_gl_ls: false,
  no_lm: false,
  dup_gl_ls: false,
  warn_gl_removed: false,
  sh_exists: false,
  hosts_unknown: false,
});

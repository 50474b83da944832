/** Ends every message, both ways. */
export const TERMINATOR = "\n##\n";

/** One request: its name and the other keys in the order in which they are sent. */
export interface RequestSpec {
  readonly request: string;
  readonly keys: Readonly<Record<string, string | number>>;
}

/** lvm's own requests, daemon_send_simple's (hello, info, quit), and libdm's printing of a whole tree. */
export type Spelling = "lvm" | "simple" | "tight";

const quote = (text: string): string => `"${text.replace(/[\\"]/g, "\\$&")}"`;
const show = (value: string | number): string => (typeof value === "number" ? String(value) : quote(value));

const AFTER_KEY: Readonly<Record<Spelling, string>> = { lvm: " =", simple: " = ", tight: "=" };

/** The bytes of a request, with its terminator, in one of the three spellings that clients use. */
export function encodeRequest(spec: RequestSpec, spelling: Spelling = "lvm"): string {
  const first = spelling === "simple" ? "request = " : "request=";
  const lines = Object.entries(spec.keys).map(
    ([key, value]) => `${key}${AFTER_KEY[spelling]}${show(value)}\n`,
  );
  return `${first}${quote(spec.request)}\n${lines.join("")}${TERMINATOR}`;
}

export const HELLO = encodeRequest({ request: "hello", keys: {} }, "simple");

/** What names a lock: nothing for the global lock, the VG, or the LV's uuid in its VG. */
export type LockTarget =
  | { readonly kind: "gl" }
  | { readonly kind: "vg"; readonly vg_name: string }
  | { readonly kind: "lv"; readonly vg_name: string; readonly lv_name: string; readonly lv_uuid: string };

/** Keys of an LV lock that come from the VG's metadata. */
export interface LockArgs {
  readonly vg_lock_type: string;
  readonly vg_lock_args: string;
  readonly lv_lock_args: string;
}

export const NO_ARGS: LockArgs = { vg_lock_type: "none", vg_lock_args: "none", lv_lock_args: "none" };

/** lock_gl, lock_vg or lock_lv with the keys and the order of lvm 2.03.16. */
export function lockRequest(
  target: LockTarget,
  mode: string,
  opts = "none",
  args: LockArgs = NO_ARGS,
): RequestSpec {
  const head = { cmd: "rig", pid: process.pid, mode, opts };
  switch (target.kind) {
    case "gl":
      return { request: "lock_gl", keys: { ...head, vg_lock_type: args.vg_lock_type } };
    case "vg":
      return {
        request: "lock_vg",
        keys: {
          ...head,
          vg_name: target.vg_name,
          vg_lock_type: args.vg_lock_type,
          vg_lock_args: args.vg_lock_args,
        },
      };
    case "lv": {
      const { vg_name, lv_name, lv_uuid } = target;
      return { request: "lock_lv", keys: { ...head, vg_name, lv_name, lv_uuid, ...args } };
    }
  }
}

export interface StartOptions {
  readonly vg_lock_type: string;
  readonly vg_lock_args: string;
  readonly vg_uuid: string;
  readonly host_id: number;
}

/** start_vg as `vgchange --lockstart` sends it. */
export function startRequest(vg_name: string, options: StartOptions): RequestSpec {
  const { vg_lock_type, vg_lock_args, vg_uuid, host_id } = options;
  return {
    request: "start_vg",
    keys: {
      pid: process.pid,
      vg_name,
      vg_lock_type,
      vg_lock_args,
      vg_uuid,
      version: 1,
      host_id,
      opts: "none",
    },
  };
}

/** Any of the requests that name a VG and nothing else: stop_vg, kill_vg, drop_vg, query_lock_vg, ... */
export function vgRequest(
  request: string,
  vg_name: string,
  more: Readonly<Record<string, string | number>> = {},
): RequestSpec {
  return { request, keys: { pid: process.pid, vg_name, ...more } };
}

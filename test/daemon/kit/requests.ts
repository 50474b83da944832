/** Requests for tests: what a client left out has the wire's defaults. */
import type { Request } from "../../../core/wire/message.ts";

const EMPTY: Request = {
  name: "hello",
  cmd: "",
  pid: 0,
  vg_name: "",
  vg_uuid: "",
  lv_name: "",
  lv_uuid: "",
  mode: "iv",
  opts: {
    persistent: false,
    unlock_cancel: false,
    next_version: false,
    wait: false,
    force: false,
    ex_disable: false,
    enable: false,
    disable: false,
    nodelay: false,
    repair: false,
    adopt: "no",
  },
  vg_lock_type: "none",
  vg_lock_args: "",
  lv_lock_args: "",
  prev_lv_args: "",
  set_lock_args: "",
  path: "",
  remove_key: "",
  version: 0,
  host_id: 0,
  align_mb: 0,
  lv_size_bytes: 0,
  max_retries: 4,
};

export function request(fields: Partial<Request>): Request {
  return { ...EMPTY, ...fields };
}

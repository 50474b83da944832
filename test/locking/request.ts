/** Requests for the pure core: what a test does not name has the wire's default. */
import type { Request, RequestName, RequestOptions } from "../../core/wire/message.ts";

export type RequestFields = Partial<Omit<Request, "name" | "opts">> & {
  readonly opts?: Partial<RequestOptions>;
};

const NO_OPTIONS: RequestOptions = {
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
};

const BLANK: Request = {
  name: "hello",
  cmd: "",
  pid: 0,
  vg_name: "",
  vg_uuid: "",
  lv_name: "",
  lv_uuid: "",
  mode: "iv",
  opts: NO_OPTIONS,
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

export function makeRequest(name: RequestName, fields: RequestFields = {}): Request {
  const { opts, ...plain } = fields;
  return { ...BLANK, ...plain, name, opts: opts === undefined ? NO_OPTIONS : { ...NO_OPTIONS, ...opts } };
}

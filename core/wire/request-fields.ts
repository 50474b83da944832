/** The keys that a request may carry, what each of them takes, and where it goes. All other keys are ignored. */
import { assert } from "../assert.ts";
import { LIMITS } from "../limits.ts";
import { equalsBytes, type TextEncoding } from "./intern.ts";
import {
  REQUEST_NAMES,
  type Request,
  type RequestName,
  type WireLockType,
  type WireMode,
} from "./message.ts";
import { NO_OPTIONS, parseOptions } from "./request-options.ts";

type MutableRequest = { -readonly [Key in keyof Request]: Request[Key] };

/** A request while its keys are read. */
export interface RequestDraft {
  readonly request: MutableRequest;
  /** The bits of the fields that were there: the first of two equal keys counts. */
  seen: number;
  /** Keys and array elements read so far, known or not. */
  parts: number;
  /** The value of the key `request`; null while it has not been there as a string. */
  name_text: string | null;
  name: RequestName | null;
}

interface TextField {
  readonly kind: "text";
  readonly key: string;
  readonly bit: number;
  readonly length_max: number;
  readonly encoding: TextEncoding;
  /** A text that is too long, or not UTF-8: refused, or for text that is only shown to people, cut and shown as it is. */
  readonly excess: "refuse" | "cut";
  readonly set: (draft: RequestDraft, text: string) => void;
}

interface IntegerField {
  readonly kind: "integer";
  readonly key: string;
  readonly bit: number;
  readonly min: number;
  readonly max: number;
  readonly set: (draft: RequestDraft, value: number) => void;
}

export type RequestField = TextField | IntegerField;

/** The C daemon's retries for a client that does not say. */
const default_max_retries = 4;

const names = new Map<string, RequestName>(REQUEST_NAMES.map((name) => [name, name]));

export function newRequestDraft(): RequestDraft {
  return {
    request: {
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
      max_retries: default_max_retries,
    },
    seen: 0,
    parts: 0,
    name_text: null,
    name: null,
  };
}

/** lvm writes "none" where it has no name or args. */
function unlessNone(text: string): string {
  return text === "none" ? "" : text;
}

function wireMode(text: string): WireMode {
  return text === "sh" || text === "ex" || text === "un" || text === "nl" ? text : "iv";
}

function wireLockType(text: string): WireLockType {
  if (text === "none" || text === "dlm" || text === "sanlock" || text === "idm") return text;
  return text === "" ? "none" : "bad";
}

let next_bit = 1;

function newBit(): number {
  const bit = next_bit;
  next_bit *= 2;
  return bit;
}

function textField(key: string, length_max: number, set: TextField["set"]): TextField {
  return { kind: "text", key, bit: newBit(), length_max, encoding: "latin1", excess: "refuse", set };
}

function integerField(key: string, min: number, max: number, set: IntegerField["set"]): IntegerField {
  return { kind: "integer", key, bit: newBit(), min, max, set };
}

const int32_min = -(2 ** 31);
const int32_max = 2 ** 31 - 1;
const uint32_max = 2 ** 32 - 1;

/** Words of the protocol (names of requests, modes, types) are shorter than 32; a longer one is no word of it. */
const word_length_max = 32;

const FIELDS: readonly RequestField[] = [
  textField("request", word_length_max, (draft, text) => {
    draft.name_text = text;
    draft.name = names.get(text) ?? null;
    if (draft.name !== null) draft.request.name = draft.name;
  }),
  {
    // Shown in info and logs only, so a command with a long or strange name still gets its lock.
    ...textField("cmd", LIMITS.command_name_length, (draft, text) => {
      draft.request.cmd = text;
    }),
    encoding: "utf8",
    excess: "cut",
  },
  integerField("pid", int32_min, int32_max, (draft, value) => {
    draft.request.pid = value;
  }),
  textField("mode", word_length_max, (draft, text) => {
    draft.request.mode = wireMode(text);
  }),
  textField("opts", LIMITS.opts_length, (draft, text) => {
    draft.request.opts = parseOptions(text);
  }),
  textField("vg_name", LIMITS.vg_name_length, (draft, text) => {
    draft.request.vg_name = unlessNone(text);
  }),
  textField("vg_uuid", LIMITS.uuid_length, (draft, text) => {
    draft.request.vg_uuid = unlessNone(text);
  }),
  textField("vg_lock_type", word_length_max, (draft, text) => {
    draft.request.vg_lock_type = wireLockType(text);
  }),
  textField("vg_lock_args", LIMITS.lock_args_length, (draft, text) => {
    draft.request.vg_lock_args = unlessNone(text);
  }),
  textField("lv_name", LIMITS.lv_name_length, (draft, text) => {
    draft.request.lv_name = unlessNone(text);
  }),
  textField("lv_uuid", LIMITS.uuid_length, (draft, text) => {
    draft.request.lv_uuid = unlessNone(text);
  }),
  textField("lv_lock_args", LIMITS.lock_args_length, (draft, text) => {
    draft.request.lv_lock_args = unlessNone(text);
  }),
  textField("prev_lv_args", LIMITS.lock_args_length, (draft, text) => {
    draft.request.prev_lv_args = unlessNone(text);
  }),
  textField("set_lock_args", LIMITS.lock_args_length, (draft, text) => {
    draft.request.set_lock_args = unlessNone(text);
  }),
  {
    ...textField("path", LIMITS.path_length, (draft, text) => {
      draft.request.path = text;
    }),
    encoding: "utf8",
  },
  textField("removekey", word_length_max, (draft, text) => {
    draft.request.remove_key = text;
  }),
  // The VG's seqno: lvm counts it in 32 bits without sign.
  integerField("version", 0, uint32_max, (draft, value) => {
    draft.request.version = value;
  }),
  integerField("host_id", int32_min, int32_max, (draft, value) => {
    draft.request.host_id = value;
  }),
  integerField("align_mb", 0, int32_max, (draft, value) => {
    draft.request.align_mb = value;
  }),
  // Sizes beyond 2^53 lose no bit either, because an LV is a whole number of 512-byte sectors.
  integerField("lv_size_bytes", 0, 2 ** 63, (draft, value) => {
    draft.request.lv_size_bytes = value;
  }),
  integerField("max_retries", int32_min, int32_max, (draft, value) => {
    draft.request.max_retries = Math.min(Math.max(value, 0), LIMITS.max_retries);
  }),
];

const byKey = new Map<string, RequestField>(FIELDS.map((field) => [field.key, field]));

/** The field of a key, or undefined for one that is ignored. */
export function fieldOfKey(key: string): RequestField | undefined {
  return byKey.get(key);
}

// Length, first and last character tell all keys apart. The factors were searched for by trying small numbers until no two
// keys shared a slot; a new key may need others, and the assertion below says so when the module is loaded.
const table_slots = 64;
const table: (RequestField | undefined)[] = new Array(table_slots).fill(undefined);

function keySlot(length: number, first: number, last: number): number {
  return (length + first * 11 + last * 6) & (table_slots - 1);
}

for (const field of FIELDS) {
  const slot = keySlot(field.key.length, field.key.charCodeAt(0), field.key.charCodeAt(field.key.length - 1));
  assert(table[slot] === undefined, `the key ${field.key} shares its slot with ${table[slot]?.key}`);
  table[slot] = field;
}

/** The field whose key is bytes[start, end), without making a string of it. The key must not be empty. */
export function fieldOfBytes(bytes: Buffer, start: number, end: number): RequestField | undefined {
  const field = table[keySlot(end - start, bytes[start] ?? 0, bytes[end - 1] ?? 0)];
  return field !== undefined && equalsBytes(field.key, bytes, start, end) ? field : undefined;
}

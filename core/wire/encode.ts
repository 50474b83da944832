/**
 * Reply -> bytes. Key order, spacing, "none" and the commas of result_flags are what the C daemon sends, byte for byte (the
 * captures under test/wire hold it). Unlike C we escape strings, which its clients undo.
 */
import { assert } from "../assert.ts";
import { LIMITS } from "../limits.ts";
import { TERMINATOR } from "./frame.ts";
import {
  NO_FLAGS,
  type Reply,
  type ReplyFlags,
  type ReplyOwner,
  type WireLockType,
  type WireMode,
} from "./message.ts";
import { quoteText } from "./quote.ts";

/**
 * Whose keys a server sends: lvm2 2.03.40, or 2.03.16, which knows neither ls_generation nor prev_generation nor the owner
 * of a refused lock. Clients look keys up by name and read either.
 */
export type ReplyDialect = "2.03.40" | "2.03.16";

/** Gives the whole message, terminator included. Equal replies may give the same array: it must not be changed. */
export type ReplyEncoder = (reply: Reply) => Uint8Array;

type NormalReply = Extract<Reply, { readonly shape: "normal" }>;

const PROTOCOL = "lvmlockd";
const PROTOCOL_VERSION = 1;

function integerLine(key: string, value: number): string {
  assert(Number.isSafeInteger(value), `a reply's ${key} is an integer`);
  return `${key} = ${value}\n`;
}

function textLine(key: string, text: string): string {
  return `${key} = ${quoteText(text)}\n`;
}

/** C prints "none" for an empty string. */
function textOrNoneLine(key: string, text: string): string {
  return textLine(key, text === "" ? "none" : text);
}

function lockTypeLine(type: WireLockType): string {
  return textLine("lock_type", type === "bad" ? "lm_unknown" : type);
}

function modeLine(mode: WireMode): string {
  return textLine("mode", mode);
}

/** Each word has a comma behind it, except NO_LM, which C writes last; clients search for the words. */
function flagsLine(flags: ReplyFlags): string {
  if (flags === NO_FLAGS) return 'result_flags = "none"\n';
  const others =
    (flags.dup_gl_ls ? "DUP_GL_LS," : "") +
    (flags.warn_gl_removed ? "WARN_GL_REMOVED," : "") +
    (flags.sh_exists ? "SH_EXISTS," : "") +
    (flags.hosts_unknown ? "HOSTS_UNKNOWN," : "");
  const words =
    (flags.no_lockspaces ? "NO_LOCKSPACES," : "") +
    (flags.no_gl_ls ? "NO_GL_LS," : "") +
    (flags.no_lm ? (others === "" ? "NO_LM" : "NO_LM,") : "") +
    others;
  return textOrNoneLine("result_flags", words);
}

function ownerLines(owner: ReplyOwner): string {
  return (
    integerLine("owner_host_id", owner.host_id) +
    integerLine("owner_generation", owner.generation) +
    integerLine("owner_timestamp", owner.timestamp_s) +
    textOrNoneLine("owner_state", owner.state) +
    textOrNoneLine("owner_name", owner.name)
  );
}

function detailLine(detail: string): string {
  return detail === "" ? "" : textLine("detail", detail);
}

/** The keys with which most replies begin. */
function headLines(reply: {
  readonly op: number;
  readonly lock_type: WireLockType;
  readonly result: number;
  readonly lm_result: number;
}): string {
  return (
    integerLine("op", reply.op) +
    lockTypeLine(reply.lock_type) +
    integerLine("op_result", reply.result) +
    integerLine("lm_result", reply.lm_result)
  );
}

function normalLines(reply: NormalReply, dialect: ReplyDialect): string {
  const { owner } = reply;
  const knows_owner = dialect === "2.03.40" && owner !== null;
  return (
    headLines(reply) +
    (knows_owner ? ownerLines(owner) : "") +
    flagsLine(reply.flags) +
    (dialect === "2.03.40" && !knows_owner ? integerLine("ls_generation", reply.ls_generation) : "") +
    detailLine(reply.detail)
  );
}

function replyLines(reply: Reply, dialect: ReplyDialect): string {
  switch (reply.shape) {
    case "normal":
      return normalLines(reply, dialect);
    case "hello":
      return (
        integerLine("result", reply.result) +
        textLine("protocol", PROTOCOL) +
        integerLine("version", PROTOCOL_VERSION)
      );
    case "args":
      return (
        integerLine("op", reply.op) +
        integerLine("op_result", reply.result) +
        integerLine("lm_result", reply.lm_result) +
        textOrNoneLine("vg_lock_args", reply.vg_lock_args) +
        textOrNoneLine("lv_lock_args", reply.lv_lock_args) +
        flagsLine(reply.flags) +
        detailLine(reply.detail)
      );
    case "query":
      return (
        integerLine("op", reply.op) +
        integerLine("op_result", reply.result) +
        lockTypeLine(reply.lock_type) +
        modeLine(reply.mode)
      );
    case "short":
      return integerLine("op", reply.op) + integerLine("op_result", reply.result);
    case "dump":
      return integerLine("result", reply.result) + integerLine("dump_len", reply.dump_len);
    case "start":
      return (
        headLines(reply) +
        (dialect === "2.03.40" ? integerLine("prev_generation", reply.prev_generation) : "") +
        flagsLine(reply.flags) +
        detailLine(reply.detail)
      );
    case "status":
      return headLines(reply) + ownerLines(reply.owner) + flagsLine(reply.flags);
    case "text":
      return (
        integerLine("op", reply.op) + integerLine("op_result", reply.result) + textLine("text", reply.text)
      );
  }
}

function encodeFresh(reply: Reply, dialect: ReplyDialect): Uint8Array {
  return Buffer.from(`response = "OK"\n${replyLines(reply, dialect)}${TERMINATOR}`, "utf8");
}

function lockTypeNumber(type: WireLockType): number {
  switch (type) {
    case "none":
      return 0;
    case "dlm":
      return 1;
    case "sanlock":
      return 2;
    case "idm":
      return 3;
    case "bad":
      return 4;
  }
}

function hasFlags(flags: ReplyFlags): boolean {
  return (
    flags.no_lockspaces ||
    flags.no_gl_ls ||
    flags.no_lm ||
    flags.dup_gl_ls ||
    flags.warn_gl_removed ||
    flags.sh_exists ||
    flags.hosts_unknown
  );
}

const results_max = 512;
const ops_max = 64;
const NO_NUMBERS = -1;

function fits(value: number, max: number): boolean {
  return value >= -max && value < max && Number.isInteger(value);
}

/**
 * op, lock type and both results of a reply that says nothing else, in one number of 29 bits; NO_NUMBERS for a reply that
 * has more to say. The op has 6 bits, the type 3 and each result, which is an errno or lvmlockd's code, 10.
 */
function replyNumbers(reply: NormalReply): number {
  if (reply.detail !== "" || reply.owner !== null) return NO_NUMBERS;
  if (reply.flags !== NO_FLAGS && hasFlags(reply.flags)) return NO_NUMBERS;
  const { op, result, lm_result } = reply;
  if (op < 0 || !fits(op, ops_max) || !fits(result, results_max) || !fits(lm_result, results_max))
    return NO_NUMBERS;
  const type = lockTypeNumber(reply.lock_type);
  return (op << 23) | (type << 20) | ((result + results_max) << 10) | (lm_result + results_max);
}

/**
 * An encoder for one server. The replies that nearly all requests get differ in a few numbers only; they are kept ready in a
 * table where each combination has one place and the later one wins.
 */
export function createReplyEncoder(options: { readonly dialect: ReplyDialect }): ReplyEncoder {
  const { dialect } = options;
  const slot_mask = LIMITS.ready_replies - 1;
  const numbersOf = new Int32Array(LIMITS.ready_replies).fill(NO_NUMBERS);
  const generationOf = new Float64Array(LIMITS.ready_replies);
  const ready: Uint8Array[] = new Array<Uint8Array>(LIMITS.ready_replies).fill(new Uint8Array(0));
  const hello = encodeFresh({ shape: "hello", result: 0 }, dialect);

  return (reply) => {
    if (reply.shape === "hello" && reply.result === 0) return hello;
    if (reply.shape !== "normal") return encodeFresh(reply, dialect);
    const numbers = replyNumbers(reply);
    if (numbers === NO_NUMBERS) return encodeFresh(reply, dialect);
    const generation = reply.ls_generation;
    const slot = (numbers ^ (numbers >>> 9) ^ (numbers >>> 18) ^ generation) & slot_mask;
    const known = ready[slot];
    if (known !== undefined && numbersOf[slot] === numbers && generationOf[slot] === generation) return known;
    const bytes = encodeFresh(reply, dialect);
    numbersOf[slot] = numbers;
    generationOf[slot] = generation;
    ready[slot] = bytes;
    return bytes;
  };
}

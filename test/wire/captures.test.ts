import { expect, test } from "bun:test";
import { decodeReply, encodeRequest } from "../../core/wire/client-codec.ts";
import { decodeRequest } from "../../core/wire/decode.ts";
import { createReplyEncoder } from "../../core/wire/encode.ts";
import { createFrameAssembler, TERMINATOR } from "../../core/wire/frame.ts";
import type { Reply, ReplyFlags, WireLockType, WireMode } from "../../core/wire/message.ts";
import { CAPTURED } from "./captures.ts";

const requests = CAPTURED.filter((message) => message.direction === "request");
const replies = CAPTURED.filter((message) => message.direction === "reply");

/** The keys of a captured message, read in the plainest way, so that the codec is not judged by itself. */
function plainKeys(wire: Buffer): Map<string, string> {
  const keys = new Map<string, string>();
  for (const line of wire.toString("latin1").split("\n")) {
    const match = /^(\w+) ?= ?"?([^"]*)"?$/.exec(line);
    if (match?.[1] !== undefined && match[2] !== undefined) keys.set(match[1], match[2]);
  }
  return keys;
}

function bodyOf(wire: Buffer): number {
  return wire.length - TERMINATOR.length;
}

test("the captures hold the traffic that they are known to hold", () => {
  expect(requests.length).toBe(490);
  expect(replies.length).toBe(490);
});

test("every captured request decodes to what it says", () => {
  for (const { wire } of requests) {
    const decoded = decodeRequest(wire, 0, bodyOf(wire));
    if (decoded.name === null) throw new Error(`${decoded.detail} in ${wire}`);
    const shown = decoded as unknown as Readonly<Record<string, unknown>>;
    for (const [key, value] of plainKeys(wire)) {
      if (key === "request") expect(decoded.name as string).toBe(value);
      else if (key === "opts") expect(decoded.opts.persistent).toBe(value.startsWith("persistent"));
      else if (key === "mode" || key === "vg_lock_type") expect(shown[key]).toBe(value);
      else expect(String(shown[key])).toBe(value === "none" ? "" : value);
    }
  }
});

test("every captured request is cut out of one stream of all of them, however it was sent", () => {
  const stream = Buffer.concat(requests.map(({ wire }) => wire));
  for (const chunk_size_bytes of [1, 3, 64, 65536, stream.length]) {
    const bodies: string[] = [];
    const assembler = createFrameAssembler((bytes, start, end) =>
      bodies.push(bytes.toString("latin1", start, end)),
    );
    for (let at = 0; at < stream.length; at += chunk_size_bytes) {
      expect(assembler.push(stream.subarray(at, at + chunk_size_bytes))).toBe("ok");
    }
    expect(bodies).toEqual(requests.map(({ wire }) => wire.toString("latin1", 0, bodyOf(wire))));
    expect(assembler.unfinishedSizeBytes()).toBe(0);
  }
});

test("every captured request is encoded again as lvm wrote it", () => {
  for (const { wire } of requests) {
    const [[, name] = ["", ""], ...rest] = [...plainKeys(wire)];
    const isNumber = (key: string): boolean => /^(pid|version|host_id|align_mb|lv_size_bytes)$/.test(key);
    const keys = Object.fromEntries(
      rest.map(([key, value]) => [key, isNumber(key) ? Number(value) : value] as const),
    );
    const spelling = wire.toString("latin1").startsWith("request = ") ? "simple" : "lvm";
    expect(Buffer.from(encodeRequest(name, keys, { spelling })).toString("latin1")).toBe(
      wire.toString("latin1"),
    );
  }
});

function flagsOf(words: string): ReplyFlags {
  return {
    no_lockspaces: words.includes("NO_LOCKSPACES"),
    no_gl_ls: words.includes("NO_GL_LS"),
    no_lm: words.includes("NO_LM"),
    dup_gl_ls: words.includes("DUP_GL_LS"),
    warn_gl_removed: words.includes("WARN_GL_REMOVED"),
    sh_exists: words.includes("SH_EXISTS"),
    hosts_unknown: words.includes("HOSTS_UNKNOWN"),
  };
}

/** The record from which a captured reply was made, told by its keys. */
function replyOf(keys: ReadonlyMap<string, string | number>): Reply {
  const number = (key: string): number => Number(keys.get(key) ?? 0);
  const text = (key: string): string => String(keys.get(key) ?? "");
  const lock_type = text("lock_type") as WireLockType;
  const flags = flagsOf(text("result_flags"));
  const op = number("op");
  const result = number("op_result");
  const lm_result = number("lm_result");
  if (keys.has("protocol")) return { shape: "hello", result: number("result") };
  if (keys.has("dump_len")) return { shape: "dump", result: number("result"), dump_len: number("dump_len") };
  if (keys.has("vg_lock_args")) {
    const vg_lock_args = text("vg_lock_args");
    const lv_lock_args = text("lv_lock_args");
    return { shape: "args", op, result, lm_result, vg_lock_args, lv_lock_args, flags, detail: "" };
  }
  if (keys.has("mode")) return { shape: "query", op, result, lock_type, mode: text("mode") as WireMode };
  if (!keys.has("lm_result")) return { shape: "short", op, result };
  const ls_generation = number("ls_generation");
  return { shape: "normal", op, lock_type, result, lm_result, flags, ls_generation, owner: null, detail: "" };
}

test("every captured reply is encoded again byte for byte, in its dialect", () => {
  const encoders = {
    "2.03.40": createReplyEncoder({ dialect: "2.03.40" }),
    "2.03.16": createReplyEncoder({ dialect: "2.03.16" }),
  };
  for (const { wire, dialect } of replies) {
    const decoded = decodeReply(wire, 0, bodyOf(wire));
    if (!decoded.ok) throw new Error(`${decoded.detail} in ${wire}`);
    const encoded = Buffer.from(encoders[dialect](replyOf(decoded.keys)));
    expect(encoded.toString("latin1")).toBe(wire.toString("latin1"));
  }
});

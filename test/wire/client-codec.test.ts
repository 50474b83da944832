import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type DecodedReply,
  DUMP_DATAGRAM_ADDRESS,
  decodeReply,
  encodeRequest,
} from "../../core/wire/client-codec.ts";

function decode(body: string): DecodedReply {
  const bytes = Buffer.from(body, "utf8");
  return decodeReply(bytes, 0, bytes.length);
}

function keysOf(body: string): Record<string, string | number> {
  const decoded = decode(body);
  if (!decoded.ok) throw new Error(decoded.detail);
  return Object.fromEntries(decoded.keys);
}

describe("requests", () => {
  test("are written as liblvm writes them", () => {
    const message = encodeRequest("lock_vg", { cmd: "vgs", pid: 5, opts: 'a"b\\' }, { spelling: "lvm" });
    expect(Buffer.from(message).toString()).toBe(
      'request="lock_vg"\ncmd ="vgs"\npid =5\nopts ="a\\"b\\\\"\n\n##\n',
    );
  });

  test("are written as daemon_send_simple writes them", () => {
    const message = encodeRequest("hello", { pid: 5 }, { spelling: "simple" });
    expect(Buffer.from(message).toString()).toBe('request = "hello"\npid = 5\n\n##\n');
  });

  test("never carry a number that is none", () => {
    expect(() => encodeRequest("hello", { pid: 1.5 }, { spelling: "lvm" })).toThrow("pid is an integer");
  });
});

describe("replies", () => {
  test("are read in any spelling, with keys that nobody knows yet", () => {
    expect(
      keysOf('response="OK" op =7\nop_result = -210 new { a = 1 } list = ["x", "y"]\nf = 1.5\n'),
    ).toEqual({
      response: "OK",
      op: 7,
      op_result: -210,
      list: "x",
    });
  });

  test("of equal keys the first counts", () => {
    expect(keysOf("a = 1 a = 2")).toEqual({ a: 1 });
  });

  test("text is UTF-8, or byte for byte where it is not", () => {
    expect(keysOf('detail = "gehört pid 5"')).toEqual({ detail: "gehört pid 5" });
    const bytes = Buffer.from('detail = "\xff"', "latin1");
    const decoded = decodeReply(bytes, 0, bytes.length);
    expect(decoded.ok && decoded.keys.get("detail")).toBe("\xff");
  });

  test("garbage is told, with its place", () => {
    expect(decode("a = 1\n}")).toEqual({ ok: false, detail: "byte 6: expected a key" });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (array) => {
        const decoded = decodeReply(Buffer.from(array), 0, array.length);
        if (!decoded.ok) expect(decoded.detail).toContain("byte ");
      }),
      { numRuns: 1000 },
    );
  });
});

test("the dump address is the abstract one that the C daemon sends to", () => {
  expect(DUMP_DATAGRAM_ADDRESS.charCodeAt(0)).toBe(0);
  expect(DUMP_DATAGRAM_ADDRESS.slice(1)).toBe("lvmlockd-dump.sock");
});

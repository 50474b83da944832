import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LIMITS } from "../../core/limits.ts";
import { decodeReply } from "../../core/wire/client-codec.ts";
import { createReplyEncoder } from "../../core/wire/encode.ts";
import { NO_FLAGS, type Reply, type ReplyFlags, type ReplyOwner } from "../../core/wire/message.ts";

const encode40 = createReplyEncoder({ dialect: "2.03.40" });
const encode16 = createReplyEncoder({ dialect: "2.03.16" });

type NormalReply = Extract<Reply, { readonly shape: "normal" }>;

const NORMAL: NormalReply = {
  shape: "normal",
  op: 7,
  lock_type: "sanlock",
  result: 0,
  lm_result: 0,
  flags: NO_FLAGS,
  ls_generation: 3,
  owner: null,
  detail: "",
};
const OWNER: ReplyOwner = { host_id: 5, generation: 2, timestamp_s: 1234, state: "LIVE", name: "node5" };

/** The message without what all have: the response in front and the terminator. */
function lines(reply: Reply, encode = encode40): string[] {
  const message = Buffer.from(encode(reply)).toString("utf8");
  expect(message.startsWith('response = "OK"\n')).toBe(true);
  expect(message.endsWith("\n\n##\n")).toBe(true);
  return message.slice('response = "OK"\n'.length, -"\n\n##\n".length).split("\n");
}

function readBack(reply: Reply, encode = encode40): ReadonlyMap<string, string | number> {
  const message = Buffer.from(encode(reply));
  expect(message.indexOf("\n##\n")).toBe(message.length - 4);
  const decoded = decodeReply(message, 0, message.length - 4);
  if (!decoded.ok) throw new Error(decoded.detail);
  return decoded.keys;
}

describe("shapes", () => {
  test("a refused lock with its owner has the owner's keys in place of ls_generation", () => {
    expect(lines({ ...NORMAL, result: -11, lm_result: -243, owner: OWNER })).toEqual([
      "op = 7",
      'lock_type = "sanlock"',
      "op_result = -11",
      "lm_result = -243",
      "owner_host_id = 5",
      "owner_generation = 2",
      "owner_timestamp = 1234",
      'owner_state = "LIVE"',
      'owner_name = "node5"',
      'result_flags = "none"',
    ]);
  });

  test("start_vg after an earlier generation says which", () => {
    const { op, lock_type, result, lm_result, flags, detail } = { ...NORMAL, op: 5 };
    const start: Reply = {
      shape: "start",
      op,
      lock_type,
      result,
      lm_result,
      flags,
      detail,
      prev_generation: 9,
    };
    expect(lines(start)).toEqual([
      "op = 5",
      'lock_type = "sanlock"',
      "op_result = 0",
      "lm_result = 0",
      "prev_generation = 9",
      'result_flags = "none"',
    ]);
    expect(lines(start, encode16)).not.toContain("prev_generation = 9");
  });

  test("vg_status gives the owner, with none for what is not known", () => {
    const { lock_type, result, lm_result, flags } = NORMAL;
    const owner = { ...OWNER, name: "", state: "" };
    expect(lines({ shape: "status", op: 25, lock_type, result, lm_result, flags, owner }).slice(4)).toEqual([
      "owner_host_id = 5",
      "owner_generation = 2",
      "owner_timestamp = 1234",
      'owner_state = "none"',
      'owner_name = "none"',
      'result_flags = "none"',
    ]);
  });

  test("args that are empty are none", () => {
    const { result, lm_result, flags, detail } = NORMAL;
    const args = { vg_lock_args: "", lv_lock_args: "1.0.0:70254592" };
    expect(lines({ shape: "args", op: 3, result, lm_result, flags, detail, ...args }).slice(3)).toEqual([
      'vg_lock_args = "none"',
      'lv_lock_args = "1.0.0:70254592"',
      'result_flags = "none"',
    ]);
  });

  test("a query gives type and mode", () => {
    expect(lines({ shape: "query", op: 23, result: 0, lock_type: "dlm", mode: "sh" })).toEqual([
      "op = 23",
      "op_result = 0",
      'lock_type = "dlm"',
      'mode = "sh"',
    ]);
  });

  test("a lock type that LVM does not know is called as the C daemon calls it", () => {
    expect(lines({ ...NORMAL, lock_type: "bad" })).toContain('lock_type = "lm_unknown"');
  });

  test("a refused quit is a hello with a result", () => {
    expect(lines({ shape: "hello", result: -16 })).toEqual([
      "result = -16",
      'protocol = "lvmlockd"',
      "version = 1",
    ]);
  });

  test("2.03.16 knows neither generation nor owner", () => {
    const expected = [
      "op = 7",
      'lock_type = "sanlock"',
      "op_result = 0",
      "lm_result = 0",
      'result_flags = "none"',
    ];
    expect(lines(NORMAL, encode16)).toEqual(expected);
    expect(lines({ ...NORMAL, owner: OWNER }, encode16)).toEqual(expected);
  });

  test("the detail comes last, and only when there is one", () => {
    expect(lines({ ...NORMAL, detail: "held by pid 5" }).at(-1)).toBe('detail = "held by pid 5"');
    expect(lines(NORMAL).at(-1)).toBe("ls_generation = 3");
  });
});

describe("flags", () => {
  for (const [names, expected] of [
    [[], "none"],
    [["no_gl_ls"], "NO_GL_LS,"],
    [["no_lockspaces", "no_gl_ls"], "NO_LOCKSPACES,NO_GL_LS,"],
    [["no_lockspaces", "no_gl_ls", "no_lm"], "NO_LOCKSPACES,NO_GL_LS,NO_LM"],
    [["sh_exists"], "SH_EXISTS,"],
    [
      ["hosts_unknown", "dup_gl_ls", "sh_exists", "warn_gl_removed"],
      "DUP_GL_LS,WARN_GL_REMOVED,SH_EXISTS,HOSTS_UNKNOWN,",
    ],
    [["no_gl_ls", "no_lm", "warn_gl_removed"], "NO_GL_LS,NO_LM,WARN_GL_REMOVED,"],
  ] as const) {
    test(`${names.join(" and ") || "no flags"} are written ${expected}`, () => {
      const set = Object.fromEntries(names.map((name) => [name, true])) as Partial<ReplyFlags>;
      const flags: ReplyFlags = { ...NO_FLAGS, ...set };
      expect(lines({ ...NORMAL, flags })).toContain(`result_flags = "${expected}"`);
    });
  }
});

describe("strings", () => {
  const text = fc.string({ unit: fc.constantFrom(..."ab\"\\'#={}, \n\tüß€"), maxLength: 60 });

  test("any detail is read back as it was, unless it would end the message", () => {
    fc.assert(
      fc.property(text, (detail) => {
        const read = readBack({ ...NORMAL, detail }).get("detail") ?? "";
        expect(read).toBe(detail.replace(/\n##(?=\n)/g, "\n## "));
      }),
      { numRuns: 1000 },
    );
  });

  test("a line of two hashes in a text does not end the message", () => {
    const shown = readBack({ shape: "text", op: 1002, result: 0, text: "a\n##\n##\nb" });
    expect(shown.get("text")).toBe("a\n## \n## \nb");
  });

  test("a NUL in a text does not end the message, not even between two hashes", () => {
    expect(readBack({ shape: "text", op: 1002, result: 0, text: "a\0b\n#\0#\nc" }).get("text")).toBe(
      "ab\n## \nc",
    );
  });
});

describe("ready-made replies", () => {
  const results = fc.oneof(fc.integer({ min: -300, max: 5 }), fc.constantFrom(-513, -512, 511, 512, 2 ** 31));
  const normal = fc.record<NormalReply>({
    shape: fc.constant("normal"),
    op: fc.oneof(fc.integer({ min: 0, max: 30 }), fc.constantFrom(63, 64, 1000)),
    lock_type: fc.constantFrom("none", "dlm", "sanlock", "idm", "bad"),
    result: results,
    lm_result: results,
    flags: fc.constantFrom(NO_FLAGS, { ...NO_FLAGS }, { ...NO_FLAGS, sh_exists: true }),
    ls_generation: fc.oneof(fc.nat(4), fc.constantFrom(2 ** 32, 2 ** 32 + 1)),
    owner: fc.constantFrom(null, OWNER),
    detail: fc.constantFrom("", "x"),
  });

  test("an encoder that has seen many replies encodes as a new one does", () => {
    fc.assert(
      fc.property(normal, (reply) => {
        const fresh = createReplyEncoder({ dialect: "2.03.40" })(reply);
        expect(Buffer.from(encode40(reply)).equals(fresh)).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  test("equal replies are one array", () => {
    expect(encode40({ ...NORMAL })).toBe(encode40({ ...NORMAL }));
  });

  test("two replies whose numbers share a place do not get each other's bytes", () => {
    const other = { ...NORMAL, ls_generation: NORMAL.ls_generation + LIMITS.ready_replies };
    for (const reply of [NORMAL, other, NORMAL, other]) {
      expect(lines(reply)).toContain(`ls_generation = ${reply.ls_generation}`);
    }
  });

  test("a number that is none is a defect, not a message", () => {
    expect(() => encode40({ ...NORMAL, lm_result: Number.NaN })).toThrow("lm_result is an integer");
  });
});

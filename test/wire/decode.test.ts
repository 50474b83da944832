import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { errorName, wireResult } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { encodeRequest } from "../../core/wire/client-codec.ts";
import { type DecodeError, decodeRequest } from "../../core/wire/decode.ts";
import { REQUEST_NAMES, type Request } from "../../core/wire/message.ts";

function decodeBytes(body: Buffer): Request | DecodeError {
  return decodeRequest(body, 0, body.length);
}

function decodeText(body: string): Request | DecodeError {
  return decodeBytes(Buffer.from(body, "latin1"));
}

function accepted(body: string | Buffer): Request {
  const decoded = typeof body === "string" ? decodeText(body) : decodeBytes(body);
  if (decoded.name === null) throw new Error(decoded.detail);
  return decoded;
}

function refused(body: string | Buffer): DecodeError {
  const decoded = typeof body === "string" ? decodeText(body) : decodeBytes(body);
  if (decoded.name !== null) throw new Error(`decoded as ${JSON.stringify(decoded)}`);
  return decoded;
}

/** The request of a lock_lv that carries the settings too. */
function withSettings(settings: string): Request {
  return accepted(`request="lock_lv"\n${settings}\n`);
}

describe("spellings", () => {
  for (const [what, text] of [
    ["as liblvm writes its first key", 'vg_name="vg0"\nversion=7\n'],
    ["as liblvm writes the other keys", 'vg_name ="vg0"\nversion =7\n'],
    ["as daemon_send_simple writes", 'vg_name = "vg0"\nversion = 7\n'],
    ["with tabs and newlines between", '\n\tvg_name\n=\t"vg0"\r\n\x0b version \f=\n\n7'],
    ["all on one line", 'vg_name="vg0"version=7 '],
    ["with comments", '# one\nvg_name # two = 3\n = # "x"\n "vg0" # three\nversion = 7 # four'],
    ["in single quotes", "vg_name = 'vg0' version = 007"],
    ["as a bare word", "vg_name = vg0\nversion = +7"],
    ["as arrays, whose first element counts", 'vg_name = ["vg0", "vg1" "vg2",]\nversion = [7, 8]'],
    ["with quoted keys", '"vg_name" = "vg0" \'version\' = 7'],
    ["with leading slashes", '/vg_name = "vg0" //version = 7'],
  ] as const) {
    test(`a setting is read ${what}`, () => {
      const request = withSettings(text);
      expect([request.vg_name, request.version]).toEqual(["vg0", 7]);
    });
  }

  test("every request name is known", () => {
    for (const name of REQUEST_NAMES) expect(accepted(`request = "${name}"\n`).name).toBe(name);
  });

  test("what a client leaves out has the C daemon's defaults", () => {
    const request = accepted('request = "start_wait"\n');
    expect(request).toMatchObject({ vg_name: "", pid: 0, mode: "iv", vg_lock_type: "none", max_retries: 4 });
    expect(request.opts).toMatchObject({ persistent: false, adopt: "no" });
  });
});

describe("values", () => {
  test("escapes of quotes and backslashes are undone, and other backslashes stay", () => {
    expect(withSettings(String.raw`vg_name ="a\"b\\c\d"`).vg_name).toBe(String.raw`a"b\c\d`);
    expect(withSettings(String.raw`vg_name ='a\"b\\c'`).vg_name).toBe(String.raw`a\"b\\c`);
  });

  test("a string may contain newlines, comments and settings", () => {
    expect(withSettings('vg_name ="a\n# b = 1\n"').vg_name).toBe("a\n# b = 1\n");
  });

  for (const [text, value] of [
    ["0", 0],
    ["-1", -1],
    ["+5", 5],
    ["010", 8],
    ["00", 0],
    ["2147483647", 2147483647],
    ["-2147483648", -2147483648],
    ["0xg", 0],
  ] as const) {
    test(`the integer ${text} is ${value}, as strtoll with base 0 has it`, () => {
      expect(withSettings(`host_id =${text}`.replace("xg", "xg = 1")).host_id).toBe(value);
    });
  }

  for (const text of [
    "0x10",
    "08",
    "+",
    "-",
    "9223372036854775808",
    "-9223372036854775809",
    "9".repeat(1000),
    // libdm takes leading zeros without end; a bound that no client meets is better than a number that is cut.
    `${"0".repeat(70)}17`,
  ]) {
    test(`${text.slice(0, 24)} is not an integer, even for a key that is not known`, () => {
      expect(refused(`request = "hello"\nwhatever = ${text}\n`)).toMatchObject({
        kind: "syntax",
        line: 2,
        column: 12,
      });
    });
  }

  test("sizes beyond 53 bits keep their value, because they are whole sectors", () => {
    expect(withSettings("lv_size_bytes =4611686018427387904").lv_size_bytes).toBe(2 ** 62);
    expect(withSettings("lv_size_bytes =1152921504606851072").lv_size_bytes).toBe(2 ** 60 + 4096);
  });

  test("a VG's seqno uses all of its 32 bits", () => {
    expect(withSettings("version =4294967295").version).toBe(4294967295);
  });

  test("a value of the wrong type counts as absent", () => {
    const request = withSettings(
      'vg_name = 5\npid = "6"\nlv_name = 1.5\nversion = 2.\nmode { sh = 1 }\nlv_uuid = []',
    );
    expect(request).toMatchObject({ vg_name: "", pid: 0, lv_name: "", version: 0, mode: "iv", lv_uuid: "" });
  });

  test("of equal keys the first counts, whatever its value is", () => {
    expect(withSettings('vg_name ="a"\nvg_name ="b"').vg_name).toBe("a");
    expect(withSettings('vg_name = 1\nvg_name ="b"').vg_name).toBe("");
    expect(withSettings('vg_name { }\nvg_name ="b"').vg_name).toBe("");
    expect(withSettings('vg_name/x = 1\nvg_name ="b"').vg_name).toBe("");
    expect(accepted('request="lock_vg"\nrequest="quit"\n').name).toBe("lock_vg");
  });

  test("keys that are not known are skipped, whatever their value is", () => {
    const others = [
      'path[0] = "/dev/sda"',
      "path_num =1",
      "a = [1, 2.5, \"x\" 'y']",
      "b = .5",
      'c { d = 1 e { f = [] } vg_name = "inner" }',
      'g/vg_name = "inner"',
      "vg_names =1",
      'h ="x\\"y"',
    ];
    expect(withSettings(`${others.join("\n")}\nvg_name ="vg0"`).vg_name).toBe("vg0");
  });

  test("sections of any depth are skipped", () => {
    const deep = 4000;
    expect(withSettings(`${"a{".repeat(deep)}${"}".repeat(deep)} vg_name = "vg0"`).vg_name).toBe("vg0");
  });

  test("a NUL ends the request, as it ends a C string", () => {
    expect(withSettings('vg_name ="a"\n\0lv_name ="b"')).toMatchObject({ vg_name: "a", lv_name: "" });
    expect(withSettings('vg_name ="a"\0lv_name ="b"')).toMatchObject({ vg_name: "a", lv_name: "" });
    expect(refused('request="lock_vg"\nvg_name ="a\0b"\n').kind).toBe("syntax");
  });

  test('"none" means absent for names, uuids, args and types, and is itself elsewhere', () => {
    const keys = [
      "vg_name",
      "vg_uuid",
      "lv_name",
      "lv_uuid",
      "vg_lock_args",
      "lv_lock_args",
      "prev_lv_args",
      "set_lock_args",
    ] as const;
    const request = withSettings(
      `${keys.map((key) => `${key} ="none"`).join("\n")}\nvg_lock_type ="none"\npath ="none"\ncmd ="none"`,
    );
    for (const key of keys) expect(request[key]).toBe("");
    expect(request).toMatchObject({ vg_lock_type: "none", path: "none", cmd: "none" });
  });

  test("modes and lock types that LVM does not know are told from those that are absent", () => {
    expect(withSettings('mode ="pw"\nvg_lock_type ="clvm"')).toMatchObject({
      mode: "iv",
      vg_lock_type: "bad",
    });
    for (const mode of ["un", "nl", "sh", "ex"] as const)
      expect(withSettings(`mode ="${mode}"`).mode).toBe(mode);
    for (const type of ["dlm", "sanlock", "idm"] as const) {
      expect(withSettings(`vg_lock_type ="${type}"`).vg_lock_type).toBe(type);
    }
  });

  test("max_retries is cut to its bound and never negative", () => {
    expect(withSettings("max_retries =2147483647").max_retries).toBe(LIMITS.max_retries);
    expect(withSettings("max_retries =-1").max_retries).toBe(0);
    expect(withSettings("max_retries =0").max_retries).toBe(0);
  });

  test("cmd and path are UTF-8, names are kept byte for byte", () => {
    const request = accepted(
      Buffer.from('request="refresh_lv"\ncmd ="Prüfung"\npath ="/dev/vg/größe"\nvg_name ="ü"\n', "utf8"),
    );
    expect(request).toMatchObject({ cmd: "Prüfung", path: "/dev/vg/größe", vg_name: "Ã¼" });
  });

  test("a cmd that is not UTF-8 is shown as it is, a path that is not is refused", () => {
    expect(withSettings('cmd ="\xff"').cmd).toBe("\xff");
    expect(refused('request="refresh_lv"\npath ="\xff"\n')).toMatchObject({ kind: "bounds", key: "path" });
  });
});

describe("opts", () => {
  const opts = (text: string): Request["opts"] => withSettings(`opts ="${text}"`).opts;

  test("words are found wherever they stand", () => {
    expect(opts("persistent,")).toMatchObject({ persistent: true, adopt: "no" });
    expect(opts("wait force ")).toMatchObject({ wait: true, force: true, persistent: false });
    expect(opts("unlock_cancelnext_versionnodelay")).toMatchObject({
      unlock_cancel: true,
      next_version: true,
      nodelay: true,
    });
    expect(opts("enable")).toMatchObject({ enable: true, disable: false });
  });

  test("ex_disable means disable too", () => {
    expect(opts("ex_disable")).toMatchObject({ ex_disable: true, disable: true, enable: false });
    expect(opts("disable")).toMatchObject({ ex_disable: false, disable: true });
  });

  test("adopt_only wins over adopt", () => {
    expect(opts("persistent,adopt").adopt).toBe("if-orphan");
    expect(opts("adopt_onlyadoptrepair")).toMatchObject({ adopt: "only-orphan", repair: true });
  });

  test("equal opts are one object, and more different ones than are remembered do no harm", () => {
    expect(opts("persistent,")).toBe(opts("persistent,"));
    for (let index = 0; index < LIMITS.known_opts + 10; index++) {
      expect(opts(`wait ${index}`)).toMatchObject({ wait: true, force: false });
    }
  });
});

describe("errors", () => {
  test("a body without a request says so", () => {
    for (const body of [
      "",
      "\n",
      "# only\n",
      "pid =1\n",
      "request = 1\n",
      'request = ""\n',
      "request { }\n",
    ]) {
      expect(refused(body)).toMatchObject({ kind: "missing-request", error: "EPROTO" });
    }
  });

  test("an unknown request is named, without characters that a terminal would act on", () => {
    const error = refused('request = "fro\x1bbnicate"\n');
    expect(error).toMatchObject({ kind: "unknown-request", error: "EOPNOTSUPP", request_name: null });
    expect(error.detail).toBe('key request: "fro?bnicate" is not known');
  });

  for (const [what, text] of [
    ["a string that is never closed", 'vg_name = "abc'],
    ["a string that ends in a backslash", 'vg_name = "abc\\'],
    ["a key without a value", "vg_name"],
    ["an equals sign without a value", "vg_name ="],
    ["a brace for a value", "vg_name = {"],
    ["a key that is empty", '"" = 1'],
    ["a key that is a bracket", "[ = 1"],
    ["a section that is never closed", "a { b = 1"],
    ["a section with garbage in it", "a { b 1 }"],
    ["an array that is never closed", "a = [1, 2"],
    ["an array with numbers but no comma", "a = [1 2]"],
    ["an array of commas", "a = [,]"],
    ["a brace that closes nothing", "}"],
  ] as const) {
    test(`${what} is refused`, () => {
      expect(refused(`request="lock_vg"\n${text}\n`)).toMatchObject({
        kind: "syntax",
        error: "EPROTO",
        request_name: "lock_vg",
      });
    });
  }

  test("an error names line, column and key, wherever the body stands in the buffer", () => {
    const name = "x".repeat(LIMITS.vg_name_length + 1);
    const buffer = Buffer.from(`junk\n\nrequest="lock_vg"\npid =1\n  vg_name ="${name}"\n\n##\n`);
    const start = buffer.indexOf("request");
    const error = decodeRequest(buffer, start, buffer.length - 4);
    expect(error).toMatchObject({ kind: "bounds", error: "EINVAL", line: 3, column: 3, key: "vg_name" });
  });

  test("names and args are refused beyond their bounds, never cut", () => {
    const bounds = {
      vg_name: LIMITS.vg_name_length,
      lv_name: LIMITS.lv_name_length,
      vg_uuid: LIMITS.uuid_length,
      lv_uuid: LIMITS.uuid_length,
      vg_lock_args: LIMITS.lock_args_length,
      lv_lock_args: LIMITS.lock_args_length,
      prev_lv_args: LIMITS.lock_args_length,
      set_lock_args: LIMITS.lock_args_length,
      path: LIMITS.path_length,
      opts: LIMITS.opts_length,
    };
    for (const [key, max] of Object.entries(bounds)) {
      accepted(`request="lock_lv"\n${key} ="${"x".repeat(max)}"\n`);
      for (const quote of ['"', "'"]) {
        const error = refused(`request="lock_lv"\n${key} =${quote}${"x".repeat(max + 1)}${quote}\n`);
        expect(error).toMatchObject({
          kind: "bounds",
          error: "EINVAL",
          key,
          line: 2,
          column: 1,
          request_name: "lock_lv",
        });
        expect(error.detail).toBe(
          `line 2, column 1, key ${key}: ${max + 1} characters, and ${max} are the most that is taken`,
        );
      }
    }
  });

  test("a long cmd is cut, because a lock does not depend on what is only shown", () => {
    expect(withSettings(`cmd ="${"x".repeat(1000)}"`).cmd).toBe("x".repeat(LIMITS.command_name_length));
  });

  test("numbers are refused beyond what the field can mean", () => {
    for (const setting of [
      "host_id =2147483648",
      "pid =-2147483649",
      "version =-1",
      "version =4294967296",
      "lv_size_bytes =-1",
    ]) {
      expect(refused(`request="start_vg"\n${setting}\n`)).toMatchObject({ kind: "bounds", error: "EINVAL" });
    }
  });

  test("more settings and array elements than the bound are refused, wherever they stand", () => {
    const rest = LIMITS.request_settings - 1;
    for (const [before, part, behind] of [
      ["", "a =1\n", ""],
      ["", "a[0] =1\n", ""],
      ["s{", "a =1\n", "}"],
      ["", "a{", ""],
    ] as const) {
      const body = (parts: number): string => `request="hello"\n${before}${part.repeat(parts)}${behind}\n`;
      if (part !== "a{") accepted(body(before === "" ? rest : rest - 1));
      expect(refused(body(rest + 1))).toMatchObject({ kind: "bounds", error: "EINVAL" });
    }
    accepted(`request="hello"\na =[${"1,".repeat(rest - 1)}]\n`);
    expect(refused(`request="hello"\na =[${"1,".repeat(rest)}]\n`)).toMatchObject({ kind: "bounds" });
    expect(refused(`request="hello"\n${`a =[${"1,".repeat(9)}]\n`.repeat(rest / 5)}`)).toMatchObject({
      kind: "bounds",
    });
  });

  test("each error has a number that clients get", () => {
    for (const body of ["", "}", 'request="x"', `request="info"\nvg_name="${"x".repeat(200)}"`]) {
      const { error } = refused(body);
      expect(errorName(wireResult(error))).toBe(error);
    }
  });
});

test("no bytes whatever make it throw", () => {
  const fragment = fc.constantFrom(
    'request="lock_vg"',
    'vg_name ="',
    '"',
    "'",
    "\\",
    "=",
    "[",
    "]",
    "{",
    "}",
    ",",
    "#",
    "\n",
    " ",
    "\0",
    "pid =",
    "1",
    "0x",
    "-",
    ".",
    "\xff",
    "path ='\xc3",
    "cmd=\xfc",
  );
  const soup = fc.array(fragment, { maxLength: 30 }).map((parts) => Buffer.from(parts.join(""), "latin1"));
  const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
  fc.assert(
    fc.property(fc.oneof(soup, bytes), (body) => {
      const decoded = decodeBytes(body);
      if (decoded.name === null) expect(decoded.detail).not.toBe("");
      else expect(REQUEST_NAMES).toContain(decoded.name);
    }),
    { numRuns: 3000 },
  );
});

test("any texts and numbers that a client encodes arrive unchanged", () => {
  // Characters that a name, args or path could have, with those that need care.
  const text = (max: number): fc.Arbitrary<string> =>
    fc
      .string({ unit: fc.constantFrom(..."abcXYZ019_+.-:/\"\\'#={}[], \n\t"), maxLength: max })
      .filter((value) => value !== "none" && !value.includes("\n##\n"));
  const record = fc.record({
    cmd: text(LIMITS.command_name_length),
    pid: fc.integer({ min: 0 }),
    vg_name: text(LIMITS.vg_name_length),
    lv_uuid: text(LIMITS.uuid_length),
    lv_lock_args: text(LIMITS.lock_args_length),
    path: text(200),
    version: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    host_id: fc.integer(),
  });
  fc.assert(
    fc.property(record, fc.constantFrom("lvm" as const, "simple" as const), (keys, spelling) => {
      const message = Buffer.from(encodeRequest("lock_lv", keys, { spelling }));
      const decoded = decodeRequest(message, 0, message.length - 4);
      expect(decoded).toMatchObject({ name: "lock_lv", ...keys });
    }),
    { numRuns: 1000 },
  );
});

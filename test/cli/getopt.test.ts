import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { lastValue, type ParsedArguments, parseArguments } from "../../cli/getopt.ts";
import { LVMLOCKCTL } from "../../cli/lvmlockctl/options.ts";
import { LVMLOCKD } from "../../cli/lvmlockd/options.ts";
import type { ProgramTable } from "../../cli/option-table.ts";

function parsed(table: ProgramTable, words: readonly string[]): Extract<ParsedArguments, { kind: "parsed" }> {
  const result = parseArguments(table, words);
  if (result.kind === "usage-error") throw new Error(result.message);
  return result;
}

function message(table: ProgramTable, words: readonly string[]): string {
  const result = parseArguments(table, words);
  return result.kind === "usage-error" ? result.message : "no error";
}

describe("options as getopt_long reads them", () => {
  test("bundled short options are separate options", () => {
    expect(parsed(LVMLOCKCTL, ["-id"]).options.map((option) => option.name)).toEqual(["info", "dump"]);
  });

  test("an argument may touch its short option, also behind bundled ones", () => {
    expect(parsed(LVMLOCKCTL, ["-Sw0"]).options).toEqual([
      { name: "stop-lockspaces", value: "" },
      { name: "wait", value: "0" },
    ]);
  });

  test("all four ways to write an argument give the same value", () => {
    for (const words of [["-w0"], ["-w", "0"], ["--wait=0"], ["--wait", "0"]]) {
      expect(parsed(LVMLOCKCTL, words).options).toEqual([{ name: "wait", value: "0" }]);
    }
  });

  test("-i and -F of lvmlockd work, which the C daemon documents and refuses", () => {
    expect(parsed(LVMLOCKD, ["-i", "3", "-F", "/etc/host_id"]).options).toEqual([
      { name: "host-id", value: "3" },
      { name: "host-id-file", value: "/etc/host_id" },
    ]);
  });

  test("a required argument is taken even when it looks like an option", () => {
    expect(parsed(LVMLOCKD, ["-p", "-f"]).options).toEqual([{ name: "pid-file", value: "-f" }]);
  });

  test("options behind operands count, words behind -- do not", () => {
    const result = parsed(LVMLOCKCTL, ["who", "vg0", "--reportformat", "json", "--", "--info"]);
    expect(result.operands).toEqual(["who", "vg0", "--info"]);
    expect(result.options).toEqual([{ name: "reportformat", value: "json" }]);
  });

  test("an argument behind = leaves the next word alone", () => {
    expect(parsed(LVMLOCKCTL, ["--socket=/s", "who", "vg0"]).operands).toEqual(["who", "vg0"]);
  });

  test("a lone dash is an operand", () => {
    expect(parsed(LVMLOCKCTL, ["-"]).operands).toEqual(["-"]);
  });

  test("an empty argument is an argument", () => {
    expect(parsed(LVMLOCKCTL, ["--socket="]).options).toEqual([{ name: "socket", value: "" }]);
  });

  test("a unique beginning of a long name is enough", () => {
    expect(parsed(LVMLOCKCTL, ["--gl-e", "vg0"]).options).toEqual([{ name: "gl-enable", value: "vg0" }]);
  });

  test("an exact name wins over the longer names that it begins", () => {
    expect(parsed(LVMLOCKD, ["--adopt", "0"]).options).toEqual([{ name: "adopt", value: "0" }]);
  });

  test("the last of several values counts", () => {
    expect(lastValue(parsed(LVMLOCKCTL, ["-w0", "-w1"]).options, "wait")).toBe("1");
  });
});

describe("command lines that are refused", () => {
  test("an ambiguous beginning names the candidates", () => {
    expect(message(LVMLOCKCTL, ["--gl"])).toBe("option --gl is ambiguous: --gl-enable, --gl-disable");
  });

  test("an unknown option names the nearest one", () => {
    expect(message(LVMLOCKD, ["--forground"])).toContain("nearest is --foreground");
  });

  test("a long name with one dash is understood as a slip", () => {
    expect(message(LVMLOCKD, ["-check-config"])).toContain("nearest is --check-config");
  });

  test("a missing argument says what is missing", () => {
    expect(message(LVMLOCKCTL, ["--kill"])).toBe("option --kill needs an argument: VG");
    expect(message(LVMLOCKCTL, ["-ik"])).toBe("option -k needs an argument: VG");
  });

  test("a value for an option without one is refused", () => {
    expect(message(LVMLOCKCTL, ["--info=yes"])).toBe("option --info takes no argument");
  });
});

/** The long options of the programs of lvm2 2.03.40. */
const upstream: readonly (readonly [ProgramTable, readonly string[]])[] = [
  [
    LVMLOCKD,
    ["help", "version", "test", "foreground", "daemon-debug", "pid-file", "socket-path", "adopt-file"].concat(
      ["syslog-priority", "gl-type", "host-id", "host-id-file", "sanlock-timeout", "adopt"],
    ),
  ],
  [
    LVMLOCKCTL,
    ["help", "quit", "info", "dump", "wait", "force", "kill", "drop", "gl-enable", "gl-disable"].concat([
      "stop-lockspaces",
      "stderr",
      "set-remote-lv-lock",
      "lv-uuid",
      "lock-mode",
    ]),
  ],
];

test("every abbreviation that the programs of lvm2 take still means the same option", () => {
  for (const [table, names] of upstream) {
    for (const name of names) {
      for (let length = 1; length <= name.length; length++) {
        const typed = name.slice(0, length);
        const isUnique =
          names.filter((other) => other.startsWith(typed)).length === 1 || names.includes(typed);
        if (!isUnique) continue;
        const option = table.options.find((entry) => entry.name === name);
        const words = option?.argument === null ? [`--${typed}`] : [`--${typed}`, "x"];
        expect(parsed(table, words).options[0]?.name).toBe(names.includes(typed) ? typed : name);
      }
    }
  }
});

test("any words are either parsed or refused with a sentence, never thrown on", () => {
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom("-", "--", "---", "-w", "--wait", "-ik", "--gl", "--info="),
  );
  fc.assert(
    fc.property(fc.array(word), (words) => {
      const result = parseArguments(LVMLOCKCTL, words);
      expect(result.kind === "parsed" || result.message.length > 0).toBe(true);
    }),
  );
});

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { leasePath } from "../../../plugins/sanlock/lease-path.ts";
import {
  formatLvLockArgs,
  formatVgLockArgs,
  parseLvLockArgs,
  parseUserLockArgs,
  parseVgLockArgs,
} from "../../../plugins/sanlock/lock-args.ts";

describe("the lock args of a VG", () => {
  test("of version 1 and 2 are read and written", () => {
    const known = [
      ["1.0.0:lvmlock", { lock_lv_name: "lvmlock", no_timeout: false, persist: false }],
      ["2.0.0:lvmlock:persist", { lock_lv_name: "lvmlock", no_timeout: false, persist: true }],
      ["2.0.0:lvmlock:notimeout", { lock_lv_name: "lvmlock", no_timeout: true, persist: false }],
      ["2.0.0:lvmlock:notimeout:persist", { lock_lv_name: "lvmlock", no_timeout: true, persist: true }],
    ] as const;
    for (const [text, args] of known) {
      expect(parseVgLockArgs(text)).toEqual({ kind: "parsed", args });
      expect(formatVgLockArgs(args)).toBe(text);
    }
  });

  test("that are missing, unreadable, too new or another manager's are refused with a reason", () => {
    for (const text of [
      "",
      "none",
      "lvmlock",
      "1.0:x",
      "1.0.0:",
      "3.0.0:lvmlock",
      "1.0.0:local.0123456789ab",
    ])
      expect(parseVgLockArgs(text).kind).toBe("wrong");
  });

  test("that don't fit into the metadata's 64 characters are not written", () => {
    const lock_lv_name = "x".repeat(57);
    expect(formatVgLockArgs({ lock_lv_name, no_timeout: false, persist: false })).toHaveLength(63);
    expect(
      formatVgLockArgs({ lock_lv_name: `${lock_lv_name}x`, no_timeout: false, persist: false }),
    ).toBeNull();
  });
});

describe("the lock args that a user asks for", () => {
  test("may be in any order, and the opposites are the defaults", () => {
    const none = { no_timeout: false, persist: false, caw: "default" };
    expect(parseUserLockArgs("")).toEqual({ kind: "parsed", args: none } as never);
    expect(parseUserLockArgs("timeout,nopersist")).toEqual({ kind: "parsed", args: none } as never);
    const all = { no_timeout: true, persist: true, caw: "yes" };
    expect(parseUserLockArgs("caw,persist,notimeout")).toEqual({ kind: "parsed", args: all } as never);
  });

  test("that contradict each other or are unknown are refused", () => {
    for (const text of ["persist,nopersist", "caw,nocaw", "timeout,notimeout", "fast", "persist,"])
      expect(parseUserLockArgs(text).kind).toBe("wrong");
  });
});

describe("the lock args of an LV", () => {
  test("carry any offset there and back", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (offset) => {
        expect(parseLvLockArgs(formatLvLockArgs(offset))).toEqual({ kind: "parsed", args: offset });
      }),
    );
  });

  test("that name no place are refused", () => {
    for (const text of [
      "",
      "1.0.0",
      "1.0.0:",
      "1.0.0:-5",
      "1.0.0:0x10",
      "2.0.0:71303168",
      "1.0.0:99999999999999999",
    ])
      expect(parseLvLockArgs(text).kind).toBe("wrong");
  });
});

describe("the path of the lock LV", () => {
  test("has hyphens doubled, as device-mapper has them", () => {
    expect(leasePath("/dev/mapper/{vg}-{lv}", "my-vg", "lvm-lock")).toEqual({
      kind: "parsed",
      args: "/dev/mapper/my--vg-lvm--lock",
    });
  });

  test("can't be led out of its directory", () => {
    for (const name of ["", ".", "..", "a/b", "../etc", "a b", "a\0"])
      for (const [vg, lv] of [
        [name, "lvmlock"],
        ["vg", name],
      ] as const)
        expect(leasePath("/dev/mapper/{vg}-{lv}", vg, lv).kind).toBe("wrong");
  });
});

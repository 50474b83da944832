import { describe, expect, test } from "bun:test";
import { RESERVATION_TYPES } from "../../../plugins/scsi-pr/reservable.ts";
import {
  type PrOutCall,
  prInCdb,
  prOutCdb,
  prOutParameters,
} from "../../../plugins/scsi-pr/scsi-commands.ts";
import { hex } from "./bytes.ts";

const call = (given: Partial<PrOutCall> & Pick<PrOutCall, "action">): PrOutCall => ({
  key: 0n,
  action_key: 0n,
  type: null,
  aptpl: false,
  ...given,
});

describe("PERSISTENT RESERVE IN", () => {
  test.each([
    ["read_keys", "5e 00 00 00 00 00 00 10 00 00"],
    ["read_reservation", "5e 01 00 00 00 00 00 10 00 00"],
    ["report_capabilities", "5e 02 00 00 00 00 00 10 00 00"],
    ["read_full_status", "5e 03 00 00 00 00 00 10 00 00"],
  ] as const)("%s has this CDB", (action, cdb) => {
    expect(hex(prInCdb(action, 4096))).toBe(cdb);
  });

  test("has room for 65535 bytes at most", () => {
    expect(hex(prInCdb("read_keys", 0xffff))).toBe("5e 00 00 00 00 00 00 ff ff 00");
  });
});

describe("PERSISTENT RESERVE OUT", () => {
  test.each([
    ["register", null, "5f 00 00 00 00 00 00 00 18 00"],
    ["reserve", "WE", "5f 01 01 00 00 00 00 00 18 00"],
    ["release", "EA", "5f 02 03 00 00 00 00 00 18 00"],
    ["clear", null, "5f 03 00 00 00 00 00 00 18 00"],
    ["preempt", "WERO", "5f 04 05 00 00 00 00 00 18 00"],
    ["preempt_and_abort", "WEAR", "5f 05 07 00 00 00 00 00 18 00"],
    ["register_and_ignore", null, "5f 06 00 00 00 00 00 00 18 00"],
  ] as const)("%s with type %p has this CDB", (action, type, cdb) => {
    expect(hex(prOutCdb(call({ action, type })))).toBe(cdb);
  });

  test("has the six types of SPC-4", () => {
    const codes = RESERVATION_TYPES.map((type) => prOutCdb(call({ action: "reserve", type }))[2]);
    expect(codes).toEqual([1, 3, 5, 6, 7, 8]);
  });

  test("has both keys big endian, and APTPL in byte 20", () => {
    const list = prOutParameters(
      call({
        action: "register",
        key: 0x0102_0304_0506_0708n,
        action_key: 0xfffe_fdfc_fbfa_f9f8n,
        aptpl: true,
      }),
    );
    expect(hex(list)).toBe("01 02 03 04 05 06 07 08 ff fe fd fc fb fa f9 f8 00 00 00 00 01 00 00 00");
  });

  test("leaves every flag out without APTPL", () => {
    const list = prOutParameters(call({ action: "preempt", key: 1n, action_key: 2n }));
    expect(hex(list)).toBe("00 00 00 00 00 00 00 01 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00 00");
  });
});

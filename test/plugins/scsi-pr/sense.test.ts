import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseSense, senseInWords } from "../../../plugins/scsi-pr/sense.ts";
import { bytes } from "./bytes.ts";

describe("sense data", () => {
  test("in fixed format is read", () => {
    const sense = parseSense(bytes("70 00 05 00 00 00 00 0a 00 00 00 00 26 04 00 00 00 00"));
    expect(sense).toEqual({ key: 5, asc: 0x26, ascq: 0x04, deferred: false });
    expect(sense && senseInWords(sense)).toBe(
      "illegal request: invalid release of persistent reservation (5/26/04)",
    );
  });

  test("in descriptor format is read", () => {
    const sense = parseSense(bytes("72 06 2a 03 00 00 00 00"));
    expect(sense).toEqual({ key: 6, asc: 0x2a, ascq: 0x03, deferred: false });
    expect(sense && senseInWords(sense)).toBe("unit attention: reservations preempted (6/2a/03)");
  });

  test("about an earlier command is told apart", () => {
    expect(parseSense(bytes("71 00 03 00 00 00 00 0a 00 00 00 00 11 00"))?.deferred).toBe(true);
    expect(parseSense(bytes("73 03 11 00 00 00 00 00"))?.deferred).toBe(true);
  });

  test("with the valid bit set is the same", () => {
    expect(parseSense(bytes("f0 00 06 00 00 00 00 0a 00 00 00 00 29 00"))?.asc).toBe(0x29);
  });

  test("that ends before the additional codes has none", () => {
    // Byte 7 says that nothing follows byte 7, whatever lies there.
    expect(parseSense(bytes("70 00 02 00 00 00 00 00 00 00 00 00 ff ff"))).toEqual({
      key: 2,
      asc: 0,
      ascq: 0,
      deferred: false,
    });
  });

  test("in no known format is none", () => {
    expect(parseSense(new Uint8Array())).toBeNull();
    expect(parseSense(bytes("00 00 00 00"))).toBeNull();
    expect(parseSense(bytes("7f 00 05"))).toBeNull();
    expect(parseSense(bytes("72 05"))).toBeNull();
  });

  test("of codes that are not in the table keeps its numbers", () => {
    expect(senseInWords({ key: 0xb, asc: 0xc0, ascq: 0x01, deferred: false })).toBe(
      "aborted command (b/c0/01)",
    );
  });

  test("of any bytes is read without a throw", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (data) => {
        const sense = parseSense(data);
        if (sense !== null) expect(senseInWords(sense)).toContain("/");
      }),
    );
  });
});

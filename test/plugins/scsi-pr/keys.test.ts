import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { hostOfKey, keyOfHost, parseReservationKey, printKey } from "../../../plugins/scsi-pr/keys.ts";

const anyKey = fc.bigInt({ min: 1n, max: 0xffff_ffff_ffff_ffffn });

function refusal(text: string): string {
  const answer = parseReservationKey(text);
  return answer.kind === "refused" ? answer.detail : `accepted: ${printKey(answer.key)}`;
}

describe("reservation keys", () => {
  test("are read back as they were printed", () => {
    fc.assert(
      fc.property(anyKey, (key) => {
        expect(parseReservationKey(printKey(key))).toEqual({ kind: "key", key });
      }),
    );
  });

  test("may be decimal and upper-case hex", () => {
    expect(parseReservationKey("4097")).toEqual({ kind: "key", key: 0x1001n });
    expect(parseReservationKey("0xABCDEF")).toEqual({ kind: "key", key: 0xabcdefn });
    expect(parseReservationKey("18446744073709551615")).toEqual({ kind: "key", key: 0xffff_ffff_ffff_ffffn });
  });

  test.each([
    ["0x0", /zero/],
    ["0", /zero/],
    ["0x01", /zeros after 0x/],
    ["010", /leading zero/],
    ["0x", /hex digits/],
    ["0x1g", /hex digits/],
    ["1a", /hex digits/],
    ["-1", /hex digits/],
    ["1.5", /hex digits/],
    ["", /hex digits/],
    [" 1", /hex digits/],
    ["0X1", /hex digits/],
    ["0x11112222333344445", /17 hex digits/],
    ["18446744073709551616", /64 bits/],
    ["9".repeat(5000), /64 bits/],
  ])("%j is refused with its reason", (text, reason) => {
    expect(refusal(text)).toMatch(reason);
  });

  test("never take other text for a key", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const answer = parseReservationKey(text);
        if (answer.kind === "key")
          expect([printKey(answer.key), `${answer.key}`]).toContain(text.toLowerCase());
      }),
    );
  });
});

describe("keys that lvm makes", () => {
  test("carry the host_id, and sanlock's generation", () => {
    expect(printKey(keyOfHost({ host_id: 1 }))).toBe("0x1000000000000001");
    expect(printKey(keyOfHost({ host_id: 2000, generation: 5 }))).toBe("0x10000000000507d0");
  });

  test("give their host back", () => {
    const host = fc.record({
      host_id: fc.integer({ min: 1, max: 0xffff }),
      generation: fc.integer({ min: 0, max: 0xffffff }),
    });
    fc.assert(
      fc.property(host, (owner) => {
        expect(hostOfKey(keyOfHost(owner))).toEqual(owner);
      }),
    );
  });

  test("have 24 bits of a generation, as lvm cuts it", () => {
    expect(hostOfKey(keyOfHost({ host_id: 1, generation: 0x1000002 }))).toEqual({
      host_id: 1,
      generation: 2,
    });
  });

  test("are told from keys of a user's own", () => {
    expect(hostOfKey(0x1001n)).toBeNull();
    expect(hostOfKey(0x1000_0000_0000_0000n)).toBeNull();
    expect(hostOfKey(0x1000_0100_0000_0001n)).toBeNull();
    expect(hostOfKey(0x2000_0000_0000_0001n)).toBeNull();
  });

  test("are not made of a host_id that does not fit", () => {
    expect(() => keyOfHost({ host_id: 0 })).toThrow();
    expect(() => keyOfHost({ host_id: 0x10000 })).toThrow();
    expect(() => keyOfHost({ host_id: 1, generation: -1 })).toThrow();
  });
});

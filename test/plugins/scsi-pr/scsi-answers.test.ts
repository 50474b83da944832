import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  parseCapabilities,
  parseFullStatus,
  parseKeys,
  parseReservation,
} from "../../../plugins/scsi-pr/scsi-answers.ts";
import { transportIdInWords } from "../../../plugins/scsi-pr/transport-id.ts";
import { bytes } from "./bytes.ts";

describe("READ KEYS", () => {
  test("lists keys with the generation", () => {
    const answer = bytes("00 00 00 07  00 00 00 10  10 00 00 00 00 00 00 01  00 00 00 00 00 00 10 02");
    expect(parseKeys(answer)).toEqual({
      kind: "parsed",
      generation: 7,
      keys: [0x1000000000000001n, 0x1002n],
    });
  });

  test("has an empty list when nobody is registered", () => {
    expect(parseKeys(bytes("00 00 00 00  00 00 00 00"))).toEqual({ kind: "parsed", generation: 0, keys: [] });
  });

  test("says how much room a longer list needs", () => {
    const answer = bytes("00 00 00 07  00 00 00 10  10 00 00 00 00 00 00 01");
    expect(parseKeys(answer)).toEqual({ kind: "more", size_bytes: 24 });
  });

  test("is malformed when its length is no number of keys", () => {
    expect(parseKeys(bytes("00 00 00 00  00 00 00 04  00 00 00 01")).kind).toBe("malformed");
    expect(parseKeys(bytes("00 00 00 00")).kind).toBe("malformed");
    expect(parseKeys(new Uint8Array()).kind).toBe("malformed");
  });
});

describe("READ RESERVATION", () => {
  test("is nobody's without a descriptor", () => {
    const answer = bytes("00 00 00 03  00 00 00 00");
    expect(parseReservation(answer)).toEqual({ kind: "parsed", generation: 3, reservation: null });
  });

  test.each([
    ["01", "WE"],
    ["03", "EA"],
    ["05", "WERO"],
    ["06", "EARO"],
    ["07", "WEAR"],
    ["08", "EAAR"],
  ] as const)("with type %s is %s", (code, type) => {
    const answer = bytes(`00 00 00 03  00 00 00 10  00 00 00 00 00 00 10 01  00 00 00 00  00 ${code} 00 00`);
    expect(parseReservation(answer)).toEqual({
      kind: "parsed",
      generation: 3,
      reservation: { type, key: 0x1001n },
    });
  });

  test("is malformed with a type that is obsolete or unknown, or cut off", () => {
    for (const code of ["00", "02", "04", "09", "0f"]) {
      const answer = bytes(
        `00 00 00 03  00 00 00 10  00 00 00 00 00 00 10 01  00 00 00 00  00 ${code} 00 00`,
      );
      expect(parseReservation(answer).kind).toBe("malformed");
    }
    expect(parseReservation(bytes("00 00 00 03  00 00 00 08  00 00 00 00 00 00 10 01")).kind).toBe(
      "malformed",
    );
  });
});

describe("REPORT CAPABILITIES", () => {
  test("tells the types and whether registrations can persist, as LIO answers", () => {
    expect(parseCapabilities(bytes("00 08 05 81 ea 01 00 00"))).toEqual({
      kind: "parsed",
      capabilities: {
        persist_through_power_loss: { capable: true, active: true },
        types: ["WE", "EA", "WERO", "EARO", "WEAR", "EAAR"],
      },
    });
  });

  test.each([
    ["02 00", ["WE"]],
    ["08 00", ["EA"]],
    ["20 00", ["WERO"]],
    ["40 00", ["EARO"]],
    ["80 00", ["WEAR"]],
    ["00 01", ["EAAR"]],
  ])("with the mask %s tells %p", (mask, types) => {
    const parsed = parseCapabilities(bytes(`00 08 00 80 ${mask} 00 00`));
    expect(parsed.kind === "parsed" && parsed.capabilities.types).toEqual(types as never);
  });

  test("without a valid mask means every type", () => {
    const parsed = parseCapabilities(bytes("00 08 01 00 00 00 00 00"));
    expect(parsed.kind === "parsed" && parsed.capabilities.types).toHaveLength(6);
  });

  test("is malformed when it is short", () => {
    expect(parseCapabilities(bytes("00 08 00")).kind).toBe("malformed");
    expect(parseCapabilities(bytes("00 04 00 80 ea 01 00 00")).kind).toBe("malformed");
  });
});

/** One descriptor of READ FULL STATUS with an iSCSI initiator port. */
const ISCSI_ID = `45 00 00 24 ${Buffer.from("iqn.2026-01.lab:host1,i,0x80afc5980000").toHex().slice(0, 72)}`;

describe("READ FULL STATUS", () => {
  test("tells key, holder, type, target port and initiator of every nexus", () => {
    const iscsi = Buffer.from("iqn.1994-05.com:a,i,0x1234\0\0").toHex();
    const size = (iscsi.length / 2).toString(16).padStart(2, "0");
    const total = (4 + iscsi.length / 2).toString(16).padStart(2, "0");
    const first = `00 00 00 00 00 00 10 01  00 00 00 00  01 07  00 00 00 00  00 02  00 00 00 ${total}
      45 00 00 ${size} ${iscsi}`;
    const second = `00 00 00 00 00 00 10 02  00 00 00 00  00 07  00 00 00 00  00 03  00 00 00 18
      00 00 00 00 00 00 00 00  21 00 00 24 ff 3d 6f 01  00 00 00 00 00 00 00 00`;
    const list = bytes(first + second);
    const head = new Uint8Array(8);
    new DataView(head.buffer).setUint32(0, 9);
    new DataView(head.buffer).setUint32(4, list.length);
    expect(parseFullStatus(new Uint8Array([...head, ...list]))).toEqual({
      kind: "parsed",
      generation: 9,
      registrations: [
        {
          key: 0x1001n,
          holder: true,
          type: "WEAR",
          target_port: 2,
          initiator: "iqn.1994-05.com:a,i,0x1234",
        },
        { key: 0x1002n, holder: false, type: null, target_port: 3, initiator: "naa.21000024ff3d6f01" },
      ],
    });
  });

  test("has no target port of a registration that is for all of them", () => {
    const answer = bytes(`00 00 00 01  00 00 00 18
      00 00 00 00 00 00 10 01  00 00 00 00  02 00  00 00 00 00  00 07  00 00 00 00`);
    const read = parseFullStatus(answer);
    expect(read.kind === "parsed" && read.registrations).toEqual([
      { key: 0x1001n, holder: false, type: null, target_port: 0, all_target_ports: true, initiator: "" },
    ]);
  });

  test("is malformed when a transport id goes beyond the list", () => {
    const answer = bytes(`00 00 00 01  00 00 00 18
      00 00 00 00 00 00 10 01  00 00 00 00  00 00  00 00 00 00  00 01  ff ff ff ff`);
    expect(parseFullStatus(answer).kind).toBe("malformed");
  });

  test("is malformed when a descriptor is cut off", () => {
    const answer = bytes("00 00 00 01  00 00 00 08  00 00 00 00 00 00 10 01");
    expect(parseFullStatus(answer).kind).toBe("malformed");
  });
});

describe("transport ids", () => {
  test.each([
    [`00 00 00 00 00 00 00 00 21 00 00 24 ff 3d 6f 01 ${"00 ".repeat(8)}`, "naa.21000024ff3d6f01"],
    [`06 00 00 00 50 01 43 80 12 34 56 78 ${"00 ".repeat(12)}`, "naa.5001438012345678"],
    [
      `04 ${"00 ".repeat(7)} 00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff`,
      "srp.00112233445566778899aabbccddeeff",
    ],
    [`03 ${"00 ".repeat(7)} 00 11 22 33 44 55 66 77 ${"00 ".repeat(8)}`, "eui.0011223344556677"],
    ["05 00 00 08 69 71 6e 2e 61 00 00 00", "iqn.a"],
    ["05 00 00 00", ""],
    ["09 01", "protocol-9.0901"],
    ["", ""],
  ])("%s is %s", (id, words) => {
    expect(transportIdInWords(bytes(id))).toBe(words);
  });

  test("cut off before the end of an iSCSI name give what is there", () => {
    expect(transportIdInWords(bytes(ISCSI_ID))).toStartWith("iqn.2026-01.lab:host1,i,0x80afc598");
  });
});

describe("any bytes from a device", () => {
  const garbage = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    // Heads that state plausible lengths, so that the lists behind them are reached.
    fc
      .tuple(fc.nat(0x1ff), fc.uint8Array({ maxLength: 0x1ff }))
      .map(([size, rest]) => new Uint8Array([0, 0, 0, 1, 0, 0, size >> 8, size & 0xff, ...rest])),
  );

  test("are parsed, short or malformed, and never read beyond their end", () => {
    for (const parse of [parseKeys, parseReservation, parseCapabilities, parseFullStatus]) {
      fc.assert(
        fc.property(garbage, (answer) => {
          // Behind the view lies other memory that must not be taken for the answer.
          const padded = new Uint8Array(answer.length + 64).fill(0xee);
          padded.set(answer, 32);
          const within = parse(padded.subarray(32, 32 + answer.length));
          expect(within).toEqual(parse(answer.slice()) as never);
          expect(["parsed", "more", "malformed"]).toContain(within.kind);
          if (within.kind === "more") expect(within.size_bytes).toBeGreaterThan(answer.length);
        }),
        { numRuns: 500 },
      );
    }
  });

  test("never yield more keys than were transferred", () => {
    fc.assert(
      fc.property(garbage, (answer) => {
        const parsed = parseKeys(answer);
        if (parsed.kind === "parsed") expect(8 + parsed.keys.length * 8).toBeLessThanOrEqual(answer.length);
      }),
    );
  });
});

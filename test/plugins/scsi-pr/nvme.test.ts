import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LIMITS } from "../../../core/limits.ts";
import type { Exchange, NvmeExchange, NvmeOutcome } from "../../../plugins/scsi-pr/exchange.ts";
import { parseReport, parseReservationCapabilities } from "../../../plugins/scsi-pr/nvme-answers.ts";
import {
  acquireCall,
  type NvmeCall,
  registerCall,
  releaseCall,
  reportCall,
} from "../../../plugins/scsi-pr/nvme-commands.ts";
import { nvmeCommands } from "../../../plugins/scsi-pr/nvme-scripts.ts";
import { syncDevice } from "../../../plugins/scsi-pr/perform.ts";
import { RESERVATION_TYPES, type ReservableDevice } from "../../../plugins/scsi-pr/reservable.ts";
import { bytes, hex } from "./bytes.ts";

const dword = (value: number): string => value.toString(16).padStart(8, "0");
const said = ({ cdw10, data_out }: NvmeCall): string =>
  `${dword(cdw10)} ${data_out === null ? "" : hex(data_out)}`;

describe("NVMe reservation commands", () => {
  const plain = { current: 0x1n, next: 0x0102030405060708n, ignore_existing: false, persist: null } as const;
  const keys = "01 00 00 00 00 00 00 00 08 07 06 05 04 03 02 01";

  test("Register has RREGA, IEKEY and CPTPL in dword 10, and both keys little endian", () => {
    expect(said(registerCall({ ...plain, action: "register" }))).toBe(`00000000 ${keys}`);
    expect(said(registerCall({ ...plain, action: "unregister" }))).toBe(`00000001 ${keys}`);
    expect(said(registerCall({ ...plain, action: "replace", ignore_existing: true }))).toBe(
      `0000000a ${keys}`,
    );
  });

  test("persistence through power loss is 3 to keep and 2 to drop, never 1", () => {
    expect(said(registerCall({ ...plain, action: "register", persist: true }))).toStartWith("c0000000");
    expect(said(registerCall({ ...plain, action: "register", persist: false }))).toStartWith("80000000");
  });

  test("Acquire has RACQA and the type", () => {
    const call = { current: 1n, remove: 2n, type: "WEAR" } as const;
    const two = "01 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00";
    expect(said(acquireCall({ ...call, action: "acquire" }))).toBe(`00000500 ${two}`);
    expect(said(acquireCall({ ...call, action: "preempt" }))).toBe(`00000501 ${two}`);
    expect(said(acquireCall({ ...call, action: "preempt_and_abort" }))).toBe(`00000502 ${two}`);
  });

  test("the six types are counted without SCSI's gaps", () => {
    const codes = RESERVATION_TYPES.map(
      (type) => acquireCall({ action: "acquire", current: 1n, remove: 0n, type }).cdw10 >> 8,
    );
    expect(codes).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test("Release has RRELA and the type, and one key", () => {
    const one = "01 00 00 00 00 00 00 00";
    expect(said(releaseCall({ action: "release", current: 1n, type: "EA" }))).toBe(`00000200 ${one}`);
    expect(said(releaseCall({ action: "clear", current: 1n, type: null }))).toBe(`00000001 ${one}`);
  });

  test("Report counts dwords from zero", () => {
    expect(reportCall({ extended: true, answer_size_bytes: 4096 })).toMatchObject({ cdw10: 1023, cdw11: 1 });
    expect(reportCall({ extended: false, answer_size_bytes: 24 })).toMatchObject({ cdw10: 5, cdw11: 0 });
  });
});

const zeros = (count: number): string => "00 ".repeat(count);
/** GEN 5, RTYPE WERO, two registered controllers, PTPLS 1. */
const HEAD = `05 00 00 00  03  02 00  00 00  01  ${zeros(14)}`;
const EXTENDED = `${HEAD} ${zeros(40)}
  01 00  01  ${zeros(5)}  02 10 00 00 00 00 00 10  00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff  ${zeros(32)}
  ff ff  00  ${zeros(5)}  03 00 00 00 00 00 00 00  ${zeros(15)} 01  ${zeros(32)}`;
const SHORT = `${HEAD}
  01 00  01  ${zeros(5)}  01 00 00 00 00 00 00 00  02 10 00 00 00 00 00 10
  02 00  00  ${zeros(5)}  02 00 00 00 00 00 00 00  03 00 00 00 00 00 00 00`;

describe("a reservation report", () => {
  test("in extended form tells holder, keys and hosts", () => {
    expect(parseReport(bytes(EXTENDED), { extended: true })).toEqual({
      kind: "parsed",
      generation: 5,
      reservation: { type: "WERO", key: 0x1000000000001002n },
      persists: true,
      registrations: [
        {
          key: 0x1000000000001002n,
          holder: true,
          type: "WERO",
          target_port: 1,
          initiator: "host 00112233445566778899aabbccddeeff",
        },
        {
          key: 3n,
          holder: false,
          type: null,
          target_port: 0xffff,
          initiator: "host 00000000000000000000000000000001",
        },
      ],
    });
  });

  test("in short form tells the same", () => {
    expect(parseReport(bytes(SHORT), { extended: false })).toMatchObject({
      kind: "parsed",
      reservation: { type: "WERO", key: 0x1000000000001002n },
      registrations: [{ initiator: "host 0100000000000000" }, { key: 3n, target_port: 2 }],
    });
  });

  test("in short form is known as such also from a controller that was asked for the other one and ignores it", () => {
    const sent = new Uint8Array(4096);
    sent.set(bytes(SHORT));
    expect(parseReport(sent, { extended: true })).toEqual(parseReport(sent, { extended: false }));
    expect(parseReport(sent, { extended: true })).toMatchObject({
      registrations: [{ key: 0x1000000000001002n }, { key: 3n }],
    });
  });

  test("without a reservation, or with every registrant as holder, has no holder's key", () => {
    const none = bytes(SHORT);
    none[4] = 0;
    expect(parseReport(none, { extended: false })).toMatchObject({ reservation: null });
    none[4] = 5;
    expect(parseReport(none, { extended: false })).toMatchObject({ reservation: { type: "WEAR", key: 0n } });
  });

  test("that lists more controllers than came wants more room, exactly", () => {
    const cut = bytes(EXTENDED).subarray(0, 128);
    expect(parseReport(cut, { extended: true })).toEqual({ kind: "more", size_bytes: 192 });
  });

  test("of any bytes is parsed, short or malformed", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (data, extended) => {
        const parsed = parseReport(data, { extended });
        if (parsed.kind === "more") expect(parsed.size_bytes).toBeGreaterThan(data.length);
        if (parsed.kind === "parsed")
          expect(parsed.registrations.length * (extended ? 64 : 24)).toBeLessThanOrEqual(data.length);
      }),
    );
  });
});

test("a namespace tells the types that it takes in RESCAP", () => {
  const identify = new Uint8Array(4096);
  expect(parseReservationCapabilities(identify)).toEqual({ types: [], can_persist: false });
  identify[31] = 0x7f;
  expect(parseReservationCapabilities(identify)).toEqual({
    types: [...RESERVATION_TYPES],
    can_persist: true,
  });
  identify[31] = 0x22;
  expect(parseReservationCapabilities(identify)).toEqual({ types: ["WE", "WEAR"], can_persist: false });
});

const GOOD: NvmeOutcome = { kind: "nvme", status: 0, result: 0, answer: new Uint8Array() };
const status = (code: number): NvmeOutcome => ({ ...GOOD, status: code });

/** A namespace that answers each command by this function. */
function namespace(answer: (exchange: NvmeExchange) => NvmeOutcome): {
  device: ReservableDevice;
  asked: NvmeExchange[];
} {
  const asked: NvmeExchange[] = [];
  const performed = (exchange: Exchange) => {
    if (exchange.kind !== "nvme") return { kind: "paused" as const };
    asked.push(exchange);
    return answer(exchange);
  };
  const commands = nvmeCommands({ path: 0, device: "/dev/nvme0n1" });
  const close = (): void => undefined;
  return {
    device: syncDevice({ path: "/dev/nvme0n1", transport: "nvme", commands, performed, close }),
    asked,
  };
}

describe("an NVMe namespace", () => {
  test("whose report is refused for the host's short identifier is asked for the short form", () => {
    const { device, asked } = namespace(({ cdw11 }) =>
      cdw11 === 1 ? status(0x4018) : { ...GOOD, answer: bytes(SHORT) },
    );
    expect(device.readKeys()).toMatchObject({ kind: "done", keys: [0x1000000000001002n, 3n] });
    expect(asked.map(({ cdw11 }) => cdw11)).toEqual([1, 0]);
  });

  test("with many registered controllers is read again with the room that it needs", () => {
    const { device, asked } = namespace(({ answer_size_bytes }) => {
      const answer = new Uint8Array(64 + 64 * 1000);
      new DataView(answer.buffer).setUint16(5, 1000, true);
      for (let index = 0; index < 1000; index += 1)
        new DataView(answer.buffer).setUint32(64 + 64 * index + 16, index, true);
      return { ...GOOD, answer: answer.slice(0, answer_size_bytes) };
    });
    const read = device.readKeys();
    expect(read.kind === "done" && read.keys).toHaveLength(1000);
    expect(asked.map(({ answer_size_bytes }) => answer_size_bytes)).toEqual([
      LIMITS.pr_answer_size_bytes,
      64_064,
    ]);
  });

  test("lists a host with two controllers once among the keys, and twice in full", () => {
    const twice = bytes(SHORT);
    twice.set(twice.subarray(24 + 8, 24 + 24), 24 + 24 + 8);
    const { device } = namespace(({ cdw11 }) => (cdw11 === 1 ? status(0x18) : { ...GOOD, answer: twice }));
    expect(device.readKeys()).toMatchObject({ keys: [0x1000000000001002n] });
    const full = device.readFullStatus();
    expect(full.kind === "done" && full.registrations).toHaveLength(2);
  });

  test("conflicts with status 83h, with and without the bits that go with it", () => {
    for (const code of [0x083, 0x4083, 0x2083]) {
      const answer = namespace(() => status(code)).device.reserve({ key: 1n, type: "WE" });
      expect(answer.kind).toBe("conflict");
    }
  });

  test("that does not know the commands is unsupported, one that went is gone", () => {
    const refused = (code: number) => namespace(() => status(code)).device.readKeys().kind;
    expect(refused(0x4001)).toBe("unsupported");
    expect(refused(0x400b)).toBe("gone");
    expect(refused(0x0006)).toBe("failed");
  });

  test("is registered by replace, and by register where the host was not registered", () => {
    const { device, asked } = namespace(({ cdw10 }) => ((cdw10 & 7) === 2 ? status(0x83) : GOOD));
    expect(device.registerAndIgnore({ to: 1n, aptpl: false })).toEqual({ kind: "done" });
    expect(asked.map(({ cdw10 }) => dword(cdw10))).toEqual(["8000000a", "80000000"]);
  });

  test("that calls the persistence field invalid is registered without it", () => {
    const { device, asked } = namespace(({ cdw10 }) => (cdw10 >>> 30 === 0 ? GOOD : status(0x4002)));
    expect(device.register({ from: 0n, to: 1n, aptpl: false })).toEqual({ kind: "done" });
    expect(asked.map(({ cdw10 }) => dword(cdw10))).toEqual(["80000000", "00000000"]);
  });

  test("that can't persist is not registered as if it did", () => {
    const identify = new Uint8Array(4096);
    identify[31] = 0x7e;
    const { device, asked } = namespace(({ queue }) => ({
      ...GOOD,
      answer: queue === "admin" ? identify : new Uint8Array(4096),
    }));
    expect(device.registerAndIgnore({ to: 1n, aptpl: true })).toMatchObject({ kind: "unsupported" });
    expect(asked.some(({ opcode }) => opcode === 0x0d)).toBe(false);
  });

  test("that is not ready is asked again, with a bound", () => {
    const { device, asked } = namespace(() => status(0x82));
    expect(device.clear({ key: 1n }).kind).toBe("failed");
    expect(asked).toHaveLength(LIMITS.pr_busy_tries);
  });

  test("is unregistered without complaint when the host is not registered", () => {
    const { device } = namespace(() => status(0x83));
    expect(device.registerAndIgnore({ to: 0n, aptpl: false })).toEqual({ kind: "done" });
    expect(device.register({ from: 1n, to: 0n, aptpl: false }).kind).toBe("conflict");
  });
});

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LIMITS } from "../../../core/limits.ts";
import type { Exchange, Outcome, ScsiOutcome } from "../../../plugins/scsi-pr/exchange.ts";
import { syncDevice } from "../../../plugins/scsi-pr/perform.ts";
import type { ReservableDevice } from "../../../plugins/scsi-pr/reservable.ts";
import { scsiCommands } from "../../../plugins/scsi-pr/scsi-scripts.ts";
import { CONFLICT, checkCondition, GOOD, modelPaths, modelTarget } from "./model-target.ts";

function deviceOver(performed: (exchange: Exchange) => Outcome): ReservableDevice {
  const commands = scsiCommands({ path: 0, device: "/dev/sdx" });
  return syncDevice({ path: "/dev/sdx", transport: "scsi", commands, performed, close: () => undefined });
}

/** A device that gives these outcomes, and the last of them for ever. */
function scripted(...outcomes: readonly ScsiOutcome[]): { device: ReservableDevice; asked: Exchange[] } {
  const asked: Exchange[] = [];
  let next = 0;
  const device = deviceOver((exchange) => {
    asked.push(exchange);
    if (exchange.kind === "pause") return { kind: "paused" };
    const outcome = outcomes[Math.min(next, outcomes.length - 1)];
    next += 1;
    return outcome ?? GOOD;
  });
  return { device, asked };
}

const ATTENTION = checkCondition(6, 0x29, 0x00);
const BUSY: ScsiOutcome = { ...GOOD, status: 0x08 };
const TASK_SET_FULL: ScsiOutcome = { ...GOOD, status: 0x28 };
const EMPTY_LIST: ScsiOutcome = { ...GOOD, answer: new Uint8Array(8) };
const reserve = { key: 1n, type: "WE" } as const;

describe("a SCSI command", () => {
  test("is sent again at once after a unit attention", () => {
    const { device, asked } = scripted(ATTENTION, ATTENTION, GOOD);
    expect(device.reserve(reserve)).toEqual({ kind: "done" });
    expect(asked.map(({ kind }) => kind)).toEqual(["scsi", "scsi", "scsi"]);
  });

  test("is given up after so many unit attentions", () => {
    const { device, asked } = scripted(ATTENTION);
    const answer = device.reserve(reserve);
    expect(answer).toMatchObject({ kind: "failed", detail: expect.stringContaining("power on") as string });
    expect(asked).toHaveLength(LIMITS.pr_unit_attentions + 1);
  });

  test.each([
    ["BUSY", BUSY],
    ["TASK SET FULL", TASK_SET_FULL],
    ["becoming ready", checkCondition(2, 4, 1)],
  ] as const)("is sent again after a pause when the device says %s, so many times", (_, outcome) => {
    const patient = scripted(outcome, outcome, GOOD);
    expect(patient.device.reserve(reserve)).toEqual({ kind: "done" });
    expect(patient.asked.map(({ kind }) => kind)).toEqual(["scsi", "pause", "scsi", "pause", "scsi"]);
    const { device, asked } = scripted(outcome);
    expect(device.reserve(reserve).kind).toBe("failed");
    expect(asked.filter(({ kind }) => kind === "scsi")).toHaveLength(LIMITS.pr_busy_tries);
  });

  test("that conflicts is answered so, once, with the device and the command", () => {
    const { device, asked } = scripted(CONFLICT);
    const detail = "/dev/sdx: RESERVE: the device answered RESERVATION CONFLICT";
    expect(device.reserve(reserve)).toEqual({ kind: "conflict", detail });
    expect(asked).toHaveLength(1);
  });

  test.each([
    ["an unknown command", checkCondition(5, 0x20, 0), "unsupported"],
    ["an unknown service action", checkCondition(5, 0x24, 0), "unsupported"],
    ["a logical unit that went", checkCondition(5, 0x25, 0), "gone"],
    ["a wrong parameter", checkCondition(5, 0x26, 0), "failed"],
    ["a wrong release", checkCondition(5, 0x26, 4), "failed"],
    ["no room for registrations", checkCondition(5, 0x55, 4), "failed"],
    ["a hardware error", checkCondition(4, 0x44, 0), "failed"],
    ["a standby port", checkCondition(2, 0x04, 0x0b), "gone"],
    ["a missing medium", checkCondition(2, 0x3a, 0x01), "failed"],
    ["no connection", { ...GOOD, host_status: 1 }, "gone"],
    ["no answer in time", { ...GOOD, host_status: 3 }, "gone"],
    ["a reset on the way", { ...GOOD, host_status: 8 }, "failed"],
    ["an unknown status", { ...GOOD, status: 0x99 }, "failed"],
    ["an error without sense", { ...GOOD, status: 2 }, "failed"],
  ] as const)("that meets %s is refused, without another try", (_, outcome, kind) => {
    const { device, asked } = scripted(outcome);
    const answer = device.reserve(reserve);
    expect(asked).toHaveLength(1);
    expect(answer.kind).toBe(kind);
    expect(answer.kind !== "done" && answer.detail).toStartWith("/dev/sdx: RESERVE: ");
  });

  test("that only reads is sent again after a reset on the way, one that changes something is not", () => {
    const reset: ScsiOutcome = { ...GOOD, host_status: 8 };
    expect(scripted(reset, EMPTY_LIST).device.readKeys().kind).toBe("done");
    const { device, asked } = scripted(reset, GOOD);
    expect(device.clear({ key: 1n })).toMatchObject({ kind: "failed" });
    expect(asked).toHaveLength(1);
  });

  test("with a recovered error is done", () => {
    expect(scripted(checkCondition(1, 0x17, 1)).device.reserve(reserve)).toEqual({ kind: "done" });
  });

  test("that the system refuses says why", () => {
    const refuse = (errno: number) =>
      deviceOver(() => ({ kind: "failed", call: "ioctl(SG_IO)", errno, detail: "words" })).readKeys();
    expect(refuse(1)).toMatchObject({ kind: "denied" });
    expect(refuse(25)).toMatchObject({ kind: "unsupported" });
    expect(refuse(19)).toMatchObject({ kind: "gone" });
    expect(refuse(12)).toMatchObject({ kind: "failed" });
  });
});

/** What READ KEYS answers with `count` keys when there is room for `room`. */
function keysAnswer(count: number, room: number): ScsiOutcome {
  const answer = new Uint8Array(8 + 8 * count);
  const view = new DataView(answer.buffer);
  view.setUint32(4, 8 * count);
  for (let index = 0; index < count; index += 1) view.setBigUint64(8 + 8 * index, BigInt(index + 1));
  return { ...GOOD, answer: answer.slice(0, room) };
}

describe("a list of keys", () => {
  const listing = (count: number) => {
    const rooms: number[] = [];
    const device = deviceOver((exchange) => {
      if (exchange.kind !== "scsi") return { kind: "paused" };
      rooms.push(exchange.answer_size_bytes);
      return keysAnswer(count, exchange.answer_size_bytes);
    });
    return { rooms, read: device.readKeys() };
  };

  test("that is longer than the first room is read again, whole", () => {
    const { rooms, read } = listing(2000);
    expect(rooms).toEqual([LIMITS.pr_answer_size_bytes, 16008]);
    expect(read.kind === "done" && read.keys).toHaveLength(2000);
  });

  test("that fits is read once", () => {
    expect(listing(511).rooms).toHaveLength(1);
  });

  test("that no answer can hold is refused, not cut", () => {
    expect(listing(9000).read).toMatchObject({
      kind: "failed",
      detail: expect.stringContaining("longer") as string,
    });
  });

  test("of which less came than it says is refused at once", () => {
    const { device, asked } = scripted({ ...GOOD, answer: keysAnswer(10, 48).answer });
    expect(device.readKeys()).toMatchObject({
      kind: "failed",
      detail: expect.stringContaining("48 came") as string,
    });
    expect(asked).toHaveLength(1);
  });
});

describe("whatever a device answers", () => {
  const outcome = fc.record({
    kind: fc.constant("scsi" as const),
    status: fc.oneof(fc.constantFrom(0, 2, 8, 0x18, 0x28), fc.nat(255)),
    host_status: fc.oneof(fc.constant(0), fc.nat(30)),
    sense: fc.oneof(
      fc.uint8Array({ maxLength: 32 }),
      fc
        .tuple(fc.constantFrom(0x70, 0x71, 0x72), fc.uint8Array({ minLength: 17, maxLength: 17 }))
        .map(([code, rest]) => new Uint8Array([code, ...rest])),
    ),
    answer: fc.uint8Array({ maxLength: 64 }),
  });

  test("each command comes to an end with an answer", () => {
    fc.assert(
      fc.property(fc.array(outcome, { minLength: 1, maxLength: 8 }), (outcomes) => {
        let sent = 0;
        const device = deviceOver((exchange) => {
          if (exchange.kind === "pause") return { kind: "paused" };
          sent += 1;
          expect(sent).toBeLessThan(1000);
          return outcomes[sent % outcomes.length] ?? GOOD;
        });
        const kinds = [
          device.readKeys(),
          device.readReservation(),
          device.readCapabilities(),
          device.readFullStatus(),
          device.register({ from: 0n, to: 1n, aptpl: true }),
          device.preempt({ key: 1n, remove: 2n, type: "WE", abort: true }),
          device.repairNexuses({ key: 1n }),
        ].map(({ kind }) => kind);
        for (const kind of kinds)
          expect(["done", "conflict", "unsupported", "gone", "denied", "failed"]).toContain(kind);
      }),
    );
  });
});

describe("one host's disk", () => {
  test("is registered, reserved, released and left through the commands", () => {
    const target = modelTarget();
    const a = deviceOver(modelPaths(target, [1]));
    const b = deviceOver(modelPaths(target, [2]));
    expect(a.register({ from: 0n, to: 0x1001n, aptpl: true })).toEqual({ kind: "done" });
    expect(target.aptpl).toBe(true);
    expect(a.reserve({ key: 0x1001n, type: "WE" })).toEqual({ kind: "done" });
    expect(b.reserve({ key: 0x1002n, type: "WE" }).kind).toBe("conflict");
    expect(b.registerAndIgnore({ to: 0x1002n, aptpl: true })).toEqual({ kind: "done" });
    expect(b.preempt({ key: 0x1002n, remove: 0x1001n, type: "WERO", abort: true })).toEqual({ kind: "done" });
    expect(b.readKeys()).toMatchObject({ keys: [0x1002n] });
    expect(b.readReservation()).toMatchObject({ reservation: { type: "WERO", key: 0x1002n } });
    expect(a.readNexuses({ key: 0x1001n })).toMatchObject({
      nexuses: [{ path: "/dev/sdx", state: "unregistered" }],
    });
    expect(b.clear({ key: 0x1002n })).toEqual({ kind: "done" });
    expect(b.readReservation()).toMatchObject({ reservation: null });
  });

  test("asking for its registration changes neither key nor persistence", () => {
    const target = modelTarget();
    const a = deviceOver(modelPaths(target, [1]));
    for (const aptpl of [true, false]) {
      a.registerAndIgnore({ to: 5n, aptpl });
      expect(a.readNexuses({ key: 5n })).toMatchObject({ nexuses: [{ state: "registered" }] });
      expect(target).toMatchObject({ aptpl, registrations: new Map([[1, 5n]]) });
    }
  });

  test("keeps the persistence of the hosts that stay when this one unregisters", () => {
    for (const aptpl of [true, false]) {
      const target = modelTarget();
      const a = deviceOver(modelPaths(target, [1]));
      const b = deviceOver(modelPaths(target, [2]));
      a.registerAndIgnore({ to: 5n, aptpl });
      b.registerAndIgnore({ to: 6n, aptpl });
      expect(a.register({ from: 5n, to: 0n, aptpl: false })).toEqual({ kind: "done" });
      expect(target).toMatchObject({ aptpl, registrations: new Map([[2, 6n]]) });
      expect(b.registerAndIgnore({ to: 0n, aptpl: false })).toEqual({ kind: "done" });
      expect(target).toMatchObject({ aptpl, registrations: new Map() });
    }
  });

  test("is unregistered without APTPL where the device does not tell whether it is active", () => {
    const { device, asked } = scripted(checkCondition(5, 0x24, 0), GOOD);
    expect(device.register({ from: 5n, to: 0n, aptpl: true })).toEqual({ kind: "done" });
    const [, sent] = asked;
    expect(asked).toHaveLength(2);
    expect(sent?.kind === "scsi" && sent.data_out?.[20]).toBe(0);
  });

  test("that was fenced is not registered again by a repair", () => {
    const target = modelTarget();
    const a = deviceOver(modelPaths(target, [1]));
    expect(a.repairNexuses({ key: 5n })).toMatchObject({ kind: "done", repaired: [] });
    expect(target.registrations.size).toBe(0);
  });
});

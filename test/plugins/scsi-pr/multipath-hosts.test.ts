/** Multipath maps of several hosts on one target: the same key on two of them, and answers that are lost on a path. */
import { describe, expect, test } from "bun:test";
import type { Exchange, Outcome } from "../../../plugins/scsi-pr/exchange.ts";
import { undoReserve } from "../../../plugins/scsi-pr/manager/give-back.ts";
import { reserveDevice } from "../../../plugins/scsi-pr/manager/reserve.ts";
import { multipathCommands } from "../../../plugins/scsi-pr/multipath-scripts.ts";
import { syncDevice } from "../../../plugins/scsi-pr/perform.ts";
import type { ReservableDevice } from "../../../plugins/scsi-pr/reservable.ts";
import { PR_OUT } from "../../../plugins/scsi-pr/scsi-commands.ts";
import { scsiCommands } from "../../../plugins/scsi-pr/scsi-scripts.ts";
import { GOOD, type ModelTarget, modelMultipathd, modelPaths, modelTarget } from "./model-target.ts";

const KEY = 0x1001n;

/** A host with a map over two paths, which are these nexuses; `between` stands between the paths and the target. */
function hostWithMap(
  target: ModelTarget,
  nexuses: readonly number[],
  between = (exchange: Exchange, send: (exchange: Exchange) => Outcome): Outcome => send(exchange),
): ReservableDevice {
  const send = modelPaths(target, nexuses, { multipathd: modelMultipathd() });
  const paths = nexuses.map((_, path) => ({
    device: `/dev/sd${path}`,
    commands: scsiCommands({ path, device: `/dev/sd${path}` }),
  }));
  return syncDevice({
    path: "/dev/mapper/m",
    transport: "multipath",
    commands: multipathCommands({
      device: "/dev/mapper/m",
      kernel_name: "dm-3",
      paths,
      needs_multipathd: true,
    }),
    performed: (exchange) => between(exchange, send),
    close: () => undefined,
  });
}

const nothingChanged = () => ({
  registered: false,
  reserved: false,
  preempted: false,
  aptpl_before: null,
  given_up: false,
});

describe("a map whose key another host has as well", () => {
  /** Host A holds the map with the key, and host B, as nexus 5 and 6, is to come. */
  function heldByA() {
    const target = modelTarget();
    const a = hostWithMap(target, [1, 2]);
    a.register({ from: 0n, to: KEY, aptpl: false });
    a.reserve({ key: KEY, type: "WERO" });
    return { target, b: hostWithMap(target, [5, 6]), reservation: { ...target.reservation } };
  }
  const heldStill = new Map([
    [1, KEY],
    [2, KEY],
  ]);

  test("is not taken over from that key, and nothing is even registered", () => {
    const { target, b, reservation } = heldByA();
    const changed = nothingChanged();
    const order = { key: KEY, remove: KEY, type: "WERO", step: "preempt" } as const;
    expect(reserveDevice(b, order, changed, () => {}).kind).toBe("unsupported");
    expect([changed, target.generation]).toEqual([nothingChanged(), 2]);
    expect(undoReserve(b, KEY, "WERO", changed)).toEqual({ kind: "done" });
    expect(target).toMatchObject({ registrations: heldStill, reservation });
  });

  test("is left to the other host when this one takes its registrations back, with or without an undo", () => {
    for (const lost_paths of ["remove", "keep"] as const) {
      const { target, b, reservation } = heldByA();
      b.register({ from: 0n, to: KEY, aptpl: false });
      const answer = b.register({ from: KEY, to: 0n, aptpl: false, lost_paths });
      expect(target).toMatchObject({ registrations: heldStill, reservation });
      if (lost_paths === "keep") expect(answer).toEqual({ kind: "done" });
      else
        expect(answer).toMatchObject({
          kind: "failed",
          detail: expect.stringMatching(
            /2 more registrations with 0x1001 stay.*lab:host0.*lab:host1/,
          ) as string,
        });
    }
  });

  test("is left alone by an undo also where the initiators can't be told apart", () => {
    const { target, b } = heldByA();
    target.initiatorOf = () => "iqn.2026-01.lab:copied";
    undoReserve(b, KEY, "WERO", {
      ...nothingChanged(),
      registered: b.register({ from: 0n, to: KEY, aptpl: false }).kind === "done",
    });
    expect(target.registrations).toEqual(heldStill);
  });

  test("of a host with two initiators is taken off its lost paths where both of them are known", () => {
    const cases: [(nexus: number) => string, [number, bigint][]][] = [
      // Two ports of a host to two ports of the array; the path that is lost shares its initiator with one that is not.
      [(nexus: number) => `naa.${nexus % 2}`, []],
      // The lost path's initiator is seen nowhere else: it may be another host's.
      [(nexus: number) => `naa.${nexus === 3 ? "elsewhere" : nexus % 2}`, [[3, KEY]]],
    ];
    for (const [initiatorOf, left] of cases) {
      const target = modelTarget();
      target.initiatorOf = initiatorOf;
      hostWithMap(target, [0, 1, 2, 3]).register({ from: 0n, to: KEY, aptpl: false });
      const answer = hostWithMap(target, [0, 1, 2]).register({ from: KEY, to: 0n, aptpl: false });
      expect([[...target.registrations], answer.kind]).toEqual([
        [...left],
        left.length === 0 ? "done" : "failed",
      ]);
    }
  });

  test("keeps what is registered when the target does not tell through whom", () => {
    const { target, b } = heldByA();
    target.initiatorOf = () => "";
    b.register({ from: 0n, to: KEY, aptpl: false });
    expect(b.register({ from: KEY, to: 0n, aptpl: false }).kind).toBe("failed");
    expect(target.registrations).toEqual(heldStill);
  });
});

describe("a change whose answer is lost on the first path", () => {
  const KEY_A = 0x1000000000000001n;
  const KEY_B = 0x1000000000000002n;

  /** Loses the answer of this action on path 0, or the whole command; with `path_dies` nothing answers there after it. */
  function losing(
    action: number,
    { carried_out, path_dies }: { carried_out: boolean; path_dies: boolean },
  ): Parameters<typeof hostWithMap>[2] {
    let dead = false;
    const sent: number[] = [];
    return (exchange, send) => {
      if (exchange.kind !== "scsi" || exchange.path !== 0) return send(exchange);
      if (dead) return { ...GOOD, host_status: 15 };
      const isIt = exchange.cdb[0] === 0x5f && (exchange.cdb[1] ?? 0) === action && sent.length === 0;
      if (!isIt) return send(exchange);
      sent.push(action);
      dead = path_dies;
      if (carried_out) send(exchange);
      return { ...GOOD, host_status: path_dies ? 15 : 14 };
    };
  }

  test.each([true, false])(
    "a take-over is not undone, and the other host stays cut off (path dies: %p)",
    (path_dies) => {
      const target = modelTarget();
      const a = hostWithMap(target, [1, 2]);
      a.register({ from: 0n, to: KEY_A, aptpl: false });
      a.reserve({ key: KEY_A, type: "WERO" });
      const b = hostWithMap(
        target,
        [5, 6],
        losing(PR_OUT.preempt_and_abort, { carried_out: true, path_dies }),
      );
      const changed = nothingChanged();
      const order = { key: KEY_B, remove: KEY_A, type: "WERO", step: "preempt" } as const;
      const answer = reserveDevice(b, order, changed, () => {});
      expect(answer).toMatchObject({ detail: expect.stringContaining("the key is removed") as string });
      expect(["gone", "failed"]).toContain(answer.kind);
      undoReserve(b, KEY_B, "WERO", changed);
      expect([...target.registrations.values()]).toEqual([KEY_B, KEY_B]);
      expect(target.reservation).toMatchObject({ key: KEY_B });
    },
  );

  test("a take-over that did not happen goes on through the next path", () => {
    const target = modelTarget();
    const a = hostWithMap(target, [1, 2]);
    a.register({ from: 0n, to: KEY_A, aptpl: false });
    a.reserve({ key: KEY_A, type: "WERO" });
    const lost = { carried_out: false, path_dies: true };
    const b = hostWithMap(target, [5, 6], losing(PR_OUT.preempt_and_abort, lost));
    b.register({ from: 0n, to: KEY_B, aptpl: false });
    expect(b.preempt({ key: KEY_B, remove: KEY_A, type: "WERO", abort: true })).toEqual({ kind: "done" });
    expect(target.reservation).toMatchObject({ nexus: 6, key: KEY_B });
  });

  test("a reservation and a clearing that were carried out are done", () => {
    const target = modelTarget();
    const lost = { carried_out: true, path_dies: true };
    const one = hostWithMap(target, [1, 2], losing(PR_OUT.reserve, lost));
    one.register({ from: 0n, to: KEY_A, aptpl: false });
    expect(one.reserve({ key: KEY_A, type: "WERO" })).toEqual({ kind: "done" });
    expect(target.reservation).toMatchObject({ nexus: 1 });
    const other = hostWithMap(target, [1, 2], losing(PR_OUT.clear, lost));
    expect(other.clear({ key: KEY_A })).toEqual({ kind: "done" });
    expect(target).toMatchObject({ registrations: new Map(), reservation: null });
  });

  test("a reservation that another host has instead is a conflict", () => {
    const target = modelTarget();
    const one = hostWithMap(target, [1, 2], losing(PR_OUT.reserve, { carried_out: false, path_dies: true }));
    one.register({ from: 0n, to: KEY_A, aptpl: false });
    const other = hostWithMap(target, [5, 6]);
    other.register({ from: 0n, to: KEY_B, aptpl: false });
    other.reserve({ key: KEY_B, type: "WERO" });
    expect(one.reserve({ key: KEY_A, type: "WERO" }).kind).toBe("conflict");
  });
});

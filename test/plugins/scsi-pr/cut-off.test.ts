/** A host that another one cuts off while it registers the paths of its map again. */
import { describe, expect, test } from "bun:test";
import type { Exchange, Outcome } from "../../../plugins/scsi-pr/exchange.ts";
import { multipathCommands } from "../../../plugins/scsi-pr/multipath-scripts.ts";
import { syncDevice } from "../../../plugins/scsi-pr/perform.ts";
import type { ReservableDevice, ReservationType } from "../../../plugins/scsi-pr/reservable.ts";
import { PR_OUT } from "../../../plugins/scsi-pr/scsi-commands.ts";
import { scsiCommands } from "../../../plugins/scsi-pr/scsi-scripts.ts";
import { modelMultipathd, modelPaths, modelTarget, NO_CONNECTION } from "./model-target.ts";

const KEY_A = 0x1001n;
const KEY_B = 0x1002n;

type Command = "register" | "ignore" | "in" | "other";

function commandOf(exchange: Exchange): Command {
  if (exchange.kind !== "scsi") return "other";
  if (exchange.cdb[0] === 0x5e) return "in";
  if (exchange.cdb[1] === PR_OUT.register) return "register";
  return exchange.cdb[1] === PR_OUT.register_and_ignore ? "ignore" : "other";
}

/** Host A with a map over the nexuses 0, 1 and 2, of which 2 lacks the key; host B, as 8 and 9, can take the map over. */
function heldByA(type: ReservationType = "WERO") {
  const target = modelTarget();
  const multipathd = modelMultipathd();
  const lost = new Set<number>();
  const hostWith = (nexuses: readonly number[], daemon: ReturnType<typeof modelMultipathd>) => {
    const box = { between: null as ((path: number, command: Command) => Outcome | null) | null };
    const send = modelPaths(target, nexuses, { lost, multipathd: daemon });
    const paths = nexuses.map((nexus, path) => ({
      device: `/dev/sd${nexus}`,
      commands: scsiCommands({ path, device: `/dev/mapper/m through sd${nexus}` }),
    }));
    const map = { device: "/dev/mapper/m", kernel_name: "dm-3", paths, needs_multipathd: true };
    const device = syncDevice({
      path: "/dev/mapper/m",
      transport: "multipath",
      commands: multipathCommands(map),
      performed: (exchange) => {
        const path = exchange.kind === "scsi" ? exchange.path : -1;
        return box.between?.(path, commandOf(exchange)) ?? send(exchange);
      },
      close: () => undefined,
    });
    return { device, box };
  };
  const a = hostWith([0, 1, 2], multipathd);
  const b = hostWith([8, 9], modelMultipathd());
  a.device.register({ from: 0n, to: KEY_A, aptpl: false });
  a.device.reserve({ key: KEY_A, type });
  target.registrations.delete(2);
  const takeOver = (): void => {
    b.device.register({ from: 0n, to: KEY_B, aptpl: false });
    b.device.preempt({ key: KEY_B, remove: KEY_A, type, abort: true });
  };
  return { target, multipathd, lost, takeOver, a };
}

/** Calls `then` once, before or after the n-th of A's commands of this kind on this path. */
function once(
  { box }: ReturnType<typeof heldByA>["a"],
  at: { path: number; command: Command; nth?: number },
  then: () => Outcome | null,
): void {
  let left = at.nth ?? 1;
  box.between = (path, command) => {
    if (path !== at.path || command !== at.command || --left !== 0) return null;
    return then();
  };
}

const REPAIRS: [string, (device: ReservableDevice) => { kind: string; detail?: string }][] = [
  ["repairing", (device) => device.repairNexuses({ key: KEY_A })],
  ["registering the key anew", (device) => device.register({ from: KEY_A, to: KEY_A, aptpl: false })],
];

describe.each(REPAIRS)("%s a map", (_name, repair) => {
  test("brings no host back that was cut off while a path hung", () => {
    const { target, takeOver, lost, a, multipathd } = heldByA();
    lost.add(1);
    once(a, { path: 1, command: "register" }, () => {
      takeOver();
      return NO_CONNECTION;
    });
    const answer = repair(a.device);
    expect(answer).toMatchObject({
      kind: "conflict",
      detail: expect.stringMatching(/this host was cut off: .*no path was registered again/) as string,
    });
    expect([...target.registrations.values()]).toEqual([KEY_B, KEY_B]);
    expect(multipathd).toMatchObject({ key: null, status: false });
  });

  test("takes a path back at once that it registered after it was cut off", () => {
    for (const type of ["WERO", "WEAR"] as const) {
      const { target, takeOver, a } = heldByA(type);
      once(a, { path: 2, command: "ignore" }, () => {
        takeOver();
        return null;
      });
      expect(repair(a.device)).toMatchObject({
        kind: "conflict",
        detail: expect.stringContaining(
          "/dev/sd2 had been registered again by this host and is unregistered",
        ),
      });
      expect([...target.registrations.values()]).toEqual([KEY_B, KEY_B]);
    }
  });

  test("says so where that can't be taken back", () => {
    const { target, takeOver, lost, a } = heldByA();
    a.box.between = (path, command) => {
      if (path !== 2 || command !== "ignore") return null;
      takeOver();
      a.box.between = (later) => {
        if (later === 2) lost.add(2);
        return null;
      };
      target.registrations.set(2, KEY_A);
      return NO_CONNECTION;
    };
    expect(repair(a.device)).toMatchObject({
      kind: "conflict",
      detail: expect.stringMatching(
        /whether that could be ended through \/dev\/sd2 .* is not known/,
      ) as string,
    });
  });

  test("registers the path as long as nobody cuts the host off, also while another path is lost", () => {
    const { target, lost, a } = heldByA();
    lost.add(1);
    expect(repair(a.device).kind).toBe("done");
    expect([...target.registrations]).toEqual([
      [0, KEY_A],
      [1, KEY_A],
      [2, KEY_A],
    ]);
  });

  test("adds nothing where no path can say any more whether this host is registered", () => {
    const { target, lost, a } = heldByA("WEAR");
    lost.add(1);
    // The last path that was registered goes away when its turn to be asked again comes.
    once(a, { path: 0, command: "register", nth: 2 }, () => {
      lost.add(0);
      return NO_CONNECTION;
    });
    expect(repair(a.device)).toMatchObject({
      kind: "gone",
      detail: expect.stringContaining("whether this host was cut off meanwhile is not known"),
    });
    expect(target.registrations.has(2)).toBe(false);
  });
});

test("a key is registered anew on a path that lacks it while another host's reservation waits to be taken over", () => {
  const { target, takeOver, a } = heldByA();
  takeOver();
  // The take-over back was cut short after one path was registered.
  target.registrations.set(0, KEY_A);
  expect(a.device.register({ from: KEY_A, to: KEY_A, aptpl: false })).toEqual({ kind: "done" });
  expect([0, 1, 2].map((nexus) => target.registrations.get(nexus))).toEqual([KEY_A, KEY_A, KEY_A]);
});

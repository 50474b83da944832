import { describe, expect, test } from "bun:test";
import { multipathCommands } from "../../../plugins/scsi-pr/multipath-scripts.ts";
import { decodeReply, encodeCommand, parseKeyReply } from "../../../plugins/scsi-pr/multipathd.ts";
import { syncDevice } from "../../../plugins/scsi-pr/perform.ts";
import type { ReservableDevice } from "../../../plugins/scsi-pr/reservable.ts";
import { scsiCommands } from "../../../plugins/scsi-pr/scsi-scripts.ts";
import { bytes, hex } from "./bytes.ts";
import { modelMultipathd, modelPaths, modelTarget } from "./model-target.ts";

const KEY = 0x1001n;

/** A map over two paths, nexus 1 and 2, of a target that host b has too, as nexus 9. */
function mapOverTwoPaths() {
  const target = modelTarget();
  const multipathd = modelMultipathd();
  const lost = new Set<number>();
  const paths = ["/dev/sda", "/dev/sdb"].map((device, path) => ({
    device,
    commands: scsiCommands({ path, device: `/dev/mapper/m through ${device}` }),
  }));
  /** The path of each command, in their order. */
  const asked: number[] = [];
  const deviceWith = (daemon: typeof multipathd | null): ReservableDevice => {
    const performed = modelPaths(target, [1, 2], {
      lost,
      ...(daemon === null ? {} : { multipathd: daemon }),
    });
    return syncDevice({
      path: "/dev/mapper/m",
      transport: "multipath",
      commands: multipathCommands({
        device: "/dev/mapper/m",
        kernel_name: "dm-3",
        paths,
        needs_multipathd: true,
      }),
      performed: (exchange) => {
        if (exchange.kind === "scsi") asked.push(exchange.path);
        return performed(exchange);
      },
      close: () => undefined,
    });
  };
  const b = syncDevice({
    path: "/dev/sdx",
    transport: "scsi",
    commands: scsiCommands({ path: 0, device: "/dev/sdx" }),
    performed: modelPaths(target, [9]),
    close: () => undefined,
  });
  return {
    target,
    multipathd,
    lost,
    asked,
    map: deviceWith(multipathd),
    withoutMultipathd: deviceWith(null),
    b,
  };
}

function states(device: ReservableDevice): string[] {
  const read = device.readNexuses({ key: KEY });
  return read.kind === "done" ? read.nexuses.map(({ state }) => state) : [read.kind];
}

describe("registering a multipath map", () => {
  test("registers every path and leaves the key with multipathd", () => {
    const { map, target, multipathd } = mapOverTwoPaths();
    expect(map.registerAndIgnore({ to: KEY, aptpl: false })).toEqual({ kind: "done" });
    expect(target.registrations).toEqual(
      new Map([
        [1, KEY],
        [2, KEY],
      ]),
    );
    expect(multipathd).toMatchObject({ key: "0x1001", status: true });
  });

  test("tells multipathd of APTPL, so that a returning path does not end it", () => {
    const { map, target, multipathd } = mapOverTwoPaths();
    map.register({ from: 0n, to: KEY, aptpl: true });
    expect(multipathd.key).toBe("0x1001:aptpl");
    expect(target.aptpl).toBe(true);
  });

  test("does nothing when multipathd has no place for the key, and says what to configure", () => {
    const { map, target, multipathd } = mapOverTwoPaths();
    multipathd.takes_keys = false;
    const answer = map.registerAndIgnore({ to: KEY, aptpl: false });
    expect(answer).toMatchObject({
      kind: "failed",
      detail: expect.stringContaining("reservation_key file") as string,
    });
    expect(target.registrations.size).toBe(0);
    expect(multipathd.file).toBeNull();
  });

  test("leaves multipathd the key that it had when it refuses the new one or takes too long", () => {
    for (const refusal of ["timeout", "fail", "fail: no space left"]) {
      const { map, target, multipathd } = mapOverTwoPaths();
      map.registerAndIgnore({ to: KEY, aptpl: true });
      const before = new Map(target.registrations);
      let asked = 0;
      multipathd.replies = (verb) => (verb === "setprkey" && asked++ === 0 ? refusal : null);
      const answer = map.registerAndIgnore({ to: 0x2001n, aptpl: false });
      expect(answer).toMatchObject({ kind: "failed", detail: expect.stringContaining(refusal) as string });
      expect(answer).not.toMatchObject({ detail: expect.stringContaining("multipathd has") as string });
      expect([target.registrations, multipathd.key, multipathd.status]).toEqual([
        before,
        "0x1001:aptpl",
        true,
      ]);
    }
  });

  test("does nothing when multipathd does not tell the key that it has, which could not be put back then", () => {
    const { map, target, multipathd } = mapOverTwoPaths();
    map.registerAndIgnore({ to: KEY, aptpl: false });
    const before = new Map(target.registrations);
    multipathd.replies = (verb) => (verb === "getprkey" || verb === "setprkey" ? "timeout" : null);
    expect(map.registerAndIgnore({ to: 0x2001n, aptpl: false })).toMatchObject({
      kind: "failed",
      detail: expect.stringContaining("multipathd does not tell its key for the map (timeout)"),
    });
    expect([target.registrations, multipathd.key]).toEqual([before, "0x1001"]);
  });

  test("says what multipathd has and what to type when its key can't be put back", () => {
    const { map, multipathd } = mapOverTwoPaths();
    map.registerAndIgnore({ to: KEY, aptpl: false });
    multipathd.replies = (verb) => {
      if (verb !== "setprkey") return null;
      // The new key was taken after all.
      multipathd.key = "0x2001";
      return "timeout";
    };
    expect(map.registerAndIgnore({ to: 0x2001n, aptpl: false })).toMatchObject({
      detail: expect.stringMatching(
        /multipathd has the key 0x2001 for the map now.*multipathd setprkey map dm-3 key 0x1001$/,
      ) as string,
    });
  });

  test("goes on where multipath.conf has this very key", () => {
    const { map, multipathd } = mapOverTwoPaths();
    multipathd.takes_keys = false;
    multipathd.key = "0x1001";
    expect(map.registerAndIgnore({ to: KEY, aptpl: false })).toEqual({ kind: "done" });
  });

  test("does nothing without multipathd, but reading works", () => {
    const { withoutMultipathd, target } = mapOverTwoPaths();
    expect(withoutMultipathd.registerAndIgnore({ to: KEY, aptpl: false })).toMatchObject({ kind: "failed" });
    expect(target.registrations.size).toBe(0);
    expect(withoutMultipathd.readKeys()).toMatchObject({ kind: "done", keys: [] });
  });

  test("registers what is there when a path is lost", () => {
    const { map, target, lost } = mapOverTwoPaths();
    lost.add(1);
    expect(map.registerAndIgnore({ to: KEY, aptpl: false })).toEqual({ kind: "done" });
    expect(target.registrations).toEqual(new Map([[2, KEY]]));
    expect(states(map)).toEqual(["lost", "registered"]);
  });

  test("is refused as gone with no path at all, and multipathd forgets the key", () => {
    const { map, lost, multipathd } = mapOverTwoPaths();
    lost.add(1).add(2);
    expect(map.registerAndIgnore({ to: KEY, aptpl: false }).kind).toBe("gone");
    expect(multipathd.key).toBeNull();
  });

  test("conflicts when no path has the old key, and multipathd keeps its own", () => {
    const { map, multipathd } = mapOverTwoPaths();
    map.registerAndIgnore({ to: KEY, aptpl: false });
    expect(map.register({ from: 0x9n, to: 0x1002n, aptpl: false }).kind).toBe("conflict");
    expect(multipathd.key).toBe("0x1001");
  });

  test("changes the key also on a path that had lost it", () => {
    const { map, target } = mapOverTwoPaths();
    map.registerAndIgnore({ to: KEY, aptpl: false });
    target.registrations.delete(1);
    expect(map.register({ from: KEY, to: 0x1002n, aptpl: false })).toEqual({ kind: "done" });
    expect(target.registrations).toEqual(
      new Map([
        [2, 0x1002n],
        [1, 0x1002n],
      ]),
    );
  });
});

describe("a path that was lost", () => {
  test("and returned is reported, and repaired", () => {
    const { map, target, lost } = mapOverTwoPaths();
    lost.add(1);
    map.registerAndIgnore({ to: KEY, aptpl: true });
    lost.clear();
    expect(states(map)).toEqual(["unregistered", "registered"]);
    expect(map.repairNexuses({ key: KEY })).toMatchObject({
      repaired: ["/dev/sda"],
      nexuses: [
        { path: "/dev/sda", state: "registered" },
        { path: "/dev/sdb", state: "registered" },
      ],
    });
    expect(target.aptpl).toBe(true);
    expect(states(map)).toEqual(["registered", "registered"]);
  });

  test("is not left registered when the map is unregistered", () => {
    const { map, target, lost, multipathd } = mapOverTwoPaths();
    map.registerAndIgnore({ to: KEY, aptpl: false });
    map.reserve({ key: KEY, type: "WEAR" });
    lost.add(1);
    expect(map.register({ from: KEY, to: 0n, aptpl: false })).toEqual({ kind: "done" });
    expect(target.registrations.size).toBe(0);
    expect(target.reservation).toBeNull();
    expect(multipathd).toMatchObject({ key: null, status: false });
  });

  test("that held the reservation does not keep it when the map is unregistered", () => {
    const { map, target, lost } = mapOverTwoPaths();
    map.registerAndIgnore({ to: KEY, aptpl: false });
    map.reserve({ key: KEY, type: "WERO" });
    lost.add(1);
    expect(map.release({ key: KEY, type: "WERO" })).toMatchObject({ kind: "failed" });
    expect(map.register({ from: KEY, to: 0n, aptpl: false })).toEqual({ kind: "done" });
    expect(target).toMatchObject({ registrations: new Map(), reservation: null });
  });

  test("leaves the persistence of the other hosts as it is when the map is unregistered", () => {
    const { map, target, b } = mapOverTwoPaths();
    b.registerAndIgnore({ to: 0x1002n, aptpl: true });
    map.registerAndIgnore({ to: KEY, aptpl: true });
    expect(map.register({ from: KEY, to: 0n, aptpl: false })).toEqual({ kind: "done" });
    expect(target).toMatchObject({ aptpl: true, registrations: new Map([[9, 0x1002n]]) });
  });

  test("does not take other hosts' registrations with it", () => {
    const { map, target, lost, b } = mapOverTwoPaths();
    b.registerAndIgnore({ to: 0x1002n, aptpl: false });
    map.registerAndIgnore({ to: KEY, aptpl: false });
    map.reserve({ key: KEY, type: "WEAR" });
    lost.add(2);
    map.register({ from: KEY, to: 0n, aptpl: false });
    expect(target.registrations).toEqual(new Map([[9, 0x1002n]]));
    expect(target.reservation).not.toBeNull();
  });
});

describe("reserving a multipath map", () => {
  test("is refused for types that would leave one path to write through", () => {
    const { map } = mapOverTwoPaths();
    map.registerAndIgnore({ to: KEY, aptpl: false });
    expect(map.reserve({ key: KEY, type: "WE" })).toMatchObject({
      kind: "unsupported",
      detail: expect.stringContaining("use WEAR") as string,
    });
    expect(map.reserve({ key: KEY, type: "EA" }).kind).toBe("unsupported");
  });

  test.each(["WEAR", "EAAR", "WERO", "EARO"] as const)(
    "with %s and releasing work through any path",
    (type) => {
      const { map, target } = mapOverTwoPaths();
      map.registerAndIgnore({ to: KEY, aptpl: false });
      expect(map.reserve({ key: KEY, type })).toEqual({ kind: "done" });
      expect(map.reserve({ key: KEY, type })).toEqual({ kind: "done" });
      expect(map.release({ key: KEY, type })).toEqual({ kind: "done" });
      expect(target.reservation).toBeNull();
    },
  );

  test("uses a path that is registered when the first is not", () => {
    const { map, target } = mapOverTwoPaths();
    map.registerAndIgnore({ to: KEY, aptpl: false });
    target.registrations.delete(1);
    expect(map.reserve({ key: KEY, type: "WEAR" })).toEqual({ kind: "done" });
    expect(target.reservation).toMatchObject({ nexus: 2 });
  });
});

describe("preempting through a multipath map", () => {
  test("takes the other host's key away", () => {
    const { map, target, b } = mapOverTwoPaths();
    b.registerAndIgnore({ to: 0x1002n, aptpl: false });
    b.reserve({ key: 0x1002n, type: "WERO" });
    map.registerAndIgnore({ to: KEY, aptpl: false });
    expect(map.preempt({ key: KEY, remove: 0x1002n, type: "WEAR", abort: true })).toEqual({ kind: "done" });
    expect([...target.registrations.values()]).toEqual([KEY, KEY]);
  });

  test("our own key is refused, because all paths but one would lose it", () => {
    const { map, target } = mapOverTwoPaths();
    map.registerAndIgnore({ to: KEY, aptpl: false });
    expect(map.preempt({ key: KEY, remove: KEY, type: "WEAR", abort: false }).kind).toBe("unsupported");
    expect(target.registrations.size).toBe(2);
  });

  test("refuses to take a reservation over with a type for one path, but removes a mere registration", () => {
    const { map, b, target } = mapOverTwoPaths();
    b.registerAndIgnore({ to: 0x1002n, aptpl: false });
    map.registerAndIgnore({ to: KEY, aptpl: false });
    b.reserve({ key: 0x1002n, type: "WE" });
    expect(map.preempt({ key: KEY, remove: 0x1002n, type: "WE", abort: true }).kind).toBe("unsupported");
    expect(target.registrations.get(9)).toBe(0x1002n);
    b.release({ key: 0x1002n, type: "WE" });
    expect(map.preempt({ key: KEY, remove: 0x1002n, type: "WE", abort: true })).toEqual({ kind: "done" });
    expect(target.registrations.get(9)).toBeUndefined();
  });
});

test("clearing a map ends multipathd's part", () => {
  const { map, target, multipathd } = mapOverTwoPaths();
  map.registerAndIgnore({ to: KEY, aptpl: false });
  expect(map.clear({ key: KEY })).toEqual({ kind: "done" });
  expect(target.registrations.size).toBe(0);
  expect(multipathd).toMatchObject({ key: null, status: false });
});

describe("multipathd's socket", () => {
  test("takes a length of 8 bytes and the command with its NUL", () => {
    expect(hex(encodeCommand("getprkey"))).toBe("09 00 00 00 00 00 00 00 67 65 74 70 72 6b 65 79 00");
  });

  test("gives a reply that may come in parts", () => {
    const whole = bytes("05 00 00 00 00 00 00 00 6e 6f 6e 65 00");
    for (let size = 0; size < whole.length; size += 1)
      expect(decodeReply(whole.subarray(0, size))).toEqual({ kind: "part" });
    expect(decodeReply(whole)).toEqual({ kind: "reply", text: "none" });
  });

  test("is not believed when it announces more than a reply can have", () => {
    expect(decodeReply(bytes("ff ff ff ff 00 00 00 00")).kind).toBe("malformed");
    expect(decodeReply(bytes("ff ff ff ff ff ff ff ff")).kind).toBe("malformed");
  });

  test("tells its key with and without APTPL", () => {
    expect(parseKeyReply("0x1001")).toEqual({ key: 0x1001n, aptpl: false });
    expect(parseKeyReply("0x1001:aptpl")).toEqual({ key: 0x1001n, aptpl: true });
    expect(parseKeyReply("none")).toBeNull();
    expect(parseKeyReply("fail")).toBeNull();
  });
});

describe("a map whose first path is silent", () => {
  test("asks that path once and begins with the one that answered from then on, also with what cuts another host off", () => {
    const { map, b, target, lost, asked } = mapOverTwoPaths();
    map.registerAndIgnore({ to: KEY, aptpl: false });
    map.reserve({ key: KEY, type: "WEAR" });
    b.registerAndIgnore({ to: 0x2002n, aptpl: false });
    lost.add(1);
    asked.length = 0;
    for (const read of ["readKeys", "readReservation", "readCapabilities"] as const)
      expect(map[read]().kind).toBe("done");
    expect(map.preempt({ key: KEY, remove: 0x2002n, type: "WEAR", abort: true })).toEqual({ kind: "done" });
    expect([...target.registrations.values()]).toEqual([KEY, KEY]);
    expect(asked).toEqual([0, 1, 1, 1, 1, 1]);
    asked.length = 0;
    expect(states(map)).toEqual(["lost", "registered"]);
    expect(asked).toEqual([1, 0, 1]);
  });

  test("is asked through another path again when the one that answered is lost", () => {
    const { map, lost } = mapOverTwoPaths();
    map.registerAndIgnore({ to: KEY, aptpl: false });
    lost.add(1);
    expect(map.readKeys().kind).toBe("done");
    lost.delete(1);
    lost.add(2);
    expect(map.readKeys()).toMatchObject({ kind: "done", keys: [KEY, KEY] });
  });
});

import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { PersistAnswer } from "../../core/daemon/reservations/lvmpersist.ts";
import {
  ownKeyProblem,
  type PvState,
  removalProblem,
  startProblem,
} from "../../core/daemon/reservations/pv-state.ts";
import { createReservations } from "../../core/daemon/reservations/reservations.ts";
import type { AskReservations, ManagerAnswer } from "../../core/locking/api.ts";
import type { Refused } from "../../plugins/contract.ts";
import { keyOfHost, printKey } from "../../plugins/scsi-pr/keys.ts";
import { makeScratch } from "../rig/scratch.ts";

const scratch = makeScratch("reservations");
afterAll(() => scratch.remove());

const OWN = { host_id: 1, generation: 7 };
const OTHER = { host_id: 5, generation: 3 };
const OWN_KEY = keyOfHost(OWN);
const OTHER_KEY = keyOfHost(OTHER);

const pv = (device: string, keys: readonly bigint[], more: Partial<PvState> = {}): PvState => ({
  device,
  problem: "",
  keys,
  reservation: "WEAR",
  ptpl: false,
  result: "",
  ...more,
});

/**
 * PVs that do what lvmpersist is told, and the command lines so far. `disturb` is called before each one; the keys `elsewhere` were
 * registered through another nexus.
 */
function playedPvs(
  pvs: PvState[],
  disturb: (words: readonly string[]) => PersistAnswer | null = () => null,
  elsewhere: readonly bigint[] = [],
) {
  const commands: string[] = [];
  const change = (
    named: readonly string[],
    update: (keys: readonly bigint[]) => readonly bigint[],
    ptpl?: boolean,
  ): void => {
    for (const [index, old] of pvs.entries())
      if (named.length === 0 || named.includes(old.device))
        pvs[index] = { ...old, keys: update(old.keys), ptpl: ptpl ?? old.ptpl };
  };
  const run = async (words: readonly string[]): Promise<PersistAnswer> => {
    commands.push(words.join(" "));
    const instead = disturb(words);
    if (instead !== null) return instead;
    const option = (name: string): bigint => BigInt(words[words.indexOf(name) + 1] ?? 0);
    const named = words.filter((_, index) => words[index - 1] === "--device");
    // Only the key of the nexus that the PVs are reached through is replaced.
    const through = (key: bigint): boolean => (key & 0xffffn) === 1n && !elsewhere.includes(key);
    if (words[0] === "start")
      change(
        named,
        (keys) => [...keys.filter((key) => !through(key)), option("--ourkey")],
        words.includes("--ptpl"),
      );
    const gone = words[0] === "remove" ? option("--removekey") : 0n;
    const told = pvs.map(({ keys }) => (keys.includes(gone) ? "done" : "nothing"));
    if (words[0] === "remove") change(named, (keys) => keys.filter((key) => key !== gone));
    return {
      kind: "pvs",
      exit_status: 0,
      pvs: pvs.map((state, index) => ({ ...state, result: told[index] ?? "" })),
    };
  };
  return { run, commands };
}

function ask(
  run: (words: readonly string[]) => Promise<PersistAnswer>,
  call: Partial<AskReservations>,
  key_directory = scratch.file("no such directory"),
  warning: (text: string) => void = () => {},
): Promise<ManagerAnswer> {
  const effect: AskReservations = {
    kind: "ask-reservations",
    call_id: 1,
    method: "removeKey",
    vg_name: "vg",
    vg_uuid: "abcd-efgh",
    own: OWN,
    removed: OTHER,
    ...call,
  };
  const { promise, resolve } = Promise.withResolvers<ManagerAnswer>();
  const log = { notice: () => {}, warning };
  createReservations({ run, key_directory, log }).ask(effect, (_, answer) => resolve(answer));
  return promise;
}

describe("removing a failed host's key", () => {
  test("runs lvmpersist remove, and believes the PVs when they are read again", async () => {
    const { run, commands } = playedPvs([pv("/dev/sdb", [OWN_KEY, OTHER_KEY])]);
    expect(await ask(run, {})).toEqual({ kind: "done", aborted: true, detail: "" });
    expect(commands).toEqual([
      `remove --vg vg --ourkey ${printKey(OWN_KEY)} --removekey ${printKey(OTHER_KEY)}`,
      "read --vg vg",
    ]);
  });

  test("is done without knowing of the host's commands when another host was faster, even on one PV", async () => {
    const { run } = playedPvs([pv("/dev/sdb", [OWN_KEY]), pv("/dev/sdc", [OWN_KEY, OTHER_KEY])]);
    expect(await ask(run, {})).toEqual({
      kind: "done",
      aborted: false,
      detail: "/dev/sdb: its key was gone before we came to remove it",
    });
  });

  test("is done without knowing of the host's commands when the abort of a PV was not answered, or not told of", async () => {
    const unanswered = { result: "left", problem: "/dev/sdb: no answer; the key is gone" };
    for (const [told, detail] of [
      [[pv("/dev/sdb", [OWN_KEY], unanswered)], "/dev/sdb: no answer; the key is gone"],
      [[pv("/dev/sdb", [OWN_KEY])], "/dev/sdb: no abort of ours was answered"],
      [[pv("/dev/sdc", [OWN_KEY], { result: "done" })], "/dev/sdb: no abort of ours was answered"],
    ] as const) {
      const { run } = playedPvs([pv("/dev/sdb", [OWN_KEY])], (words) =>
        words[0] === "remove" ? { kind: "pvs", exit_status: 9, pvs: told } : null,
      );
      expect(await ask(run, {})).toEqual({ kind: "done", aborted: false, detail });
    }
  });

  test("is looked at once more by reading alone, and a key that is back is told", async () => {
    const again = { method: "checkRemoved" } as const;
    const { run, commands } = playedPvs([pv("/dev/sdb", [OWN_KEY])]);
    expect(await ask(run, again)).toEqual({ kind: "done" });
    expect(commands).toEqual(["read --vg vg"]);
    const back = playedPvs([pv("/dev/sdb", [OWN_KEY, OTHER_KEY])]);
    expect(await ask(back.run, again)).toMatchObject({
      code: "EAGAIN",
      detail: "/dev/sdb: its key 0x1000000000030005 of generation 3 is still registered",
    });
  });

  test("is not done when lvmpersist says so but a PV still has the key", async () => {
    const pvs = [pv("/dev/sdb", [OWN_KEY]), pv("/dev/sdc", [OWN_KEY, OTHER_KEY])];
    const { run } = playedPvs(pvs, () => ({ kind: "pvs", exit_status: 0, pvs }));
    expect(await ask(run, {})).toMatchObject({
      kind: "refused",
      code: "EAGAIN",
      detail: "/dev/sdc: its key 0x1000000000030005 of generation 3 is still registered",
    });
  });

  test("is not done while the host has a key of another generation, with which it can write", async () => {
    const { run } = playedPvs([pv("/dev/sdb", [OWN_KEY, keyOfHost({ host_id: 5, generation: 4 })])]);
    expect((await ask(run, {})) as Refused).toMatchObject({
      detail: "/dev/sdb: its key 0x1000000000040005 of generation 4 is still registered",
    });
  });

  test("is not done when a PV can't be read, lets everybody write, or has lost our own key", async () => {
    for (const [bad, detail] of [
      [pv("/dev/sdc", [OWN_KEY], { problem: "/dev/sdc does not answer" }), "/dev/sdc does not answer"],
      [
        pv("/dev/sdc", [OWN_KEY], { reservation: "none" }),
        "/dev/sdc: it is not reserved, so that every host can write",
      ],
      [
        pv("/dev/sdc", [OWN_KEY], { reservation: "WE" }),
        "/dev/sdc: it is reserved WE, not for all registered hosts",
      ],
      [pv("/dev/sdc", []), `/dev/sdc: our own key ${printKey(OWN_KEY)} is not registered`],
    ] as const) {
      const { run } = playedPvs([pv("/dev/sdb", [OWN_KEY]), bad]);
      expect(((await ask(run, {})) as Refused).detail).toStartWith(detail);
    }
  });

  test("is not done while a PV has a key of no host_id, which may be that host's", async () => {
    const { run } = playedPvs([pv("/dev/sdb", [OWN_KEY, OTHER_KEY]), pv("/dev/sdc", [OWN_KEY, 0xabcn])]);
    expect((await ask(run, {})) as Refused).toMatchObject({
      code: "EAGAIN",
      detail:
        "/dev/sdc: the key 0xabc is registered, which is made from no host_id, so that its host could not be cut off: " +
        "take pr_key out of that host's lvmlocal.conf and start its reservations anew, or where no host needs the key: " +
        `lvmpersist remove --ourkey ${printKey(OWN_KEY)} --removekey 0xabc --device /dev/sdc`,
    });
    expect(await ask(run, { method: "checkRemoved" })).toMatchObject({ kind: "refused" });
  });

  test("names the lack of our own key before the key that is left because of it", async () => {
    const pvs = [pv("/dev/sdb", [OWN_KEY, OTHER_KEY]), pv("/dev/sdc", [OTHER_KEY])];
    const { run } = playedPvs(pvs, () => ({ kind: "pvs", exit_status: 3, pvs }));
    expect(((await ask(run, {})) as Refused).detail).toBe(
      `/dev/sdb: its key ${printKey(OTHER_KEY)} of generation 3 is still registered; /dev/sdc: our own key ${printKey(OWN_KEY)} is not registered`,
    );
  });

  test("says once what lvmpersist and the PVs say alike, and both where they differ", async () => {
    const missing = "PV abc of VG vg is missing on this host";
    for (const [told, detail] of [
      [missing, missing],
      ["it is busy", `${missing} (it is busy)`],
    ] as const) {
      const { run } = playedPvs([], ([command]) => ({
        kind: "pvs",
        exit_status: 7,
        pvs: [pv("abc", [], { problem: command === "read" ? missing : told })],
      }));
      expect(((await ask(run, {})) as Refused).detail).toBe(detail);
    }
  });

  test("says what lvmpersist said when it gave no report, and looks no further", async () => {
    const { run, commands } = playedPvs([], () => ({
      kind: "failed",
      detail: "lvmpersist remove: it has not ended",
    }));
    expect(((await ask(run, {})) as Refused).detail).toBe("lvmpersist remove: it has not ended");
    expect(commands.length).toBe(1);
  });

  test("never touches a key of this host, of whatever generation", async () => {
    for (const generation of [7, 6]) {
      const { run, commands } = playedPvs([pv("/dev/sdb", [OWN_KEY])]);
      expect(await ask(run, { removed: { host_id: 1, generation } })).toMatchObject({ kind: "refused" });
      expect(commands).toEqual([]);
    }
  });
});

describe("a start", () => {
  test("needs a key of this host on every PV, of whatever generation", async () => {
    const old = keyOfHost({ host_id: 1, generation: 2 });
    const start = { method: "checkKey", removed: null, own: { host_id: 1, generation: 0 } } as const;
    expect(await ask(playedPvs([pv("/dev/sdb", [old])]).run, start)).toEqual({ kind: "done" });
    const lacking = playedPvs([pv("/dev/sdb", [old]), pv("/dev/sdc", [OTHER_KEY])]);
    expect(await ask(lacking.run, start)).toMatchObject({
      code: "EPREPARE",
      detail: expect.stringContaining(
        "/dev/sdc: no key of this host is registered. Start them first: vgchange --persist start vg",
      ),
    });
  });

  test("does not take a pr_key for a key of this host, and says that it does not count", async () => {
    const start = { method: "checkKey", removed: null, own: { host_id: 1, generation: 0 } } as const;
    expect(await ask(playedPvs([pv("/dev/sdb", [0xabcn])]).run, start)).toMatchObject({
      code: "EPREPARE",
      detail: expect.stringContaining(
        "/dev/sdb: no key of this host is registered (a key that is not made from a host_id, such as 0xabc, does not count: leave pr_key unset)",
      ),
    });
  });

  test("is refused while a PV has a key of no host_id, whose host could not be cut off", async () => {
    const start = { method: "checkKey", removed: null, own: { host_id: 1, generation: 0 } } as const;
    const { run } = playedPvs([pv("/dev/sdb", [OWN_KEY]), pv("/dev/sdc", [OWN_KEY, 0xabcn])]);
    const refused = (await ask(run, start)) as Refused;
    expect(refused.code).toBe("EPREPARE");
    expect(refused.detail).toContain("/dev/sdc: the key 0xabc is registered, which is made from no host_id");
    expect(refused.detail).toContain(`--ourkey ${printKey(OWN_KEY)} --removekey 0xabc --device /dev/sdc`);
    expect(refused.detail).not.toContain("/dev/sdb");
  });

  test("without a host_id has no key, and says so", async () => {
    const { run, commands } = playedPvs([]);
    expect(await ask(run, { method: "checkKey", own: { host_id: 0, generation: 0 } })).toMatchObject({
      code: "EHOSTID",
    });
    expect(commands).toEqual([]);
  });

  test("leaves a key of the right generation alone", async () => {
    const { run, commands } = playedPvs([pv("/dev/sdb", [OWN_KEY, OTHER_KEY])]);
    expect(await ask(run, { method: "correctKey", removed: null })).toEqual({ kind: "done" });
    expect(commands).toEqual(["read --vg vg"]);
  });

  test("puts the present generation in place of an earlier one, and reads it back", async () => {
    const old = keyOfHost({ host_id: 1, generation: 6 });
    const { run, commands } = playedPvs([pv("/dev/sdb", [old, OTHER_KEY])]);
    expect(await ask(run, { method: "correctKey", removed: null })).toEqual({ kind: "done" });
    expect(commands).toEqual([
      "read --vg vg",
      `start --vg vg --ourkey ${printKey(OWN_KEY)} --prtype WEAR`,
      "read --vg vg",
    ]);
  });

  test("keeps each PV's reservation type, and whether its registrations outlive a power loss", async () => {
    const old = keyOfHost({ host_id: 1 });
    const pvs = [
      pv("/dev/sdb", [old], { ptpl: true }),
      pv("/dev/sdc", [old]),
      pv("/dev/sdd", [old], { reservation: "EAAR", ptpl: true }),
      pv("/dev/sde", [old], { ptpl: true }),
    ];
    const { run, commands } = playedPvs(pvs);
    expect(await ask(run, { method: "correctKey", removed: null })).toEqual({ kind: "done" });
    const key = `--ourkey ${printKey(OWN_KEY)}`;
    expect(commands.slice(1, -1)).toEqual([
      `start --device /dev/sdb --device /dev/sde ${key} --prtype WEAR --ptpl`,
      `start --device /dev/sdc ${key} --prtype WEAR`,
      `start --device /dev/sdd ${key} --prtype EAAR --ptpl`,
    ]);
    expect(pvs.map(({ ptpl }) => ptpl)).toEqual([true, false, true, true]);
  });

  test("keeps the type and the persistence that all PVs of the VG have, as one VG", async () => {
    const pvs = ["/dev/sdb", "/dev/sdc"].map((device) =>
      pv(device, [keyOfHost({ host_id: 1 })], { reservation: "EAAR", ptpl: true }),
    );
    const { run, commands } = playedPvs(pvs);
    expect(await ask(run, { method: "correctKey", removed: null })).toEqual({ kind: "done" });
    expect(commands[1]).toBe(`start --vg vg --ourkey ${printKey(OWN_KEY)} --prtype EAAR --ptpl`);
  });

  test("removes a key of an earlier generation that another path or session left behind, and reads that back", async () => {
    const old = keyOfHost({ host_id: 1, generation: 6 });
    for (const keys of [[old], [old, OWN_KEY]]) {
      const { run, commands } = playedPvs([pv("/dev/sdb", [...keys, OTHER_KEY])], undefined, [old]);
      expect(await ask(run, { method: "correctKey", removed: null })).toEqual({ kind: "done" });
      expect(commands.slice(2)).toEqual([
        "read --vg vg",
        `remove --vg vg --ourkey ${printKey(OWN_KEY)} --removekey ${printKey(old)}`,
        "read --vg vg",
      ]);
    }
  });

  test("removes no key of a later generation, which another life of this host_id may have", async () => {
    const later = keyOfHost({ host_id: 1, generation: 8 });
    const { run, commands } = playedPvs([pv("/dev/sdb", [later, OWN_KEY])], undefined, [later]);
    expect(await ask(run, { method: "correctKey", removed: null })).toMatchObject({
      code: "EPREPARE",
      detail: expect.stringContaining(`another key of ours is registered as well: ${printKey(later)}`),
    });
    expect(commands.filter((command) => command.startsWith("remove"))).toEqual([]);
  });

  test("tells which earlier keys it has removed, also when the start is refused, and none that are left", async () => {
    const [old, later] = [6, 8].map((generation) => keyOfHost({ host_id: 1, generation }));
    const correct = { method: "correctKey", removed: null } as const;
    const warnings: string[] = [];
    const warn = (text: string): void => void warnings.push(text);
    const pvs = [pv("/dev/sdb", [old ?? 0n, later ?? 0n, OWN_KEY])];
    const { run } = playedPvs([...pvs], undefined, [old ?? 0n, later ?? 0n]);
    expect(await ask(run, correct, undefined, warn)).toMatchObject({ code: "EPREPARE" });
    expect(warnings).toEqual([expect.stringContaining(`removed ${printKey(old ?? 0n)}, registered`)]);
    const stuck = playedPvs(pvs, () => ({ kind: "pvs", exit_status: 1, pvs }));
    expect(await ask(stuck.run, correct, undefined, warn)).toMatchObject({ code: "EPREPARE" });
    expect(warnings).toHaveLength(1);
  });

  test("tells earlier from later generations by the 24 bits that a key has of them", async () => {
    const own = { host_id: 1, generation: 0x100_0002 };
    const own_key = keyOfHost(own);
    const judged = async (generation: number): Promise<string[]> => {
      const other = keyOfHost({ host_id: 1, generation });
      const { run, commands } = playedPvs([pv("/dev/sdb", [other, own_key])], undefined, [other]);
      await ask(run, { method: "correctKey", removed: null, own });
      return commands.filter((command) => command.startsWith("remove"));
    };
    for (const earlier of [0, 0xff_fffe, 0x100_0001]) expect(await judged(earlier)).toHaveLength(1);
    for (const later of [3, 0x100_0003, 0x200]) expect(await judged(later)).toEqual([]);
  });

  test("changes nothing where a PV can't be read or is not reserved for registered hosts", async () => {
    const old = keyOfHost({ host_id: 1, generation: 6 });
    for (const [bad, detail] of [
      [pv("/dev/sdc", [old], { problem: "/dev/sdc does not answer" }), "/dev/sdc does not answer"],
      [pv("/dev/sdc", [old], { reservation: "none" }), "/dev/sdc: it is not reserved"],
      [pv("/dev/sdc", [old], { reservation: "WE" }), "/dev/sdc: it is reserved WE"],
    ] as const) {
      const { run, commands } = playedPvs([pv("/dev/sdb", [old]), bad]);
      const refused = await ask(run, { method: "correctKey", removed: null });
      expect(refused).toMatchObject({ code: "EPREPARE", detail: expect.stringContaining(detail) });
      expect(commands).toEqual(["read --vg vg"]);
    }
  });

  test("fails when the key can't be corrected, or an earlier one can't be removed", async () => {
    const old = keyOfHost({ host_id: 1, generation: 6 });
    for (const [keys, detail] of [
      [[old], `our key ${printKey(OWN_KEY)} is not registered`],
      [[old, OWN_KEY], `another key of ours is registered as well: ${printKey(old)}`],
    ] as const) {
      const pvs = [pv("/dev/sdb", keys)];
      const { run } = playedPvs(pvs, () => ({ kind: "pvs", exit_status: 1, pvs }));
      expect(await ask(run, { method: "correctKey", removed: null })).toMatchObject({
        code: "EPREPARE",
        detail: expect.stringContaining(detail),
      });
    }
  });

  test("says what lvmpersist said when the key could not be put in place", async () => {
    const { run } = playedPvs([pv("/dev/sdb", [keyOfHost({ host_id: 1 })])], (words) =>
      words[0] === "start" ? { kind: "failed", detail: "lvmpersist start: it has not ended" } : null,
    );
    expect(await ask(run, { method: "correctKey", removed: null })).toMatchObject({
      code: "EPREPARE",
      detail: expect.stringContaining("lvmpersist start: it has not ended"),
    });
  });

  test("notes the key for lvm, through no link, where lvm keeps such notes", async () => {
    const directory = scratch.file("lvm");
    mkdirSync(directory);
    const victim = scratch.file("victim");
    writeFileSync(victim, "precious");
    symlinkSync(victim, join(directory, "persist_key_vg_abcdefgh.new"));
    const { run } = playedPvs([pv("/dev/sdb", [OWN_KEY])]);
    expect(await ask(run, { method: "correctKey", removed: null }, directory)).toEqual({ kind: "done" });
    const path = join(directory, "persist_key_vg_abcdefgh");
    expect(readFileSync(path, "utf8")).toBe(`key: ${printKey(OWN_KEY)}\n`);
    expect(readFileSync(victim, "utf8")).toBe("precious");
    expect(existsSync(scratch.file("no such directory"))).toBe(false);
  });
});

test("a sentence about many PVs names a few of them", () => {
  const pvs = Array.from({ length: 9 }, (_, n) => pv(`/dev/sd${n}`, []));
  expect(startProblem(pvs, 1).split("; ").length).toBe(5);
  expect(startProblem(pvs, 1)).toEndWith("; and 5 more PVs");
});

test("every PV counts in every verdict", () => {
  const good = [pv("/dev/sdb", [OWN_KEY]), pv("/dev/sdc", [OWN_KEY])];
  expect([startProblem(good, 1), ownKeyProblem(good, OWN), removalProblem(good, OWN, OTHER)]).toEqual([
    "",
    "",
    "",
  ]);
  for (const at of [0, 1]) {
    const bad = good.map((state, index) => (index === at ? { ...state, problem: "gone" } : state));
    expect([startProblem(bad, 1), ownKeyProblem(bad, OWN), removalProblem(bad, OWN, OTHER)]).not.toContain(
      "",
    );
  }
});

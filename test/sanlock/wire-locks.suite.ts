/**
 * Two hosts contend for every kind of lock in every pair of modes, through the client sockets of two lvmlockd over two real sanlock
 * daemons: what is held by one, what the other wants, what it gets, and what each of them has afterwards.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { wireResult } from "../../core/errors.ts";
import { type ReplyFields, resultOf } from "../rig/replies.ts";
import { type Client, createVg, type Daemons, startDaemons } from "./daemons.ts";
import { reportOf } from "./report.ts";

setDefaultTimeout(60_000);

type Mode = "un" | "sh" | "ex";
const HELD_MODES = ["sh", "ex"] as const;
const MODES: readonly Mode[] = ["un", "sh", "ex"];

let daemons: Daemons;
/** A client on each host for each target, because a client's answers come in the order of its requests. */
const clients = new Map<Target, readonly [Client, Client]>();
/** The lock args of the two LVs by their names. */
const lv_lock_args = new Map<string, string>();

const NAMES = { vg_name: "vg0", vg_lock_type: "sanlock", vg_lock_args: "1.0.0:lvmlock" };
const AGAIN = wireResult("EAGAIN");

/** What two hosts contend for. */
interface Target {
  readonly name: string;
  readonly request: "lock_gl" | "lock_vg" | "lock_lv";
  keys(): Readonly<Record<string, string | number>>;
  readonly row: { readonly kind: "gl" | "vg" | "lv"; readonly lv_name: string };
}

const lvKeys = (lv_name: string, opts: string) => () => ({
  ...NAMES,
  lv_name,
  lv_uuid: `uuid-${lv_name}`,
  lv_lock_args: lv_lock_args.get(lv_name) ?? "",
  opts,
});

const TARGETS: readonly Target[] = [
  { name: "the global lock", request: "lock_gl", keys: () => ({}), row: { kind: "gl", lv_name: "" } },
  {
    name: "the VG lock",
    request: "lock_vg",
    keys: () => ({ vg_name: "vg0" }),
    row: { kind: "vg", lv_name: "" },
  },
  {
    name: "the persistent lock of an LV",
    request: "lock_lv",
    keys: lvKeys("kept", "persistent"),
    row: { kind: "lv", lv_name: "kept" },
  },
  {
    name: "the lock of an LV for one command",
    request: "lock_lv",
    keys: lvKeys("passing", "none"),
    row: { kind: "lv", lv_name: "passing" },
  },
];

/** A host of a test and the other one, numbered as sanlock does. */
const ROLES = [
  { holder: 1, other: 2 },
  { holder: 2, other: 1 },
] as const;
type Host = 1 | 2;

function at(host: Host, target: Target): Client {
  const client = clients.get(target)?.[host - 1];
  if (client === undefined) throw new RangeError(`no client of host ${host} for ${target.name}`);
  return client;
}

beforeAll(async () => {
  daemons = await startDaemons(2);
  await createVg(daemons, "vg0", [0, 1]);
  for (const target of TARGETS) clients.set(target, [await daemons.client(0), await daemons.client(1)]);
  const maker = await daemons.client(0);
  for (const lv_name of ["kept", "passing"]) {
    const made = await maker.ask("init_lv", {
      ...NAMES,
      lv_name,
      lv_uuid: `uuid-${lv_name}`,
      prev_lv_args: "none",
    });
    expect(resultOf(made)).toBe(0);
    lv_lock_args.set(lv_name, String(made.get("lv_lock_args")));
  }
});
afterAll(() => daemons.close());

/** Asks as lvm does, which lets lvmlockd try again for some seconds. */
const ask = (host: Host, target: Target, mode: Mode): Promise<ReplyFields> =>
  at(host, target).ask(target.request, { ...target.keys(), mode });

const want = async (host: Host, target: Target, mode: Mode): Promise<number> =>
  resultOf(await ask(host, target, mode));

/** Asks for what the other host is in the way of. lvmlockd tries again for a second, in which nothing may change. */
async function wantInVain(host: Host, target: Target, mode: Mode, owner: Host): Promise<void> {
  const { request, keys } = target;
  const reply = await at(host, target).ask(request, { ...keys(), mode, max_retries: 0 });
  expect([resultOf(reply), reply.get("owner_host_id"), reply.get("owner_generation")]).toEqual([
    AGAIN,
    owner,
    1,
  ]);
  expect(String(reply.get("owner_state"))).toMatch(/^(UNKNOWN|LIVE)$/);
  expect(String(reply.get("detail"))).toMatch(new RegExp(`^host_id ${owner} (\\(host${owner}\\) )?holds it`));
}

/** The mode in which lvmlockd of a host has the lock on its books. */
async function held(host: Host, target: Target): Promise<Mode> {
  const { row } = target;
  const report = await reportOf(at(host, target));
  const modes = report.lock.filter((lock) => lock.kind === row.kind && lock.lv_name === row.lv_name);
  expect(modes.length).toBeLessThan(2);
  return modes[0]?.mode ?? "un";
}

const both = async (target: Target): Promise<readonly [Mode, Mode]> => [
  await held(1, target),
  await held(2, target),
];

async function expectHeld(target: Target, holder: Host, mode: Mode, other_mode: Mode): Promise<void> {
  expect(await both(target)).toEqual(holder === 1 ? [mode, other_mode] : [other_mode, mode]);
}

async function release(target: Target, ...hosts: readonly Host[]): Promise<void> {
  for (const host of hosts) expect(await want(host, target, "un")).toBe(0);
  expect(await both(target)).toEqual(["un", "un"]);
}

interface Case {
  readonly name: string;
  run(target: Target, holder: Host, other: Host): Promise<void>;
}

function pair(had: Mode, wanted: "sh" | "ex"): Case {
  const compatible = had === "un" || (had === "sh" && wanted === "sh");
  return {
    name: `held ${had} here: the other host gets ${wanted} ${compatible ? "at once" : "only after its release"}`,
    async run(target, holder, other) {
      if (had !== "un") expect(await want(holder, target, had)).toBe(0);
      if (!compatible) {
        await wantInVain(other, target, wanted, holder);
        await expectHeld(target, holder, had, "un");
        await release(target, holder);
      }
      expect(await want(other, target, wanted)).toBe(0);
      await expectHeld(target, holder, compatible ? had : "un", wanted);
      await release(target, other, ...(compatible && had !== "un" ? [holder] : []));
    },
  };
}

const nothingToRelease = (had: Mode): Case => ({
  name: `held ${had} here: the other host, which has nothing, has nothing to release, and takes nothing away`,
  async run(target, holder, other) {
    if (had !== "un") expect(await want(holder, target, had)).toBe(0);
    expect(await want(other, target, "un")).toBe(wireResult("ENOENT"));
    await expectHeld(target, holder, had, "un");
    if (had !== "un") await release(target, holder);
  },
});

const CONVERSIONS: readonly Case[] = [
  {
    name: "held sh here alone: it becomes ex, which keeps the other host out, and sh again, which lets it in",
    async run(target, holder, other) {
      expect(await want(holder, target, "sh")).toBe(0);
      expect(await want(holder, target, "ex")).toBe(0);
      await expectHeld(target, holder, "ex", "un");
      await wantInVain(other, target, "sh", holder);
      await wantInVain(other, target, "ex", holder);
      expect(await want(holder, target, "sh")).toBe(0);
      await expectHeld(target, holder, "sh", "un");
      await wantInVain(other, target, "ex", holder);
      expect(await want(other, target, "sh")).toBe(0);
      await expectHeld(target, holder, "sh", "sh");
      await release(target, holder, other);
    },
  },
  {
    name: "held sh by both: neither can make it ex, and the one that is left can",
    async run(target, holder, other) {
      expect(await want(holder, target, "sh")).toBe(0);
      expect(await want(other, target, "sh")).toBe(0);
      for (const host of [holder, other]) {
        expect(await want(host, target, "ex")).toBe(AGAIN);
        await expectHeld(target, holder, "sh", "sh");
      }
      expect(await want(other, target, "un")).toBe(0);
      expect(await want(holder, target, "ex")).toBe(0);
      await expectHeld(target, holder, "ex", "un");
      await wantInVain(other, target, "sh", holder);
      await release(target, holder);
    },
  },
];

const CASES: readonly Case[] = [
  ...MODES.flatMap((had) => [...HELD_MODES.map((wanted) => pair(had, wanted)), nothingToRelease(had)]),
  ...CONVERSIONS,
];

/** The end of the last test of a target: its tests come one after the other, those of different targets beside each other. */
const lastOf = new Map<Target, Promise<void>>();

function inTurn(target: Target, run: () => Promise<void>): Promise<void> {
  const turn = (lastOf.get(target) ?? Promise.resolve()).then(run);
  // A test that fails is told as that one; the next ones are tried all the same.
  lastOf.set(
    target,
    turn.catch(() => {}),
  );
  return turn;
}

for (const { holder, other } of ROLES) {
  describe(`on host ${holder}`, () => {
    for (const { name, run } of CASES) {
      for (const target of TARGETS)
        test.concurrent(`${target.name}, ${name}`, () => inTurn(target, () => run(target, holder, other)));
    }
  });
}

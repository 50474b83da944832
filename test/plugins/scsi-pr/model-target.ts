/**
 * A SCSI target in memory that keeps registrations and a reservation by the rules of SPC-4 clause 5.13, for tests of the order
 * in which commands are sent. What real targets do is tested in guests; this claims nothing about them.
 */
import { assert } from "../../../core/assert.ts";
import type { Exchange, Outcome, ScsiExchange, ScsiOutcome } from "../../../plugins/scsi-pr/exchange.ts";
import { PR_IN, PR_OUT } from "../../../plugins/scsi-pr/scsi-commands.ts";

export interface ModelTarget {
  /** Keys by nexus. */
  readonly registrations: Map<number, bigint>;
  reservation: { nexus: number; key: bigint; type: number } | null;
  aptpl: boolean;
  generation: number;
  /** The initiator behind a nexus, as READ FULL STATUS names it. */
  initiatorOf: (nexus: number) => string;
  /** Carries out a command that came through a nexus. */
  perform(nexus: number, exchange: ScsiExchange): ScsiOutcome;
}

export const GOOD: ScsiOutcome = {
  kind: "scsi",
  status: 0,
  host_status: 0,
  sense: new Uint8Array(),
  answer: new Uint8Array(),
};
export const CONFLICT: ScsiOutcome = { ...GOOD, status: 0x18 };
export const NO_CONNECTION: ScsiOutcome = { ...GOOD, host_status: 1 };

/** CHECK CONDITION with fixed sense of these numbers. */
export function checkCondition(key: number, asc: number, ascq: number): ScsiOutcome {
  const sense = new Uint8Array(18);
  sense.set([0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, asc, ascq]);
  return { ...GOOD, status: 0x02, sense };
}

const ALL_REGISTRANTS = [7, 8];

function answerWith(exchange: ScsiExchange, full: Uint8Array): ScsiOutcome {
  return { ...GOOD, answer: full.slice(0, exchange.answer_size_bytes) };
}

function listAnswer(generation: number, list: Uint8Array): Uint8Array {
  const answer = new Uint8Array(8 + list.length);
  const view = new DataView(answer.buffer);
  view.setUint32(0, generation);
  view.setUint32(4, list.length);
  answer.set(list, 8);
  return answer;
}

function read(target: ModelTarget, exchange: ScsiExchange): ScsiOutcome {
  switch (exchange.cdb[1]) {
    case PR_IN.read_keys: {
      const list = new DataView(new ArrayBuffer(8 * target.registrations.size));
      [...target.registrations.values()].forEach((key, index) => {
        list.setBigUint64(8 * index, key);
      });
      return answerWith(exchange, listAnswer(target.generation, new Uint8Array(list.buffer)));
    }
    case PR_IN.read_reservation: {
      const held = target.reservation;
      const list = new DataView(new ArrayBuffer(held === null ? 0 : 16));
      if (held !== null) {
        list.setBigUint64(0, ALL_REGISTRANTS.includes(held.type) ? 0n : held.key);
        list.setUint8(13, held.type);
      }
      return answerWith(exchange, listAnswer(target.generation, new Uint8Array(list.buffer)));
    }
    case PR_IN.read_full_status: {
      const list = [...target.registrations].flatMap(([nexus, key]) => fullStatus(target, nexus, key));
      return answerWith(exchange, listAnswer(target.generation, new Uint8Array(list)));
    }
    case PR_IN.report_capabilities:
      return answerWith(exchange, new Uint8Array([0, 8, 1, target.aptpl ? 0x81 : 0x80, 0xea, 0x01, 0, 0]));
    default:
      return checkCondition(5, 0x24, 0);
  }
}

/** A descriptor of READ FULL STATUS with the port of an iSCSI initiator, which has another ISID for each session. */
function fullStatus(target: ModelTarget, nexus: number, key: bigint): number[] {
  const name = new TextEncoder().encode(`${target.initiatorOf(nexus)},i,0x${nexus}\0`);
  const padded = Math.ceil(name.length / 4) * 4;
  const descriptor = new Uint8Array(24 + 4 + padded);
  const view = new DataView(descriptor.buffer);
  view.setBigUint64(0, key);
  view.setUint16(18, 1);
  view.setUint32(20, 4 + padded);
  view.setUint8(24, 0x45);
  view.setUint16(26, padded);
  descriptor.set(name, 28);
  return [...descriptor];
}

function register(
  target: ModelTarget,
  nexus: number,
  call: { key: bigint; to: bigint; ignore: boolean; aptpl: boolean },
): ScsiOutcome {
  const registered = target.registrations.get(nexus) ?? 0n;
  if (!call.ignore && registered !== call.key) return CONFLICT;
  target.generation += 1;
  target.aptpl = call.aptpl;
  if (call.to !== 0n) target.registrations.set(nexus, call.to);
  else remove(target, [nexus]);
  return GOOD;
}

/** Takes registrations away, and the reservation with its last holder. */
function remove(target: ModelTarget, nexuses: readonly number[]): void {
  for (const nexus of nexuses) target.registrations.delete(nexus);
  const held = target.reservation;
  if (held === null) return;
  const holderGone = ALL_REGISTRANTS.includes(held.type)
    ? target.registrations.size === 0
    : !target.registrations.has(held.nexus);
  if (holderGone) target.reservation = null;
}

function preempt(target: ModelTarget, nexus: number, key: bigint, victim: bigint, type: number): ScsiOutcome {
  const held = target.reservation;
  const victims = [...target.registrations].filter(([, other]) => other === victim).map(([other]) => other);
  target.generation += 1;
  const takes = held !== null && !ALL_REGISTRANTS.includes(held.type) && held.key === victim;
  if (!takes && victims.length === 0) return CONFLICT;
  if (takes) {
    target.reservation = { nexus, key, type };
    remove(
      target,
      victims.filter((other) => other !== nexus),
    );
  } else remove(target, victims);
  return GOOD;
}

function write(target: ModelTarget, nexus: number, { cdb, data_out }: ScsiExchange): ScsiOutcome {
  assert(data_out !== null && data_out.length === 24, "a parameter list has 24 bytes");
  const view = new DataView(data_out.buffer, data_out.byteOffset, data_out.length);
  const [key, action_key] = [view.getBigUint64(0), view.getBigUint64(8)];
  const type = (cdb[2] ?? 0) & 0x0f;
  const action = cdb[1];
  if (action === PR_OUT.register || action === PR_OUT.register_and_ignore) {
    const ignore = action === PR_OUT.register_and_ignore;
    return register(target, nexus, { key, to: action_key, ignore, aptpl: view.getUint8(20) === 1 });
  }
  if (target.registrations.get(nexus) !== key) return CONFLICT;
  const held = target.reservation;
  const holds = held !== null && (ALL_REGISTRANTS.includes(held.type) || held.nexus === nexus);
  switch (action) {
    case PR_OUT.reserve:
      if (held === null) target.reservation = { nexus, key, type };
      else if (!holds || held.type !== type) return CONFLICT;
      return GOOD;
    case PR_OUT.release:
      if (!holds) return GOOD;
      if (held.type !== type) return checkCondition(5, 0x26, 0x04);
      target.reservation = null;
      return GOOD;
    case PR_OUT.clear:
      target.registrations.clear();
      target.reservation = null;
      target.generation += 1;
      return GOOD;
    case PR_OUT.preempt:
    case PR_OUT.preempt_and_abort:
      return preempt(target, nexus, key, action_key, type);
    default:
      return checkCondition(5, 0x24, 0);
  }
}

/** A target without registrations. Each four nexuses are one host's: 0 to 3, 4 to 7, 8 to 11. */
export function modelTarget(): ModelTarget {
  const target: ModelTarget = {
    registrations: new Map(),
    reservation: null,
    aptpl: false,
    generation: 0,
    initiatorOf: (nexus) => `iqn.2026-01.lab:host${Math.floor(nexus / 4)}`,
    perform: (nexus, exchange) =>
      exchange.cdb[0] === 0x5e ? read(target, exchange) : write(target, nexus, exchange),
  };
  return target;
}

/** multipathd's part of a map: it remembers the key, as `reservation_key file` has it. */
export function modelMultipathd(): {
  /** The key that it uses, and the one in its file; they differ when multipath.conf does not point to the file. */
  key: string | null;
  file: string | null;
  status: boolean;
  takes_keys: boolean;
  /** What it says before it does anything, for as long as this tells. */
  replies: (verb: string) => string | null;
  perform(command: string): Outcome;
} {
  const daemon = {
    key: null as string | null,
    file: null as string | null,
    status: false,
    takes_keys: true,
    replies: (_verb: string): string | null => null,
    perform(command: string): Outcome {
      const reply = (text: string): Outcome => ({ kind: "multipathd", reply: text });
      const [, verb, key] = /^(\w+) map dm-\d+(?: key (\S+))?$/.exec(command) ?? [];
      const replied = daemon.replies(verb ?? "");
      if (replied !== null) return reply(replied);
      switch (verb) {
        case "getprkey":
          return reply(daemon.key ?? "none");
        case "setprkey":
          daemon.file = key ?? null;
          if (!daemon.takes_keys) return reply("fail");
          daemon.key = key ?? null;
          return reply("ok");
        case "unsetprkey":
          daemon.file = null;
          if (!daemon.takes_keys) return reply("fail");
          daemon.key = null;
          return reply("ok");
        case "setprstatus":
        case "unsetprstatus":
          daemon.status = verb === "setprstatus";
          return reply("ok");
        default:
          return reply("fail");
      }
    },
  };
  return daemon;
}

/** Performs exchanges of a device whose path n is nexus `nexuses[n]`; a path in `lost` does not answer. */
export function modelPaths(
  target: ModelTarget,
  nexuses: readonly number[],
  {
    lost = new Set(),
    multipathd,
  }: { lost?: ReadonlySet<number>; multipathd?: { perform(command: string): Outcome } } = {},
): (exchange: Exchange) => Outcome {
  return (exchange) => {
    if (exchange.kind === "pause") return { kind: "paused" };
    if (exchange.kind === "multipathd")
      return multipathd?.perform(exchange.command) ?? { kind: "absent", detail: "multipathd is not running" };
    assert(exchange.kind === "scsi", "the model is a SCSI target");
    const nexus = nexuses[exchange.path];
    assert(nexus !== undefined, `the model has a path ${exchange.path}`);
    return lost.has(nexus) ? NO_CONNECTION : target.perform(nexus, exchange);
  };
}

import { DEADLINES } from "../../core/deadlines.ts";
import { LIMITS } from "../../core/limits.ts";
import { ask, type FailedOutcome, type Script, type ScsiExchange, type ScsiOutcome } from "./exchange.ts";
import { pathsInTurn } from "./multipath-answers.ts";
import { nexusAnswer } from "./nexus.ts";
import { repairAnswer } from "./nexus-repair.ts";
import type { PrAnswer, PrRefusal, ReservationKey } from "./reservable.ts";
import type { ScriptedCommands } from "./scripted-device.ts";
import {
  type Parsed,
  parseCapabilities,
  parseFullStatus,
  parseKeys,
  parseReservation,
} from "./scsi-answers.ts";
import {
  ALLOCATION_SIZE_BYTES_MAX,
  COMMAND_NAMES,
  type PrInAction,
  type PrOutCall,
  prInCdb,
  prOutCdb,
  prOutParameters,
} from "./scsi-commands.ts";
import { type Asked, judgeScsi, type Verdict } from "./scsi-status.ts";

type Sent = { readonly kind: "sent"; readonly answer: Uint8Array } | PrRefusal;

/** What a command's end comes to where it is not to be sent again: the answer, or the refusal. */
function sentOf(outcome: ScsiOutcome | FailedOutcome, verdict: Exclude<Verdict, { kind: "again" }>): Sent {
  if (verdict.kind !== "good") return verdict;
  // A failed outcome is never good; the check tells the compiler.
  return { kind: "sent", answer: outcome.kind === "scsi" ? outcome.answer : new Uint8Array() };
}

/**
 * Sends one command, again while the device only has news or is busy, each within its bound. `first` is the end of the first
 * try, which whoever calls this has made: nearly always that is all, and each generator on the way costs something.
 */
function* sendAgain(exchange: ScsiExchange, asked: Asked, first: ScsiOutcome | FailedOutcome): Script<Sent> {
  let attentions = 0;
  let busy = 0;
  let outcome = first;
  for (;;) {
    const verdict = judgeScsi(outcome, asked);
    if (verdict.kind !== "again") return sentOf(outcome, verdict);
    if (verdict.pause) busy += 1;
    else attentions += 1;
    if (busy >= LIMITS.pr_busy_tries || attentions > LIMITS.pr_unit_attentions) {
      const detail = `${asked.device}: ${asked.command}: given up after ${busy + attentions} tries: ${verdict.detail}`;
      return { kind: "failed", detail };
    }
    if (verdict.pause) yield* ask({ kind: "pause", pause_ms: DEADLINES.pr_busy_again_ms });
    outcome = yield* ask(exchange);
  }
}

/** Where a SCSI device's commands go: its descriptor's index, and its name for sentences. */
export interface ScsiPath {
  readonly path: number;
  readonly device: string;
}

/** Reads; `parse` takes the answer apart, and `make` makes of it what is handed on. */
function* read<Results, Made>(
  { path, device }: ScsiPath,
  action: PrInAction,
  parse: (answer: Uint8Array) => Parsed<Results>,
  make: (results: Readonly<Results>) => Made,
): Script<Made | PrRefusal> {
  const command = COMMAND_NAMES[action];
  const asked: Asked = { device, command, changes: false };
  let answer_size_bytes: number = LIMITS.pr_answer_size_bytes;
  for (let attempt = 0; attempt < LIMITS.pr_longer_tries; attempt += 1) {
    const exchange: ScsiExchange = {
      kind: "scsi",
      path,
      cdb: prInCdb(action, answer_size_bytes),
      data_out: null,
      answer_size_bytes,
      timeout_ms: DEADLINES.pr_read_ms,
    };
    const outcome = (yield exchange) as ScsiOutcome | FailedOutcome;
    const verdict = judgeScsi(outcome, asked);
    const sent: Sent =
      verdict.kind === "again" ? yield* sendAgain(exchange, asked, outcome) : sentOf(outcome, verdict);
    if (sent.kind !== "sent") return sent;
    const parsed = parse(sent.answer);
    if (parsed.kind === "parsed") return make(parsed);
    if (parsed.kind === "malformed")
      return { kind: "failed", detail: `${device}: ${command}: the answer makes no sense: ${parsed.detail}` };
    if (answer_size_bytes === ALLOCATION_SIZE_BYTES_MAX) break;
    // A device that transfers less than it was given room for has no more to give, whatever it says of the length.
    if (sent.answer.length < answer_size_bytes) {
      const detail = `${device}: ${command}: the answer says it has ${parsed.size_bytes} bytes, but ${sent.answer.length} came`;
      return { kind: "failed", detail };
    }
    answer_size_bytes = Math.min(parsed.size_bytes, ALLOCATION_SIZE_BYTES_MAX);
  }
  return { kind: "failed", detail: `${device}: ${command}: the answer is longer than can be read` };
}

function* write({ path, device }: ScsiPath, call: PrOutCall): Script<PrAnswer<object>> {
  const asked: Asked = { device, command: COMMAND_NAMES[call.action], changes: true };
  const exchange: ScsiExchange = {
    kind: "scsi",
    path,
    cdb: prOutCdb(call),
    data_out: prOutParameters(call),
    answer_size_bytes: 0,
    timeout_ms: call.action === "preempt_and_abort" ? DEADLINES.pr_abort_ms : DEADLINES.pr_write_ms,
  };
  const outcome = (yield exchange) as ScsiOutcome | FailedOutcome;
  const verdict = judgeScsi(outcome, asked);
  const sent: Sent =
    verdict.kind === "again" ? yield* sendAgain(exchange, asked, outcome) : sentOf(outcome, verdict);
  return sent.kind === "sent" ? { kind: "done" } : sent;
}

/** REGISTER, or with `ignore` REGISTER AND IGNORE EXISTING KEY. */
function registration(from: ReservationKey, to: ReservationKey, aptpl: boolean, ignore: boolean): PrOutCall {
  const action = ignore ? "register_and_ignore" : "register";
  return { action, key: from, action_key: to, type: null, aptpl };
}

/**
 * APTPL of an unregistration. SPC-4 has no meaning for it, but Linux's target takes the bit of every REGISTER as the device's
 * state for all hosts, so a host that leaves has to repeat what is active, or it ends the persistence of those that stay. A
 * device that can't tell is sent none, which every device takes.
 */
function* activeAptpl(commands: Pick<ScriptedCommands, "readCapabilities">): Script<boolean> {
  const read = yield* commands.readCapabilities();
  return read.kind === "done" && read.capabilities.persist_through_power_loss.active;
}

/** The commands of one SCSI nexus. */
export function scsiCommands(nexus: ScsiPath): ScriptedCommands {
  const out = (call: Partial<PrOutCall> & Pick<PrOutCall, "action" | "key">) =>
    write(nexus, { action_key: 0n, type: null, aptpl: false, ...call });
  const commands: ScriptedCommands = {
    readKeys: () =>
      read(nexus, "read_keys", parseKeys, ({ generation, keys }) => ({ kind: "done", generation, keys })),
    readReservation: () =>
      read(nexus, "read_reservation", parseReservation, ({ generation, reservation }) => ({
        kind: "done",
        generation,
        reservation,
      })),
    readCapabilities: () =>
      read(nexus, "report_capabilities", parseCapabilities, ({ capabilities }) => ({
        kind: "done",
        capabilities,
      })),
    readFullStatus: () =>
      read(nexus, "read_full_status", parseFullStatus, ({ generation, registrations }) => ({
        kind: "done",
        generation,
        registrations,
      })),
    readNexuses: (call) => nexusAnswer([{ device: nexus.device, commands }], call),
    repairNexuses: (call) =>
      repairAnswer(nexus.device, pathsInTurn([{ device: nexus.device, commands }]), call),
    *register({ from, to, aptpl }) {
      const kept = to === 0n ? yield* activeAptpl(commands) : aptpl;
      return yield* write(nexus, registration(from, to, kept, false));
    },
    *registerAndIgnore({ to, aptpl }) {
      const kept = to === 0n ? yield* activeAptpl(commands) : aptpl;
      return yield* write(nexus, registration(0n, to, kept, true));
    },
    reserve: ({ key, type }) => out({ action: "reserve", key, type }),
    release: ({ key, type }) => out({ action: "release", key, type }),
    clear: ({ key }) => out({ action: "clear", key }),
    preempt: ({ key, remove, type, abort }) =>
      out({ action: abort ? "preempt_and_abort" : "preempt", key, action_key: remove, type }),
  };
  return commands;
}

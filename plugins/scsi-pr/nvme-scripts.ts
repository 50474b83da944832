import { DEADLINES } from "../../core/deadlines.ts";
import { LIMITS } from "../../core/limits.ts";
import { ask, type NvmeOutcome, type Script } from "./exchange.ts";
import { pathsInTurn } from "./multipath-answers.ts";
import { nexusAnswer } from "./nexus.ts";
import { repairAnswer } from "./nexus-repair.ts";
import { oneForEachHost, parseReport, parseReservationCapabilities, type Report } from "./nvme-answers.ts";
import {
  acquireCall,
  IDENTIFY_SIZE_BYTES,
  identifyNamespaceCall,
  NVME_NAMES,
  NVME_OPCODES,
  type NvmeCall,
  registerCall,
  releaseCall,
  reportCall,
} from "./nvme-commands.ts";
import { judgeNvme, NVME_STATUS, statusCode } from "./nvme-status.ts";
import type { PrAnswer, PrCapabilities, PrRefusal, ReservationKey } from "./reservable.ts";
import type { ScriptedCommands } from "./scripted-device.ts";

/** Where a namespace's commands go: its descriptor's index, and its name for sentences. */
export interface NvmePath {
  readonly path: number;
  readonly device: string;
}

type Sent = { readonly kind: "sent"; readonly outcome: NvmeOutcome } | PrRefusal;

/** How one command is sent, besides what it says. */
interface Sending {
  readonly answer_size_bytes: number;
  readonly changes: boolean;
  readonly timeout_ms: number;
  /** A status that the caller wants to see as it is. */
  readonly expected?: number;
}

function* send({ path, device }: NvmePath, call: NvmeCall, sending: Sending): Script<Sent> {
  const { answer_size_bytes, changes, timeout_ms, expected } = sending;
  const asked = { device, command: NVME_NAMES[call.command], changes };
  for (let attempt = 1; ; attempt += 1) {
    const outcome = yield* ask({
      kind: "nvme",
      path,
      queue: call.command === "identify" ? "admin" : "io",
      opcode: NVME_OPCODES[call.command],
      cdw10: call.cdw10,
      cdw11: call.cdw11,
      data_out: call.data_out,
      answer_size_bytes,
      timeout_ms,
    });
    if (outcome.kind === "nvme" && statusCode(outcome.status) === expected) return { kind: "sent", outcome };
    const verdict = judgeNvme(outcome, asked);
    if (verdict.kind === "good" && outcome.kind === "nvme") return { kind: "sent", outcome };
    if (verdict.kind === "good") throw new TypeError("a failed ioctl is never good");
    if (verdict.kind !== "again") return verdict;
    if (attempt >= LIMITS.pr_busy_tries) {
      const detail = `${device}: ${asked.command}: given up after ${attempt} tries: ${verdict.detail}`;
      return { kind: "failed", detail };
    }
    yield* ask({ kind: "pause", pause_ms: DEADLINES.pr_busy_again_ms });
  }
}

function* write(nexus: NvmePath, call: NvmeCall, timeout_ms: number): Script<PrAnswer<object>> {
  const sent: Sent = yield* send(nexus, call, { answer_size_bytes: 0, changes: true, timeout_ms });
  return sent.kind === "sent" ? { kind: "done" } : sent;
}

/**
 * Reads the report in the form that fits the host's identifier (16 bytes in fabrics and with newer kernels, 8 with older), and
 * again with more room while it lists more controllers than there was room for.
 */
function* report(nexus: NvmePath): Script<({ kind: "report" } & Report) | PrRefusal> {
  const { device } = nexus;
  const command = NVME_NAMES.reservation_report;
  let extended = true;
  let answer_size_bytes: number = LIMITS.pr_answer_size_bytes;
  for (let attempt = 0; attempt < LIMITS.pr_longer_tries; attempt += 1) {
    const sent: Sent = yield* send(nexus, reportCall({ extended, answer_size_bytes }), {
      answer_size_bytes,
      changes: false,
      timeout_ms: DEADLINES.pr_read_ms,
      ...(extended ? { expected: NVME_STATUS.host_id_inconsistent } : {}),
    });
    if (sent.kind !== "sent") return sent;
    if (statusCode(sent.outcome.status) === NVME_STATUS.host_id_inconsistent) {
      extended = false;
      continue;
    }
    const parsed = parseReport(sent.outcome.answer, { extended });
    if (parsed.kind === "parsed") return { ...parsed, kind: "report" };
    if (parsed.kind === "malformed")
      return { kind: "failed", detail: `${device}: ${command}: the answer makes no sense: ${parsed.detail}` };
    answer_size_bytes = parsed.size_bytes;
  }
  return { kind: "failed", detail: `${device}: ${command}: the list grew each time that it was read` };
}

function* capabilities(nexus: NvmePath): Script<PrAnswer<{ capabilities: PrCapabilities }>> {
  const sent: Sent = yield* send(nexus, identifyNamespaceCall(), {
    answer_size_bytes: IDENTIFY_SIZE_BYTES,
    changes: false,
    timeout_ms: DEADLINES.pr_read_ms,
  });
  if (sent.kind !== "sent") return sent;
  const { types, can_persist } = parseReservationCapabilities(sent.outcome.answer);
  if (types.length === 0) {
    const detail = `${nexus.device}: the namespace says that it has no reservations (RESCAP is 0)`;
    return { kind: "unsupported", detail };
  }
  const state = yield* report(nexus);
  if (state.kind !== "report") return state;
  const persist_through_power_loss = { capable: can_persist, active: state.persists };
  return { kind: "done", capabilities: { types, persist_through_power_loss } };
}

/** What a registration says, besides persistence. */
type Registering = Omit<Parameters<typeof registerCall>[0], "persist">;

/**
 * Sends a registration that gives a key. A namespace that can't persist ignores the wish (Linux's target does) or calls it an
 * invalid field; asked for, it is refused before anything is sent, and not asked for, the field is left out.
 */
function* give(nexus: NvmePath, registering: Registering, persist: boolean): Script<PrAnswer<object>> {
  if (persist) {
    const can = yield* capabilities(nexus);
    if (can.kind !== "done") return can;
    if (!can.capabilities.persist_through_power_loss.capable) {
      const detail = `${nexus.device}: the namespace can't keep reservations through a loss of power`;
      return { kind: "unsupported", detail };
    }
  }
  const sent: Sent = yield* send(nexus, registerCall({ ...registering, persist }), {
    answer_size_bytes: 0,
    changes: true,
    timeout_ms: DEADLINES.pr_write_ms,
    ...(persist ? {} : { expected: NVME_STATUS.invalid_field }),
  });
  if (sent.kind !== "sent") return sent;
  if (statusCode(sent.outcome.status) !== NVME_STATUS.invalid_field) return { kind: "done" };
  return yield* write(nexus, registerCall({ ...registering, persist: null }), DEADLINES.pr_write_ms);
}

/**
 * A registration that does not mind which key was there. Replace with IEKEY takes only a host that is registered, Register only
 * one that is not (or is with the same key), so both are tried, the second when the first conflicts.
 */
function* registerAny(nexus: NvmePath, to: ReservationKey, persist: boolean): Script<PrAnswer<object>> {
  const one = (action: "register" | "replace") =>
    give(nexus, { action, current: 0n, next: to, ignore_existing: action === "replace" }, persist);
  const replaced = yield* one("replace");
  return replaced.kind === "conflict" ? yield* one("register") : replaced;
}

/** Unregistering is no error for a host that is not registered, as REGISTER AND IGNORE with key 0 has it in SCSI. */
function* unregisterAny(nexus: NvmePath): Script<PrAnswer<object>> {
  const call = { action: "unregister", current: 0n, next: 0n, ignore_existing: true, persist: null } as const;
  const answer = yield* write(nexus, registerCall(call), DEADLINES.pr_write_ms);
  return answer.kind === "conflict" ? { kind: "done" } : answer;
}

function* register(
  nexus: NvmePath,
  { from, to, aptpl }: { from: ReservationKey; to: ReservationKey; aptpl: boolean },
): Script<PrAnswer<object>> {
  if (to === 0n) {
    const call = { action: "unregister", current: from, next: 0n, ignore_existing: false } as const;
    return yield* write(nexus, registerCall({ ...call, persist: null }), DEADLINES.pr_write_ms);
  }
  const action = from === 0n ? "register" : "replace";
  return yield* give(nexus, { action, current: from, next: to, ignore_existing: false }, aptpl);
}

/** The commands of one NVMe namespace. A registration is the host's: all of its controllers have it. */
export function nvmeCommands(nexus: NvmePath): ScriptedCommands {
  const commands: ScriptedCommands = {
    *readKeys() {
      const read = yield* report(nexus);
      if (read.kind !== "report") return read;
      const keys = oneForEachHost(read.registrations).map(({ key }) => key);
      return { kind: "done", generation: read.generation, keys };
    },
    *readReservation() {
      const read = yield* report(nexus);
      if (read.kind !== "report") return read;
      return { kind: "done", generation: read.generation, reservation: read.reservation };
    },
    readCapabilities: () => capabilities(nexus),
    *readFullStatus() {
      const read = yield* report(nexus);
      if (read.kind !== "report") return read;
      return { kind: "done", generation: read.generation, registrations: read.registrations };
    },
    readNexuses: (call) => nexusAnswer([{ device: nexus.device, commands }], call),
    repairNexuses: (call) =>
      repairAnswer(nexus.device, pathsInTurn([{ device: nexus.device, commands }]), call),
    register: (call) => register(nexus, call),
    registerAndIgnore: ({ to, aptpl }) => (to === 0n ? unregisterAny(nexus) : registerAny(nexus, to, aptpl)),
    reserve: ({ key, type }) =>
      write(nexus, acquireCall({ action: "acquire", current: key, remove: 0n, type }), DEADLINES.pr_write_ms),
    release: ({ key, type }) =>
      write(nexus, releaseCall({ action: "release", current: key, type }), DEADLINES.pr_write_ms),
    clear: ({ key }) =>
      write(nexus, releaseCall({ action: "clear", current: key, type: null }), DEADLINES.pr_write_ms),
    preempt: ({ key, remove, type, abort }) =>
      write(
        nexus,
        acquireCall({ action: abort ? "preempt_and_abort" : "preempt", current: key, remove, type }),
        abort ? DEADLINES.pr_abort_ms : DEADLINES.pr_write_ms,
      ),
  };
  return commands;
}

/**
 * The drain loop: carries out what the core decided, in its order, and hands the answers back to it until it wants nothing more.
 * Everything that has its answer at once is done within the turn of the event loop in which the request came.
 */
import { refuse } from "../../plugins/contract.ts";
import type { PluginHost } from "../../plugins/host/host.ts";
import { unreachable } from "../assert.ts";
import { DEADLINES } from "../deadlines.ts";
import { wireResult } from "../errors.ts";
import type {
  Ask,
  AskReservations,
  DeviceStates,
  Effect,
  Locking,
  LockingEvent,
  ManagerAnswer,
} from "../locking/api.ts";
import { OP_NUMBER, type Reply } from "../wire/message.ts";
import type { Journal } from "./journal/file.ts";
import type { Log } from "./log/log.ts";
import { createWakeup } from "./wakeup.ts";

export type Adopted = Extract<Effect, { readonly kind: "adopted" }>;

export interface EffectsOptions {
  readonly locking: Locking;
  readonly managers: Pick<PluginHost, "ask" | "forgetLockspace">;
  /** Work on reservation keys; the answer comes later. */
  readonly reservations: (
    ask: AskReservations,
    later: (call_id: number, answer: ManagerAnswer) => void,
  ) => void;
  readonly journal: Journal;
  readonly log: Log;
  readonly now_ms: () => number;
  readonly reply: (client_id: number, reply: Reply) => void;
  /** Which of a VG's LVs device-mapper has right now. */
  readonly deviceStates: (vg_uuid: string, lv_uuids: readonly string[]) => DeviceStates;
  readonly adopted: (effect: Adopted) => void;
  readonly quit: () => void;
  readonly stay: (vg_names: readonly string[]) => void;
}

export interface Effects {
  /** Hands an event to the core and carries out all that follows from it. */
  handle(event: LockingEvent): void;
  /** Ends it: from here on events are passed over, and what is held stays as the journal has it. */
  close(): void;
}

const JOURNAL_FULL = Object.freeze(
  refuse("ENOSPC", "the lock can't be recorded in the journal: see the daemon's log"),
);
/** Methods that give this host more of an LV lock than it had; the journal must know before. */
const TAKING: ReadonlySet<string> = new Set(["lock", "convert"]);

export function createEffects(options: EffectsOptions): Effects {
  const { locking, managers, journal, log, now_ms } = options;
  const { effects } = locking;
  let draining = false;
  let closed = false;
  /** Records of this drain that claim more than the file does; a grant may be told only when there are none. */
  let unwritten_claims = 0;
  let rescue: Timer | null = null;
  const wakeup = createWakeup({
    wanted_ms: locking.nextWakeup_ms,
    now_ms,
    wake: () => handle({ kind: "timer" }),
  });

  function handle(event: LockingEvent): void {
    if (closed) return;
    locking.handle(event, now_ms());
    drain();
  }

  function drain(): void {
    if (draining) return;
    draining = true;
    for (let i = 0; i < effects.length && !closed; i++) {
      const effect = effects[i];
      if (effect !== undefined) carryOut(effect);
    }
    effects.length = 0;
    draining = false;
    if (closed) return;
    if (journal.isBehind() && !journal.flush()) armRescue();
    unwritten_claims = 0;
    wakeup.arm();
  }

  function carryOut(effect: Effect): void {
    switch (effect.kind) {
      case "reply":
        deliver(effect.client_id, effect.reply);
        return;
      case "ask":
        ask(effect);
        return;
      case "ask-reservations":
        options.reservations(effect, answerLater);
        return;
      case "journal":
        if (journal.append(effect.record)) unwritten_claims++;
        else if (effect.record.kind === "lock-released" && unwritten_claims > 0) unwritten_claims--;
        return;
      case "log":
        log.write(effect.level, effect.text);
        return;
      case "forget-lockspace":
        managers.forgetLockspace(effect.lock_type, effect.key);
        return;
      case "look-at-devices": {
        const states = options.deviceStates(effect.vg_uuid, effect.lv_uuids);
        locking.handle({ kind: "devices", key: effect.key, states }, now_ms());
        return;
      }
      case "adopted":
        options.adopted(effect);
        return;
      case "quit":
        options.quit();
        return;
      case "stay":
        options.stay(effect.vg_names);
        return;
      default:
        unreachable(effect);
    }
  }

  /** True when every record so far is in the file. */
  function isRecorded(): boolean {
    if (journal.isBehind() && !journal.flush()) return false;
    unwritten_claims = 0;
    return true;
  }

  function ask(effect: Ask): void {
    const answer = !isRecorded() && takesLvLock(effect) ? JOURNAL_FULL : managers.ask(effect, answerLater);
    if (answer !== null) answerNow(effect.call_id, answer);
  }

  function answerNow(call_id: number, answer: ManagerAnswer): void {
    locking.handle({ kind: "answer", call_id, answer }, now_ms());
  }

  function answerLater(call_id: number, answer: ManagerAnswer): void {
    if (closed) return;
    answerNow(call_id, answer);
    drain();
  }

  /**
   * A grant is not told while its record is missing: the next daemon would not know of it. Without a manager call in between
   * there was nobody to refuse it, so it is refused here, and the core takes it for a grant that did not arrive.
   */
  function deliver(client_id: number, reply: Reply): void {
    if (!isRecorded() && unwritten_claims > 0 && isGrant(reply)) {
      options.reply(client_id, { ...reply, result: wireResult("ENOSPC"), detail: JOURNAL_FULL.detail });
      locking.handle({ kind: "undelivered", client_id }, now_ms());
      return;
    }
    options.reply(client_id, reply);
  }

  /** A journal that is behind is tried again even when no request comes. */
  function armRescue(): void {
    rescue ??= setTimeout(() => {
      rescue = null;
      if (!journal.flush()) armRescue();
    }, DEADLINES.journal_rescue_ms);
  }

  function close(): void {
    closed = true;
    wakeup.close();
    if (rescue !== null) clearTimeout(rescue);
  }

  return { handle, close };
}

function takesLvLock({ target, args }: Ask): boolean {
  if (target.kind !== "lockspace" || !TAKING.has(target.method)) return false;
  const { resource, mode } = args as {
    readonly resource?: { readonly kind: string };
    readonly mode?: string;
  };
  return resource?.kind === "lv" && !(target.method === "convert" && mode === "sh");
}

type NormalReply = Extract<Reply, { readonly shape: "normal" }>;

function isGrant(reply: Reply): reply is NormalReply {
  return reply.shape === "normal" && reply.op === OP_NUMBER.lock_lv && reply.result === 0;
}

import { DEADLINES } from "../../core/deadlines.ts";
import { LIMITS } from "../../core/limits.ts";
import type { Ask, AskTarget, ManagerAnswer } from "../../core/locking/api.ts";
import type { Capabilities, LockManager, LockManagerDefinition, Refused } from "../contract.ts";
import { refuse } from "../contract.ts";
import { type CallQueue, createCallQueue } from "./call-queue.ts";
import { type Caller, createCaller, isThenable } from "./calling.ts";
import type { Channel, ChannelOptions, Later } from "./channel.ts";
import { checkHandle, type Opened, openManager } from "./opening.ts";

/** A call that waits for its turn. */
interface Waiting {
  readonly ask: Ask;
  readonly later: Later;
}

/** One lockspace; a call that comes while another one runs waits, so that a plugin sees one at a time. */
interface InlineLockspace {
  readonly lockspace_name: string;
  readonly handle: object;
  running: boolean;
  /** Made when first needed: a plugin that answers at once never needs it. */
  queue: CallQueue<Waiting> | null;
}

const QUEUE_FULL: Refused = Object.freeze(
  refuse("ENOMEM", `more than ${LIMITS.plugin_calls_queued} calls wait for the lock manager`),
);

type LockspaceTarget = Extract<AskTarget, { kind: "lockspace" }>;

/**
 * The way to a plugin that never blocks: its methods are called on the event loop, and an answer that it gives at once is
 * returned at once. On that way nothing is allocated beyond what the plugin itself allocates.
 */
export function createInlineChannel(
  definition: LockManagerDefinition,
  capabilities: Capabilities,
  options: ChannelOptions,
): Channel {
  const caller = createCaller(options.name, capabilities, options.log);
  const manager = createInlineManager(definition, options);
  const lockspaces = new Map<number, InlineLockspace>();

  const askOpened = (opened: LockManager, ask: Ask, later: Later): ManagerAnswer | null => {
    const { target } = ask;
    if (target.kind === "lockspace") {
      const lockspace = lockspaces.get(target.key) ?? openLockspace(lockspaces, opened, target, caller);
      return "kind" in lockspace ? lockspace : askInTurn(lockspace, lockspace.handle, ask, later);
    }
    if (target.method === "initLv") {
      const lockspace = findByName(lockspaces, ask.args);
      if (lockspace !== null) return askInTurn(lockspace, opened, ask, later);
    }
    return answerOrLater(caller.call(opened, target.method, ask.args), ask, later);
  };

  const askInTurn = (
    lockspace: InlineLockspace,
    receiver: object,
    ask: Ask,
    later: Later,
  ): ManagerAnswer | null => {
    if (lockspace.running) return enqueue(lockspace, ask, later);
    const answer = caller.call(receiver, ask.target.method, ask.args);
    if (!isThenable(answer)) return answer;
    lockspace.running = true;
    void finish(lockspace, answer, ask, later);
    return null;
  };

  /** Carries a slow call to its end, then those that have queued up behind it. */
  const finish = async (
    lockspace: InlineLockspace,
    first: Promise<ManagerAnswer>,
    ask: Ask,
    later: Later,
  ): Promise<void> => {
    later(ask.call_id, await first);
    for (let next = lockspace.queue?.take(); next !== undefined; next = lockspace.queue?.take()) {
      const { target, args, call_id } = next.ask;
      const opened = manager.opened();
      const receiver = target.kind === "lockspace" ? lockspace.handle : opened;
      // The manager is open as long as it has lockspaces; close() comes last.
      if (receiver === null) break;
      next.later(call_id, await caller.call(receiver, target.method, args));
    }
    lockspace.running = false;
  };

  const askUnopened = (ask: Ask, later: Later): ManagerAnswer | null => {
    const opened = manager.open((answer) => {
      const now = answer.kind === "refused" ? answer : askOpened(answer.manager, ask, later);
      if (now !== null) later(ask.call_id, now);
    });
    if (opened === null || opened.kind === "refused") return opened;
    return askOpened(opened.manager, ask, later);
  };

  return {
    ask(ask, later) {
      const opened = manager.opened();
      return opened === null ? askUnopened(ask, later) : askOpened(opened, ask, later);
    },
    forgetLockspace: (key) => void lockspaces.delete(key),
    close: () => manager.close(),
  };
}

function openLockspace(
  lockspaces: Map<number, InlineLockspace>,
  manager: LockManager,
  { key, identity }: LockspaceTarget,
  caller: Caller,
): InlineLockspace | Refused {
  try {
    const handle: unknown = manager.openLockspace(identity);
    checkHandle(handle);
    const { lockspace_name } = identity;
    const lockspace: InlineLockspace = { lockspace_name, handle, running: false, queue: null };
    lockspaces.set(key, lockspace);
    return lockspace;
  } catch (error) {
    return caller.failed("openLockspace", error);
  }
}

/** The open lockspace that an initLv belongs to: its calls come in order with the lockspace's own. */
function findByName(lockspaces: ReadonlyMap<number, InlineLockspace>, args: object): InlineLockspace | null {
  const { lockspace_name } = args as { readonly lockspace_name?: unknown };
  for (const lockspace of lockspaces.values()) {
    if (lockspace.lockspace_name === lockspace_name) return lockspace;
  }
  return null;
}

function enqueue(lockspace: InlineLockspace, ask: Ask, later: Later): Refused | null {
  lockspace.queue ??= createCallQueue();
  if (lockspace.queue.length >= LIMITS.plugin_calls_queued) return QUEUE_FULL;
  lockspace.queue.push({ ask, later });
  return null;
}

function answerOrLater(
  answer: ManagerAnswer | Promise<ManagerAnswer>,
  ask: Ask,
  later: Later,
): ManagerAnswer | null {
  if (!isThenable(answer)) return answer;
  void answer.then((settled) => later(ask.call_id, settled));
  return null;
}

/** The manager itself: opened at the first ask, and again at a later one when it refused. */
interface InlineManager {
  /** Null until it is open and those who asked before have had their turn. */
  opened(): LockManager | null;
  /** Opens it. The answer when it is known at once; null when `waiter` gets it, in the order of these calls. */
  open(waiter: (opened: Opened) => void): Opened | null;
  close(): Promise<void>;
}

function createInlineManager(definition: LockManagerDefinition, options: ChannelOptions): InlineManager {
  const waiters: ((opened: Opened) => void)[] = [];
  let manager: LockManager | null = null;
  let opening: Promise<void> | null = null;
  let refused: { readonly answer: Refused; readonly at_ms: number } | null = null;

  const note = (opened: Opened): Opened => {
    if (opened.kind === "refused") {
      options.log("error", opened.detail);
      refused = { answer: opened, at_ms: performance.now() };
    }
    // An ask that comes out of a waiter joins the end of this list, behind those that asked before it.
    for (const waiter of waiters) waiter(opened);
    waiters.length = 0;
    opening = null;
    if (opened.kind === "done") manager = opened.manager;
    return opened;
  };

  return {
    opened: () => manager,
    open(waiter) {
      if (opening === null) {
        const isFresh = refused !== null && performance.now() - refused.at_ms < DEADLINES.plugin_reopen_ms;
        if (refused !== null && isFresh) return refused.answer;
        const answer = openManager(definition, { ...options.context, news: options.news });
        if (!isThenable(answer)) return note(answer);
        opening = answer.then((opened) => void note(opened));
      }
      if (waiters.length >= LIMITS.plugin_calls_queued) return QUEUE_FULL;
      waiters.push(waiter);
      return null;
    },
    async close() {
      await opening;
      await manager?.close?.();
      manager = null;
    },
  };
}

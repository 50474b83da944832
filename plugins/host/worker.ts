/**
 * The entry point of a plugin's worker: loads the plugin that it is told to and makes the calls that it is sent, one at a
 * time. `bun build --compile` has to be given this file as an entry point of its own.
 */
import { DEADLINES } from "../../core/deadlines.ts";
import type { ManagerAnswer } from "../../core/locking/api.ts";
import type { LockManager, LockspaceHandle, LockspaceIdentity, Refused } from "../contract.ts";
import { refuse } from "../contract.ts";
import { type Caller, createCaller, type Log } from "./calling.ts";
import type { FromWorker, ToWorker } from "./messages.ts";
import { checkHandle, type Opened, openManager } from "./opening.ts";
import { loadDefinition, sourceName } from "./registry.ts";
import { errorSentence } from "./sentences.ts";

/** The loaded plugin. `opened` is the manager, or the refusal that every call gets until it is tried again. */
interface Plugin {
  readonly caller: Caller;
  opened: Opened;
  opened_at_ms: number;
  readonly reopen: () => Opened | Promise<Opened>;
}

type Open = Extract<ToWorker, { kind: "open" }>;
type Call = Extract<ToWorker, { kind: "call" }>;
type OpenLockspace = Extract<ToWorker, { kind: "lockspace" }>;

let plugin: Plugin | Refused = refuse("EMANAGER", "the worker was not told which lock manager to load");
const identities = new Map<number, LockspaceIdentity>();
const handles = new Map<number, LockspaceHandle>();

const post = (message: FromWorker): void => postMessage(message);
const log: Log = (level, text) => post({ kind: "news", news: { kind: "log", level, text } });

async function open({ source, lock_type, context }: Open): Promise<void> {
  const checked = await loadDefinition(source, lock_type);
  if (checked.kind === "wrong") {
    plugin = refuse("EMANAGER", `the lock manager ${sourceName(source)} ${checked.problem}`);
    return;
  }
  const { definition, capabilities } = checked;
  const news = (news: unknown): void => sendNews(news, definition.name);
  const reopen = (): Opened | Promise<Opened> => openManager(definition, { ...context, news });
  const caller = createCaller(definition.name, capabilities, log);
  const opened = await reopen();
  plugin = { caller, opened, opened_at_ms: performance.now(), reopen };
  // What loading left behind would stay for good in a worker that then idles: 0.3 MB of 2.5, times the number of VGs.
  Bun.gc(true);
}

function sendNews(news: unknown, name: string): void {
  try {
    post({ kind: "news", news });
  } catch (error) {
    // News with a function inside can't cross to the host; the plugin must not fall over its own report.
    log("warning", `the lock manager ${name} sent news that can't be passed on: ${errorSentence(error)}`);
  }
}

/** The manager, opened again when it refused a while ago. */
async function manager(): Promise<{ readonly manager: LockManager; readonly caller: Caller } | Refused> {
  if ("kind" in plugin) return plugin;
  const tooOld = performance.now() - plugin.opened_at_ms >= DEADLINES.plugin_reopen_ms;
  if (plugin.opened.kind === "refused" && tooOld) {
    plugin.opened = await plugin.reopen();
    plugin.opened_at_ms = performance.now();
  }
  const { opened, caller } = plugin;
  return opened.kind === "refused" ? opened : { manager: opened.manager, caller };
}

/** The handle of a lockspace, opened when it is first needed. */
async function handleOf(
  key: number,
): Promise<{ readonly handle: LockspaceHandle; readonly caller: Caller } | Refused> {
  const found = await manager();
  if ("kind" in found) return found;
  const { caller } = found;
  const known = handles.get(key);
  if (known !== undefined) return { handle: known, caller };
  const identity = identities.get(key);
  if (identity === undefined) return caller.failed("openLockspace", "the lockspace was given up already");
  try {
    const handle: LockspaceHandle = found.manager.openLockspace(identity);
    checkHandle(handle);
    handles.set(key, handle);
    return { handle, caller };
  } catch (error) {
    return caller.failed("openLockspace", error);
  }
}

async function answerOf({ key, method, args }: Call): Promise<ManagerAnswer> {
  if (key === null) {
    const found = await manager();
    return "kind" in found ? found : await found.caller.call(found.manager, method, args);
  }
  const found = await handleOf(key);
  return "kind" in found ? found : await found.caller.call(found.handle, method, args);
}

async function call(message: Call): Promise<void> {
  const { call_id } = message;
  const answer = await answerOf(message);
  try {
    post({ kind: "answer", call_id, answer });
  } catch (error) {
    const detail = `the answer to ${message.method} can't leave the worker: ${errorSentence(error)}`;
    post({ kind: "answer", call_id, answer: refuse("ELMERR", detail) });
  }
}

/** Takes a lockspace over from a worker that died, in the way in which a new daemon takes it over from a dead one. */
async function rejoin(key: number, kept: string): Promise<Refused | null> {
  const found = await handleOf(key);
  if ("kind" in found) return found;
  const { handle, caller } = found;
  const prepared = await caller.call(handle, "prepare", { kept, repair: false });
  if (prepared.kind === "refused") return prepared;
  const args = { adopt: "if-orphan", nodelay: false, repair: false };
  const joined = await caller.call(handle, "join", args);
  return joined.kind === "refused" ? joined : null;
}

async function openLockspace({ key, identity, rejoin: again, kept }: OpenLockspace): Promise<void> {
  identities.set(key, identity);
  if (!again) return;
  const refused = await rejoin(key, kept);
  if (refused !== null) post({ kind: "lost", key, reason: refused.detail || refused.code });
}

async function close(): Promise<void> {
  if (!("kind" in plugin) && plugin.opened.kind === "done") {
    try {
      await plugin.opened.manager.close?.();
    } catch (error) {
      plugin.caller.failed("close", error);
    }
  }
  post({ kind: "closed" });
}

async function handle(message: ToWorker): Promise<void> {
  switch (message.kind) {
    case "open":
      return await open(message);
    case "lockspace":
      return await openLockspace(message);
    case "call":
      return await call(message);
    case "forget":
      identities.delete(message.key);
      handles.delete(message.key);
      return;
    case "close":
      return await close();
  }
}

declare const self: Worker;

let turn: Promise<void> = Promise.resolve();

self.onmessage = (event: MessageEvent<ToWorker>): void => {
  // An error that gets out of here is the host's own defect; it ends this worker, and the host says so and starts another.
  turn = turn.then(() => handle(event.data));
};

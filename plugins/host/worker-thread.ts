import { DEADLINES } from "../../core/deadlines.ts";
import { LIMITS } from "../../core/limits.ts";
import type { ManagerAnswer } from "../../core/locking/api.ts";
import { type LockspaceIdentity, type Refused, refuse } from "../contract.ts";
import type { PluginMethod } from "./answers.ts";
import { type CallQueue, createCallQueue } from "./call-queue.ts";
import type { ChannelOptions, Later } from "./channel.ts";
import type { FromWorker, ToWorker } from "./messages.ts";
import { checkNews } from "./news.ts";
import type { PluginSource } from "./registry.ts";
import { workerErrorSentence } from "./sentences.ts";
import { releaseOfUnanswered } from "./unanswered.ts";

/**
 * The worker's module. In a compiled executable all of the daemon is one module, so nothing lies beside it; the worker is
 * there under its path from the project's root, if the build was given plugins/host/worker.ts as an entry point.
 */
const WORKER_URL = import.meta.url.startsWith("file:///$bunfs/")
  ? "file:///$bunfs/root/plugins/host/worker.js"
  : new URL("./worker.ts", import.meta.url).href;

/** A call on its way to a worker. */
export interface WorkerCall {
  readonly call_id: number;
  readonly key: number | null;
  readonly method: PluginMethod;
  readonly args: object;
  readonly later: Later;
}

/**
 * One worker and what belongs to it: its lockspaces and the calls that wait for it. When the worker dies, another one takes
 * its place and its lockspaces; a worker is never ended while a call runs in it, because a native call goes on anyway.
 */
export interface WorkerThread {
  /** Lockspaces that were opened here and not forgotten. */
  readonly lockspaces: number;
  /** Calls that run or wait. */
  readonly calls: number;
  /** The plugin keeps something here of a lockspace that was forgotten: of one of this name, or of any. */
  hasRemains(lockspace_name?: string): boolean;
  /** True when the call that runs has been running for longer than this. */
  isStalled(stalled_ms: number): boolean;
  openLockspace(key: number, identity: LockspaceIdentity): void;
  forgetLockspace(key: number): void;
  /** Null, or the refusal when too many calls wait. */
  call(call: WorkerCall): Refused | null;
  /** Waits for the running call and closes the manager, for `plugin_close_ms` at most. */
  close(): Promise<void>;
}

interface ThreadLockspace {
  readonly identity: LockspaceIdentity;
  joined: boolean;
  /** The text of the plugin's last `keep` news. */
  kept: string;
}

/** The parts of a thread that its functions share. */
interface Thread {
  readonly options: ChannelOptions;
  readonly source: PluginSource;
  /** Called whenever a call has ended. */
  readonly freed: () => void;
  readonly lockspaces: Map<number, ThreadLockspace>;
  /** What the plugin told to keep of lockspaces that were forgotten, by their names. */
  readonly remains: Map<string, string>;
  readonly queue: CallQueue<WorkerCall>;
  worker: Worker | null;
  running: WorkerCall | null;
  running_since_ms: number;
  /** Has the worker of now answered anything? One that dies before is not replaced until somebody asks again. */
  answered: boolean;
  death: string;
  closed: (() => void) | null;
}

/** Makes a thread. Its worker starts with the first call; it loads the plugin by itself. */
export function createWorkerThread(
  source: PluginSource,
  options: ChannelOptions,
  freed: () => void,
): WorkerThread {
  const thread: Thread = {
    options,
    source,
    freed,
    lockspaces: new Map(),
    remains: new Map(),
    queue: createCallQueue(),
    worker: null,
    running: null,
    running_since_ms: 0,
    answered: false,
    death: "",
    closed: null,
  };
  return {
    get lockspaces() {
      return thread.lockspaces.size;
    },
    get calls() {
      return thread.queue.length + (thread.running === null ? 0 : 1);
    },
    hasRemains: (lockspace_name) =>
      lockspace_name === undefined ? thread.remains.size > 0 : thread.remains.has(lockspace_name),
    isStalled: (stalled_ms) =>
      thread.running !== null && performance.now() - thread.running_since_ms > stalled_ms,
    openLockspace(key, identity) {
      const kept = thread.remains.get(identity.lockspace_name) ?? "";
      thread.remains.delete(identity.lockspace_name);
      thread.lockspaces.set(key, { identity, joined: false, kept });
      if (thread.worker !== null)
        send(thread.worker, { kind: "lockspace", key, identity, rejoin: false, kept: "" });
    },
    forgetLockspace(key) {
      const forgotten = thread.lockspaces.get(key);
      thread.lockspaces.delete(key);
      if (forgotten !== undefined && forgotten.kept !== "")
        thread.remains.set(forgotten.identity.lockspace_name, forgotten.kept);
      if (thread.worker !== null) send(thread.worker, { kind: "forget", key });
    },
    call(call) {
      if (thread.queue.length >= LIMITS.plugin_calls_queued)
        return refuse("ENOMEM", `more than ${LIMITS.plugin_calls_queued} calls wait for the lock manager`);
      thread.queue.push(call);
      runNext(thread);
      return null;
    },
    close: () => close(thread),
  };
}

function send(worker: Worker, message: ToWorker): void {
  worker.postMessage(message);
}

function runNext(thread: Thread): void {
  if (thread.running !== null) return;
  const call = thread.queue.take();
  if (call !== undefined) run(thread, call);
}

function run(thread: Thread, call: WorkerCall): void {
  thread.running = call;
  thread.running_since_ms = performance.now();
  const { call_id, key, method, args } = call;
  thread.worker ??= start(thread);
  send(thread.worker, { kind: "call", call_id, key, method, args });
}

/** Starts a worker and tells it of the plugin and of the lockspaces that it has to take over. */
function start(thread: Thread): Worker {
  const { source, options, lockspaces } = thread;
  // `smol` keeps the heap of a worker small while it works.
  const worker = new Worker(WORKER_URL, { smol: true });
  thread.answered = false;
  thread.death = "";
  worker.onmessage = (event: MessageEvent<FromWorker>): void => receive(thread, event.data);
  worker.onerror = (event): void => {
    thread.death ||= workerErrorSentence(event.message);
  };
  worker.addEventListener("close", () => died(thread, worker));
  const { lock_type, context } = options;
  send(worker, { kind: "open", source, lock_type, context });
  for (const [key, { identity, joined, kept }] of lockspaces)
    send(worker, { kind: "lockspace", key, identity, rejoin: joined, kept });
  return worker;
}

function receive(thread: Thread, message: FromWorker): void {
  switch (message.kind) {
    case "answer":
      thread.answered = true;
      finish(thread, message.call_id, message.answer);
      break;
    case "news":
      noteKept(thread, message.news);
      thread.options.news(message.news);
      break;
    case "lost":
      lose(thread, message.key, message.reason);
      break;
    case "closed":
      thread.closed?.();
      break;
  }
}

/** Remembers what the next worker needs, when the news is about that. The newest lockspace of a name is the one that is meant. */
function noteKept(thread: Thread, news: unknown): void {
  const checked = checkNews(news);
  if (checked?.kind !== "keep") return;
  const named = [...thread.lockspaces.values()].filter(
    ({ identity }) => identity.lockspace_name === checked.lockspace_name,
  );
  const newest = named.at(-1);
  if (newest !== undefined) newest.kept = checked.text;
  else if (checked.text !== "") thread.remains.set(checked.lockspace_name, checked.text);
  else thread.remains.delete(checked.lockspace_name);
}

function finish(thread: Thread, call_id: number, answer: ManagerAnswer): void {
  const call = thread.running;
  // A worker answers the one call that it has; anything else would be an answer given twice.
  if (call === null || call.call_id !== call_id) return;
  thread.running = null;
  noteJoined(thread, call, answer);
  // The next call starts before the answer is told, because telling it may bring further calls, which come after it.
  runNext(thread);
  call.later(call_id, answer);
  thread.freed();
}

function noteJoined(thread: Thread, { key, method }: WorkerCall, answer: ManagerAnswer): void {
  const lockspace = key === null ? undefined : thread.lockspaces.get(key);
  if (lockspace === undefined || answer.kind !== "done") return;
  if (method === "join") lockspace.joined = true;
  else if (method === "leave") lockspace.joined = false;
}

function lose(thread: Thread, key: number, reason: string): void {
  const lockspace = thread.lockspaces.get(key);
  if (lockspace === undefined) return;
  lockspace.joined = false;
  const { lockspace_name } = lockspace.identity;
  thread.options.news({ kind: "lockspace-lost", lockspace_name, reason });
}

/** The worker is gone: its call failed, and what waits goes on in a new one that takes over the lockspaces. */
function died(thread: Thread, worker: Worker): void {
  if (thread.worker !== worker) return;
  const { name, log } = thread.options;
  const reason = thread.death || "it ended itself";
  const detail = `the worker of the lock manager ${name} died: ${reason}`;
  log("error", detail);
  thread.worker = null;
  // What was kept for anything but a new join was in the worker that has died.
  thread.remains.clear();
  for (const lockspace of thread.lockspaces.values()) if (!lockspace.joined) lockspace.kept = "";
  const failed = refuse("ELMERR", detail);
  const call = thread.running;
  thread.running = null;
  if (thread.answered) {
    const mustRejoin = [...thread.lockspaces.values()].some(({ joined }) => joined);
    if (mustRejoin) thread.worker = start(thread);
    releaseUnanswered(thread, call);
    runNext(thread);
    call?.later(call.call_id, failed);
  } else {
    // It died before it answered anything, and another one would do the same at once: nobody is left to wait for that.
    for (const [key, { joined }] of thread.lockspaces) if (joined) lose(thread, key, detail);
    call?.later(call.call_id, failed);
    refuseWaiting(thread, failed);
  }
  thread.freed();
}

/** The release comes before all that waits, and before whatever the refusal of the call brings. */
function releaseUnanswered(thread: Thread, call: WorkerCall | null): void {
  if (call === null || call.key === null || !thread.lockspaces.get(call.key)?.joined) return;
  const release = releaseOfUnanswered(call, thread.options);
  if (release !== null) run(thread, release);
}

const ENDING: Refused = Object.freeze(refuse("EMANAGER", "lvmlockd is ending"));

/** Answers the calls that wait now; those that come out of these answers wait for a new worker. */
function refuseWaiting(thread: Thread, refused: Refused): void {
  for (let left = thread.queue.length; left > 0; left--) {
    const call = thread.queue.take();
    call?.later(call.call_id, refused);
  }
}

async function close(thread: Thread): Promise<void> {
  refuseWaiting(thread, ENDING);
  const { worker } = thread;
  if (worker === null) return;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), DEADLINES.plugin_close_ms);
  thread.closed = () => resolve(true);
  worker.addEventListener("close", () => resolve(false));
  send(worker, { kind: "close" });
  const isClosed = await promise;
  clearTimeout(timer);
  thread.worker = null;
  // A worker that did not get there has a call in flight: it is left alone, and the end of the process takes it along.
  if (isClosed) worker.terminate();
  else worker.unref();
}

import type { ControlAnswer, ControlCall } from "./control.ts";
import type { ControlQuestion, ControlReply } from "./control-worker.ts";

/** In a compiled executable the worker lies under its path from the project's root, see the build script. */
const WORKER_URL = import.meta.url.startsWith("file:///$bunfs/")
  ? "file:///$bunfs/root/plugins/dlm/control-worker.js"
  : new URL("./control-worker.ts", import.meta.url).href;

/** Where questions go: the promise of the answer stays open for as long as the daemon hangs. "failed": nobody could be asked. */
export interface ControlThread {
  /** Settled when the thread runs, which waits for nobody. */
  ready(): Promise<void>;
  ask(call: ControlCall): Promise<ControlAnswer | "failed">;
}

/** One running worker. */
interface Running {
  readonly worker: Worker;
  readonly ready: Promise<void>;
  readonly waiting: Map<number, (answer: ControlAnswer | "failed") => void>;
}

/**
 * A thread for the questions of one worker, so that a daemon that hangs holds up this thread alone. It starts with the first question
 * and is kept: a start takes longer than the questions do. It is never ended while a question is under way, because that would go on.
 */
export function createControlThread(): ControlThread {
  let running: Running | null = null;
  let last_id = 0;
  const get = (): Running => {
    running ??= start(() => {
      running = null;
    });
    return running;
  };
  return {
    ready: () => get().ready,
    ask(call) {
      const { worker, waiting } = get();
      const { promise, resolve } = Promise.withResolvers<ControlAnswer | "failed">();
      const id = ++last_id;
      waiting.set(id, resolve);
      worker.postMessage({ id, call } satisfies ControlQuestion);
      return promise;
    },
  };
}

function start(ended: () => void): Running {
  const { promise: ready, resolve: begin } = Promise.withResolvers<void>();
  const waiting: Running["waiting"] = new Map();
  const worker = new Worker(WORKER_URL, { smol: true });
  worker.onmessage = ({ data }: MessageEvent<ControlReply | string>): void => {
    if (typeof data === "string") begin();
    else {
      waiting.get(data.id)?.(data.answer);
      waiting.delete(data.id);
    }
  };
  worker.onerror = (): void => {
    ended();
    begin();
    for (const fail of waiting.values()) fail("failed");
    waiting.clear();
  };
  // The thread alone does not keep a worker that is to end.
  worker.unref();
  return { worker, ready, waiting };
}

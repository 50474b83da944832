/** A team whose devices answer in workers, so that one that takes its time delays nobody else. */
import { DEADLINES } from "../../../core/deadlines.ts";
import { LIMITS } from "../../../core/limits.ts";
import type { JobAnswer } from "./job.ts";
import type { FromDeviceWorker, ToDeviceWorker } from "./messages.ts";
import type { DeviceTeam, Task } from "./team.ts";

/**
 * The worker's module. In a compiled executable all of the program is one module, so nothing lies beside it; the worker is
 * there under its path from the project's root, because scripts/build.ts names it as an entry point.
 */
const WORKER_URL = import.meta.url.startsWith("file:///$bunfs/")
  ? new URL("./plugins/scsi-pr/actions/device-worker.js", import.meta.url).href
  : new URL("./device-worker.ts", import.meta.url).href;

function deathText(reason: string): string {
  return `the thread that has the device open ended: ${reason}`;
}

export interface WorkerTeamOptions {
  /** Takes a line about each command sent to a device; null for none. */
  readonly trace: ((text: string) => void) | null;
}

/** A thread and the devices that it has open. `busy` is what the job in hand is to be answered with. */
interface Thread {
  readonly worker: Worker;
  busy: ((answer: JobAnswer) => void) | null;
  closed: (() => void) | null;
  /** Why it ended; null while it lives. */
  death: string | null;
}

/** The threads of a team, and which of them has which device open; a device's later jobs go there. */
interface Crew {
  readonly paths: readonly string[];
  readonly trace: WorkerTeamOptions["trace"];
  readonly threads: Thread[];
  readonly homes: Map<number, Thread>;
}

/**
 * Workers are started as they are needed: a worker costs 2 to 3 ms of processor time to start, as much as some commands take, so
 * a few of them serve devices that answer at once. When devices still wait for a thread after a while, because others are
 * slow, the number doubles, up to one for each device within the bound.
 */
export function workerTeam(paths: readonly string[], { trace }: WorkerTeamOptions): DeviceTeam {
  const crew: Crew = { paths, trace, threads: [], homes: new Map() };
  return {
    paths,
    run: (tasks, answered) => runTasks(crew, tasks, answered),
    async close() {
      await Promise.all(crew.threads.map(closeThread));
      for (const { worker } of crew.threads) worker.terminate();
    },
  };
}

function startThread({ threads, trace }: Crew): Thread {
  const thread: Thread = {
    worker: new Worker(WORKER_URL, { smol: true }),
    busy: null,
    closed: null,
    death: null,
  };
  thread.worker.onmessage = (event: MessageEvent<FromDeviceWorker>): void => {
    const message = event.data;
    if (message.kind === "trace") trace?.(message.text);
    else if (message.kind === "closed") thread.closed?.();
    else thread.busy?.(message.answer);
  };
  let reason = "no reason was told";
  thread.worker.onerror = (event): void => {
    event.preventDefault();
    reason = event.message;
  };
  // A worker that can't be loaded, or dies, must not be waited for.
  thread.worker.addEventListener("close", () => {
    thread.death = reason;
    thread.busy?.({ kind: "lost", detail: deathText(reason) });
    thread.closed?.();
  });
  threads.push(thread);
  return thread;
}

function closeThread(thread: Thread): Promise<void> {
  return new Promise((resolve) => {
    thread.closed = resolve;
    if (thread.death !== null) resolve();
    else post(thread, { kind: "close" });
  });
}

function post(thread: Thread, message: ToDeviceWorker): void {
  thread.worker.postMessage(message);
}

/** Gives one task to a thread and takes its answer. */
function ask({ paths, trace }: Crew, thread: Thread, task: Task): Promise<JobAnswer> {
  return new Promise((resolve) => {
    thread.busy = (answer): void => {
      thread.busy = null;
      resolve(answer);
    };
    const path = paths[task.device] ?? "";
    if (thread.death !== null) thread.busy({ kind: "failed", detail: deathText(thread.death) });
    else post(thread, { kind: "job", path, job: task.job, trace: trace !== null });
  });
}

async function runTasks(
  crew: Crew,
  tasks: readonly Task[],
  answered?: (task: Task) => void,
): Promise<readonly JobAnswer[]> {
  const { threads, homes } = crew;
  const answers: JobAnswer[] = new Array(tasks.length);
  const waiting = tasks.map((task, index) => ({ task, index }));
  /** Takes one task after the other: of a device that this thread has open, or of one that nobody has. */
  const serve = async (thread: Thread): Promise<void> => {
    for (;;) {
      const at = waiting.findIndex(({ task }) => (homes.get(task.device) ?? thread) === thread);
      const [next] = at === -1 ? [] : waiting.splice(at, 1);
      if (next === undefined) return;
      homes.set(next.task.device, thread);
      answers[next.index] = await ask(crew, thread, next.task);
      answered?.(next.task);
    }
  };
  const served = threads.map(serve);
  const grow = (count: number): void => {
    const most = Math.min(crew.paths.length, LIMITS.persist_workers);
    for (let more = Math.min(count, most - threads.length); more > 0; more--) {
      if (waiting.some(({ task }) => !homes.has(task.device))) served.push(serve(startThread(crew)));
    }
  };
  grow(LIMITS.persist_workers_at_first - threads.length);
  const growth = setInterval(() => grow(threads.length), DEADLINES.persist_worker_growth_ms);
  // Threads may join while the first ones are waited for.
  for (let index = 0; index < served.length; index++) await served[index];
  clearInterval(growth);
  return answers;
}

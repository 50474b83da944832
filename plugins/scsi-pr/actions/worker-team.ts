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

function deathAnswer(reason: string): JobAnswer {
  return { kind: "failed", detail: `the thread that has the device open ended: ${reason}` };
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

/**
 * Workers are started as they are needed: a worker costs 2 to 3 ms of processor time to start, as much as some commands take, so
 * a few of them serve devices that answer at once. When devices still wait for a thread after a while, because others are
 * slow, the number doubles, up to one for each device within the bound.
 */
export function workerTeam(paths: readonly string[], { trace }: WorkerTeamOptions): DeviceTeam {
  const threads: Thread[] = [];
  /** The thread that has a device open; its later jobs go there. */
  const homes = new Map<number, Thread>();
  const most = Math.min(paths.length, LIMITS.persist_workers);

  const startThread = (): Thread => {
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
      thread.busy?.(deathAnswer(reason));
      thread.closed?.();
    });
    threads.push(thread);
    return thread;
  };
  const post = (thread: Thread, message: ToDeviceWorker): void => thread.worker.postMessage(message);

  return {
    paths,
    async run(tasks, answered) {
      if (tasks.length === 0) return [];
      const answers: JobAnswer[] = new Array(tasks.length);
      const waiting = tasks.map((task, index) => ({ task, index }));
      await new Promise<void>((resolve) => {
        let open = tasks.length;
        const begin = (thread: Thread, task: Task, index: number): void => {
          homes.set(task.device, thread);
          thread.busy = (answer): void => {
            thread.busy = null;
            answers[index] = answer;
            open--;
            answered?.(task);
            if (open > 0) {
              serve(thread);
              return;
            }
            clearInterval(growth);
            resolve();
          };
          if (thread.death !== null) thread.busy(deathAnswer(thread.death));
          else
            post(thread, {
              kind: "job",
              path: paths[task.device] ?? "",
              job: task.job,
              trace: trace !== null,
            });
        };
        /** The next task for this thread: of a device that it has open, or of one that nobody has. */
        const serve = (thread: Thread): void => {
          const at = waiting.findIndex(({ task }) => (homes.get(task.device) ?? thread) === thread);
          const [next] = at === -1 ? [] : waiting.splice(at, 1);
          if (next !== undefined) begin(thread, next.task, next.index);
        };
        const grow = (count: number): void => {
          for (let more = Math.min(count, most - threads.length); more > 0; more--) {
            if (waiting.some(({ task }) => !homes.has(task.device))) serve(startThread());
          }
        };
        const growth = setInterval(() => grow(threads.length), DEADLINES.persist_worker_growth_ms);
        for (const thread of threads) serve(thread);
        grow(LIMITS.persist_workers_at_first - threads.length);
      });
      return answers;
    },
    async close() {
      await Promise.all(
        threads.map(
          (thread) =>
            new Promise<void>((resolve) => {
              thread.closed = resolve;
              if (thread.death !== null) resolve();
              else post(thread, { kind: "close" });
            }),
        ),
      );
      for (const { worker } of threads) worker.terminate();
    },
  };
}

import { DEADLINES } from "../../core/deadlines.ts";
import { LIMITS } from "../../core/limits.ts";
import type { AskTarget } from "../../core/locking/api.ts";
import { type Refused, refuse } from "../contract.ts";
import { createCallQueue } from "./call-queue.ts";
import type { Channel, ChannelOptions } from "./channel.ts";
import type { PluginSource } from "./registry.ts";
import { createWorkerThread, type WorkerCall, type WorkerThread } from "./worker-thread.ts";

/** How far the pool may grow, and when a call counts as stalled; tests use smaller ones. */
export interface PoolBounds {
  readonly workers: number;
  readonly manager_workers: number;
  readonly stalled_ms: number;
}

const BOUNDS: PoolBounds = {
  workers: LIMITS.plugin_workers,
  manager_workers: LIMITS.plugin_manager_workers,
  stalled_ms: DEADLINES.plugin_stalled_ms,
};

type LockspaceTarget = Extract<AskTarget, { kind: "lockspace" }>;

/** Where a lockspace lives. */
interface Home {
  readonly thread: WorkerThread;
  readonly lockspace_name: string;
}

/**
 * The way to a plugin whose calls block. Every lockspace has a worker of its own, so that one whose storage hangs delays
 * nobody; the worker of a lockspace that was given up is used again, by the next one of its name while the plugin keeps something for
 * that, such as a call that goes on, else by any. Measured with Bun 1.4.5: 64
 * workers start in 0.4 s and take 155 MB while idle, 2.4 MB each (1.3 of them an empty worker's own); the way there and
 * back takes 15 us.
 *
 * Above `plugin_workers` lockspaces share workers, those with the fewest lockspaces first and never one that is stalled;
 * only then can a lockspace wait for another one, and the log says so. A lockspace stays where it is, as the contract
 * promises, so its waiting calls do not move to another worker: the plugin's native state is in this one.
 */
export function createWorkerPool(source: PluginSource, options: ChannelOptions, bounds = BOUNDS): Channel {
  const threads: WorkerThread[] = [];
  const homes = new Map<number, Home>();
  const manager_calls = createManagerCalls(source, options, bounds);

  const homeOf = ({ key, identity }: LockspaceTarget): Home | Refused => {
    const known = homes.get(key);
    if (known !== undefined) return known;
    const thread =
      threads.find((one) => one.hasRemains(identity.lockspace_name)) ??
      findThread(threads, source, options, bounds);
    if ("kind" in thread) return thread;
    thread.openLockspace(key, identity);
    const home: Home = { thread, lockspace_name: identity.lockspace_name };
    homes.set(key, home);
    return home;
  };

  return {
    ask({ call_id, target, args }, later) {
      const { method } = target;
      if (target.kind === "manager") {
        const call: WorkerCall = { call_id, key: null, method, args, later };
        // A lease that findFreeLock has found is remembered in the worker of its lockspace.
        const home = method === "initLv" ? homeByName(homes, args) : null;
        return home === null ? manager_calls.call(call) : home.thread.call(call);
      }
      const home = homeOf(target);
      if ("kind" in home) return home;
      return home.thread.call({ call_id, key: target.key, method, args, later });
    },
    forgetLockspace(key) {
      homes.get(key)?.thread.forgetLockspace(key);
      homes.delete(key);
    },
    async close() {
      await Promise.all([manager_calls.close(), ...threads.map((thread) => thread.close())]);
    },
  };
}

/** The worker for one more lockspace: an unused one, a new one, or the least shared one that is not stuck. */
function findThread(
  threads: WorkerThread[],
  source: PluginSource,
  options: ChannelOptions,
  bounds: PoolBounds,
): WorkerThread | Refused {
  const unused = threads.find(
    (thread) => thread.lockspaces === 0 && thread.calls === 0 && !thread.hasRemains(),
  );
  if (unused !== undefined) return unused;
  if (threads.length < bounds.workers) {
    const made = createWorkerThread(source, options, () => {});
    threads.push(made);
    return made;
  }
  let least: WorkerThread | null = null;
  for (const thread of threads) {
    if (thread.isStalled(bounds.stalled_ms)) continue;
    if (least === null || thread.lockspaces < least.lockspaces) least = thread;
  }
  if (least === null) return stuck(options.name, bounds.workers);
  const text = `${options.name}: more than ${bounds.workers} lockspaces are started, so some share a worker and can delay each other`;
  options.log("warning", text);
  return least;
}

function stuck(name: string, workers: number): Refused {
  return refuse(
    "EMANAGER",
    `all ${workers} workers of the lock manager ${name} are stuck in calls that do not end`,
  );
}

function homeByName(homes: ReadonlyMap<number, Home>, args: object): Home | null {
  const { lockspace_name } = args as { readonly lockspace_name?: unknown };
  for (const home of homes.values()) if (home.lockspace_name === lockspace_name) return home;
  return null;
}

/** The calls that belong to no lockspace. */
interface ManagerCalls {
  call(call: WorkerCall): Refused | null;
  close(): Promise<void>;
}

/**
 * Calls to the manager itself run beside each other, each in the first worker that is free: init_vg of one VG may take
 * minutes, and neither another VG's nor `isRunning` may wait for it.
 */
function createManagerCalls(source: PluginSource, options: ChannelOptions, bounds: PoolBounds): ManagerCalls {
  const threads: WorkerThread[] = [];
  const queue = createCallQueue<WorkerCall>();

  const freeThread = (): WorkerThread | null => {
    const free = threads.find((thread) => thread.calls === 0);
    if (free !== undefined) return free;
    if (threads.length >= bounds.manager_workers) return null;
    const made = createWorkerThread(source, options, runWaiting);
    threads.push(made);
    return made;
  };
  const runWaiting = (): void => {
    while (queue.length > 0) {
      const thread = freeThread();
      const call = thread === null ? undefined : queue.take();
      if (thread === null || call === undefined) return;
      thread.call(call);
    }
  };

  return {
    call(call) {
      const thread = queue.length === 0 ? freeThread() : null;
      if (thread !== null) return thread.call(call);
      if (threads.every((one) => one.isStalled(bounds.stalled_ms)))
        return stuck(options.name, threads.length);
      if (queue.length >= LIMITS.plugin_calls_queued)
        return refuse("ENOMEM", `more than ${LIMITS.plugin_calls_queued} calls wait for the lock manager`);
      queue.push(call);
      return null;
    },
    async close() {
      for (let call = queue.take(); call !== undefined; call = queue.take())
        call.later(call.call_id, refuse("EMANAGER", "lvmlockd is ending"));
      await Promise.all(threads.map((thread) => thread.close()));
    },
  };
}

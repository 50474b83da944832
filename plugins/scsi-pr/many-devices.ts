import { DEADLINES } from "../../core/deadlines.ts";
import { POLLFD } from "../native/layouts.ts";
import { libc } from "../native/libc.ts";
import { stableMemory } from "../native/structs.ts";
import type { Exchange, Outcome, Script } from "./exchange.ts";
import type { ScsiRequest } from "./passthrough.ts";
import { perform } from "./perform.ts";
import type { ScriptedDevice } from "./scripted-device.ts";
import { collectScsi, submitScsi } from "./sg-device.ts";

/* Scripts of many devices side by side in one thread: while one disk works on a command, the others are sent theirs. */

/** What is to be done on one device, by commands of its own. */
export interface DeviceScript<Result> {
  readonly device: ScriptedDevice;
  readonly script: Script<Result>;
}

/** What a script waits for. */
type Waiting =
  | { readonly kind: "disk"; readonly fd: number; readonly request: ScsiRequest }
  | { readonly kind: "pause"; readonly end_ms: number };

interface Running<Result> {
  readonly index: number;
  readonly task: DeviceScript<Result>;
  waiting: Waiting;
}

/**
 * Runs all scripts to their ends and gives their results in order; `ended` is told of each as it ends. Commands of SCSI disks go
 * side by side. What has no such way (NVMe, a disk without sg device, multipathd) holds up the others while it lasts.
 */
export async function runSideBySide<Result>(
  tasks: readonly DeviceScript<Result>[],
  ended?: (index: number) => void,
): Promise<readonly Result[]> {
  const results: Result[] = new Array(tasks.length);
  let running: Running<Result>[] = [];
  const proceed = (index: number, task: DeviceScript<Result>, outcome: Outcome | null): Waiting | null => {
    const advanced = advance(task, outcome);
    if (advanced.kind !== "ended") return advanced;
    results[index] = advanced.result;
    ended?.(index);
    return null;
  };
  for (const [index, task] of tasks.entries()) {
    const waiting = proceed(index, task, null);
    if (waiting !== null) running.push({ index, task, waiting });
  }
  while (running.length > 0) {
    const ready = waitForAny(running);
    running = running.filter((one) => {
      const outcome = ready.get(one);
      if (outcome === undefined) return true;
      const waiting = proceed(one.index, one.task, outcome);
      if (waiting !== null) one.waiting = waiting;
      return waiting !== null;
    });
    // Signals and progress have their turn between two waits.
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  return results;
}

/** Runs a script on until it waits for something, or ends. The first step has no outcome to be resumed with. */
function advance<Result>(
  { device, script }: DeviceScript<Result>,
  outcome: Outcome | null,
): Waiting | { readonly kind: "ended"; readonly result: Result } {
  let step = outcome === null ? script.next() : script.next(outcome);
  while (!step.done) {
    const begun = begin(device, step.value);
    if (begun.kind === "disk" || begun.kind === "pause") return begun;
    step = script.next(begun);
  }
  return { kind: "ended", result: step.value };
}

function begin(device: ScriptedDevice, exchange: Exchange): Waiting | Outcome {
  if (exchange.kind === "pause") return { kind: "pause", end_ms: performance.now() + exchange.pause_ms };
  const fd = exchange.kind === "scsi" ? device.asyncFd(exchange.path) : null;
  if (exchange.kind !== "scsi" || fd === null) return perform(device.fds(), exchange);
  const request = submitScsi(fd, exchange);
  return "header" in request ? { kind: "disk", fd, request } : request;
}

/** Blocks the thread for a moment, or until something has come that a script waits for, and gives what came. */
function waitForAny<Result>(running: readonly Running<Result>[]): ReadonlyMap<Running<Result>, Outcome> {
  const ready = new Map<Running<Result>, Outcome>();
  const disks = running.filter(({ waiting }) => waiting.kind === "disk");
  const memory = stableMemory(Math.max(1, disks.length) * POLLFD.size_bytes);
  const entries = disks.map(({ waiting }, index) => {
    const entry = POLLFD.at(memory, index * POLLFD.size_bytes);
    entry.set("fd", waiting.kind === "disk" ? waiting.fd : -1);
    entry.set("events", POLLIN);
    return entry;
  });
  const pauses = running.flatMap(({ waiting }) => (waiting.kind === "pause" ? [waiting.end_ms] : []));
  const left_ms = Math.ceil(Math.min(...pauses, Number.MAX_SAFE_INTEGER) - performance.now());
  libc().poll(memory, disks.length, Math.max(0, Math.min(left_ms, DEADLINES.pr_poll_slice_ms)));
  for (const [index, one] of disks.entries()) {
    // An error or a hang-up is told by the read.
    if (one.waiting.kind === "disk" && entries[index]?.get("revents") !== 0)
      ready.set(one, collectScsi(one.waiting.fd, one.waiting.request));
  }
  const now_ms = performance.now();
  for (const one of running) {
    if (one.waiting.kind === "pause" && one.waiting.end_ms <= now_ms) ready.set(one, { kind: "paused" });
  }
  return ready;
}

const POLLIN = 1;

import { DEADLINES } from "../../core/deadlines.ts";
import { POLLFD } from "../native/layouts.ts";
import { libc } from "../native/libc.ts";
import { stableMemory } from "../native/structs.ts";
import type { Exchange, Outcome, Script } from "./exchange.ts";
import { perform } from "./perform.ts";
import type { ScriptedDevice } from "./scripted-device.ts";
import type { SgChannel } from "./sg-device.ts";

/* Scripts of many devices side by side in one thread: while one disk works on a command, the others are sent theirs. */

/** What is to be done on one device, by commands of its own. */
export interface DeviceScript<Result> {
  readonly device: ScriptedDevice;
  readonly script: Script<Result>;
}

/** What a script waits for: the end of the command on its channel, or of a pause. */
type Waiting =
  | { readonly kind: "disk"; readonly channel: SgChannel }
  | { readonly kind: "pause"; readonly end_ms: number };

/**
 * Runs all scripts to their ends and gives their results in order; `ended` is told of each as it ends. Commands of SCSI disks go
 * side by side. What has no such way (NVMe, a disk without sg device, multipathd) holds up the others while it lasts.
 */
export async function runSideBySide<Result>(
  tasks: readonly DeviceScript<Result>[],
  ended?: (index: number) => void,
): Promise<readonly Result[]> {
  const results: Result[] = new Array(tasks.length);
  const waiting: (Waiting | null)[] = new Array(tasks.length).fill(null);
  const polled = pollSet(tasks.length);
  let left = tasks.length;
  const proceed = (index: number, outcome: Outcome | null): void => {
    const task = tasks[index];
    if (task === undefined) return;
    const next = advance(task, outcome);
    waiting[index] = next.kind === "ended" ? null : next;
    polled.watch(index, next.kind === "disk" ? next.channel.fd : null);
    if (next.kind !== "ended") return;
    results[index] = next.result;
    left -= 1;
    ended?.(index);
  };
  for (const index of tasks.keys()) proceed(index, null);
  let turn_due_ms = performance.now() + DEADLINES.pr_poll_slice_ms;
  while (left > 0) {
    polled.wait(turn_due_ms, waiting);
    const now_ms = performance.now();
    for (let index = 0; index < waiting.length; index += 1) {
      const one = waiting[index] ?? null;
      // An error or a hang-up is told by the read.
      if (one?.kind === "disk" && polled.isReady(index)) proceed(index, one.channel.collect());
      else if (one?.kind === "pause" && one.end_ms <= now_ms) proceed(index, { kind: "paused" });
    }
    if (now_ms < turn_due_ms) continue;
    await eventLoopTurn();
    turn_due_ms = performance.now() + DEADLINES.pr_poll_slice_ms;
  }
  await eventLoopTurn();
  return results;
}

/** Signals, progress and workers have their turn. It is given now and then: it costs as much as some commands do. */
function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
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
  const channel = exchange.kind === "scsi" ? device.channel(exchange.path) : null;
  if (exchange.kind !== "scsi" || channel === null) return perform(device.fds(), exchange);
  return channel.submit(exchange) ?? { kind: "disk", channel };
}

/** The descriptors that scripts wait for, as poll(2) takes them. */
interface PollSet {
  /** Watches a script's descriptor from now on; null for none. */
  watch(index: number, fd: number | null): void;
  /** Blocks the thread until something has come that a script waits for, but not beyond `end_ms`. */
  wait(end_ms: number, waiting: readonly (Waiting | null)[]): void;
  isReady(index: number): boolean;
}

/**
 * Every script has its place in one array for the whole run. Made anew for each wait it was the largest part of what this
 * program did: 64 structs for each of 700 waits.
 */
function pollSet(count: number): PollSet {
  const memory = stableMemory(Math.max(1, count) * POLLFD.size_bytes);
  const words = new Int32Array(memory.buffer);
  for (let index = 0; index < count; index += 1) {
    words[2 * index] = NOT_WATCHED;
    words[2 * index + 1] = POLLIN;
  }
  return {
    watch(index, fd) {
      words[2 * index] = fd ?? NOT_WATCHED;
      // What poll said of an earlier command must not be read as the end of this one.
      words[2 * index + 1] = POLLIN;
    },
    wait(end_ms, waiting) {
      let until_ms = end_ms;
      for (const one of waiting) if (one?.kind === "pause") until_ms = Math.min(until_ms, one.end_ms);
      libc().poll(memory, count, Math.max(0, Math.ceil(until_ms - performance.now())));
    },
    isReady: (index) => (words[2 * index + 1] ?? 0) >>> REVENTS_SHIFT !== 0,
  };
}

const POLLIN = 1;
/** A struct pollfd as two 32-bit numbers: the descriptor, and `events` with `revents` above it. */
const REVENTS_SHIFT = 16;
const NOT_WATCHED = -1;

/**
 * A counter on the shared storage that is incremented only under a lock, by reading and writing it: a lost update is a lock
 * that two hosts had at once. It runs in the host process, so that the death of the process is the death of the client.
 */
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import type { ManagerAnswer } from "../../core/locking/api.ts";
import type { LockspaceIdentity, ResourceRef } from "../../plugins/contract.ts";
import type { PluginHost } from "../../plugins/host/host.ts";

export interface CounterTask {
  readonly key: number;
  readonly identity: LockspaceIdentity;
  readonly resource: ResourceRef;
  readonly counter_path: string;
  readonly rounds: number;
}

/** How a run went: increments that were written, and refusals that were tried again. */
export interface CounterDone {
  readonly rounds: number;
  readonly refusals: number;
  readonly problem: string;
}

const PAUSE_FIRST_MS = 4;
const PAUSE_MAX_MS = 50;

/** Counts up to `rounds` times, tried again after conflicts with the core's backoff. `written` is called after each write. */
export async function runCounter(
  host: PluginHost,
  task: CounterTask,
  written: (rounds: number) => void,
): Promise<CounterDone> {
  const { key, identity, resource } = task;
  let call_id = 1_000_000_000;
  const ask = (method: "lock" | "unlock", args: object): Promise<ManagerAnswer> => {
    const { promise, resolve } = Promise.withResolvers<ManagerAnswer>();
    const target = { kind: "lockspace", lock_type: "sanlock", key, identity, method } as const;
    const answer = host.ask({ kind: "ask", call_id: ++call_id, target, args }, (_id, later) =>
      resolve(later),
    );
    if (answer !== null) resolve(answer);
    return promise;
  };
  const lock_args = { resource, mode: "ex", adopt: "no", repair: false, persistent: false, patience_ms: 0 };
  let refusals = 0;
  for (let round = 0; round < task.rounds; ) {
    const answer = await ask("lock", lock_args);
    if (answer.kind === "refused") {
      if (answer.retry === "never")
        return { rounds: round, refusals, problem: `${answer.code} ${answer.detail}` };
      refusals += 1;
      const pause_ms = Math.min(PAUSE_FIRST_MS * (1 + (refusals % 8)), PAUSE_MAX_MS);
      await Bun.sleep(pause_ms * (0.5 + Math.random()));
      continue;
    }
    increment(task.counter_path);
    round += 1;
    written(round);
    await ask("unlock", { resource, from: "ex", r_version: 0, free_vg: false });
  }
  return { rounds: task.rounds, refusals, problem: "" };
}

function increment(path: string): void {
  const fd = openSync(path, "r+");
  const text = Buffer.alloc(16);
  const length = readSync(fd, text, 0, 16, 0);
  const value = Number(text.toString("latin1", 0, length));
  writeSync(fd, String(value + 1), 0);
  closeSync(fd);
}

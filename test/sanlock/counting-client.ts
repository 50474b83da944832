/**
 * A client of lvmlockd that increments a counter on the shared storage under a lock, by reading it, waiting a moment and writing it. It is
 * a process of its own, because a client's death at any moment has to be real. The counter is a number in a file; the ledger gets
 * a line with each number that was written, so that a number in it twice is a lost update.
 *
 * A client whose lvmlockd dies does what an lvm command does: it ends what it is doing, because it does not notice before its next
 * request. Then it waits for the next lvmlockd and goes on.
 */
import { appendFileSync, closeSync, openSync, readSync, writeSync } from "node:fs";
import { wireResult } from "../../core/errors.ts";
import { type Connection, connectAndGreet } from "../rig/connection.ts";
import { parseReply, resultOf } from "../rig/replies.ts";
import { encodeRequest } from "../rig/requests.ts";

/** What the test tells a counting client, as JSON in its first word. */
export interface CountingTask {
  readonly socket_path: string;
  readonly host: number;
  /** The lock request: its name and its keys without the mode. */
  readonly request: "lock_vg" | "lock_lv";
  readonly keys: Readonly<Record<string, string | number>>;
  readonly counter_path: string;
  readonly ledger_path: string;
  /** One byte: what this client is doing right now (PHASE). */
  readonly phase_path: string;
}

export const PHASE = { outside: "0", holding: "1", incrementing: "2", slow: "3" } as const;

const DIGITS = 12;
const HELD = wireResult("EALREADY");
const NOT_HELD = wireResult("ENOENT");
/** Longest time between the reading and the writing of the counter: the other host's turn comes here, unless the lock holds it off. */
const INCREMENT_MS = 3;
/** One increment of so many takes longer, so that it can be hit in its middle, and so long. */
const SLOW_ONE_OF = 20;
const SLOW_MS = 40;

async function main(task: CountingTask): Promise<void> {
  const { socket_path, request, keys } = task;
  const phase = openSync(task.phase_path, "r+");
  const tell = (name: keyof typeof PHASE): void => {
    writeSync(phase, PHASE[name], 0);
  };
  let connection: Connection | null = null;

  /** op_result, or null when lvmlockd went before it answered. */
  const ask = async (mode: "ex" | "un"): Promise<number | null> => {
    try {
      connection ??= await connectAndGreet(socket_path);
      const sent = { cmd: "count", pid: process.pid, mode, ...keys };
      return resultOf(parseReply(await connection.ask(encodeRequest({ request, keys: sent }))));
    } catch (error) {
      if (error instanceof Error && error.message.startsWith("no reply within")) throw error;
      connection?.close();
      connection = null;
      return null;
    }
  };
  const lock = async (): Promise<void> => {
    // A client before this one may have died with the lock of the LV: it is the host's, so it is ours.
    for (let result = await ask("ex"); result !== 0 && result !== HELD; result = await ask("ex"))
      await Bun.sleep(2 + Math.random() * 10);
  };
  const unlock = async (): Promise<void> => {
    for (;;) {
      const result = await ask("un");
      if (result === 0 || result === NOT_HELD) return;
      // The VG lock of a connection that has ended is given back by lvmlockd, or by the next one.
      if (result === null && request === "lock_vg") return;
      await Bun.sleep(2 + Math.random() * 10);
    }
  };

  tell("outside");
  for (;;) {
    await lock();
    tell("holding");
    await increment(task, tell);
    tell("holding");
    await unlock();
    tell("outside");
  }
}

async function increment(
  { counter_path, ledger_path, host }: CountingTask,
  tell: (name: "incrementing" | "slow") => void,
): Promise<void> {
  const fd = openSync(counter_path, "r+");
  const text = Buffer.alloc(16);
  const length = readSync(fd, text, 0, 16, 0);
  // Always as long, so that a smaller number leaves nothing of a greater one behind.
  const next = String(Number(text.toString("latin1", 0, length)) + 1).padStart(DIGITS, "0");
  const isSlow = Math.random() * SLOW_ONE_OF < 1;
  tell(isSlow ? "slow" : "incrementing");
  await Bun.sleep(isSlow ? SLOW_MS : Math.random() * INCREMENT_MS);
  writeSync(fd, next, 0);
  closeSync(fd);
  appendFileSync(ledger_path, `${Number(next)} ${host}\n`);
}

if (import.meta.main) {
  // The test has gone: so does this.
  process.on("disconnect", () => process.exit(0));
  await main(JSON.parse(process.argv[2] ?? "{}") as CountingTask);
}

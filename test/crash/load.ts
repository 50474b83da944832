import { type Connection, ConnectionClosed, connectAndGreet } from "../rig/connection.ts";
import type { Random } from "../rig/random.ts";
import { parseReply, resultOf } from "../rig/replies.ts";
import { encodeRequest, type LockTarget, lockRequest, type RequestSpec } from "../rig/requests.ts";
import type { Beliefs, Mode } from "./beliefs.ts";

/** One LV whose lock only one client ever touches, so that its history is a line. */
export interface OwnedLock {
  readonly name: string;
  readonly target: LockTarget;
}

export interface LoadOptions {
  readonly socket_path: string;
  readonly locks: readonly OwnedLock[];
  readonly vg_names: readonly string[];
  readonly beliefs: Beliefs;
  readonly random: Random;
}

/** Results that change nothing and are no fault: held in this mode already, not held. */
const HARMLESS = new Set([-2, -114]);

export async function ask(connection: Connection, spec: RequestSpec): Promise<number> {
  return resultOf(parseReply(await connection.ask(encodeRequest(spec))));
}

async function changeLock(connection: Connection, { locks, beliefs, random }: LoadOptions): Promise<void> {
  const { name, target } = random.pick(locks);
  const now = beliefs.mode(name);
  const mode: Mode = random.pick((["un", "sh", "ex"] as const).filter((choice) => choice !== now));
  beliefs.asked(name, mode);
  const result = await ask(connection, lockRequest(target, mode, "persistent"));
  if (result !== 0 && !HARMLESS.has(result)) throw new Error(`${name} ${now} -> ${mode}: ${result}`);
  beliefs.told(name, result);
}

/** Transient locks, of which nothing may be left after a crash. The VG is locked as lvm does it around a change. */
async function passThroughVg(connection: Connection, { vg_names, random }: LoadOptions): Promise<void> {
  const vg: LockTarget = random.chance(20) ? { kind: "gl" } : { kind: "vg", vg_name: random.pick(vg_names) };
  const mode = random.pick(["sh", "ex"]);
  const locked = await ask(connection, lockRequest(vg, mode));
  if (locked !== 0) throw new Error(`${JSON.stringify(vg)} ${mode}: ${locked}`);
  const unlocked = await ask(connection, lockRequest(vg, "un"));
  if (unlocked !== 0) throw new Error(`${JSON.stringify(vg)} un: ${unlocked}`);
}

/** Locks and unlocks until the daemon is gone. */
export async function loadUntilDeath(options: LoadOptions): Promise<number> {
  let requests = 0;
  try {
    const connection = await connectAndGreet(options.socket_path);
    for (;;) {
      if (options.random.chance(75)) await changeLock(connection, options);
      else await passThroughVg(connection, options);
      requests++;
    }
  } catch (error) {
    // A connection that can't be made any more says it in another way than one that ends.
    const gone = error instanceof ConnectionClosed || (error as { code?: string }).code !== undefined;
    if (!gone) throw error;
    return requests;
  }
}

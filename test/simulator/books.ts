/**
 * The simulator's own books of one host, kept beside the core from what clients send and are told: who relies on what, who is
 * next in line, which VGs were killed. Every entry is held against the rules when it is made.
 */
import { wireResult } from "../../core/errors.ts";
import type { Request } from "../../core/wire/message.ts";
import type { HeldMode } from "../../plugins/contract.ts";
import type { Beliefs } from "./beliefs.ts";
import {
  createContests,
  createLine,
  isGranted,
  keyOf,
  relyLess,
  relyMore,
  relyOnNothing,
  type SimulatedClient,
} from "./client.ts";
import { insist } from "./insist.ts";

const ETIMEDOUT = wireResult("ETIMEDOUT");
const STOPS: ReadonlySet<string> = new Set([
  "stop_vg",
  "drop_vg",
  "free_vg",
  "rename_vg_before",
  "setlockargs_vg_before",
]);

export interface BooksOptions {
  readonly beliefs: Beliefs;
  readonly clients: ReadonlyMap<number, SimulatedClient>;
  readonly has_own_global_lock: boolean;
  /** What the lock manager holds for this host under "lockspace/resource". */
  readonly heldMode: (key: string) => HeldMode | null;
  /** The version that the lock manager keeps beside a VG lock. */
  readonly versionOf: (key: string) => number;
  readonly isJoined: (vg_name: string) => boolean;
  /** Whether the journal has a persistent lock of the LV. */
  readonly isPersistent: (vg_name: string, lv_uuid: string) => boolean;
}

export interface Told {
  readonly result: number;
  /** The reply does not reach the client, so it relies on nothing that it says. */
  readonly is_lost: boolean;
  /** The reply comes with the end of a conversion at the lock manager. */
  readonly ends_conversion: boolean;
}

export interface Books {
  sent(client: SimulatedClient, request: Request): void;
  told(client: SimulatedClient, request: Request, told: Told): void;
  closed(client: SimulatedClient): void;
  killed(vg_name: string): void;
  /** The VGs that are still on the core's books: a killed one is so until it was stopped. */
  stopped(remaining: () => readonly string[]): void;
  /** Nothing is under way any more, not even an unlock of a client that has gone. */
  rest(): void;
  daemonDied(): void;
}

export function createBooks(options: BooksOptions): Books {
  const { beliefs, clients, has_own_global_lock, heldMode, isPersistent, versionOf, isJoined } = options;
  const line = createLine();
  const contests = createContests();
  const doomed: string[] = [];
  const killed = new Set<string>();

  function leaveLine(client: SimulatedClient, { name, vg_name }: Request, granted: boolean): void {
    if (name === "lock_vg") line.leave(`lvm_${vg_name}/VGLK`, client, granted);
  }

  /** A killed VG grants nothing; only a conversion that was at the lock manager then may still end. */
  function checkKilled({ name, mode, vg_name }: Request, ends_conversion: boolean): void {
    if (name === "kill_vg") killed.add(vg_name);
    if ((name !== "lock_vg" && name !== "lock_lv") || mode === "un" || ends_conversion) return;
    insist(!killed.has(vg_name), `${vg_name} grants a lock although it was killed`);
  }

  /** What somebody was just told, the lock manager has granted in that mode or a stronger one. */
  function checkHeld(key: string): void {
    const needed = beliefs.needed(key);
    if (needed === null) return;
    const held = heldMode(key);
    const said = `${key} is granted as ${needed} but the lock manager has ${held ?? "nothing"}`;
    insist(held === "ex" || held === needed, said);
  }

  /** What vg_update announced is at the lock manager when the exclusive VG lock is released. */
  function checkVersion(client: SimulatedClient, { name, mode, vg_name, version, opts }: Request): void {
    const key = `lvm_${vg_name}/VGLK`;
    if (name === "vg_update") {
      const announced = opts.next_version ? versionOf(key) + 1 : version;
      client.announced.set(key, announced);
    } else if (name === "lock_vg" && mode !== "ex") {
      const announced = client.announced.get(key) ?? 0;
      client.announced.delete(key);
      const text = `${key} has version ${versionOf(key)} after ${announced} was announced`;
      insist(client.confused || versionOf(key) >= announced, text);
    }
  }

  /** Who is told that a VG has stopped may rely on it: it is not joined any more. */
  function checkStopped({ name, vg_name }: Request): void {
    if (STOPS.has(name)) insist(!isJoined(vg_name), `${vg_name} is said to have stopped, and has been left`);
  }

  function forget(prefix: string): void {
    beliefs.forgetAll(prefix);
    for (const client of clients.values()) {
      for (const key of client.held.keys()) if (key.startsWith(prefix)) client.held.delete(key);
      client.confused = true;
    }
  }

  function rely(client: SimulatedClient, request: Request, key: string, result: number): void {
    if (doomed.some((prefix) => key.startsWith(prefix))) {
      client.confused = true;
    } else if (request.mode === "un") {
      // A release that was refused leaves it with a lock that it does not count on.
      if (result !== 0) client.confused = true;
    } else if (isGranted(result)) {
      const over_persistent = request.name === "lock_lv" && isPersistent(request.vg_name, request.lv_uuid);
      relyMore(client, request, key, beliefs, { over_persistent, contested: contests.of(key) });
      checkHeld(key);
    }
  }

  return {
    sent(client, request) {
      for (const prefix of doomedBy(request)) {
        doomed.push(prefix);
        forget(prefix);
      }
      const key = keyOf(request, has_own_global_lock);
      if (key === null) return;
      relyLess(client, request, key, beliefs);
      contests.note(key, request);
      if (request.name === "lock_vg" && request.mode !== "un" && !client.held.has(key))
        line.join(key, client);
    },
    told(client, request, { result, is_lost, ends_conversion }) {
      if (result === 0) {
        checkKilled(request, ends_conversion);
        checkStopped(request);
        checkVersion(client, request);
      }
      leaveLine(client, request, result === 0);
      // A stop that is told to be late goes on all the same.
      if (result !== ETIMEDOUT)
        for (const prefix of doomedBy(request)) doomed.splice(doomed.indexOf(prefix), 1);
      const key = keyOf(request, has_own_global_lock);
      if (key !== null) contests.over(key, request);
      // Its connection is broken: whatever it had, it does nothing any more.
      if (is_lost) relyOnNothing(client, beliefs);
      else if (key !== null) rely(client, request, key, result);
    },
    closed(client) {
      relyOnNothing(client, beliefs);
      if (client.outstanding !== null) leaveLine(client, client.outstanding, false);
    },
    killed: (vg_name) => killed.add(vg_name),
    stopped(remaining) {
      if (killed.size === 0) return;
      const names = remaining();
      for (const vg_name of killed) if (!names.includes(vg_name)) killed.delete(vg_name);
    },
    rest() {
      contests.clear();
      doomed.length = 0;
    },
    daemonDied() {
      beliefs.forgetTransient();
      line.clear();
      contests.clear();
      doomed.length = 0;
      killed.clear();
    },
  };
}

/**
 * What a request takes away from everybody, by prefix of "lockspace/resource". A stop takes the GL and VG locks, a forced one, a
 * drop or a removal everything. What is granted there while the request is under way is relied on by nobody.
 */
export function doomedBy({ name, vg_name, opts }: Request): readonly string[] {
  const prefix = `lvm_${vg_name}/`;
  switch (name) {
    case "stop_vg":
      return [opts.force ? prefix : `${prefix}VGLK`, "lvm_global/"];
    case "stop_all":
      return opts.force ? ["lvm_"] : [];
    case "setlockargs_vg_before":
      return [`${prefix}VGLK`];
    case "drop_vg":
    case "free_vg":
    case "rename_vg_before":
      return [prefix];
    default:
      return [];
  }
}

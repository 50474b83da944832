/** One simulated client and what it relies on: the rules by which requests and replies change the beliefs of its host. */
import { wireResult } from "../../core/errors.ts";
import type { Request } from "../../core/wire/message.ts";
import type { HeldMode } from "../../plugins/contract.ts";
import type { Beliefs } from "./beliefs.ts";
import { insist } from "./insist.ts";
import type { Plan } from "./plans.ts";

const EALREADY = wireResult("EALREADY");

export interface SimulatedClient {
  readonly id: number;
  readonly plan: Plan;
  next_step: number;
  outstanding: Request | null;
  /** Its transient locks, by "lockspace/resource". */
  readonly held: Map<string, HeldMode>;
  /** The versions that it announced with vg_update, by VG lock. */
  readonly announced: Map<string, number>;
  /** A reply did not reach it: it does nothing any more until its end is noticed. */
  broken: boolean;
  /** Somebody stopped what it held: what it has now is not known. */
  confused: boolean;
}

export function createClient(id: number, plan: Plan): SimulatedClient {
  const books = { held: new Map(), announced: new Map(), broken: false, confused: false };
  return { id, plan, next_step: 0, outstanding: null, ...books };
}

/** "lockspace/resource" of a lock request; null for others, and for a global lock that lives in some VG. */
export function keyOf(request: Request, has_own_global_lock: boolean): string | null {
  switch (request.name) {
    case "lock_gl":
      return has_own_global_lock ? "lvm_global/GLLK" : null;
    case "lock_vg":
      return `lvm_${request.vg_name}/VGLK`;
    case "lock_lv":
      return `lvm_${request.vg_name}/${request.lv_uuid}`;
    default:
      return null;
  }
}

/** Asking to release, or for less, is the end of relying on more: the LV was deactivated before. */
export function relyLess(client: SimulatedClient, request: Request, key: string, beliefs: Beliefs): void {
  const { mode, opts } = request;
  if (opts.persistent) {
    if (mode === "un") beliefs.setPersistent(key, null);
    else if (mode === "sh" && beliefs.persistentMode(key) === "ex") beliefs.setPersistent(key, "sh");
    return;
  }
  const own = client.held.get(key);
  if (own === undefined || mode === own || mode === "ex") return;
  beliefs.removeTransient(key, own);
  client.held.delete(key);
  if (mode !== "sh") return;
  beliefs.addTransient(key, "sh");
  client.held.set(key, "sh");
}

export interface Grant {
  /** A persistent lock exists: a transient one over it is granted, but it is none of its own. */
  readonly over_persistent: boolean;
  /** Another client has asked for less of this persistent lock already: null when nothing is asked, else what will be left. */
  readonly contested: "un" | "sh" | null;
}

/** A lock request was answered as granted: from now on the client relies on it. */
export function relyMore(
  client: SimulatedClient,
  request: Request,
  key: string,
  beliefs: Beliefs,
  { over_persistent, contested }: Grant,
): void {
  const mode: HeldMode = request.mode === "ex" ? "ex" : "sh";
  const own = client.held.get(key);
  if (request.opts.persistent) {
    if (own !== undefined) beliefs.removeTransient(key, own);
    client.held.delete(key);
    if (contested !== "un") beliefs.setPersistent(key, contested ?? mode);
    return;
  }
  if (over_persistent || own === mode) return;
  if (own !== undefined) beliefs.removeTransient(key, own);
  client.held.set(key, mode);
  beliefs.addTransient(key, mode);
}

export function relyOnNothing(client: SimulatedClient, beliefs: Beliefs): void {
  for (const [key, mode] of client.held) beliefs.removeTransient(key, mode);
  client.held.clear();
}

export function isGranted(result: number): boolean {
  return result === 0 || result === EALREADY;
}

/**
 * Requests for less of a persistent lock that are under way. Two commands that activate and deactivate one LV at the same time
 * race with each other, with any lock daemon: what the one was granted the other releases, and that is no fault.
 */
export interface Contests {
  note(key: string, request: Request): void;
  over(key: string, request: Request): void;
  of(key: string): "un" | "sh" | null;
  clear(): void;
}

export function createContests(): Contests {
  const asked = new Map<string, { un: number; sh: number }>();
  const add = (key: string, { mode, opts }: Request, count: number): void => {
    if (!opts.persistent || (mode !== "un" && mode !== "sh")) return;
    const now = asked.get(key) ?? { un: 0, sh: 0 };
    now[mode] += count;
    if (now.un === 0 && now.sh === 0) asked.delete(key);
    else asked.set(key, now);
  };
  return {
    note: (key, request) => add(key, request, 1),
    over: (key, request) => add(key, request, -1),
    of(key) {
      const now = asked.get(key);
      if (now === undefined) return null;
      return now.un > 0 ? "un" : "sh";
    },
    clear: () => asked.clear(),
  };
}

/** Who waits for a VG lock, in the order in which they asked. */
export interface Line {
  join(key: string, client: SimulatedClient): void;
  /** Answered or gone; a grant is for the first in line. */
  leave(key: string, client: SimulatedClient, granted: boolean): void;
  clear(): void;
}

export function createLine(): Line {
  const lines = new Map<string, SimulatedClient[]>();
  return {
    join(key, client) {
      const line = lines.get(key);
      if (line === undefined) lines.set(key, [client]);
      else line.push(client);
    },
    leave(key, client, granted) {
      const line = lines.get(key);
      const index = line?.indexOf(client) ?? -1;
      if (line === undefined || index < 0) return;
      insist(!granted || client.confused || index === 0, `${key} is granted to who asked first`);
      line.splice(index, 1);
    },
    clear: () => lines.clear(),
  };
}

import type { RequestSpec } from "../../rig/requests.ts";

/**
 * What the sequence's clients may hold and wait for, as far as the replies tell: always at least what is held. It keeps
 * clients from waiting for each other in a circle, which the C daemon never ends (Q21) and ours refuses.
 */
export interface Holdings {
  /**
   * False when the request could close a circle (it wants something lower than what the client holds, and it is contested),
   * or when it is one of those that the C daemon does something undefined with.
   */
  allowed(client: number, spec: RequestSpec): boolean;
  sent(client: number, spec: RequestSpec): void;
  answered(client: number, spec: RequestSpec, result: number): void;
  closed(client: number): void;
  /** Clients that may hold what `spec` locks. */
  holdersOf(spec: RequestSpec): readonly number[];
  /** Clients that wait for what `spec` locks. */
  waitersFor(spec: RequestSpec): readonly number[];
  persistentlyHeld(spec: RequestSpec): boolean;
}

/** A sortable name of what a lock request locks; undefined for other requests. Clients may only wait upwards. */
export function lockKey(spec: RequestSpec): string | undefined {
  const { vg_name, lv_uuid } = spec.keys;
  switch (spec.request) {
    case "lock_gl":
      return "0";
    case "lock_vg":
      return `1:${vg_name}`;
    case "lock_lv":
      return `2:${vg_name}:${lv_uuid}`;
    default:
      return undefined;
  }
}

/** True for requests that a daemon may leave without a reply until another client lets go. */
export function mayWait(spec: RequestSpec): boolean {
  return lockKey(spec) !== undefined && (spec.keys.mode === "ex" || spec.keys.mode === "sh");
}

export const isPersistent = (spec: RequestSpec): boolean =>
  String(spec.keys.opts ?? "").includes("persistent");

const isCancel = (spec: RequestSpec): boolean =>
  spec.keys.mode === "un" && String(spec.keys.opts ?? "").includes("unlock_cancel");

/** Answers to an unlock after which the lock is not held: released, there is none, there is no lockspace. */
const GONE = new Set([0, -2, -210]);

/** Requests that clear all locks of their VG when they succeed. */
const VG_ENDS = new Set(["stop_vg", "free_vg", "rename_vg_before", "drop_vg"]);

export function makeHoldings(): Holdings {
  const holders = new Map<string, Set<number>>();
  const persistent = new Set<string>();
  const waiting = new Map<number, { readonly key: string; readonly persistent: boolean }>();

  const others = (key: string, client: number): boolean =>
    [...(holders.get(key) ?? [])].some((holder) => holder !== client);
  const inUse = (key: string): boolean =>
    others(key, -1) || persistent.has(key) || [...waiting.values()].some((waiter) => waiter.key === key);
  const heldBelow = (client: number, key: string): boolean =>
    [...holders].every(([held, clients]) => held === key || !clients.has(client) || held < key);
  const clearVg = (vg_name: string): void => {
    const ofVg = (key: string): boolean => key === `1:${vg_name}` || key.startsWith(`2:${vg_name}:`);
    for (const key of [...holders.keys()].filter(ofVg)) holders.delete(key);
    for (const key of [...persistent].filter(ofVg)) persistent.delete(key);
  };

  return {
    allowed: (client, spec) => {
      // The C daemon frees an LV that is locked, and forgets the lock with it.
      if (spec.request === "free_lv") return !inUse(`2:${spec.keys.vg_name}:${spec.keys.lv_uuid}`);
      const key = lockKey(spec);
      if (key === undefined) return true;
      const waiters = [...waiting.values()].filter((waiter) => waiter.key === key);
      // Without another request to cancel, the C daemon cancels the cancelling request itself: it is freed and answered twice.
      if (isCancel(spec)) return isPersistent(spec) && waiters.some((waiter) => waiter.persistent);
      if (!mayWait(spec) || heldBelow(client, key)) return true;
      return waiters.length === 0 && !others(key, client) && !persistent.has(key);
    },
    sent: (client, spec) => {
      const key = lockKey(spec);
      if (key !== undefined && mayWait(spec)) waiting.set(client, { key, persistent: isPersistent(spec) });
    },
    answered: (client, spec, result) => {
      waiting.delete(client);
      const key = lockKey(spec);
      if (key === undefined) {
        if (VG_ENDS.has(spec.request) && result === 0) clearVg(String(spec.keys.vg_name));
      } else if (spec.keys.mode === "un") {
        if (!GONE.has(result)) return;
        if (isPersistent(spec)) persistent.delete(key);
        else holders.get(key)?.delete(client);
      } else if (result === 0) {
        if (isPersistent(spec)) persistent.add(key);
        else holders.set(key, (holders.get(key) ?? new Set()).add(client));
      }
    },
    closed: (client) => {
      waiting.delete(client);
      for (const clients of holders.values()) clients.delete(client);
    },
    holdersOf: (spec) => [...(holders.get(lockKey(spec) ?? "") ?? [])],
    waitersFor: (spec) =>
      [...waiting].filter(([, { key }]) => key === lockKey(spec)).map(([client]) => client),
    persistentlyHeld: (spec) => persistent.has(lockKey(spec) ?? ""),
  };
}

/** The invariants of the whole state. Too dear for every request in production, asserted after every event of the simulator. */
import { assert } from "../assert.ts";
import { LIMITS } from "../limits.ts";
import { allLockspaces, allResources } from "./lockspace.ts";
import type { Lockspace, Resource, State } from "./state.ts";

export function checkState(state: State): void {
  for (const lockspace of allLockspaces(state)) checkLockspace(state, lockspace);
  for (const client of state.clients.values()) {
    assert(client.open, "the clients on the books are open");
    for (const lock of client.locks) {
      assert(
        lock.client === client && lock.resource.locks.includes(lock),
        "a client's lock is on its resource",
      );
    }
    const { waiting } = client;
    assert(waiting === null || waiting.resource.queue.includes(waiting), "a waiting client is in its queue");
  }
}

function checkLockspace(state: State, lockspace: Lockspace): void {
  let locks = 0;
  let lvLocks = 0;
  let calls = 0;
  for (const resource of allResources(lockspace)) {
    checkResource(state, resource);
    locks += resource.locks.length;
    if (resource.kind === "lv") lvLocks += resource.locks.length;
  }
  for (const call of state.calls.list()) if (call.lockspace === lockspace) calls++;
  assert(locks === lockspace.lock_count && lvLocks === lockspace.lv_lock_count, "lock counts are right");
  assert(lockspace.refusals.size <= LIMITS.lock_refusals, "the remembered refusals are bounded");
  assert(calls === lockspace.calls_in_flight, "the count of calls in flight is right");
}

function checkResource(state: State, resource: Resource): void {
  const { mode, locks, call, queue } = resource;
  const exclusive = locks.filter((lock) => lock.mode === "ex").length;
  assert(exclusive === 0 || locks.length === 1, "an exclusive lock is alone");
  assert(
    locks.every((lock) => lock.mode === mode),
    "the manager's mode is that of the local locks",
  );
  assert((mode === "un") === (locks.length === 0), "what is held has a lock, and the other way round");
  assert(
    locks.filter((lock) => lock.client === null).length === (resource.persistent === null ? 0 : 1),
    "one persistent lock",
  );
  assert(
    resource.persistent === null || resource.persistent.client === null,
    "a persistent lock has no client",
  );
  assert(!resource.settling, "no resource is left in the middle of settling");
  if (resource.kind === "lv" && mode !== "un") {
    assert(resource.journaled !== null, "a held LV lock is in the journal");
    assert(mode === "sh" || resource.journaled === "ex", "the journal lists no less than what is held");
  }
  const head = queue[0];
  if (call !== null || head === undefined || resource.remote !== null) return;
  assert(
    resource.fence === null || resource.fence.waiting.has(resource),
    "who waits for a fence is told of its end",
  );
  if (resource.fence !== null) return;
  const grantable = mode === "un" || (mode === "sh" && head.mode === "sh");
  const comes_up = resource.retry_at_ms > 0 && state.timers.nextAt_ms() <= resource.retry_at_ms;
  assert(!grantable || comes_up, "the head of a queue waits for a holder or for a retry, never for nothing");
}

/**
 * Bringing a resource to rest after something changed: locks of clients that have gone are released, requests that came while
 * the manager was busy are taken up, the queue is granted as far as it goes. One loop instead of mutual recursion, so that a long
 * queue cannot grow the stack.
 */
import { wireResult } from "../errors.ts";
import { recordTruth } from "./journaling.ts";
import { answerFromExisting, grantHead, remoteConflict } from "./lock.ts";
import { handleOnResource } from "./on-resource.ts";
import { reply } from "./replies.ts";
import { findTransient, releaseUnused } from "./resource.ts";
import type { Deferred, Resource, State, Waiter } from "./state.ts";
import { release, releaseClosed } from "./unlock.ts";

export function settle(state: State, resource: Resource): void {
  if (resource.settling || resource.call !== null) return;
  resource.settling = true;
  while (resource.call === null && step(state, resource)) {
    // each step does one thing and says whether there may be more
  }
  resource.settling = false;
  // A wait that ended without a grant (the client went) leaves the record that was written before asking.
  if (resource.call === null && resource.queue.length === 0) recordTruth(state, resource);
  releaseUnused(resource);
}

function step(state: State, resource: Resource): boolean {
  if (resource.closing) {
    releaseClosed(state, resource);
    return true;
  }
  const deferred = resource.deferred.shift();
  if (deferred !== undefined) {
    takeUp(state, resource, deferred);
    return true;
  }
  if (resource.rescan) {
    resource.rescan = false;
    rescan(state, resource);
    return true;
  }
  return grantHead(state, resource);
}

function takeUp(state: State, resource: Resource, deferred: Deferred): void {
  const { client, request } = deferred;
  const isUnlock = request.mode === "un";
  if (!isUnlock && (deferred.answered || !client.open)) return;
  if (!deferred.answered) {
    handleOnResource(state, client, request, resource);
    return;
  }
  // The client was told that its unlock is late; it is carried out all the same, without another reply.
  const lock = request.opts.persistent ? resource.persistent : findTransient(client, resource);
  if (lock !== null) release(state, lock, client, null);
}

function isGrantedBeside(resource: Resource, waiter: Waiter): boolean {
  return (
    resource.mode === "sh" &&
    waiter.mode === "sh" &&
    !waiter.request.opts.persistent &&
    resource.remote === null
  );
}

/** Holds the queue against the existing locks again, in order; what they do not answer stays where it is. */
function rescan(state: State, resource: Resource): void {
  const waiting = resource.queue;
  resource.queue = [];
  for (const waiter of waiting) {
    const { client, request } = waiter;
    if (resource.call !== null) {
      resource.queue.push(waiter);
      resource.rescan = true;
    } else if (isGrantedBeside(resource, waiter)) {
      // A shared request behind a new shared persistent lock gets a lock of its own when its turn comes: one that is only
      // assumed, as for requests that come later, would lose its protection with the persistent lock.
      resource.queue.push(waiter);
    } else if (answerFromExisting(state, client, request, resource)) {
      client.waiting = null;
    } else if (remoteConflict(resource, waiter.mode)) {
      client.waiting = null;
      reply(state, client, request, resource.lockspace, wireResult("EAGAIN"));
    } else {
      resource.queue.push(waiter);
    }
  }
}

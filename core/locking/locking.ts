/** The pure core: `createLocking` makes the state and takes one event at a time. See api.ts for what goes in and out. */
import { assert, unreachable } from "../assert.ts";
import { wireResult } from "../errors.ts";
import { beginAdoption, devicesSeen } from "./adopt.ts";
import type { Effect, Locking, LockingEvent, LockingOptions } from "./api.ts";
import { createCallTable } from "./call-table.ts";
import { answerCall } from "./calls.ts";
import { checkState } from "./check.ts";
import { fenceDue } from "./fencing.ts";
import { noteIncident } from "./incidents.ts";
import { findLateCalls } from "./late.ts";
import { abandon, boundWait } from "./lock.ts";
import { allLockspaces } from "./lockspace.ts";
import { stopUnusedGlobals } from "./lockspace-stop.ts";
import { reply } from "./replies.ts";
import { route } from "./route.ts";
import { settle } from "./settle.ts";
import { answerStopAlls, terminate } from "./shutdown.ts";
import { answerStartWaits } from "./start-waits.ts";
import type { Client, State } from "./state.ts";
import { createTimerHeap } from "./timers.ts";
import { closeClient, releaseAgain, undelivered } from "./unlock.ts";
import { lockspaceLost } from "./vg-requests.ts";
import { clientViews, lockspaceViews, resourceViews } from "./views.ts";

export function createLocking(options: LockingOptions): Locking {
  const effects: Effect[] = [];
  const state: State = {
    options,
    wait_limit_ms: options.wait_limit_ms,
    debug: options.debug,
    now_ms: 0,
    effects,
    clients: new Map(),
    nobody: makeClient(0, 0, false),
    released: false,
    by_vg: new Map(),
    globals: new Map(),
    globals_unused: false,
    calls: createCallTable(),
    timers: createTimerHeap(),
    next_key: 1,
    random: options.seed === 0 ? 1 : options.seed,
    next_late_check_ms: 0,
    gl_type: options.gl_type,
    gl_vg: "",
    gl_vg_removed: false,
    gl_duplicate: false,
    start_waiters: [],
    stop_alls: [],
    unadopted: new Map(),
    adopting: 0,
    adopt_counts: { adopted: 0, released: 0, failed: 0 },
    quitting: false,
    incidents: [],
  };
  return {
    effects,
    handle(event, now_ms) {
      state.now_ms = now_ms;
      handleEvent(state, event);
      if (state.globals_unused) stopUnusedGlobals(state);
      if (state.released && state.stop_alls.length > 0) answerStopAlls(state);
    },
    nextWakeup_ms() {
      const late_ms = state.calls.size() > 0 ? state.next_late_check_ms : Number.POSITIVE_INFINITY;
      return Math.min(state.timers.nextAt_ms(), late_ms);
    },
    lockspaces: () => lockspaceViews(state),
    resources: (view) => resourceViews(view),
    clients: () => clientViews(state),
    incidents: () => state.incidents,
    check: () => checkState(state),
  };
}

function makeClient(id: number, pid: number, open: boolean): Client {
  return {
    id,
    pid,
    cmd: "",
    open,
    locks: [],
    waiting: null,
    starts: new Set(),
    start_failure: 0,
    granted: null,
    granted_persistent: false,
  };
}

function handleEvent(state: State, event: LockingEvent): void {
  switch (event.kind) {
    case "request": {
      const client = state.clients.get(event.client_id);
      assert(client !== undefined, "a request comes from a client that was opened");
      assert(client.waiting === null, "a client has one request under way at a time");
      route(state, client, event.request);
      return;
    }
    case "answer":
      answerCall(state, event.call_id, event.answer);
      return;
    case "client-opened":
      assert(!state.clients.has(event.client_id), "a client is opened once");
      state.clients.set(event.client_id, makeClient(event.client_id, event.pid, true));
      return;
    case "client-closed": {
      const client = state.clients.get(event.client_id);
      if (client === undefined) return;
      state.clients.delete(event.client_id);
      closeClient(state, client);
      if (state.start_waiters.length > 0) answerStartWaits(state);
      if (state.stop_alls.length > 0) answerStopAlls(state);
      return;
    }
    case "undelivered": {
      const client = state.clients.get(event.client_id);
      if (client !== undefined) undelivered(state, client);
      return;
    }
    case "timer":
      runTimers(state);
      return;
    case "lockspace-lost":
      for (const lockspace of allLockspaces(state)) {
        if (lockspace.identity.lockspace_name === event.lockspace_name)
          lockspaceLost(state, lockspace, event.reason);
      }
      return;
    case "adopt":
      beginAdoption(state, event.lockspaces);
      return;
    case "devices":
      for (const lockspace of state.by_vg.values())
        if (lockspace.key === event.key) devicesSeen(state, lockspace, event.states);
      return;
    case "adoption-waits":
      noteIncident(state, event.vg_name, "ESTARTING", event.text);
      return;
    case "terminate":
      terminate(state);
      return;
    case "settings":
      state.wait_limit_ms = event.wait_limit_ms;
      state.debug = event.debug;
      return;
    default:
      unreachable(event);
  }
}

function runTimers(state: State): void {
  if (state.calls.size() > 0) findLateCalls(state);
  for (let due = state.timers.popDue(state.now_ms); due !== null; due = state.timers.popDue(state.now_ms)) {
    switch (due.kind) {
      case "retry":
        settle(state, due.resource);
        break;
      case "fence":
        fenceDue(state, due.fence);
        break;
      case "unlock-again":
        releaseAgain(state, due.lock, due.attempt);
        break;
      case "wait-limit": {
        const { waiter } = due;
        // Only a wait for another client is bounded here; one for the manager has its own deadline.
        if (waiter.abandoned || waiter.client.waiting !== waiter) break;
        if (waiter.resource.mode === "un") {
          // Somebody in front may get it, and then it is a wait for a client again.
          boundWait(state, waiter);
          break;
        }
        abandon(waiter);
        const detail = `waited ${state.now_ms - waiter.since_ms} ms for another client of this host`;
        reply(state, waiter.client, waiter.request, waiter.resource.lockspace, wireResult("ETIME"), {
          detail,
        });
        settle(state, waiter.resource);
        break;
      }
      default:
        unreachable(due);
    }
  }
}

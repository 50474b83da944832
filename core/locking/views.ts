/** What info, `who` and the tests see of the state. Views are made when they are asked for, one resource at a time. */
import type { ClientView, FenceView, LockspaceView, LockView, ResourceView, WaiterView } from "./api.ts";
import { allLockspaces, allResources, hasLockArg } from "./lockspace.ts";
import type { Fence, Lock, Lockspace, Resource, State, Waiter } from "./state.ts";

/** A view that remembers whose it is, so that its resources can be asked for. */
interface BoundLockspaceView extends LockspaceView {
  readonly lockspace: Lockspace;
}

export function* lockspaceViews(state: State): Generator<LockspaceView> {
  for (const lockspace of allLockspaces(state)) {
    const { identity } = lockspace;
    const view: BoundLockspaceView = {
      lockspace,
      ...identity,
      manager: lockspace.manager.name,
      generation: lockspace.generation,
      state: lockspace.stop_wanted ? "stopping" : lockspace.state,
      since_ms: lockspace.since_ms,
      killed: lockspace.killed,
      killed_reason: lockspace.killed_reason,
      global_lock_enabled: lockspace.global_lock_enabled,
      fence_pr: hasLockArg(identity.vg_lock_args, "persist"),
      fences: lockspace.fences.map(fenceView),
      refusals: [...lockspace.refusals.values()],
      no_timeout: hasLockArg(identity.vg_lock_args, "notimeout"),
      start_client_id: lockspace.start_client_id,
      calls_in_flight: lockspace.calls_in_flight,
    };
    yield view;
  }
}

function fenceView({ host_id, generation, state, detail, attempts, since_ms }: Fence): FenceView {
  const isOver = state === "removed" || state === "failed";
  return { host_id, generation, state: isOver ? state : "waiting", detail, attempts, since_ms };
}

export function* resourceViews(view: LockspaceView): Generator<ResourceView> {
  const { lockspace } = view as BoundLockspaceView;
  for (const resource of allResources(lockspace)) yield resourceView(resource);
}

function resourceView(resource: Resource): ResourceView {
  const { kind, name, lv_name, lv_lock_args, mode, version } = resource;
  const waiters = resource.queue.map(waiterView);
  for (const { client, request } of resource.deferred) {
    if (request.mode !== "sh" && request.mode !== "ex") continue;
    const persistent = request.opts.persistent;
    const base = { client_id: client.id, pid: client.pid, cmd: client.cmd, mode: request.mode, persistent };
    waiters.push({ ...base, since_ms: 0, waits_for: "manager", fence: null, retries: 0, refusal: null });
  }
  const sh_count = mode === "sh" ? resource.locks.length : 0;
  return {
    kind,
    name,
    lv_name,
    lv_lock_args,
    mode,
    sh_count,
    version,
    locks: resource.locks.map(lockView),
    waiters,
  };
}

function lockView(lock: Lock): LockView {
  const { mode, client, pid, cmd, version, since_ms } = lock;
  return { mode, persistent: client === null, client_id: client?.id ?? 0, pid, cmd, version, since_ms };
}

function waiterView(waiter: Waiter): WaiterView {
  const { client, request, resource, mode, since_ms, retries, refusal } = waiter;
  const asked = resource.call !== null;
  const remote = resource.mode === "un" && waiter.refused_since_ms >= 0;
  const { fence } = resource;
  return {
    client_id: client.id,
    pid: client.pid,
    cmd: client.cmd,
    mode,
    persistent: request.opts.persistent,
    since_ms,
    waits_for:
      fence !== null ? "fence" : remote ? "remote" : asked && resource.mode === "un" ? "manager" : "local",
    fence: fence === null ? null : { host_id: fence.host_id, generation: fence.generation },
    retries,
    refusal,
  };
}

export function* clientViews(state: State): Generator<ClientView> {
  for (const client of state.clients.values())
    yield { client_id: client.id, pid: client.pid, cmd: client.cmd };
}

/** What info_json and who answer: the rows of report.ts as JSON text, in pieces. */
import type { LockType } from "../../../plugins/contract.ts";
import type {
  FenceView,
  Incident,
  Locking,
  LockRefusal,
  LockspaceView,
  LockView,
  ResourceView,
  WaiterView,
} from "../../locking/api.ts";
import { hostKeyText } from "./host-key.ts";
import type {
  ClientRow,
  DaemonRow,
  FenceRow,
  IncidentRow,
  InfoReport,
  LockRow,
  LockspaceRow,
  OwnerKeys,
  RefusalRow,
  ResourceKeys,
  WaiterRow,
} from "./report.ts";

export interface JsonSource {
  readonly locking: Pick<Locking, "lockspaces" | "resources" | "clients" | "incidents">;
  readonly now_ms: number;
  /** Null leaves the row out, as `who` does. */
  readonly daemon: DaemonRow | null;
  /** Which lockspaces and resources; all of them for info_json. */
  readonly wants: {
    readonly lockspace: (view: LockspaceView) => boolean;
    readonly resource: (view: Pick<ResourceView, "kind" | "name" | "lv_name">) => boolean;
  };
}

/** Pieces of `{"report":[{...}]}`. */
export function* infoJson(source: JsonSource): Generator<string, void> {
  const { locking, now_ms, daemon, wants } = source;
  const waiters: string[] = [];
  yield `{"report":[{${section("lvmlockd", daemon === null ? [] : [daemon])}`;
  const lockspaces = [...locking.lockspaces()].filter(wants.lockspace);
  yield `,${section(
    "lockspace",
    lockspaces.map((view) => lockspaceRow(view, now_ms)),
  )},"lock":[`;
  let comma = "";
  for (const lockspace of lockspaces) {
    for (const resource of locking.resources(lockspace)) {
      if (!wants.resource(resource)) continue;
      for (const lock of resource.locks) {
        yield comma + JSON.stringify(lockRow(lock, resource, lockspace, now_ms));
        comma = ",";
      }
      for (const waiter of resource.waiters)
        waiters.push(JSON.stringify(waiterRow(waiter, resource, lockspace, now_ms)));
    }
  }
  yield `],"waiter":[${waiters.join(",")}]`;
  const refusals = lockspaces.flatMap((view) =>
    view.refusals.filter(wants.resource).map((refusal) => refusalRow(refusal, view, now_ms)),
  );
  yield `,${section("refusal", refusals)}`;
  const fences = lockspaces.flatMap((view) => view.fences.map((fence) => fenceRow(fence, view, now_ms)));
  yield `,${section("fence", fences)}`;
  const names = new Set(lockspaces.map((view) => view.vg_name));
  const clients = daemon === null ? [] : [...locking.clients()].map(clientRow);
  const incidents = locking.incidents().filter((incident) => daemon !== null || names.has(incident.vg_name));
  yield `,${section("client", clients)}`;
  yield `,${section(
    "incident",
    incidents.map((incident) => incidentRow(incident, now_ms)),
  )}}]}`;
}

function section<Name extends keyof InfoReport>(name: Name, rows: InfoReport[Name]): string {
  return `"${name}":${JSON.stringify(rows)}`;
}

/** The type of the global lock and where it is, as far as the started lockspaces tell. */
export function globalLockPlace(
  lockspaces: Iterable<LockspaceView>,
  fixed: LockType | null,
): Pick<DaemonRow, "gl_type" | "gl_lockspace"> {
  for (const view of lockspaces) {
    const holds = view.vg_name === "" || (view.lock_type === "sanlock" && view.global_lock_enabled);
    if (holds && (fixed === null || view.lock_type === fixed))
      return {
        gl_type: view.lock_type,
        gl_lockspace: view.vg_name === "" ? view.lockspace_name : view.vg_name,
      };
  }
  return { gl_type: fixed ?? "", gl_lockspace: "" };
}

function seconds(since_ms: number, now_ms: number): number {
  return Math.max(0, Math.round(now_ms - since_ms) / 1000);
}

function lockspaceRow(view: LockspaceView, now_ms: number): LockspaceRow {
  const { vg_name, vg_uuid, lockspace_name, lock_type, manager, vg_lock_args, host_id, generation } = view;
  return {
    vg_name,
    vg_uuid,
    lockspace_name,
    lock_type,
    manager,
    vg_lock_args,
    host_id,
    generation,
    state: view.killed ? "killed" : view.state,
    state_s: seconds(view.since_ms, now_ms),
    killed_reason: view.killed_reason,
    global_lock: view.global_lock_enabled,
    calls_in_flight: view.calls_in_flight,
  };
}

function resourceKeys(
  resource: Pick<ResourceView, "kind" | "name" | "lv_name">,
  { vg_name, lockspace_name }: LockspaceView,
): ResourceKeys {
  const { kind, name, lv_name } = resource;
  return { vg_name, lockspace_name, kind, lv_name, lv_uuid: kind === "lv" ? name : "" };
}

function lockRow(lock: LockView, resource: ResourceView, lockspace: LockspaceView, now_ms: number): LockRow {
  const { mode, persistent, pid, cmd, version } = lock;
  const held_s = seconds(lock.since_ms, now_ms);
  return { ...resourceKeys(resource, lockspace), mode, persistent, pid, cmd, held_s, version };
}

function waiterRow(
  waiter: WaiterView,
  resource: ResourceView,
  lockspace: LockspaceView,
  now_ms: number,
): WaiterRow {
  const { mode, pid, cmd, waits_for, fence, retries } = waiter;
  const waiting_s = seconds(waiter.since_ms, now_ms);
  const fence_host_id = fence?.host_id ?? 0;
  const fence_generation = fence?.generation ?? 0;
  const fence_keys = { fence_host_id, fence_generation };
  const owner_keys = ownerKeys(waiter.refusal);
  return {
    ...resourceKeys(resource, lockspace),
    mode,
    pid,
    cmd,
    waiting_s,
    waits_for,
    ...fence_keys,
    retries,
    ...owner_keys,
  };
}

function ownerKeys(refusal: LockRefusal | null): OwnerKeys {
  const owner = refusal?.owner ?? null;
  return {
    owner_host_id: owner?.host_id ?? 0,
    owner_generation: owner?.generation ?? 0,
    owner_timestamp_s: owner?.timestamp_s ?? 0,
    owner_state: owner?.state ?? "",
    owner_name: owner?.name ?? "",
    detail: refusal?.detail ?? "",
  };
}

function refusalRow(refusal: LockRefusal, lockspace: LockspaceView, now_ms: number): RefusalRow {
  const { mode, at_ms } = refusal;
  return { ...resourceKeys(refusal, lockspace), mode, ago_s: seconds(at_ms, now_ms), ...ownerKeys(refusal) };
}

function fenceRow(fence: FenceView, { vg_name }: LockspaceView, now_ms: number): FenceRow {
  const { host_id, generation, state, attempts, detail, since_ms } = fence;
  const key = hostKeyText(fence);
  return { vg_name, host_id, generation, key, state, state_s: seconds(since_ms, now_ms), attempts, detail };
}

function clientRow({ client_id, pid, cmd }: ClientRow): ClientRow {
  return { client_id, pid, cmd };
}

function incidentRow({ vg_name, code, text, at_ms }: Incident, now_ms: number): IncidentRow {
  return { vg_name, code, text, ago_s: seconds(at_ms, now_ms) };
}

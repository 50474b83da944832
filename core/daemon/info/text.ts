/**
 * The info text, line by line as the C daemon writes it; lvmlockctl reads it with scanf, so keys and their order are the
 * contract. Made lazily, a resource at a time, because ten thousand LV locks must not hold up a request.
 */
import { wireResult } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import type {
  ClientView,
  FenceView,
  HostLife,
  Locking,
  LockspaceView,
  ResourceView,
  WaiterView,
} from "../../locking/api.ts";
import { type Connection, fdOf } from "../connection.ts";
import type { WireDialect } from "../options.ts";
import { hostKeyText } from "./host-key.ts";

export interface InfoTextSource {
  readonly locking: Pick<Locking, "lockspaces" | "resources" | "clients">;
  readonly connections: ReadonlyMap<number, Connection>;
  readonly dialect: WireDialect;
}

/** LD_LF_PERSISTENT of the C daemon's lock flags, and LD_AF_PERSISTENT of its request flags: both are this bit. */
const PERSISTENT_FLAG = 1;

/** Pieces of the text, each of whole lines. */
export function* infoText(source: InfoTextSource): Generator<string, void> {
  // The C daemon counts its free lists here. We have none, and lvmlockctl only shows the line raw.
  yield "info=structs unused_action_count=0 unused_client_count=0 unused_resource_count=0 unused_lock_count=0\n";
  yield* clientLines(source);
  for (const lockspace of source.locking.lockspaces()) {
    yield lockspaceLines(lockspace, source.dialect);
    for (const resource of source.locking.resources(lockspace))
      yield resourceLines(resource, lockspace, source.dialect);
  }
}

/**
 * lvmlockctl of the C suite overflows an array beyond 100 clients, so it gets those that matter: clients that have named their
 * command, which every client with a lock has, come first.
 */
function* clientLines({ locking, connections }: InfoTextSource): Generator<string, void> {
  const views = [...locking.clients()];
  const named = views.filter((view) => view.cmd !== "");
  const unnamed = named.length >= LIMITS.info_clients ? [] : views.filter((view) => view.cmd === "");
  let index = 0;
  for (const view of [...named, ...unnamed].slice(0, LIMITS.info_clients)) {
    const connection = connections.get(view.client_id);
    // pi is the place in C's poll array, where the two listening descriptors come first.
    if (connection !== undefined) yield clientLine(view, fdOf(connection.socket), 2 + index++);
  }
}

function clientLine({ pid, client_id, cmd }: ClientView, fd: number, pi: number): string {
  return `info=client pid=${pid} fd=${fd} pi=${pi} id=${client_id} name=${cmd === "" ? "." : cmd}\n`;
}

function bit(flag: boolean): number {
  return flag ? 1 : 0;
}

function lockspaceLines(view: LockspaceView, dialect: WireDialect): string {
  const modern = dialect === "2.03.40";
  const stopping = view.state === "stopping";
  const head =
    `info=ls ls_name=${view.lockspace_name} vg_name=${view.vg_name} vg_uuid=${view.vg_uuid} ` +
    (modern ? "" : "vg_sysid=. ") +
    `vg_args=${view.vg_lock_args} lm_type=${view.lock_type} host_id=${view.host_id} ` +
    (modern ? `generation=${view.generation} ` : "") +
    `create_fail=0 create_done=${bit(view.state === "started" || stopping)} ` +
    `thread_work=0 thread_stop=${bit(stopping)} thread_done=0 kill_vg=${bit(view.killed)} `;
  const tail = modern ? `fence_pr=${bit(view.fence_pr)} no_timeout=${bit(view.no_timeout)} ` : "drop_vg=0 ";
  const gl = view.global_lock_enabled && view.lock_type === "sanlock";
  let lines = `${head + tail}sanlock_gl_enabled=${bit(gl)}\n`;
  if (view.state !== "started" && !stopping)
    lines += actionLine({ prefix: "ls_action", client_id: view.start_client_id, op: "start" }, view, dialect);
  // lvmlockctl of 2.03.16 knows no such lines.
  if (!modern) return lines;
  for (const [index, fence] of view.fences.entries()) lines += fenceLine(fence, view, index + 1);
  return lines;
}

function fenceLine(fence: FenceView, view: LockspaceView, msg_id: number): string {
  const op = fence.state === "waiting" ? "fence" : "fence_result";
  const result = fence.state === "failed" ? wireResult("EAGAIN") : 0;
  return (
    `info=ls_fence_history op=${op} result=${result} msg_id=${msg_id} owner_host_id=${fence.host_id} ` +
    `owner_generation=${fence.generation} ourkey=${hostKeyText(view)} remkey=${hostKeyText(fence)}\n`
  );
}

function resourceLines(view: ResourceView, lockspace: LockspaceView, dialect: WireDialect): string {
  const { kind, name, mode, sh_count, version, locks, waiters } = view;
  let lines = `info=r name=${name} type=${kind} mode=${mode} sh_count=${sh_count} version=${version}\n`;
  for (const lock of locks) {
    const flags = lock.persistent ? PERSISTENT_FLAG : 0;
    lines += `info=lk mode=${lock.mode} version=${lock.version} flags=0x${flags} client_id=${lock.client_id}\n`;
  }
  for (const waiter of waiters) lines += waiterLine(waiter, kind, lockspace, dialect);
  return lines;
}

function waiterLine(
  waiter: WaiterView,
  kind: string,
  lockspace: LockspaceView,
  dialect: WireDialect,
): string {
  const { client_id, mode, persistent, fence } = waiter;
  // The C daemon keeps those who wait for a fence in a list of their own.
  const prefix = fence !== null && dialect === "2.03.40" ? "r_fence_wait_action" : "r_action";
  return actionLine(
    { prefix, client_id, op: "lock", kind, mode, persistent, owner: fence },
    lockspace,
    dialect,
  );
}

interface ActionFacts {
  readonly prefix: string;
  readonly client_id: number;
  readonly op: string;
  readonly kind?: string;
  readonly mode?: string;
  readonly persistent?: boolean;
  readonly owner?: HostLife | null;
}

function actionLine(facts: ActionFacts, lockspace: LockspaceView, dialect: WireDialect): string {
  const { prefix, client_id, op, kind = "", mode = "iv", persistent = false, owner = null } = facts;
  const flags = persistent ? PERSISTENT_FLAG : 0;
  const { host_id, generation } = owner ?? { host_id: 0, generation: 0 };
  const owner_keys = dialect === "2.03.40" ? ` owner_host_id=${host_id} owner_generation=${generation}` : "";
  return (
    `info=${prefix} client_id=${client_id} flags=0x${flags} version=0 op=${op} rt=${kind} mode=${mode} ` +
    `lm_type=${lockspace.lock_type} result=0 lm_rv=0${owner_keys}\n`
  );
}

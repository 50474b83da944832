/** The raw info text of a C daemon as a report. It knows no times, so those are null. */
import type {
  ClientRow,
  FenceRow,
  InfoReport,
  LockRow,
  LockspaceRow,
  WaiterRow,
} from "../../core/daemon/info/report.ts";
import type { LockType, ResourceKind } from "../../plugins/contract.ts";
import { type RawLine, rawClients, readRawLines } from "./raw-lines.ts";

/** What a resource line says for the lock and action lines behind it. */
interface RawResource {
  readonly vg_name: string;
  readonly lockspace_name: string;
  readonly kind: ResourceKind;
  readonly lv_name: string;
  readonly lv_uuid: string;
}

/** Reads the raw text of lvmlockd 2.03.16 to 2.03.40. */
export function rawReport(text: string, socket_path: string): InfoReport {
  const lines = readRawLines(text);
  const clients = rawClients(lines);
  const lockspace: LockspaceRow[] = [];
  const lock: LockRow[] = [];
  const waiter: WaiterRow[] = [];
  const fence: FenceRow[] = [];
  let resource: RawResource | null = null;
  for (const line of lines) {
    const client = clients.get(line.keys.get("client_id") ?? "");
    const holder = { pid: client === undefined ? null : Number(client.pid), cmd: commandName(client?.name) };
    const isLock = line.keys.get("op") === "lock";
    if (line.kind === "ls") {
      resource = null;
      // A stopped lockspace that the daemon has not cleaned away yet is none any more.
      if (!(line.keys.get("ls_name") ?? "").startsWith("REM:")) lockspace.push(lockspaceRow(line));
    } else if (line.kind === "ls_fence_history") {
      fence.push(fenceRow(line, lockspace.at(-1)?.vg_name ?? ""));
    } else if (line.kind === "r") {
      resource = resourceOf(line, lockspace.at(-1));
    } else if (resource !== null && line.kind === "lk") {
      lock.push({ ...resource, ...lockKeys(line), ...holder });
    } else if (resource !== null && isLock && line.kind.startsWith("r_")) {
      waiter.push({ ...resource, ...waiterKeys(line), ...holder });
    }
  }
  const clientRows: ClientRow[] = [...clients].map(([id, { pid, name }]) => ({
    client_id: Number(id),
    pid: Number(pid),
    cmd: commandName(name),
  }));
  return {
    lvmlockd: [daemonRow(lockspace, socket_path)],
    lockspace,
    lock,
    waiter,
    refusal: [],
    fence,
    client: clientRows,
    incident: [],
  };
}

/** The C daemon writes "." for a client whose command it does not know. */
function commandName(name: string | undefined): string {
  return name === undefined || name === "." ? "" : name;
}

function lockspaceRow(line: RawLine): LockspaceRow {
  const text = (key: string): string => line.keys.get(key) ?? "";
  const number = (key: string): number => Number(line.keys.get(key) ?? 0);
  return {
    vg_name: text("vg_name"),
    vg_uuid: text("vg_uuid"),
    lockspace_name: text("ls_name"),
    lock_type: lockType(text("lm_type")),
    manager: text("lm_type"),
    vg_lock_args: text("vg_args"),
    host_id: number("host_id"),
    generation: number("generation"),
    state: lockspaceState(line),
    state_s: null,
    killed_reason: "",
    global_lock: number("sanlock_gl_enabled") === 1,
    calls_in_flight: null,
  };
}

function lockspaceState(line: RawLine): LockspaceRow["state"] {
  const isSet = (key: string): boolean => line.keys.get(key) === "1";
  if (isSet("kill_vg")) return "killed";
  if (isSet("thread_stop")) return "stopping";
  return isSet("create_done") ? "started" : "joining";
}

function lockType(name: string): LockType | "" {
  return name === "dlm" || name === "sanlock" || name === "idm" ? name : "";
}

function resourceOf(line: RawLine, lockspace: LockspaceRow | undefined): RawResource | null {
  const type = line.keys.get("type");
  if (lockspace === undefined || (type !== "gl" && type !== "vg" && type !== "lv")) return null;
  const { vg_name, lockspace_name } = lockspace;
  const lv_uuid = type === "lv" ? (line.keys.get("name") ?? "") : "";
  return { vg_name, lockspace_name, kind: type, lv_name: "", lv_uuid };
}

function lockKeys(line: RawLine): Pick<LockRow, "mode" | "persistent" | "held_s" | "version"> {
  return {
    mode: line.keys.get("mode") === "sh" ? "sh" : "ex",
    // A persistent lock belongs to no client.
    persistent: line.keys.get("client_id") === "0",
    held_s: null,
    version: Number(line.keys.get("version") ?? 0),
  };
}

function waiterKeys(line: RawLine): Omit<WaiterRow, keyof RawResource | "pid" | "cmd"> {
  const mode = line.keys.get("mode") === "sh" ? "sh" : "ex";
  const isFence = line.kind === "r_fence_wait_action";
  const number = (key: string): number => (isFence ? Number(line.keys.get(key) ?? 0) : 0);
  return {
    mode,
    waiting_s: null,
    waits_for: isFence ? "fence" : null,
    fence_host_id: number("owner_host_id"),
    fence_generation: number("owner_generation"),
    retries: null,
    owner_host_id: 0,
    owner_generation: 0,
    owner_timestamp_s: 0,
    owner_state: "",
    owner_name: "",
    detail: "",
  };
}

function fenceRow(line: RawLine, vg_name: string): FenceRow {
  const text = (key: string): string => line.keys.get(key) ?? "";
  const failed = text("result") !== "0";
  return {
    vg_name,
    host_id: Number(text("owner_host_id")),
    generation: Number(text("owner_generation")),
    key: text("remkey"),
    state: text("op") === "fence" ? "waiting" : failed ? "failed" : "removed",
    state_s: null,
    attempts: null,
    detail: "",
  };
}

function daemonRow(lockspaces: readonly LockspaceRow[], socket_path: string): InfoReport["lvmlockd"][number] {
  const holder = lockspaces.find((row) => row.global_lock) ?? lockspaces.find((row) => row.vg_name === "");
  return {
    pid: null,
    version: "of lvm2",
    socket_path,
    uptime_s: null,
    test_mode: false,
    gl_type: holder?.lock_type ?? "",
    gl_lockspace: holder?.lockspace_name ?? "",
    adoption: "off",
  };
}

import {
  type Answer,
  type CallTimes,
  type GlobalLockState,
  type PrepareCall,
  type Refused,
  refuse,
} from "../contract.ts";
import { callTimes } from "./call-times.ts";
import { waitForDevice } from "./device.ts";
import { RESTRICT } from "./flags.ts";
import { hostIdMax, sizeFlags } from "./geometry.ts";
import { readGlobalLock } from "./global-lock.ts";
import { readHostLease } from "./host-lease.ts";
import { HELPER_SIZE_BYTES, NAME_SIZE_BYTES } from "./layouts.ts";
import { leasePath } from "./lease-path.ts";
import { parseVgLockArgs } from "./lock-args.ts";
import { fixedLeases, type LockspaceState, type Prepared } from "./lockspace-state.ts";
import { leasesOf, longestTimeout_s, othersIn } from "./peers.ts";
import { type LockspaceFacts, readLockspaceFacts } from "./read-lockspace.ts";
import { refuseFor, refuseUnconnected } from "./refusals.ts";
import { repairHostLease } from "./repair.ts";
import { fencingProblem } from "./vg-options.ts";
import { readFireTimeout, takesFireTimeout } from "./watchdog.ts";

/** The largest host_id that any lockspace has a lease for. */
const HOST_ID_MAX = 2000;

export type PrepareAnswer = Answer<{
  lm_result: number;
  prev_generation: number;
  global_lock: GlobalLockState;
  call_times: CallTimes;
  fencing_problem: string;
}>;

/**
 * Checks what can be checked without joining, and registers at sanlock's daemon. `kept` is the connection of a worker that died,
 * "" for none: descriptors belong to the process, so it is open still, and with it everything that is held stays held.
 */
export async function prepare(state: LockspaceState, call: PrepareCall): Promise<PrepareAnswer> {
  const { repair, adopt = "no", kept = "" } = call;
  // A second registration would cut the first one off, and with it everything that is held.
  if (state.joined) return refuse("EEXIST", `${state.identity.lockspace_name} is joined already`);
  disconnect(state);
  const { client } = state.tools;
  const path = findPath(state);
  if (typeof path !== "string") return path;
  const refused = (await waitForDevice(path)) ?? checkHostId(state, HOST_ID_MAX) ?? checkNames(state);
  if (refused !== null) return refused;
  const isKept = kept !== "";
  const fencing_problem = needsFencing(state) ? fencingProblem(client) : "";
  if (typeof fencing_problem !== "string") return fencing_problem;
  // What an earlier lvmlockd has started is taken up all the same: its LVs are active, and its locks have to be kept.
  if (fencing_problem !== "" && adopt === "no" && !isKept) return refuseUnfenced(state, fencing_problem);
  const sock = isKept ? Number(kept) : client.register();
  if (sock < 0) return refuseUnconnected(sock);
  if (!isKept) keepConnection(state, String(sock));
  const opened = openPrepared(state, path, sock, repair);
  if (opened.kind === "refused") {
    closeConnection(state, sock);
    return opened;
  }
  state.taken_over = isKept;
  state.prepared = opened.prepared;
  const { global_lock, prev_generation, call_times } = opened;
  return { kind: "done", lm_result: 0, prev_generation, global_lock, call_times, fencing_problem };
}

function needsFencing({ identity }: LockspaceState): boolean {
  const args = parseVgLockArgs(identity.vg_lock_args);
  return args.kind === "parsed" && args.args.persist;
}

function refuseUnfenced({ identity }: LockspaceState, problem: string): Refused {
  const detail =
    `VG ${identity.vg_name} has the lock arg persist, by which a host that fails is cut off, and then sanlock has to be told: ${problem}. ` +
    "Install it and restart sanlock, or change the lock args on a host that has it: vgchange --setlockargs nopersist";
  return refuse("EPROTONOSUPPORT", detail);
}

/** Closes the registered connection, which gives back whatever sanlock still holds for it. */
export function disconnect(state: LockspaceState): void {
  if (state.prepared !== null) closeConnection(state, state.prepared.sock);
  state.prepared = null;
  state.taken_over = false;
  state.no_strangers_until_ms = 0;
  state.held.clear();
}

/** The number is forgotten first: by another worker it could be taken for a descriptor that was opened in the meantime. */
function closeConnection(state: LockspaceState, sock: number): void {
  keepConnection(state, "");
  state.tools.client.disconnect(sock);
}

function keepConnection({ identity, tools }: LockspaceState, text: string): void {
  tools.context.news({ kind: "keep", lockspace_name: identity.lockspace_name, text });
}

function findPath({ identity, tools }: LockspaceState): string | Refused {
  const args = parseVgLockArgs(identity.vg_lock_args);
  if (args.kind === "wrong") return refuse("EARGS", args.problem);
  const path = leasePath(tools.settings.lease_path_template, identity.vg_name, args.args.lock_lv_name);
  return path.kind === "wrong" ? refuse("EARGS", path.problem) : path.args;
}

function checkHostId({ identity }: LockspaceState, max: number): Refused | null {
  const { host_id } = identity;
  if (host_id === 0) return refuse("EHOSTID", "this host has no host_id: set local/host_id in lvmlocal.conf");
  if (host_id >= 1 && host_id <= max) return null;
  return refuse("EHOSTID", `host_id ${host_id} is not in 1..${max}, for which the VG has leases`);
}

/** Names that sanlock would cut: a cut lockspace name is another lockspace, and a cut --kill names another VG. */
function checkNames({ identity }: LockspaceState): Refused | null {
  if (Buffer.byteLength(identity.lockspace_name) > NAME_SIZE_BYTES)
    return refuse("EINVAL", `the lockspace name ${identity.lockspace_name} is too long for sanlock`);
  if (Buffer.byteLength(killArgs(identity.vg_name)) >= HELPER_SIZE_BYTES)
    return refuse("EINVAL", `the VG name ${identity.vg_name} is too long for sanlock's kill path`);
  return null;
}

function killArgs(vg_name: string): string {
  return `--kill ${vg_name}`;
}

type Opened =
  | {
      readonly kind: "opened";
      readonly prepared: Prepared;
      readonly global_lock: GlobalLockState;
      readonly prev_generation: number;
      readonly call_times: CallTimes;
    }
  | Refused;

function openPrepared(state: LockspaceState, path: string, sock: number, repair: boolean): Opened {
  const { identity, tools } = state;
  const registered = setKillPath(state, sock);
  if (registered !== null) return registered;
  const facts = readFacts(state, path, repair);
  if (facts.kind === "refused") return facts;
  const { geometry, no_timeout, using_caw } = facts;
  const unfit = checkHostId(state, hostIdMax(geometry));
  if (unfit !== null) return unfit;
  const size_flags = sizeFlags(geometry);
  const { lockspace_name, host_id } = identity;
  const host = facts.host ?? readHostLease(path, geometry, host_id);
  const prepared: Prepared = {
    path,
    geometry,
    size_flags,
    no_timeout,
    using_caw,
    io_timeout_s: tools.context.io_timeout_s || facts.io_timeout_s,
    fire_s: readFireTimeout(takesFireTimeout(tools.client.version().version)),
    was_held: host === null ? null : host.timestamp_s !== 0,
    sock,
    host_lease: { lockspace_name, host_id, path, flags: size_flags },
    ...fixedLeases(lockspace_name, path, geometry, size_flags),
  };
  const global_lock = readGlobalLock(tools.client, prepared);
  if (typeof global_lock !== "string") return global_lock;
  const prev_generation = host?.generation ?? 0;
  const timeout_s = Math.max(tools.context.io_timeout_s, facts.io_timeout_s);
  const others_timeout_s = longestTimeout_s(othersIn(leasesOf(prepared), host_id));
  const call_times = callTimes(timeout_s, prepared.fire_s, others_timeout_s);
  return { kind: "opened", prepared, global_lock, prev_generation, call_times };
}

/**
 * sanlock runs the kill path when it can't renew the lockspace, instead of ending this process: lvmlockctl then stops the use of
 * the VG. SIGKILL is ruled out because it would take all other VGs along.
 */
function setKillPath({ identity, tools }: LockspaceState, sock: number): Refused | null {
  const { client, context } = tools;
  const { lvmlockctl_path } = context;
  if (lvmlockctl_path === "") {
    const text = `the path of lvmlockctl is unknown: sanlock can't call it when the storage of VG ${identity.vg_name} is lost`;
    context.news({ kind: "log", level: "warning", text });
  } else {
    if (Buffer.byteLength(lvmlockctl_path) >= HELPER_SIZE_BYTES)
      return refuse("EINVAL", `the path ${lvmlockctl_path} is too long for sanlock's kill path`);
    const rv = client.killpath(sock, lvmlockctl_path, killArgs(identity.vg_name));
    if (rv < 0) return refuseFor(rv, "sanlock does not take the kill path", "EMANAGER");
  }
  const rv = client.restrict(sock, RESTRICT.SIGKILL);
  return rv < 0 ? refuseFor(rv, "sanlock does not take a restriction", "EMANAGER") : null;
}

function readFacts(state: LockspaceState, path: string, repair: boolean): LockspaceFacts | Refused {
  const { client } = state.tools;
  const { host_id } = state.identity;
  const facts = readLockspaceFacts(client, path, host_id);
  if (facts.kind !== "refused" || facts.code !== "ELOCKREPAIR") return facts;
  // A host_id behind the last host lease looks like damage; the first lease, which every VG has, tells how many there are.
  const sound = readLockspaceFacts(client, path, 1);
  const unfit = sound.kind === "refused" ? null : checkHostId(state, hostIdMax(sound.geometry));
  if (unfit !== null) return unfit;
  if (!repair) return facts;
  const unrepaired = repairHostLease(state, path);
  return unrepaired ?? readLockspaceFacts(client, path, host_id);
}

import { DEADLINES } from "../../core/deadlines.ts";
import { type Answer, type GlobalLockState, type JoinCall, type Refused, refuse } from "../contract.ts";
import { isUnderWay, waitForEarlierJoin } from "./earlier-join.ts";
import { ADD, CONFIG, GET_HOSTS, REMOVE, WRITE_LOCKSPACE } from "./flags.ts";
import { readGlobalLock } from "./global-lock.ts";
import { readHostLease } from "./host-lease.ts";
import { type LockspaceState, type Prepared, UNUSED_NAME } from "./lockspace-state.ts";
import { dropCommandLocks, expectEarlierCalls } from "./orphans.ts";
import { countFrom, countFromNow, leasesOf, longestTimeout_s, othersIn, waitForRenewals } from "./peers.ts";
import { disconnect } from "./prepare.ts";
import { NO_DAEMON, refuseFor } from "./refusals.ts";
import { forgetStart, rememberStart } from "./repair.ts";
import { ERRNO, isNoDaemon, returnValueText, SANLK } from "./return-codes.ts";
import { estimateStart, type StartKind } from "./start-estimate.ts";
import { hostDead_s, IO_TIMEOUT_DEFAULT_S } from "./timing.ts";

const NONE_LEFT = Object.freeze(refuse("EADOPT_NONE", "no earlier lvmlockd has left the lockspace joined"));

export type JoinAnswer = Answer<{ generation: number; global_lock: GlobalLockState }>;

/** Joins the lockspace. The call blocks this worker for as long as sanlock waits: seconds, or minutes after an unclean stop. */
export async function join(
  state: LockspaceState,
  prepared: Prepared,
  { adopt, nodelay }: JoinCall,
): Promise<JoinAnswer> {
  if (state.joined)
    return refuse("EEXIST", `${state.identity.lockspace_name} is joined already`, {
      lm_result: ERRNO.EEXIST,
    });
  const skips = nodelay && state.tools.client.features.read_lockspace_host;
  if (nodelay && !skips) warnOfDelay(state);
  const before = { leases: leasesOf(prepared), at_ms: performance.now() };
  const others = othersIn(before.leases, state.identity.host_id);
  const start = { skips, others: others.length, others_timeout_s: longestTimeout_s(others) };
  const added = await addLockspace(state, prepared, adopt, start);
  if (typeof added !== "string") {
    disconnect(state);
    return added;
  }
  const since = added === "new" ? countFrom(prepared, before, skips) : countFromNow(prepared);
  const { client } = state.tools;
  const { lockspace_name } = state.identity;
  // Orphans still protect LVs that are active, so a lockspace with orphans must not be left as if it were clean.
  const rv = client.setConfig(lockspace_name, CONFIG.USED_BY_ORPHANS);
  const global_lock = rv < 0 ? "not-here" : readGlobalLock(client, prepared);
  if (rv < 0 || typeof global_lock !== "string") {
    client.removeLockspace(prepared.host_lease, REMOVE.UNUSED);
    disconnect(state);
    return typeof global_lock === "string"
      ? refuseFor(rv, `${lockspace_name} can't be configured`)
      : global_lock;
  }
  if (added !== "new") await takeUp(state, prepared);
  // Where it has just been joined, for whomever, the other hosts have to see this one first.
  if (added !== "adopted") await waitForRenewals(state, prepared, since);
  state.joined = true;
  state.told_lost = false;
  const generation = ownGeneration(state, prepared);
  rememberStart(state, prepared, generation);
  return { kind: "done", generation, global_lock };
}

/** What is left to do in a lockspace that was joined already, by an earlier lvmlockd or by a worker of this one that died. */
async function takeUp(state: LockspaceState, prepared: Prepared): Promise<void> {
  expectEarlierCalls(state, prepared);
  if (state.taken_over) return;
  await dropCommandLocks(state, prepared);
}

/** "adopted": an earlier lvmlockd had it joined. "adopted-late": sanlock was joining it for an earlier one, and has done so now. */
async function addLockspace(
  state: LockspaceState,
  prepared: Prepared,
  adopt: JoinCall["adopt"],
  start: StartKind,
): Promise<"new" | "adopted" | "adopted-late" | Refused> {
  const { client, context } = state.tools;
  const { host_lease } = prepared;
  const add = (): number =>
    client.addLockspace(host_lease, start.skips ? ADD.NODELAY : 0, context.io_timeout_s);
  if (adopt === "only-orphan" && client.inquireLockspace(host_lease) === ERRNO.ENOENT) return NONE_LEFT;
  tellTimes(state, prepared, start);
  let rv = add();
  if (isUnderWay(rv) && adopt !== "no") {
    const earlier = await waitForEarlierJoin(state, prepared);
    if (earlier === 0) return "adopted-late";
    if (earlier === ERRNO.ENOENT && adopt === "only-orphan") return NONE_LEFT;
    if (earlier === ERRNO.ENOENT) rv = add();
  }
  if (rv >= 0) return "new";
  const adopted = rv === ERRNO.EEXIST && adopt !== "no" && client.inquireLockspace(host_lease) === 0;
  return adopted ? "adopted" : refuseJoin(state, prepared, rv);
}

function warnOfDelay({ identity, tools }: LockspaceState): void {
  const text = `${identity.lockspace_name}: this libsanlock knows no nodelay, the start takes its usual time`;
  tools.context.news({ kind: "log", level: "warning", text });
}

/** How long the join takes, from sanlock's own formula, told before it begins: nothing can be told while the call blocks. */
function tellTimes({ identity, tools }: LockspaceState, prepared: Prepared, start: StartKind): void {
  const { lockspace_name } = identity;
  const io_timeout_s = prepared.io_timeout_s || IO_TIMEOUT_DEFAULT_S;
  const { fire_s, was_held } = prepared;
  const { text, eta_s } = estimateStart({ ...start, io_timeout_s, fire_s, was_held });
  tools.context.news({ kind: "progress", lockspace_name, text, eta_ms: eta_s * 1000 });
}

function refuseJoin({ identity }: LockspaceState, { geometry, path }: Prepared, rv: number): Refused {
  const { host_id, lockspace_name } = identity;
  const more = { lm_result: rv };
  if (rv === SANLK.HOSTID_BUSY)
    return refuse(
      "EHOSTID",
      `another host uses host_id ${host_id} in ${lockspace_name}: give one of the two another local/host_id in lvmlocal.conf`,
      more,
    );
  if (rv === SANLK.ADDLS_INVALID_HOSTID)
    return refuse("EHOSTID", `host_id ${host_id} has no lease of ${geometry.align_mb} MiB on ${path}`, more);
  if (isUnderWay(rv))
    return refuse(
      "EEXIST",
      `sanlock is still joining or leaving ${lockspace_name} on this host: ${returnValueText(rv)}`,
      more,
    );
  if (rv === ERRNO.EEXIST)
    return refuse("EEXIST", `${lockspace_name} is joined on this host already: ${returnValueText(rv)}`, more);
  if (rv === SANLK.WRONG_CAW)
    return refuse("EPROTONOSUPPORT", `${lockspace_name} can't be joined: ${returnValueText(rv)}`, more);
  if (rv === SANLK.LEADER_LOCKSPACE)
    return refuse(
      "EREMOVED",
      `the leases on ${path} belong to no VG of this name: was it removed or renamed?`,
      more,
    );
  return refuseFor(rv, `${lockspace_name} can't be joined`);
}

/** This host's generation in the lockspace: from the disk where sanlock does not tell yet, and 0 when that can't be read. */
function ownGeneration({ tools, identity }: LockspaceState, { path, geometry }: Prepared): number {
  const { lockspace_name, host_id } = identity;
  const flags = tools.client.features.read_lockspace_host ? GET_HOSTS.LOCAL : 0;
  const { hosts } = tools.client.hosts(lockspace_name, host_id, flags);
  const told = hosts.find((host) => host.host_id === host_id)?.generation ?? 0;
  return told !== 0 ? told : (readHostLease(path, geometry, host_id)?.generation ?? 0);
}

/** Leaves the lockspace; `free_vg` destroys its host leases, so that a host that still starts the VG fails at once. */
export async function leave(
  state: LockspaceState,
  prepared: Prepared,
  free_vg: boolean,
): Promise<Answer<object>> {
  const { client, context } = state.tools;
  const { host_lease, sock } = prepared;
  // Without UNUSED the call never returns while this process holds a lease (seen with 3.8.5: sanlock ends the process).
  if (state.held.size > 0 || state.taken_over) client.releaseAll(sock);
  const rv = await removeLockspace(state, prepared);
  if (rv === ERRNO.EBUSY)
    return refuse(
      "EBUSY",
      "locks of this host are left in the lockspace, orphans perhaps: adopt or release them first",
      { lm_result: rv },
    );
  // A lockspace that sanlock has dropped by itself, and one that died with its daemon, are left already.
  if (rv < 0 && rv !== ERRNO.ENOENT && !isNoDaemon(rv))
    return refuseFor(rv, `${host_lease.lockspace_name} can't be left`);
  if (isNoDaemon(rv)) context.news({ kind: "log", level: "warning", text: leftUncleanly(prepared) });
  if (free_vg) destroy(state, prepared);
  state.joined = false;
  disconnect(state);
  return { kind: "done" };
}

/** A lockspace whose storage was lost is removed by sanlock itself as soon as nothing is held in it; that is waited for. */
async function removeLockspace(
  { tools }: LockspaceState,
  { host_lease, io_timeout_s }: Prepared,
): Promise<number> {
  // It reads the host's lease and writes it.
  const patience_ms = Math.max(DEADLINES.sanlock_removal_ms, 2 * 1000 * io_timeout_s);
  const until_ms = performance.now() + patience_ms;
  let rv = tools.client.removeLockspace(host_lease, REMOVE.UNUSED);
  while (rv === ERRNO.EINPROGRESS && performance.now() < until_ms) {
    await Bun.sleep(DEADLINES.sanlock_removal_look_ms);
    rv = tools.client.removeLockspace(host_lease, REMOVE.UNUSED);
  }
  return rv;
}

function leftUncleanly({ host_lease, io_timeout_s, fire_s, no_timeout }: Prepared): string {
  const left = `${host_lease.lockspace_name} was left without sanlock: ${NO_DAEMON}`;
  if (no_timeout)
    return `${left}. What was held is held for the other hosts until this one is back, or fenced`;
  const dead_s = hostDead_s(io_timeout_s || IO_TIMEOUT_DEFAULT_S, fire_s);
  return `${left}. Other hosts take this one for alive for up to ${dead_s} s`;
}

function destroy(state: LockspaceState, { host_lease }: Prepared): void {
  const { client, context } = state.tools;
  const write_flags = client.features.set_host ? WRITE_LOCKSPACE.NO_CAW : 0;
  const lease = { ...host_lease, lockspace_name: UNUSED_NAME };
  const rv = client.writeLockspace(lease, write_flags, context.io_timeout_s);
  if (rv < 0) {
    const text = `the host leases of ${host_lease.lockspace_name} could not be destroyed: ${returnValueText(rv)}`;
    context.news({ kind: "log", level: "warning", text });
  }
  forgetStart(state);
}

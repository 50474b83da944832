import { DEADLINES } from "../../core/deadlines.ts";
import { type Refused, refuse } from "../contract.ts";
import type { Lease } from "./client.ts";
import { ACQUIRE, RES } from "./flags.ts";
import type { LockspaceState, Prepared } from "./lockspace-state.ts";
import { ERRNO, returnValueText } from "./return-codes.ts";
import { IO_TIMEOUT_DEFAULT_S } from "./timing.ts";

/**
 * What sanlock answers about leases of an lvmlockd that died in the middle of a call. The call goes on, for seconds when it lost a
 * ballot, and only then everything that the process had becomes an orphan: until then its leases are being acquired (EBUSY),
 * held (EEXIST) or released (EAGAIN).
 */
const UNSETTLED: readonly number[] = [ERRNO.EBUSY, ERRNO.EEXIST, ERRNO.EAGAIN];

/** I/O timeouts that a lock call of sanlock may take (its timeouts.c; call-times.ts goes by it too). */
const LOCK_TIMEOUTS = 6;

/** From now on and for some time calls that meet the last calls of an earlier lvmlockd are made again. */
export function expectEarlierCalls(state: LockspaceState, { io_timeout_s }: Prepared): void {
  const lock_ms = 1000 * LOCK_TIMEOUTS * (io_timeout_s || IO_TIMEOUT_DEFAULT_S);
  state.earlier_calls_until_ms = performance.now() + Math.max(DEADLINES.sanlock_earlier_calls_ms, lock_ms);
}

/** Whether sanlock refuses a lock of its own host, while it may still be at work for an lvmlockd, or a worker, that died. */
export function meetsEarlierCall({ earlier_calls_until_ms }: LockspaceState, rv: number): boolean {
  return (rv === ERRNO.EBUSY || rv === ERRNO.EEXIST) && performance.now() < earlier_calls_until_ms;
}

/** The lock of an earlier lvmlockd that was not settled in all that time. Its LV may be active, so it stays on the books of whoever asked. */
export function refuseUnsettled({ earlier_calls_until_ms }: LockspaceState, rv: number): Refused | null {
  if (earlier_calls_until_ms === 0 || !UNSETTLED.includes(rv)) return null;
  return refuse(
    "EORPHAN",
    "sanlock is still not through with what an earlier lvmlockd of this host has asked for: this one does not have the lock, and no " +
      `other host gets it as long as sanlock has it. Start lvmlockd again to take it over (${returnValueText(rv)})`,
    { lm_result: rv },
  );
}

/** Makes the call until it no longer meets such a call of an earlier lvmlockd, or the time for that is over. */
export async function afterEarlierCalls<Result>(
  state: LockspaceState,
  call: () => Result,
  returnValueOf: (result: Result) => number,
): Promise<Result> {
  let result = call();
  while (UNSETTLED.includes(returnValueOf(result)) && performance.now() < state.earlier_calls_until_ms) {
    await Bun.sleep(DEADLINES.sanlock_earlier_calls_look_ms);
    result = call();
  }
  return result;
}

/**
 * Releases the GL and VG locks that an earlier lvmlockd of this host had when it died. sanlock has kept them, because its commands
 * went on until they asked for something; by now their connections have ended. The orphans of LVs are asked for one by one by
 * those who know of them.
 */
export async function dropCommandLocks(state: LockspaceState, prepared: Prepared): Promise<void> {
  for (const lease of [prepared.gl_lease, prepared.vg_lease]) {
    const rv = await afterEarlierCalls(state, () => dropOrphan(state, prepared, lease), Number);
    if (rv >= 0 || rv === ERRNO.ENOENT) continue;
    const text = `${lease.lockspace_name}:${lease.name} of a command that had it when lvmlockd died is not released yet: ${returnValueText(rv)}`;
    state.tools.context.news({ kind: "log", level: "warning", text });
  }
}

/** Takes an orphan over, whatever its mode, and releases it. The return value of what failed; ENOENT when there is none. */
export function dropOrphan({ tools }: LockspaceState, { sock }: Prepared, lease: Lease): number {
  const { client, context } = tools;
  // LVB because of 3.8.5, as in lock.ts. An orphan of the other mode is EUCLEAN.
  const adopt = (flags: number): number =>
    client.acquire(sock, lease, RES.PERSISTENT | flags, ACQUIRE.ORPHAN_ONLY | ACQUIRE.LVB).rv;
  let rv = adopt(0);
  if (rv === ERRNO.EUCLEAN) rv = adopt(RES.SHARED);
  if (rv >= 0) rv = client.release(sock, lease);
  if (rv >= 0) {
    const text = `${lease.lockspace_name}:${lease.name} is released: a command had it when lvmlockd died`;
    context.news({ kind: "log", level: "warning", text });
  }
  return rv;
}

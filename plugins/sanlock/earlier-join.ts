import { DEADLINES } from "../../core/deadlines.ts";
import type { LockspaceState, Prepared } from "./lockspace-state.ts";
import { ERRNO } from "./return-codes.ts";
import { IO_TIMEOUT_DEFAULT_S, startTimes } from "./timing.ts";

/**
 * What add_lockspace answers about a lockspace that sanlock is still adding (EINPROGRESS) or removing (EAGAIN) for an lvmlockd that
 * died meanwhile: sanlock's thread goes on without whoever asked (add_lockspace_start in its lockspace.c).
 */
export function isUnderWay(rv: number): boolean {
  return rv === ERRNO.EINPROGRESS || rv === ERRNO.EAGAIN;
}

/**
 * Waits until sanlock is through with that, at the most as long as its slowest join takes. 0: the lockspace is joined; ENOENT: it is
 * gone, and can be joined anew; EINPROGRESS: sanlock is at it still; other values are sanlock's errors.
 */
export async function waitForEarlierJoin(
  { identity, tools }: LockspaceState,
  { host_lease, io_timeout_s, fire_s }: Prepared,
): Promise<number> {
  const { client, context } = tools;
  const text = `${identity.lockspace_name}: sanlock is still joining or leaving it for an earlier lvmlockd, which is waited for`;
  context.news({ kind: "log", level: "info", text });
  const { held_max } = startTimes(io_timeout_s || IO_TIMEOUT_DEFAULT_S, fire_s);
  const until_ms = performance.now() + 1000 * held_max;
  let rv = client.inquireLockspace(host_lease);
  while (rv === ERRNO.EINPROGRESS && performance.now() < until_ms) {
    await Bun.sleep(DEADLINES.sanlock_addition_look_ms);
    rv = client.inquireLockspace(host_lease);
  }
  return rv;
}

/** What must be true of a host when nothing is under way any more. */
import type { LockspaceView } from "../../core/locking/api.ts";
import type { Cluster } from "./cluster.ts";
import type { SimulatedHost } from "./host.ts";
import { insist } from "./insist.ts";

/** Everybody was answered, nothing is open, and core, journal, lock manager and beliefs agree. */
export function atRest(host: SimulatedHost, cluster: Cluster): void {
  const { core, journal, beliefs } = host;
  insist(core !== null, "a host in calm runs its daemon");
  insist(host.clients.size === 0, "every waiting client was answered");
  insist(core.nextWakeup_ms() === Number.POSITIVE_INFINITY, "nothing is left to wake up for");
  core.check();
  const held = new Set(cluster.heldBy(host));
  const recorded = new Set(journal.keys());
  for (const key of held) insist(recorded.has(key), `${key} is held and in the journal`);
  for (const key of beliefs.keys()) insist(held.has(key), `${key} is relied on and held`);
  for (const lockspace of core.lockspaces()) {
    insist(lockspace.state === "started", `${lockspace.lockspace_name} is started, not ${lockspace.state}`);
    insist(lockspace.calls_in_flight === 0, `no call is under way in ${lockspace.lockspace_name}`);
    insist(cluster.isJoined(host, lockspace.lockspace_name), `${lockspace.lockspace_name} is joined`);
    insist(
      lockspace.fences.every((fence) => fence.state !== "waiting"),
      `no fence is under way in ${lockspace.lockspace_name}`,
    );
    resourcesAtRest(host, cluster, lockspace);
  }
}

function resourcesAtRest(host: SimulatedHost, cluster: Cluster, lockspace: LockspaceView): void {
  const { lockspace_name } = lockspace;
  for (const { name, mode, locks, waiters } of host.core?.resources(lockspace) ?? []) {
    insist(waiters.length === 0, `nobody waits for ${lockspace_name}/${name}`);
    insist(
      locks.every((lock) => lock.persistent),
      `the locks of clients that have gone are released: ${lockspace_name}/${name}`,
    );
    // An orphan that could not be adopted is held by nobody here, and by the lock manager.
    if (mode === "un") continue;
    const at_manager = cluster.heldMode(host, lockspace_name, name);
    insist(at_manager === mode, `${lockspace_name}/${name} is ${mode} here and ${at_manager ?? "un"} there`);
  }
}

/** Everything was stopped: nothing is started, held or recorded. */
export function empty(host: SimulatedHost, cluster: Cluster): void {
  insist([...(host.core?.lockspaces() ?? [])].length === 0, "after stop_all nothing is started");
  insist(
    cluster.heldBy(host).length === 0,
    `after stop_all nothing is held: ${cluster.heldBy(host).join(" ")}`,
  );
  insist(host.journal.isEmpty(), "after stop_all the journal is empty");
}

/** The suite that every lock manager passes, with two hosts and two real sanlock daemons. */
import { linkSync } from "node:fs";
import { conformance } from "../../plugins/conformance/suite.ts";
import type { InitVgCall, LockManager, RenameVgCall } from "../../plugins/contract.ts";
import definition from "../../plugins/sanlock/plugin.ts";
import { type Cluster, LOCK_LV, startCluster } from "./cluster.ts";
import { managerOn, type TestHost } from "./host.ts";

conformance("sanlock", {
  definition,
  lock_type: "sanlock",
  host_count: 2,
  init_vg_lock_args: LOCK_LV,
  test_timeout_ms: 60_000,
  tries: { count: 50, pause_ms: 20 },
  async open() {
    const cluster = await startCluster(2);
    const made: string[] = [];
    return {
      hosts: cluster.hosts.map((host) => withLockLvs(cluster, host, made)),
      async restart(index) {
        return withLockLvs(cluster, await cluster.restartHost(index), made);
      },
      close: () => cluster.close(),
    };
  },
});

/** Does what lvm does around these calls: the lock LV is there before init_vg, and has its new name before rename_vg. */
function withLockLvs(cluster: Cluster, host: TestHost, made: string[]): LockManager {
  const manager = managerOn(host);
  return {
    ...manager,
    initVg(call: InitVgCall) {
      cluster.makeLeaseFile(call.vg_name);
      made.push(call.vg_name);
      return manager.initVg(call);
    },
    renameVg(call: RenameVgCall) {
      linkSync(cluster.leaseFile(made.at(-1) ?? ""), cluster.leaseFile(call.vg_name));
      return manager.renameVg(call);
    },
  };
}

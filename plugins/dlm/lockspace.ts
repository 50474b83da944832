import { type Answer, type LockspaceHandle, refuse } from "../contract.ts";
import type { LockspaceHandlePointer } from "./client.ts";
import { refuseCondition } from "./condition.ts";
import { NODES } from "./flags.ts";
import { JOINED, join } from "./join.ts";
import { leave } from "./leave.ts";
import { lock } from "./lock.ts";
import { parseVgLockArgs } from "./lock-args.ts";
import type { LockspaceState } from "./lockspace-state.ts";
import { whatIsMissing } from "./refusals.ts";
import { convert, unlock } from "./unlock.ts";

const NOT_JOINED = Object.freeze(refuse("ENOTCONN", "the lockspace is not joined"));

/** The contract's methods on one lockspace; each is a function of its own module. */
export function createHandle(state: LockspaceState): LockspaceHandle {
  const joined = <Args extends readonly unknown[], Result>(
    call: (state: LockspaceState, handle: LockspaceHandlePointer, ...args: Args) => Result,
  ) => {
    return (...args: Args): Result | typeof NOT_JOINED =>
      state.handle === null ? NOT_JOINED : call(state, state.handle, ...args);
  };
  return {
    prepare({ kept }) {
      state.taken_over = kept === JOINED;
      return prepare(state);
    },
    join: (call) => join(state, call),
    leave: () => leave(state),
    lock: joined(lock),
    convert: joined(convert),
    unlock: joined(unlock),
    hosts: joined(countHosts),
  };
}

type PrepareAnswer = ReturnType<LockspaceHandle["prepare"]>;

/** Does the dlm run, and is this host in the cluster that the VG belongs to? */
async function prepare({ tools, identity }: LockspaceState): Promise<Awaited<PrepareAnswer>> {
  const missing = await whatIsMissing(tools);
  if (missing !== null) return refuse("EMANAGER", missing);
  const { vg_name, vg_lock_args } = identity;
  // The global lockspace belongs to whatever cluster the host is in.
  if (vg_name !== "") {
    const problem = wrongCluster(vg_name, vg_lock_args, tools.kernel.clusterName() ?? "");
    if (problem !== null) return refuse("EARGS", problem);
  }
  return { kind: "done", lm_result: 0, prev_generation: 0, global_lock: "not-here" };
}

function wrongCluster(vg_name: string, vg_lock_args: string, cluster_name: string): string | null {
  const args = parseVgLockArgs(vg_lock_args);
  if (args.kind === "wrong") return args.problem;
  if (args.cluster_name === cluster_name) return null;
  const there = `VG ${vg_name} belongs to cluster "${args.cluster_name}", and this host is in cluster "${cluster_name}"`;
  return `${there}: when no host of the other cluster uses the VG any more, \`vgchange --locktype none --lockopt force ${vg_name}\` and \`vgchange --locktype dlm ${vg_name}\` move it here`;
}

/** How many other nodes have the lockspace, by the last change that is complete. */
async function countHosts(
  { tools, identity }: LockspaceState,
  _handle: LockspaceHandlePointer,
): Promise<Answer<{ others: number; unknown: boolean }>> {
  const { lockspace_name } = identity;
  const nodes = await tools.control.nodes(lockspace_name, NODES.MEMBERS);
  if (typeof nodes === "string") return refuseCondition({ kind: nodes }, lockspace_name);
  const own = tools.kernel.localNodeid();
  return { kind: "done", others: nodes.filter(({ nodeid }) => nodeid !== own).length, unknown: false };
}
